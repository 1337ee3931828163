//! Files that people name: a path, a `file://` URL, or a URL of a place that cannot be reached yet.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::percent::decode;
use crate::base::error::{Error, ErrorKind, Result};

/// The path that is meant by what somebody wrote for a file or folder: the path itself, the path of a `file:///…` URL, or one below the
/// home folder for `~/…`. Every reader and writer of files asks here.
///
/// ```
/// use std::path::Path;
/// use kvern_core::url::local_path;
///
/// assert_eq!(local_path(Path::new("data/*.csv"))?, Path::new("data/*.csv"));
/// assert_eq!(local_path(Path::new("file:///data/a%20b.csv"))?, Path::new("/data/a b.csv"));
/// let error = local_path(Path::new("s3://bucket/a.csv")).unwrap_err();
/// assert!(error.to_string().contains("no object store"));
/// # Ok::<(), kvern_core::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Unsupported`] for other URLs and for `~name`, saying what to do.
pub fn local_path(path: &Path) -> Result<Cow<'_, Path>> {
    let Some(text) = path.to_str() else {
        return Ok(Cow::Borrowed(path));
    };
    if let Some(rest) = text.strip_prefix('~') {
        return home(text, rest).map(|p| p.map_or(Cow::Borrowed(path), Cow::Owned));
    }
    let Some((scheme, rest)) = text.split_once("://").filter(|(s, _)| is_scheme(s)) else {
        return Ok(Cow::Borrowed(path));
    };
    let refuse = |why: &str| Err(Error::new(ErrorKind::Unsupported, format!("{text}: {why}")));
    if !scheme.eq_ignore_ascii_case("file") {
        return refuse(&format!(
            "there is no object store and no download yet, so {scheme}:// cannot be reached; bring the files to a folder (that every worker reaches) \
             and name its path"
        ));
    }
    let place = match rest.strip_prefix("localhost/") {
        Some(_) => &rest["localhost".len()..],
        None => rest,
    };
    if !place.starts_with('/') {
        return refuse(
            "a file:// URL names a path from the root of this machine: file:///folder/file",
        );
    }
    let place = decode(place).map_err(|why| {
        Error::bad_input(format!("{text}: {why}; a path that is no URL needs no %"))
    })?;
    Ok(Cow::Owned(PathBuf::from(place)))
}

/// The path below the home folder; `None`: a file whose name begins with a tilde is there, or is meant.
fn home(text: &str, rest: &str) -> Result<Option<PathBuf>> {
    if !(rest.is_empty() || rest.starts_with(std::path::is_separator)) {
        return Ok(None);
    }
    match std::env::home_dir().filter(|h| !h.as_os_str().is_empty()) {
        Some(home) if rest.len() > 1 => Ok(Some(home.join(&rest[1..]))),
        Some(home) => Ok(Some(home)),
        None => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{text}: the home folder is not known (HOME is not set): name it"),
        )),
    }
}

/// Whether that is the name of a scheme: at least two characters, so that a drive of Windows is none.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_and_urls_of_files_are_paths() {
        for same in [
            "a.csv",
            "/a/b*.txt",
            "C:/a",
            "C://a",
            "~name/x",
            "a~b",
            "x/s3://b",
            "",
            "./~/a",
        ] {
            assert_eq!(local_path(Path::new(same)).unwrap(), Path::new(same));
        }
        for (url, path) in [
            ("file:///a/b.csv", "/a/b.csv"),
            ("FILE://localhost/a/%25*.csv", "/a/%*.csv"),
            ("file:///ä b", "/ä b"),
        ] {
            assert_eq!(local_path(Path::new(url)).unwrap(), Path::new(path));
        }
        let home = std::env::home_dir().unwrap();
        assert_eq!(local_path(Path::new("~")).unwrap(), home);
        assert_eq!(
            local_path(Path::new("~/a/*.csv")).unwrap(),
            home.join("a/*.csv")
        );
    }

    #[test]
    fn what_cannot_be_reached_is_told() {
        for url in [
            "s3://bucket/2020/*.json",
            "https://example.com/x.txt",
            "gs://b/x",
            "abfss://x@y/z",
        ] {
            let e = local_path(Path::new(url)).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            assert!(
                e.to_string().contains(url) && e.to_string().contains("no object store"),
                "{e}"
            );
        }
        for url in ["file://a/b", "file://"] {
            let e = local_path(Path::new(url)).unwrap_err();
            assert!(e.to_string().contains(url), "{e}");
        }
    }
}
