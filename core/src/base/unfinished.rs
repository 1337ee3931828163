//! Files and folders that appear whole or not at all: they are made under a hidden name (`.NAME.PROCESS-NUMBER.tmp`) beside the one that they
//! will have.
//!
//! Who makes one holds a lock: on the file, or on one in the folder. The lock goes with the process, however that ends, so that what is dead can be
//! told and removed by the next who writes to the same name ([`sweep`]) or by whoever looks ([`left_in`]); what is alive, on this machine or
//! on another that has the folder too, is locked. Where the system has no locks nothing is told to be dead.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What such names end with.
const ENDING: &str = ".tmp";

/// The file in a hidden folder that its maker has locked.
const LOCK: &str = "lock";

/// A file that is being written. Dropped before it is [finished](Unfinished::finish) it is removed, and what its name leads to is as it was.
#[derive(Debug)]
pub struct Unfinished {
    target: PathBuf,
    own: PathBuf,
    file: File,
    /// It is one of a folder that is unfinished itself.
    within: bool,
    finished: bool,
}

impl Unfinished {
    /// Begins a file that will be `path`, and removes what dead writers to that name have left.
    ///
    /// ```
    /// use std::io::Write;
    /// use kvern_core::unfinished::Unfinished;
    /// let path = std::env::temp_dir().join(format!("kvern-unfinished-{}", std::process::id()));
    /// let mut new = Unfinished::begin(&path)?;
    /// new.file().write_all(b"all of it")?;
    /// assert!(!path.exists());
    /// new.finish()?;
    /// assert_eq!(std::fs::read(&path)?, b"all of it");
    /// # std::fs::remove_file(&path)
    /// # ;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the path has no file name, or no file can be made in its folder.
    pub fn begin(path: &Path) -> io::Result<Self> {
        if path.file_name().is_none() {
            let words = "the path has no file name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        sweep(path);
        let this = Self::new(path, false)?;
        // As the one that it replaces, from the beginning.
        if let Ok(before) = std::fs::metadata(path)
            && before.is_file()
        {
            this.file.set_permissions(before.permissions())?;
        }
        Ok(this)
    }

    /// Begins a file of a folder that is unfinished itself ([`folder_beside`]), or was made for this: nobody else writes there, and whoever makes the
    /// folder brings the names in it to the disk.
    ///
    /// # Errors
    /// As [`Unfinished::begin`].
    pub fn within(path: &Path) -> io::Result<Self> {
        Self::new(path, true)
    }

    fn new(path: &Path, within: bool) -> io::Result<Self> {
        let (own, file) = beside(path, locked_file)?;
        Ok(Self {
            target: path.to_owned(),
            own,
            file,
            within,
            finished: false,
        })
    }

    /// Its hidden name.
    pub fn hidden(&self) -> &Path {
        &self.own
    }

    /// What is written to. Clones of it ([`File::try_clone`]) are the same file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Brings the file to the disk and gives it its name.
    ///
    /// # Errors
    /// If the disk is full, or the name cannot be taken. Nothing is left then.
    pub fn finish(mut self) -> io::Result<()> {
        // Before the rename, or a crash could leave the name on an empty file.
        self.file.sync_all()?;
        std::fs::rename(&self.own, &self.target)?;
        self.finished = true;
        // The name is on the disk when its folder is. Not every system can: then it is when it is.
        if !self.within
            && let Ok(folder) = File::open(folder_of(&self.target))
        {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing can be done, and the error that led here matters more.
            let _ = std::fs::remove_file(&self.own);
        }
    }
}

/// Makes a hidden folder beside `target` that says by a lock that its maker lives, for as long as the lock is held.
///
/// # Errors
/// As [`beside`].
pub fn folder_beside(target: &Path) -> io::Result<(PathBuf, Option<File>)> {
    sweep(target);
    beside(target, locked_folder)
}

/// Makes something with a hidden name beside `path` that nothing else has.
///
/// # Errors
/// Why it could not be made; where there is no folder for it, which one. Folders are not made: one that is missing is more often misspelt than
/// meant, and a worker that made its own would hide that it does not see the others'.
pub fn beside<T>(path: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(PathBuf, T)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut hidden = OsString::from(".");
        hidden.push(path.file_name().unwrap_or_default());
        hidden.push(format!(".{}-{n}{ENDING}", std::process::id()));
        let hidden = path.with_file_name(hidden);
        match make(&hidden) {
            Ok(made) => return Ok((hidden, made)),
            // Numbers of processes come again: in containers, on other machines, and after a crash that left something.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(without_folder(path, e)),
        }
    }
}

