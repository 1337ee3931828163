//! The worker processes of a local cluster: started, started again when one ends by itself, and ended.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvern_core::{Error, ErrorKind, Result};

use crate::entry::{
    self, MEMORY_VARIABLE, NAME_VARIABLE, SECRET_VARIABLE, SPILL_LIMIT_VARIABLE, SPILL_VARIABLE,
    THREADS_VARIABLE, WORKER_VARIABLE,
};
use crate::log::Lines;
use crate::options::ClusterOptions;
use crate::server::{Roll, SchedulerServer, Trouble};
use crate::status;
use crate::token::Token;

/// How long workers may take to start.
const START: Duration = Duration::from_secs(30);

/// How long they may take to end before they are killed.
const END: Duration = Duration::from_secs(2);

/// How often they are looked after.
const LOOK: Duration = Duration::from_millis(20);

/// The longest pause before one that ends again and again before it has reported is started again.
const MOST: Duration = Duration::from_secs(5);

/// The same of one that had reported: something that it ran may have ended it.
const MOST_AT_WORK: Duration = Duration::from_secs(1);

/// One that lived so long has got over whatever ended those before it.
const WELL: Duration = Duration::from_secs(10);

/// The worker processes; they are ended when this is dropped.
pub(crate) struct Workers {
    nursery: Arc<Nursery>,
    nurse: Option<JoinHandle<()>>,
}

struct Nursery {
    recipe: Recipe,
    /// Nothing once they are to end: none is started any more.
    places: Mutex<Option<Vec<Place>>>,
    /// None is followed by another, though they are still there.
    replaces_none: AtomicBool,
    roll: Roll,
    trouble: Trouble,
    /// Lines on those that cannot be started.
    cannot: Lines,
}

/// How a worker is started.
struct Recipe {
    options: ClusterOptions,
    program: Program,
    scheduler: String,
    token: Token,
}

/// What workers run.
struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    /// It is the file that this process runs: which one that is. Where something else stands in its place by now, or nothing, the system still
    /// has the file, and workers of another would not know the closures of this program.
    own: Option<FileId>,
}

/// Which file it is, whatever its name.
type FileId = (u64, u64);

/// This process's file, by whatever name and though it has none any more.
const OWN: &str = "/proc/self/exe";

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

#[cfg(not(unix))]
fn file_id(_: &Path) -> Option<FileId> {
    None
}

impl Program {
    fn of(options: &ClusterOptions) -> Result<Self> {
        let (path, arguments) = match &options.program {
            Some((program, arguments)) => (program.clone(), arguments.clone()),
            None => (
                std::env::current_exe().map_err(|e| cannot("this program cannot be found", e))?,
                Vec::new(),
            ),
        };
        let own = file_id(Path::new(OWN));
        let own = own.filter(|own| options.program.is_none() || file_id(&path) == Some(*own));
        Ok(Self {
            path,
            arguments,
            own,
        })
    }

    fn command(&self) -> Command {
        let mut command = match self.own {
            Some(own) if file_id(&self.path) != Some(own) => {
                let mut command = Command::new(OWN);
                #[cfg(unix)]
                std::os::unix::process::CommandExt::arg0(&mut command, &self.path);
                command
            }
            _ => Command::new(&self.path),
        };
        command.args(&self.arguments);
        command
    }
}

/// One of the workers, and those that follow it.
struct Place {
    child: Child,
    since: Instant,
    /// When the next is to be started, if this one has ended.
    due: Option<Instant>,
    /// How long to wait before the next is started.
    pause: Duration,
}

impl Workers {
    /// Starts them all.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a process cannot be started, [`ErrorKind::Config`] for more of them than this machine can have.
    pub(crate) fn start(
        options: &ClusterOptions,
        server: &SchedulerServer,
        token: &Token,
    ) -> Result<Self> {
        let nursery = Nursery {
            recipe: Recipe {
                options: options.clone(),
                program: Program::of(options)?,
                scheduler: server.address().to_string(),
                token: token.clone(),
            },
            places: Mutex::new(Some(Vec::with_capacity(options.workers))),
            replaces_none: AtomicBool::new(false),
            roll: server.roll(),
            trouble: server.trouble(),
            cannot: Lines::default(),
        };
        // Made first: those that have been started end with it if one cannot be.
        let this = Self {
            nursery: Arc::new(nursery),
            nurse: None,
        };
        for n in 0..options.workers {
            let child = this.nursery.recipe.start(n)?;
            if let Some(places) = this.nursery.lock().as_mut() {
                places.push(Place {
                    child,
                    since: Instant::now(),
                    due: None,
                    pause: Duration::ZERO,
                });
            }
        }
        Ok(this)
    }

