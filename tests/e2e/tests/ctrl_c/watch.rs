//! Starts the programs, interrupts them, and looks at what is left.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::programs::{self, Program, TOLD};

const URLS: [&str; 3] = ["sync://", "threads://?workers=2", "cluster://?workers=2"];

/// How long a program may take to leave: ten times what it takes on a machine that has nothing else to do.
const LEAVES: Duration = Duration::from_secs(10);

/// How long it may take to begin.
const BEGINS: Duration = Duration::from_secs(120);

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// To whom a signal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Program,
    /// As a terminal does.
    Group,
}

/// What is left of a program that has ended.
struct Left {
    status: ExitStatus,
    said: String,
    /// Names of its notes and other files.
    files: Vec<String>,
}

pub(crate) fn all() {
    for url in URLS {
        for to in [To::Program, To::Group] {
            functions_are_told(url, to);
            files_are_whole_or_not_there(programs::WRITES, url, to);
        }
        what_comes_later_is_refused(url);
        once_the_session_is_gone_it_ends_as_usual(url);
    }
    for url in &URLS[1..] {
        for to in [To::Program, To::Group] {
            functions_that_do_not_ask_hold_nobody(url, to);
            files_are_whole_or_not_there(programs::WRITES_DEAF, url, to);
        }
        told_to_end_by_something_else(url);
    }
    the_second_ends_it_at_once();
    for to in [To::Program, To::Group] {
        queries_end(to);
    }
}

fn functions_are_told(url: &str, to: To) {
    let left = Running::begin(programs::ASKS, url).interrupted(to);
    left.was_told("Ctrl-C");
    let count = |word: &str| left.files.iter().filter(|f| f.starts_with(word)).count();
    assert!(count("begun-") > 0);
    assert_eq!(
        count("told-"),
        count("begun-"),
        "{url} {to:?}: {:?}",
        left.files
    );
}

fn files_are_whole_or_not_there(program: &'static str, url: &str, to: To) {
    let left = Running::begin(program, url).interrupted(to);
    left.was_told("Ctrl-C");
    let notes = |f: &&String| !f.starts_with("begun-") && !f.starts_with("told-");
    let others: Vec<&String> = left.files.iter().filter(notes).collect();
    assert!(others.is_empty(), "{url} {to:?}: {others:?}");
}

fn functions_that_do_not_ask_hold_nobody(url: &str, to: To) {
    let left = Running::begin(programs::DEAF, url).interrupted(to);
    left.was_told("Ctrl-C");
}

fn what_comes_later_is_refused(url: &str) {
    let left = Running::begin(programs::MINDS_NOTHING, url).interrupted(To::Program);
    left.was_told("Ctrl-C");
}

fn told_to_end_by_something_else(url: &str) {
    let running = Running::begin(programs::ASKS, url);
    running.signal(SIGTERM, To::Program);
    running.end().was_told("SIGTERM");
}

/// On `sync://` a function that does not ask is in the way of everything; elsewhere the program may have left by the first.
fn the_second_ends_it_at_once() {
    for url in URLS {
        let mut running = Running::begin(programs::DEAF, url);
        running.signal(SIGINT, To::Group);
        if url == "sync://" {
            running.has_heard();
            assert!(matches!(running.child.try_wait(), Ok(None)));
        }
        running.until(LEAVES, "it has not left", |this| {
            this.signal(SIGINT, To::Group);
            !matches!(this.child.try_wait(), Ok(None))
        });
        let left = running.end();
        let killed = left.status.signal() == Some(SIGINT);
        let told = left.status.code() == Some(i32::from(TOLD));
        assert!(
            killed || (told && url != "sync://"),
            "{url}: {:?} {}",
            left.status,
            left.said
        );
    }
}

fn once_the_session_is_gone_it_ends_as_usual(url: &str) {
    let left = Running::begin(programs::AFTER, url).interrupted(To::Program);
    assert_eq!(left.status.signal(), Some(SIGINT), "{url}: {}", left.said);
}