/// The error, in words of the folder where that is what is missing.
fn without_folder(path: &Path, e: io::Error) -> io::Error {
    let folder = folder_of(path);
    match e.kind() {
        io::ErrorKind::NotFound if !folder.exists() => {
            let words = format!("there is no folder {}; make it first", folder.display());
            io::Error::new(e.kind(), words)
        }
        io::ErrorKind::NotADirectory => {
            let words = format!("{} is not a folder", folder.display());
            io::Error::new(e.kind(), words)
        }
        _ => e,
    }
}

/// A new file that this process has locked. Where the system has no locks it is not.
fn locked_file(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    match file.try_lock() {
        // Somebody who sweeps has it at this moment, and takes it away: another name is tried.
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(TryLockError::Error(_)) => Ok(file),
        Ok(()) => match path.try_exists()? {
            true => Ok(file),
            false => Err(io::ErrorKind::AlreadyExists.into()),
        },
    }
}

/// A new folder with a file in it that this process has locked; without one where the system has no locks.
fn locked_folder(path: &Path) -> io::Result<Option<File>> {
    std::fs::create_dir(path)?;
    // Somebody who sweeps at this moment may take the folder away: then there is no lock in it, and another name is tried.
    let taken = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => io::ErrorKind::AlreadyExists.into(),
        _ => e,
    };
    let lock = File::create_new(path.join(LOCK)).map_err(taken)?;
    if lock.try_lock().is_err() {
        return Ok(None);
    }
    match path.join(LOCK).try_exists()? {
        true => Ok(Some(lock)),
        false => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The name that something with such a hidden name was to have.
fn target_of(hidden: &str) -> Option<&str> {
    let middle = hidden.strip_prefix('.')?.strip_suffix(ENDING)?;
    let (target, numbers) = middle.rsplit_once('.')?;
    let (process, n) = numbers.split_once('-')?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (!target.is_empty() && digits(process) && digits(n)).then_some(target)
}

/// Removes what writers to `target` have left that ended before they could. What cannot be told to be dead stays, and what cannot be removed is
/// none of the writer's business.
pub fn sweep(target: &Path) {
    let Some(name) = target.file_name() else {
        return;
    };
    for left in all_in(folder_of(target)).unwrap_or_default() {
        if *left.target == *name.to_string_lossy() {
            let _ = left.remove();
        }
    }
}

/// Something under a hidden name, whose maker may live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub path: PathBuf,
    /// The name that it was to have, in the same folder.
    pub target: String,
    /// Bytes of the file, or of all files in the folder.
    pub bytes: u64,
    /// Since it was written to for the last time, as far as is known.
    pub age: Option<Duration>,
    is_folder: bool,
}

/// What was left unfinished in a folder, not below it, by those who have ended, in the order of the names; what is still being made is not among it.
///
/// # Errors
/// If the folder cannot be read.
pub fn left_in(folder: &Path) -> io::Result<Vec<Left>> {
    let mut all = all_in(folder)?;
    all.retain(|left| left.dead().is_some());
    for left in &mut all {
        left.measure();
    }
    Ok(all)
}

