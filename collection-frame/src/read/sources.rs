//! What a path stands for: a file, the files of a folder, those that match a pattern, or a list of any of these.

use std::path::{Path, PathBuf};

use kvern_core::{Error, ErrorKind, Result};

use super::hive::{self, FoundFile};
use crate::error::io;

/// Where a frame is read from: one path or several. A folder means all files in it and below with the format's ending, a path with
/// `*`, `?` or `[` is a pattern; `~/…` is below the home folder, `file:///…` is a path, and other URLs are refused, since there is no object
/// store yet. Names that begin with `.` or `_` are left out, as other programs do. Files are read in the order of
/// the list, those of a folder or a pattern in the order of their names. Folders below it whose names are like `year=2024` are columns,
/// unless the files have them themselves.
#[derive(Debug, Clone)]
pub struct Sources(Vec<PathBuf>);

impl From<&str> for Sources {
    fn from(p: &str) -> Self {
        Self(vec![p.into()])
    }
}

impl From<String> for Sources {
    fn from(p: String) -> Self {
        Self(vec![p.into()])
    }
}

impl From<&Path> for Sources {
    fn from(p: &Path) -> Self {
        Self(vec![p.into()])
    }
}

impl From<PathBuf> for Sources {
    fn from(p: PathBuf) -> Self {
        Self(vec![p])
    }
}

impl From<&PathBuf> for Sources {
    fn from(p: &PathBuf) -> Self {
        Self(vec![p.clone()])
    }
}

impl From<&String> for Sources {
    fn from(p: &String) -> Self {
        Self(vec![p.into()])
    }
}

impl<P: AsRef<Path>> From<&[P]> for Sources {
    fn from(p: &[P]) -> Self {
        Self(p.iter().map(|p| p.as_ref().into()).collect())
    }
}

impl<P: AsRef<Path>> From<&Vec<P>> for Sources {
    fn from(p: &Vec<P>) -> Self {
        p.as_slice().into()
    }
}

impl<P: AsRef<Path>, const N: usize> From<&[P; N]> for Sources {
    fn from(p: &[P; N]) -> Self {
        p.as_slice().into()
    }
}

impl<P: Into<PathBuf>> From<Vec<P>> for Sources {
    fn from(p: Vec<P>) -> Self {
        Self(p.into_iter().map(Into::into).collect())
    }
}

impl<P: Into<PathBuf>, const N: usize> From<[P; N]> for Sources {
    fn from(p: [P; N]) -> Self {
        Self(p.into_iter().map(Into::into).collect())
    }
}

impl Sources {
    /// The files, absolute and in order.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the path that does not exist, or matches nothing.
    pub(crate) fn files(&self, endings: &[&str]) -> Result<Vec<FoundFile>> {
        let mut files = Vec::new();
        for path in &self.0 {
            let path = &*kvern_core::url::local_path(path)?;
            let before = files.len();
            if path.is_dir() {
                walk(path, endings, &[], &mut files)?;
            } else if path.exists() {
                files.push(file(path, &[])?);
            } else if is_pattern(path) {
                matching(path, &mut files)?;
            } else {
                let e = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(io(path, "it cannot be read", e));
            }
            if files.len() == before {
                let words = if path.is_dir() {
                    format!("holds no file that ends with {}", endings.join(" or "))
                } else {
                    "matches no file".into()
                };
                return Err(Error::new(
                    ErrorKind::Io,
                    format!("{} {words}", path.display()),
                ));
            }
        }
        if files.is_empty() {
            return Err(Error::bad_input("no path was given to read from"));
        }
        Ok(files)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|e| io(path, "it cannot be read", e))
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn hidden(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy());
    name.is_none_or(|n| n.starts_with(['.', '_']))
}

/// A file that is there whole. A pipe can be read once and from its beginning only, and whoever opens one waits for its writer.
fn file(path: &Path, folders: &[(String, String)]) -> Result<FoundFile> {
    let about = std::fs::metadata(path).map_err(|e| io(path, "it cannot be read", e))?;
    if !about.is_file() {
        let words = format!(
            "{} is no file but a pipe, a socket or a device: frames read files in pieces; save what comes from it to a file first",
            path.display()
        );
        return Err(Error::new(ErrorKind::Io, words));
    }
    Ok(FoundFile {
        path: absolute(path)?,
        folders: folders.to_vec(),
    })
}

/// The file, as DataFusion names it.
///
/// # Errors
/// It is not absolute.
pub(crate) fn object_path(path: &Path) -> Result<object_store::path::Path> {
    let url = url::Url::from_file_path(path)
        .map_err(|()| Error::bad_input(format!("{} is not an absolute path", path.display())))?;
    object_store::path::Path::from_url_path(url.path())
        .map_err(|e| Error::bad_input(format!("{url} cannot be read: {e}")))
}

fn walk(
    folder: &Path,
    endings: &[&str],
    above: &[(String, String)],
    files: &mut Vec<FoundFile>,
) -> Result<()> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut paths: Vec<PathBuf> = entries
        .map_err(|e| io(folder, "it cannot be listed", e))?
        .into_iter()
        .map(|e| e.path())
        .filter(|p| !hidden(p))
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let mut folders = above.to_vec();
            folders.extend(hive::of_name(&name));
            walk(&path, endings, &folders, files)?;
        } else if endings
            .iter()
            .any(|e| path.to_string_lossy().to_lowercase().ends_with(e))
        {
            files.push(file(&path, above)?);
        }
    }
    Ok(())
}

fn matching(pattern: &Path, files: &mut Vec<FoundFile>) -> Result<()> {
    let words = pattern.to_string_lossy();
    let found = glob::glob(&words).map_err(|e| {
        Error::bad_input(format!(
            "the pattern {words:?} is not one: {} at {}",
            e.msg, e.pos
        ))
    })?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|e| {
            let at = e.path().to_path_buf();
            io(&at, "it cannot be listed", e.into())
        })?;
        if path.is_file() && !hidden(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    // Folders name columns from the first one on that the pattern leaves open.
    let fixed = pattern
        .components()
        .take_while(|c| !is_pattern(Path::new(c.as_os_str())))
        .count();
    for path in paths {
        let open = path.parent().into_iter().flat_map(Path::components);
        let folders: Vec<_> = open
            .skip(fixed)
            .filter_map(|c| hive::of_name(&c.as_os_str().to_string_lossy()))
            .collect();
        files.push(file(&path, &folders)?);
    }
    Ok(())
}