/// On `ballista://`, where it is linked.
fn queries_end(to: To) {
    for url in URLS[1..].iter().copied().chain(["ballista://local"]) {
        let (scheme, _) = url.split_once("://").expect("a URL");
        let linked = kvern::core::Registry::linked().expect("linked names are unique");
        if linked.get::<kvern::core::BackendEntry>(scheme).is_ok() {
            Running::begin(programs::QUERY, url)
                .interrupted(to)
                .was_told("Ctrl-C");
        }
    }
}

/// A program that has begun what it is to do.
struct Running {
    program: Program,
    child: Child,
    /// Where it has its temporary files.
    temporary: tempfile::TempDir,
    folder: tempfile::TempDir,
}

impl Running {
    fn begin(name: &'static str, url: &str) -> Self {
        let [folder, temporary] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let program = Program {
            name,
            url: url.to_owned(),
            folder: folder.path().to_owned(),
        };
        let child = program
            .command()
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("it starts");
        let mut this = Self {
            program,
            child,
            temporary,
            folder,
        };
        this.until(BEGINS, "it has not begun", |this| {
            if !matches!(this.child.try_wait(), Ok(None)) {
                let said = this.said();
                panic!("{:?} ended before it was interrupted: {said}", this.program);
            }
            names(this.folder.path())
                .iter()
                .any(|n| n.starts_with("begun-"))
        });
        this
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        let stdout = self.child.stdout.as_mut().expect("it is piped");
        stdout.read_to_string(&mut said).expect("text");
        said
    }

    fn until(&mut self, limit: Duration, what: &str, mut so: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + limit;
        while !so(self) {
            if Instant::now() > end {
                self.signal(9, To::Group);
                panic!("{:?}: {what} after {limit:?}", self.program);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&self, signal: i32, to: To) {
        let id = self.child.id();
        let whom = match to {
            To::Program => id.to_string(),
            To::Group => format!("-{id}"),
        };
        let status = Command::new("kill")
            .args([&format!("-{signal}"), "--", &whom])
            .status();
        assert!(status.is_ok_and(|s| s.success()), "no process {whom}");
    }

    /// Waits until a signal has been heard: then none is pending.
    fn has_heard(&self) {
        let status = format!("/proc/{}/status", self.child.id());
        let end = Instant::now() + LEAVES;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let pending = |key: &str| {
                let line = text.lines().find_map(|l| l.strip_prefix(key));
                line.is_some_and(|l| l.trim().chars().any(|c| c != '0'))
            };
            if !pending("SigPnd:") && !pending("ShdPnd:") {
                return;
            }
            assert!(Instant::now() < end, "the signal is not heard");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn interrupted(self, to: To) -> Left {
        self.signal(SIGINT, to);
        self.end()
    }

    /// Waits until it has left, and looks whether anything is left of it.
    fn end(mut self) -> Left {
        let begun = Instant::now();
        self.until(LEAVES, "it has not left", |this| {
            !matches!(this.child.try_wait(), Ok(None))
        });
        let took = begun.elapsed();
        let status = self.child.wait().expect("it has ended");
        let group = self.child.id();
        // Of one that was killed the workers see it a moment later.
        self.until(LEAVES, "processes of it are left", |_| {
            members(group).is_empty()
        });
        println!(
            "{} on {}: left in {took:.2?}, {status}",
            self.program.name, self.program.url
        );
        let temporary = names(self.temporary.path());
        assert!(temporary.is_empty(), "{:?}: {temporary:?}", self.program);
        Left {
            status,
            said: self.said(),
            files: names(self.folder.path()),
        }
    }
}

impl Left {
    /// It ended by itself, having been told why.
    fn was_told(&self, by: &str) {
        assert_eq!(
            self.status.code(),
            Some(i32::from(TOLD)),
            "{:?} {}",
            self.status,
            self.said
        );
        let words = format!("cancelled: cancelled by {by}");
        assert!(self.said.starts_with(&words), "{}", self.said);
    }
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|e| {
            e.expect("a name")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The processes of a group that have not ended.
fn members(group: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // After the name, which may hold anything: state, parent, group.
        let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let mut fields = after.split(' ');
        let state = fields.next();
        state.is_some_and(|s| s != "Z") && fields.nth(1) == Some(&group.to_string())
    })
    .collect()
}