/// What has such a hidden name in a folder.
fn all_in(folder: &Path) -> io::Result<Vec<Left>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let Some(target) = name.to_str().and_then(target_of) else {
            continue;
        };
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_file() || kind.is_dir() {
            all.push(Left {
                path: entry.path(),
                target: target.to_owned(),
                bytes: 0,
                age: None,
                is_folder: kind.is_dir(),
            });
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

/// That the maker of something has ended: what is locked by whoever holds this, if there is a lock.
struct Dead(Option<File>);

impl Left {
    /// Whether its maker has ended.
    fn dead(&self) -> Option<Dead> {
        let lock = match self.is_folder {
            true => self.path.join(LOCK),
            false => self.path.clone(),
        };
        match File::options().write(true).open(lock) {
            Ok(lock) => lock.try_lock().is_ok().then_some(Dead(Some(lock))),
            // Its maker ended, or is, between the folder and the lock: then it is empty.
            Err(e) if self.is_folder && e.kind() == io::ErrorKind::NotFound => {
                let mut inside = std::fs::read_dir(&self.path).ok()?;
                inside.next().is_none().then_some(Dead(None))
            }
            Err(_) => None,
        }
    }

    /// Removes it if its maker has ended. False: it is still being made, or gone.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self) -> io::Result<bool> {
        // The lock is held until all is gone, so that of two who do this one does it.
        let Some(Dead(lock)) = self.dead() else {
            return Ok(false);
        };
        match (self.is_folder, &lock) {
            (false, _) => std::fs::remove_file(&self.path)?,
            (true, Some(_)) => std::fs::remove_dir_all(&self.path)?,
            // Only an empty one can be removed so.
            (true, None) => std::fs::remove_dir(&self.path)?,
        }
        Ok(true)
    }

    fn measure(&mut self) {
        let mut add = |about: &Metadata| {
            if about.is_file() {
                self.bytes += about.len();
            }
            let age = about.modified().ok().and_then(|m| m.elapsed().ok());
            self.age = match (self.age, age) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        let mut open = vec![self.path.clone()];
        while let Some(path) = open.pop() {
            let Ok(about) = std::fs::symlink_metadata(&path) else {
                continue;
            };
            add(&about);
            if about.is_dir() {
                let inside = std::fs::read_dir(&path).into_iter().flatten().flatten();
                open.extend(inside.map(|e| e.path()));
            }
        }
    }
}

/// What the running tasks of a backend would leave behind if the process ended now. A backend has one for all of them, and
/// [removes](Leftovers::remove) it all when it ends without having waited for them. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Leftovers(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    paths: BTreeMap<u64, PathBuf>,
    /// Everything was removed: what is added now comes from somebody who has not heard of the end yet.
    over: bool,
}

impl Leftovers {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file or a folder that its maker removes itself, or gives another name, before it drops what this returns. After
    /// [`Leftovers::remove`] it is removed at once.
    pub fn add(&self, path: PathBuf) -> Leftover {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut left = self.lock();
        if left.over {
            remove(&path);
        } else {
            left.paths.insert(number, path);
        }
        drop(left);
        Leftover {
            of: self.clone(),
            number,
        }
    }

    /// Removes all of it. Whoever is at work on it meets an error.
    pub fn remove(&self) {
        let mut left = self.lock();
        left.over = true;
        for path in std::mem::take(&mut left.paths).into_values() {
            remove(&path);
        }
    }
}

/// Removes a file or a folder; that it cannot be is nothing that anybody could do something about.
fn remove(path: &Path) {
    let _ = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
}

/// See [`Leftovers::add`].
#[derive(Debug)]
#[must_use = "what it stands for is forgotten when it is dropped"]
pub struct Leftover {
    of: Leftovers,
    number: u64,
}

impl Drop for Leftover {
    fn drop(&mut self) {
        self.of.lock().paths.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A new folder, removed at the end.
    struct Around(PathBuf);

    impl Around {
        fn new() -> Self {
            let base = std::env::temp_dir().join("kvern-unfinished-test");
            let (path, ()) = beside(&base, |p: &Path| std::fs::create_dir(p)).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(&self.0).unwrap();
            let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        }

        fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            path
        }
    }

    impl Drop for Around {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_there_when_it_is_finished_and_not_before() {
        let around = Around::new();
        let path = around.put("out.txt", b"old");
        let new = Unfinished::begin(&path).unwrap();
        new.file().write_all(b"ne").unwrap();
        drop(new);
        assert_eq!(around.names(), ["out.txt"]);
        let new = Unfinished::begin(&path).unwrap();
        new.file().write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        new.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(around.names(), ["out.txt"]);
        assert!(Unfinished::begin(Path::new("..")).is_err());
    }

    #[test]
    fn a_folder_that_is_missing_is_named_and_not_made() {
        let around = Around::new();
        let missing = around.0.join("runs");
        let target = missing.join("out.txt");
        for e in [
            Unfinished::begin(&target).map(drop),
            Unfinished::within(&target).map(drop),
            folder_beside(&target).map(drop),
        ] {
            let e = e.unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::NotFound);
            let words = format!("there is no folder {}; make it first", missing.display());
            assert_eq!(e.to_string(), words);
        }
        assert!(around.names().is_empty());
        around.put("runs", b"a file");
        let e = Unfinished::begin(&target).map(drop).unwrap_err();
        assert!(e.to_string().ends_with("runs is not a folder"), "{e}");
    }

