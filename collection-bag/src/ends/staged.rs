//! A folder whose files appear together or not at all: they are made in a hidden folder beside it, which takes its place at the end.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use kvern_core::{Error, ErrorKind, Result, unfinished};

use crate::read::files::io_error;

/// A folder in the making. What was made is removed when it is dropped before [`commit`](Staged::commit) has put it in its place.
pub(crate) struct Staged {
    target: PathBuf,
    /// A hidden folder that nobody else has.
    own: PathBuf,
    /// Says that its maker lives.
    _lock: Option<File>,
}

impl Staged {
    /// # Errors
    /// If the target is there already and not an empty folder, or the folder cannot be made.
    pub(crate) fn new(target: &Path) -> Result<Self> {
        if target.file_name().is_none() {
            let words = format!("{:?} has no name of a folder", target.display());
            return Err(Error::bad_input(words));
        }
        let target = place(target)?;
        if let Ok(meta) = std::fs::metadata(&target) {
            let empty = meta.is_dir()
                && std::fs::read_dir(&target)
                    .map_err(|e| io_error(&target, "look into it", e, ""))?
                    .next()
                    .is_none();
            if !empty {
                return Err(Error::bad_input(format!(
                    "{} is there already: name a folder that does not exist, or an empty one",
                    target.display()
                )));
            }
        }
        let (own, lock) = unfinished::folder_beside(&target)
            .map_err(|e| io_error(&target, "make a folder beside it", e, ""))?;
        let staged = Self {
            target,
            own,
            _lock: lock,
        };
        let folder = staged.folder();
        std::fs::create_dir(&folder).map_err(|e| io_error(&folder, "make this folder", e, ""))?;
        Ok(staged)
    }

    /// Where the files are to be made, from the root: whoever makes them may have another folder of its process.
    pub(crate) fn folder(&self) -> PathBuf {
        self.own.join("files")
    }

    /// Puts the files of these names in place, and nothing else.
    ///
    /// # Errors
    /// If one of them is not there, or the folder cannot be put in its place.
    pub(crate) fn commit(self, names: &[String]) -> Result<()> {
        let failed = |action: &str, e| io_error(&self.target, action, e, "");
        // A worker that is taken for dead may be at work still: under another name it neither finds the folder nor adds to it.
        let done = self.own.join("done");
        std::fs::rename(self.folder(), &done)
            .map_err(|e| failed("give the finished folder its name", e))?;
        let mut missing: std::collections::HashSet<&str> =
            names.iter().map(String::as_str).collect();
        for entry in std::fs::read_dir(&done).map_err(|e| failed("look into what was made", e))? {
            let name = entry
                .map_err(|e| failed("look into what was made", e))?
                .file_name();
            if !name.to_str().is_some_and(|n| missing.remove(n)) {
                // A task that was killed in the middle has left it.
                let path = done.join(name);
                std::fs::remove_file(&path)
                    .map_err(|e| io_error(&path, "remove this piece of a file", e, ""))?;
            }
        }
        if let Some(name) = missing.iter().min() {
            return Err(Error::new(
                ErrorKind::Io,
                format!(
                    "{}: {name} was written and is gone from {} ({} of {} files are); nothing was put in place",
                    self.target.display(),
                    self.own.display(),
                    missing.len(),
                    names.len()
                ),
            ));
        }
        sync(&done);
        // Windows does not rename over a folder, however empty.
        let _ = std::fs::remove_dir(&self.target);
        std::fs::rename(&done, &self.target).map_err(|e| {
            let hint = match self.target.exists() {
                true => "; what is there now was not there at the beginning, and stays",
                false => "",
            };
            io_error(&self.target, "put the finished folder there", e, hint)
        })?;
        if let Some(parent) = self.target.parent() {
            sync(parent);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Tasks that are still at work when another fails may add a file meanwhile; without the folder they cannot.
        for _ in 0..50 {
            match std::fs::remove_dir_all(&self.own) {
                Ok(()) => return,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return,
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(2)),
            }
        }
    }
}

/// The target from the root, and what it leads to if it is a link: a folder does not take a link's place.
fn place(target: &Path) -> Result<PathBuf> {
    let failed = |e| io_error(target, "find where that is", e, "");
    match target.is_symlink() {
        true => target.canonicalize().map_err(failed),
        false => std::path::absolute(target).map_err(failed),
    }
}

