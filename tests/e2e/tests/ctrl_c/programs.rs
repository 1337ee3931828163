//! The programs that are interrupted. Each says in files what has come about, and on stdout what it was told.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kvern::bag::Compression;
use kvern::core::events::{Event, Interest, Observer};
use kvern::is_cancelled;
use kvern::prelude::*;

/// Which program a process is to be, and on which backend, and where its files are.
const PROGRAM: &str = "E2E_CTRL_C_PROGRAM";
const URL: &str = "E2E_CTRL_C_URL";
const FOLDER: &str = "E2E_CTRL_C_FOLDER";

/// How a program ends that was told.
pub(crate) const TOLD: u8 = 3;

/// How long a function goes on that is not told, or does not ask: longer than anybody waits for it.
const LONG: Duration = Duration::from_secs(60);

/// A program for another process.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
}

/// Functions that ask now and then.
pub(crate) const ASKS: &str = "asks";
/// A function that does not.
pub(crate) const DEAF: &str = "deaf";
/// Many small computations, whose errors nobody minds.
pub(crate) const MINDS_NOTHING: &str = "minds-nothing";
/// Files that are being written.
pub(crate) const WRITES: &str = "writes";
/// The same, by a function that does not ask.
pub(crate) const WRITES_DEAF: &str = "writes-deaf";
/// A query on an engine of its own.
pub(crate) const QUERY: &str = "query";
/// Something long after the session is closed.
pub(crate) const AFTER: &str = "after";

const ALL: [&str; 7] = [ASKS, DEAF, MINDS_NOTHING, WRITES, WRITES_DEAF, QUERY, AFTER];

/// The program that this process is to be, if it is.
pub(crate) fn asked_for() -> Option<Program> {
    let name = std::env::var(PROGRAM).ok()?;
    let name = ALL.into_iter().find(|n| *n == name).expect("a program");
    let url = std::env::var(URL).expect("a URL");
    let folder = std::env::var(FOLDER).expect("a folder").into();
    Some(Program { name, url, folder })
}

/// Says in a file that something has come about.
fn note(folder: impl AsRef<Path>, what: &str) {
    let path = folder.as_ref().join(what);
    std::fs::write(path, "").expect("a note");
}

/// Goes on until it is told.
fn asks(folder: &String, n: &u64) -> u64 {
    note(folder, &format!("begun-{n}"));
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        if is_cancelled() {
            note(folder, &format!("told-{n}"));
            return 0;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    *n
}

/// Goes on whatever it is told.
fn deaf(folder: &String, n: &u64) -> u64 {
    note(folder, &format!("begun-{n}"));
    std::thread::sleep(LONG);
    *n
}

/// Notes that a task has begun.
struct Begins(PathBuf);

impl Observer for Begins {
    fn interest(&self) -> Interest {
        Interest::Tasks
    }

    fn event(&self, event: &Event) {
        if matches!(event, Event::TaskStarted { .. }) {
            note(&self.0, "begun-0");
        }
    }
}

impl Program {
    /// This program as another process.
    pub(crate) fn command(&self) -> std::process::Command {
        let own = std::env::current_exe().expect("a program has a path");
        let mut command = std::process::Command::new(own);
        command
            .env(PROGRAM, self.name)
            .env(URL, &self.url)
            .env(FOLDER, &self.folder);
        command
    }

    pub(crate) fn run(&self) -> ExitCode {
        match self.body() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                println!("{}: {e}", e.kind().name());
                ExitCode::from(TOLD)
            }
        }
    }

    fn body(&self) -> kvern::Result<()> {
        let session = Session::open(&self.url)?;
        session.cancel_on_ctrl_c()?;
        let folder = self.folder.to_str().expect("text").to_owned();
        let calls = (0..4u64).map(|n| (folder.clone(), n));
        match self.name {
            ASKS => {
                let handles = session.map(asks, calls)?;
                session.gather(&handles).map(drop)
            }
            DEAF => {
                let handles = session.map(deaf, calls)?;
                session.gather(&handles).map(drop)
            }
            MINDS_NOTHING => self.minds_nothing(&session),
            WRITES => {
                let items = Bag::from_sequence(0..4u64, 4);
                let slow = items.map_with(&folder, |folder: &String, n: u64| asks(folder, &n));
                slow.write_text(self.folder.join("out"), Compression::None)
                    .map(drop)
            }
            WRITES_DEAF => {
                let items = Bag::from_sequence(0..4u64, 4);
                let slow = items.map_with(&folder, |folder: &String, n: u64| deaf(folder, &n));
                slow.write_text(self.folder.join("out"), Compression::None)
                    .map(drop)
            }
            QUERY => self.query(&session),
            AFTER => {
                drop(session);
                note(&self.folder, "begun-0");
                std::thread::sleep(LONG);
                Ok(())
            }
            other => unreachable!("{other}"),
        }
    }

    /// Goes on until it was refused a hundred times.
    fn minds_nothing(&self, session: &Session) -> kvern::Result<()> {
        let square = |x: &u64| x * x;
        let begun = Instant::now();
        let mut refused = 0;
        for n in 0u64.. {
            if n == 10 {
                note(&self.folder, "begun-0");
            }
            let answer = session.submit(square, (n,)).and_then(|h| h.wait());
            refused += u32::from(answer.is_err());
            if refused == 100 {
                return answer.map(drop);
            }
            if begun.elapsed() > LONG {
                break;
            }
        }
        Ok(())
    }

    /// Pairs of numbers, far more than can be looked at.
    fn query(&self, session: &Session) -> kvern::Result<()> {
        use kvern::frame::{Frame, RecordBatch, sql};
        let numbers = kvern::arrow::array::Int64Array::from_iter_values(0..1_000_000);
        let batch = RecordBatch::try_from_iter([("n", std::sync::Arc::new(numbers) as _)]);
        let frame = Frame::from_batches([batch.expect("a batch")])?;
        let words = "SELECT count(*) FROM a CROSS JOIN a AS b WHERE (a.n * b.n) % 7 = 3";
        let _told = session.subscribe(std::sync::Arc::new(Begins(self.folder.clone())));
        sql(words, [("a", &frame)])?.compute().map(drop)
    }
}