    #[test]
    #[cfg(unix)]
    fn it_is_as_the_one_that_it_replaces() {
        use std::os::unix::fs::PermissionsExt;
        let around = Around::new();
        let path = around.put("out.txt", b"old");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        Unfinished::begin(&path).unwrap().finish().unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn what_the_dead_have_left_is_told_from_what_is_alive_and_from_others() {
        let around = Around::new();
        let path = around.0.join("out");
        let alive = Unfinished::begin(&path).unwrap();
        let (folder, lock) = folder_beside(&path).unwrap();
        let own = |p: &Path| p.file_name().unwrap().to_str().unwrap().to_owned();
        let dead_file = around.put(".out.4000000-7.tmp", b"12345");
        let dead_folder = around.0.join(".out.4000000-8.tmp");
        around.put(".out.4000000-8.tmp/lock", b"");
        around.put(".out.4000000-8.tmp/files/a", b"123");
        let empty = around.0.join(".out.4000000-9.tmp");
        std::fs::create_dir(&empty).unwrap();
        let of_another = around.put(".other.out.4000000-1.tmp", b"1");
        // Not ours, or of whom nobody can tell.
        let others = [
            ".out.17.tmp",
            ".out.17-x.tmp",
            "out.17-0.tmp",
            ".17-0.tmp",
            ".out.aB3dE6.tmp",
            ".out.18-0.tmp/a",
        ];
        for name in others {
            around.put(name, b"x");
        }
        let before = around.names().len();
        let left = left_in(&around.0).unwrap();
        let found: Vec<(PathBuf, u64)> = left.iter().map(|l| (l.path.clone(), l.bytes)).collect();
        let want = [
            (of_another.clone(), 1),
            (dead_file.clone(), 5),
            (dead_folder.clone(), 3),
            (empty.clone(), 0),
        ];
        assert_eq!(found, want);
        assert_eq!(left[0].target, "other.out");
        assert!(left.iter().all(|l| l.age.is_some()));
        // The next who writes there removes those of its own name.
        drop(Unfinished::begin(&path).unwrap());
        for gone in [&dead_file, &dead_folder, &empty] {
            assert!(!gone.exists(), "{gone:?}");
        }
        assert_eq!(around.names().len(), before - 3);
        for there in [&own(&alive.own), &own(&folder), &own(&of_another)] {
            assert!(around.names().contains(there), "{there}");
        }
        assert!(left[0].remove().unwrap());
        assert!(!left[0].remove().unwrap(), "it is gone");
        drop(lock);
        let left = left_in(&around.0).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].path, folder);
    }

    #[test]
    fn of_what_tasks_would_leave_behind_only_that_is_removed_which_is_still_theirs() {
        let around = Around::new();
        let all = Leftovers::default();
        let [file, kept] = ["a", "b"].map(|name| around.put(name, b"x"));
        let folder = around.put("c/d", b"x").parent().unwrap().to_owned();
        let _two = [file, folder].map(|path| all.add(path));
        drop(all.add(kept));
        all.clone().remove();
        assert_eq!(around.names(), ["b"]);
        // Made by somebody who has not heard of the end.
        let _late = all.add(around.put("late", b"x"));
        assert_eq!(around.names(), ["b"]);
    }

    #[test]
    fn a_name_that_somebody_left_is_not_taken() {
        let around = Around::new();
        let make = |path: &Path| std::fs::create_dir(path);
        let target = around.0.join("out");
        let (probe, ()) = beside(&target, make).unwrap();
        let name = probe.file_name().unwrap().to_str().unwrap();
        let (before, n) = name.strip_suffix(ENDING).unwrap().rsplit_once('-').unwrap();
        let n: u64 = n.parse().unwrap();
        // Tests beside this one take numbers, too.
        for n in n + 1..n + 100 {
            std::fs::create_dir_all(around.0.join(format!("{before}-{n}{ENDING}"))).unwrap();
        }
        let (other, ()) = beside(&target, make).unwrap();
        assert!(other.is_dir() && other != probe);
    }
}