/// Names are on the disk when their folder is. Not every system can: then it is when it is.
fn sync(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn put(folder: &Path, names: &[&str]) {
        for name in names {
            std::fs::write(folder.join(name), *name).unwrap();
        }
    }

    #[test]
    fn what_a_killed_task_left_is_not_put_in_place() {
        let around = tempfile::tempdir().unwrap();
        let target = around.path().join("out");
        let staged = Staged::new(&target).unwrap();
        put(&staged.folder(), &["part-0", ".part-1.77-0.tmp", "part-1"]);
        let late = staged.folder();
        staged
            .commit(&["part-0".to_owned(), "part-1".to_owned()])
            .unwrap();
        assert_eq!(names(&target), ["part-0", "part-1"]);
        assert_eq!(names(around.path()), ["out"]);
        assert!(
            std::fs::write(late.join("part-0"), "late").is_err(),
            "a task that was taken for dead finds no folder"
        );
    }

    #[test]
    fn a_file_that_is_gone_is_told_and_nothing_put_in_place() {
        let around = tempfile::tempdir().unwrap();
        let target = around.path().join("out");
        let staged = Staged::new(&target).unwrap();
        put(&staged.folder(), &["part-0"]);
        let e = staged
            .commit(&["part-0".to_owned(), "part-1".to_owned()])
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Io);
        assert!(
            e.to_string().contains("part-1 was written and is gone"),
            "{e}"
        );
        assert!(e.to_string().contains("1 of 2 files"), "{e}");
        assert_eq!(names(around.path()), Vec::<String>::new());
    }

    #[test]
    fn of_two_writers_the_second_leaves_what_the_first_made() {
        let around = tempfile::tempdir().unwrap();
        let target = around.path().join("out");
        let [first, second] = [(); 2].map(|()| Staged::new(&target).unwrap());
        put(&first.folder(), &["a"]);
        put(&second.folder(), &["b"]);
        first.commit(&["a".to_owned()]).unwrap();
        let e = second.commit(&["b".to_owned()]).unwrap_err();
        assert!(
            e.to_string().contains("was not there at the beginning"),
            "{e}"
        );
        assert_eq!(names(&target), ["a"]);
        assert_eq!(names(around.path()), ["out"]);
    }

    #[test]
    fn what_the_dead_have_left_is_removed() {
        let around = tempfile::tempdir().unwrap();
        let target = around.path().join("out");
        let alive = Staged::new(&target).unwrap();
        put(&alive.folder(), &["a"]);
        let dead = around.path().join(".out.4000000-7.tmp");
        std::fs::create_dir_all(dead.join("files")).unwrap();
        put(&dead, &["lock"]);
        put(&dead.join("files"), &["part-0.txt"]);
        let second = Staged::new(&target).unwrap();
        assert_eq!(names(around.path()).len(), 2, "{:?}", names(around.path()));
        drop(second);
        alive.commit(&["a".to_owned()]).unwrap();
        assert_eq!(names(&target), ["a"]);
        assert_eq!(names(around.path()), ["out"]);
    }

    #[test]
    #[cfg(unix)]
    fn places_are_from_the_root() {
        let around = tempfile::tempdir().unwrap();
        // Up to the root, and down again.
        let here = std::env::current_dir().unwrap();
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let relative = up.join(around.path().strip_prefix("/").unwrap());
        let staged = Staged::new(&relative.join("out")).unwrap();
        assert!(staged.folder().is_absolute(), "{:?}", staged.folder());
        put(&staged.folder(), &["a"]);
        staged.commit(&["a".to_owned()]).unwrap();
        assert_eq!(names(&around.path().join("out")), ["a"]);
    }

    #[test]
    #[cfg(unix)]
    fn behind_a_link_is_its_folder() {
        use std::os::unix::fs::symlink;
        let around = tempfile::tempdir().unwrap();
        let (real, link) = (around.path().join("real"), around.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        symlink("real", &link).unwrap();
        let staged = Staged::new(&link).unwrap();
        put(&staged.folder(), &["a"]);
        staged.commit(&["a".to_owned()]).unwrap();
        assert_eq!(
            (names(&real), names(&link)),
            (vec!["a".into()], vec!["a".into()])
        );
        symlink("nowhere", around.path().join("lost")).unwrap();
        let e = Staged::new(&around.path().join("lost")).err().unwrap();
        assert_eq!(e.kind(), ErrorKind::Io, "{e}");
        assert_eq!(names(around.path()), ["link", "lost", "real"]);
    }
}