    /// Waits until all have reported.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if one ends before it has, [`ErrorKind::Timeout`] if they do not in time.
    pub(crate) fn wait_until_there(&self, server: &SchedulerServer) -> Result<()> {
        let all = self.nursery.recipe.options.workers;
        let end = Instant::now() + START;
        while server.workers() < all {
            if let Some(status) = self.nursery.first_ended() {
                return Err(Error::new(ErrorKind::Io, self.nursery.why_ended(status)));
            }
            if Instant::now() > end {
                let words = format!(
                    "{} of {all} workers reported within {START:?}{}",
                    server.workers(),
                    self.nursery.why_none()
                );
                return Err(Error::new(ErrorKind::Timeout, words));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// From now on one that ends is followed by another, and one that is silent is killed.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if no thread can be started.
    pub(crate) fn look_after(&mut self) -> Result<()> {
        let nursery = self.nursery.clone();
        let nurse = std::thread::Builder::new()
            .name("kvern-workers".into())
            .spawn(move || {
                while nursery.follow_up() {
                    std::thread::park_timeout(LOOK);
                }
            })
            .map_err(|e| cannot("no thread looks after it", e))?;
        self.nurse = Some(nurse);
        Ok(())
    }

    /// Their process ids; of one that has ended and is to be followed by another, none, whether that was noticed already or not.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mut places = self.nursery.lock();
        let there = places.iter_mut().flatten().filter_map(|p| {
            let lives = p.due.is_none() && matches!(p.child.try_wait(), Ok(None));
            lives.then(|| p.child.id())
        });
        there.collect()
    }

    /// From now on none follows one that ends: nothing is computed any more, and they go when all is closed.
    pub(crate) fn replace_none(&self) {
        self.nursery.replaces_none.store(true, Ordering::SeqCst);
    }

    /// From now on none follows one that ends: before their scheduler goes, which ends them all.
    pub(crate) fn dismiss(&self) -> Dismissed {
        let left = self.nursery.lock().take().unwrap_or_default();
        if let Some(nurse) = &self.nurse {
            nurse.thread().unpark();
        }
        Dismissed(left)
    }
}

/// Workers that none follows.
#[must_use]
pub(crate) struct Dismissed(Vec<Place>);

impl Dismissed {
    /// Waits for them to end, which they do when their scheduler is gone, and kills those that stay.
    pub(crate) fn end(self) {
        let mut left = self.0;
        let end = Instant::now() + END;
        while !left.is_empty() && Instant::now() < end {
            left.retain_mut(|p| matches!(p.child.try_wait(), Ok(None)));
            std::thread::sleep(Duration::from_millis(1));
        }
        left.into_iter().for_each(Place::kill);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Those that are still there have lost their scheduler or never found it: they are not waited for.
        self.dismiss().0.into_iter().for_each(Place::kill);
        if let Some(nurse) = self.nurse.take() {
            let _ = nurse.join();
        }
    }
}

impl Place {
    /// The pause now; the next is longer, up to `most`.
    fn lengthen(&mut self, most: Duration) -> Duration {
        let now = self.pause.min(most);
        self.pause = (now * 2).clamp(Duration::from_millis(100), most);
        now
    }

    /// How long to wait before one that has ended is followed. Whoever was at work and was killed from outside would have gone on: at once, as
    /// often as that happens. Whoever ends by itself does not keep a core busy with it.
    fn pause_after(&mut self, status: ExitStatus, had_come: bool, lived: Duration) -> Duration {
        if lived > WELL || (had_come && status::is_from_outside(status)) {
            self.pause = Duration::ZERO;
        }
        if had_come && status::is_from_outside(status) {
            return Duration::ZERO;
        }
        self.lengthen(if had_come { MOST_AT_WORK } else { MOST })
    }

    fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nursery {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How one of them ended, if one has.
    fn first_ended(&self) -> Option<ExitStatus> {
        let mut places = self.lock();
        let mut places = places.iter_mut().flatten();
        places.find_map(|p| p.child.try_wait().ok().flatten())
    }

    /// Why workers do not report, as far as is known, as the end of a sentence.
    fn why_none(&self) -> String {
        if let Some(trouble) = self.roll.trouble() {
            return format!(": {trouble}");
        }
        match self.recipe.options.program.is_none() && entry::was_called() {
            true => String::new(),
            false => ": the program must call kvern::init() first in main, or open its cluster whenever it is run without arguments"
                .to_owned(),
        }
    }

    /// Why one ended before it reported.
    fn why_ended(&self, status: ExitStatus) -> String {
        let how = status::words(status);
        if status.code() == Some(entry::FAILED) {
            let trouble = self.roll.trouble();
            let why = trouble.map_or_else(String::new, |t| format!(": {t}"));
            return format!(
                "a worker could not begin and {how}{why}; it has written why to stderr"
            );
        }
        format!("a worker {how} before it reported{}", self.why_none())
    }

    /// Kills those that hang, and starts others for those that have ended. False: no more are wanted.
    fn follow_up(&self) -> bool {
        let silent = self.roll.silent();
        let mut places = self.lock();
        let Some(places) = places.as_mut() else {
            return false;
        };
        if self.replaces_none.load(Ordering::SeqCst) {
            return true;
        }
        for (who, came) in silent {
            let hangs = places.iter_mut().enumerate().find(|(n, _)| name(*n) == who);
            // Not one that has followed it meanwhile.
            if let Some((_, place)) = hangs.filter(|(_, place)| place.since <= came) {
                eprintln!(
                    "kvern: {who} (process {}) is silent and taken to hang: it is killed",
                    place.child.id()
                );
                let _ = place.child.kill();
            }
        }
        for (n, place) in places.iter_mut().enumerate() {
            self.follow(n, place);
        }
        true
    }

    /// Starts another in a place if its worker has ended, when it is time.
    fn follow(&self, n: usize, place: &mut Place) {
        let now = Instant::now();
        let due = match place.due {
            Some(due) => due,
            None => {
                let Ok(Some(status)) = place.child.try_wait() else {
                    return;
                };
                let lived = now.duration_since(place.since);
                let had_come = self.roll.has_come(&name(n), place.since);
                let pause = place.pause_after(status, had_come, lived);
                let ended = format!(
                    "{} (process {}) {} after {lived:.1?}",
                    name(n),
                    place.child.id(),
                    status::words(status)
                );
                let next = match pause {
                    Duration::ZERO => "another is started in its place".to_owned(),
                    pause => format!("another is started in its place in {pause:?}"),
                };
                eprintln!("kvern: {ended}; {next}");
                if !had_come {
                    self.trouble.tell(format!("{ended}, before it reported"));
                }
                now + pause
            }
        };
        place.due = Some(due);
        if now < due {
            return;
        }
        match self.recipe.start(n) {
            Ok(child) => {
                eprintln!("kvern: {} runs again, as process {}", name(n), child.id());
                place.child = child;
                place.since = now;
                place.due = None;
            }
            // What keeps it from being started (no memory, no process left) may be over next time.
            Err(e) => {
                self.cannot.say(|| format!("kvern: {}: {e}", name(n)));
                self.trouble.tell(format!("{}: {e}", name(n)));
                place.due = Some(now + place.lengthen(MOST));
            }
        }
    }
}

impl Recipe {
    fn start(&self, n: usize) -> Result<Child> {
        let store = self.options.store_of_one();
        let mut command = self.program.command();
        // Not those of a worker that this process may be itself.
        command
            .env_remove(SPILL_VARIABLE)
            .env_remove(SPILL_LIMIT_VARIABLE);
        if let Some(folder) = &store.directory {
            command.env(SPILL_VARIABLE, folder);
        }
        if !store.spill {
            command.env(SPILL_VARIABLE, "");
        }
        if let Some(limit) = store.spill_limit {
            command.env(SPILL_LIMIT_VARIABLE, limit.to_string());
        }
        command
            .env(MEMORY_VARIABLE, store.budget.to_string())
            .env(WORKER_VARIABLE, &self.scheduler)
            .env(SECRET_VARIABLE, self.token.text())
            .env(NAME_VARIABLE, name(n))
            .env(THREADS_VARIABLE, self.options.threads.to_string())
            .stdin(Stdio::null())
            // What a task prints must not come between what the program prints for other programs.
            .stdout(io::stderr())
            .spawn()
            .map_err(|e| cannot(&self.program.path.display().to_string(), e))
    }
}

/// The name of the worker in a place.
fn name(n: usize) -> String {
    format!("worker-{n}")
}

fn cannot(what: &str, e: io::Error) -> Error {
    let words = format!("a worker cannot be started: {what}: {e}");
    Error::with_source(ErrorKind::Io, words, e)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn place() -> Place {
        let child = Command::new("true").spawn().unwrap();
        Place {
            child,
            since: Instant::now(),
            due: None,
            pause: Duration::ZERO,
        }
    }

    #[test]
    fn the_pause_depends_on_the_cause() {
        let (killed, crashed) = (ExitStatus::from_raw(9), ExitStatus::from_raw(6));
        let ended = ExitStatus::from_raw(70 << 8);
        let second = Duration::from_secs(1);
        let pauses = |status, had_come| {
            let mut place = place();
            let all = (0..9).map(|_| place.pause_after(status, had_come, second));
            let all: Vec<u64> = all.map(|p| p.as_millis() as u64).collect();
            let _ = place.child.wait();
            all
        };
        // Killed while they work, a second apart.
        assert_eq!(pauses(killed, true), [0; 9]);
        // Ended by what they ran.
        assert_eq!(
            pauses(crashed, true),
            [0, 100, 200, 400, 800, 1000, 1000, 1000, 1000]
        );
        // Ended before they have reported, however.
        let at_start = [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000];
        assert_eq!(pauses(ended, false), at_start);
        assert_eq!(pauses(killed, false), at_start);
        let mut place = place();
        for _ in 0..9 {
            place.pause_after(ended, false, second);
        }
        assert_eq!(place.pause_after(ended, true, 2 * WELL), Duration::ZERO);
        let _ = place.child.wait();
    }
}
