//! The private copy that is opened: nobody can change it between the checks and the loading, nor while it is mapped (which would end the
//! program at the next call).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::PluginError;
use crate::file::PluginFile;

/// Where copies are kept if nothing else is said: `$XDG_CACHE_HOME/kvern/plugins`, else `~/.cache/kvern/plugins`, else a folder of this user
/// among the temporary files.
pub fn default_directory() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map_or_else(
            || std::env::temp_dir().join(format!("kvern-plugins-{}", user())),
            |cache| cache.join("kvern").join("plugins"),
        )
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn user() -> u32 {
    0
}

/// The copy of a file, named by its hash; one that is there already is compared byte by byte.
///
/// # Errors
/// [`PluginError::Cache`], [`PluginError::Writable`] if the folder is one that others may write to.
pub fn copy(file: &PluginFile, directory: &Path) -> Result<PathBuf, PluginError> {
    let place = directory.join(format!("{}.so", file.sha256));
    let failed = |source| PluginError::Cache {
        path: file.path.clone(),
        copy: place.clone(),
        source,
    };
    private_folder(directory).map_err(failed)?;
    let meta = directory.metadata().map_err(failed)?;
    crate::file::only_ours(directory, "the folder of private copies", &meta)?;
    match std::fs::read(&place) {
        Ok(there) if there == file.bytes => return Ok(place),
        // Damaged, or cut off by a full disk: written anew, beside it and then over it.
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    let mut new = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory)
        .map_err(failed)?;
    new.write_all(&file.bytes).map_err(failed)?;
    executable(new.as_file()).map_err(failed)?;
    new.persist(&place).map_err(|e| failed(e.error))?;
    Ok(place)
}

#[cfg(unix)]
fn private_folder(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

#[cfg(not(unix))]
fn private_folder(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)
}

/// Read and execute, for this user only.
#[cfg(unix)]
fn executable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o500))
}

#[cfg(not(unix))]
fn executable(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}
