//! The worker processes of a local cluster: started, started again when one ends by itself, and ended.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvern_core::{Error, ErrorKind, Result};

use crate::entry::{NAME_VARIABLE, THREADS_VARIABLE, WORKER_VARIABLE};
use crate::local::ClusterOptions;
use crate::server::{SchedulerServer, Silent};
use crate::token::{TOKEN_VARIABLE, Token};

/// How long workers may take to start.
const START: Duration = Duration::from_secs(30);

/// How long they may take to end before they are killed.
const END: Duration = Duration::from_secs(2);

/// How often they are looked after.
const LOOK: Duration = Duration::from_millis(20);

/// The longest pause before one that ends again and again is started again.
const MOST: Duration = Duration::from_secs(5);

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
}

/// How a worker is started.
struct Recipe {
    options: ClusterOptions,
    scheduler: String,
    token: Token,
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
    /// [`ErrorKind::Io`] if a process cannot be started.
    pub(crate) fn start(options: &ClusterOptions, scheduler: &str, token: &Token) -> Result<Self> {
        let nursery = Nursery {
            recipe: Recipe {
                options: options.clone(),
                scheduler: scheduler.to_owned(),
                token: token.clone(),
            },
            places: Mutex::new(Some(Vec::with_capacity(options.workers))),
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
                let words = format!(
                    "a worker ended before it reported ({status}): the program must call kvern::init() first in main, or open its \
                     cluster whenever it is run without arguments"
                );
                return Err(Error::new(ErrorKind::Io, words));
            }
            if Instant::now() > end {
                let words = format!(
                    "{} of {all} workers reported within {START:?}: the program must call kvern::init() first in main",
                    server.workers()
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
    pub(crate) fn look_after(&mut self, silent: Silent) -> Result<()> {
        let nursery = self.nursery.clone();
        let nurse = std::thread::Builder::new()
            .name("kvern-workers".into())
            .spawn(move || {
                while nursery.follow_up(&silent) {
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
    /// The pause now; the next is longer.
    fn lengthen(&mut self) -> Duration {
        let now = self.pause;
        self.pause = (now * 2).clamp(Duration::from_millis(100), MOST);
        now
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

    /// Kills those that hang, and starts others for those that have ended. False: no more are wanted.
    fn follow_up(&self, silent: &Silent) -> bool {
        let silent = {
            let mut silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
            silent.as_mut().map(std::mem::take).unwrap_or_default()
        };
        let mut places = self.lock();
        let Some(places) = places.as_mut() else {
            return false;
        };
        for (who, came) in silent {
            let hangs = places.iter_mut().enumerate().find(|(n, _)| name(*n) == who);
            // Not one that has followed it meanwhile.
            if let Some((_, place)) = hangs.filter(|(_, place)| place.since <= came) {
                let _ = place.child.kill();
            }
        }
        let now = Instant::now();
        for (n, place) in places.iter_mut().enumerate() {
            let due = match place.due {
                Some(due) => due,
                None if matches!(place.child.try_wait(), Ok(None)) => continue,
                None => {
                    // At once after a first end; one that cannot live does not keep a core busy.
                    if now.duration_since(place.since) > WELL {
                        place.pause = Duration::ZERO;
                    }
                    now + place.lengthen()
                }
            };
            place.due = Some(due);
            if now < due {
                continue;
            }
            match self.recipe.start(n) {
                Ok(child) => {
                    place.child = child;
                    place.since = now;
                    place.due = None;
                }
                // What keeps it from being started (no memory, no process left) may be over next time.
                Err(_) => place.due = Some(now + place.lengthen()),
            }
        }
        true
    }
}

impl Recipe {
    fn start(&self, n: usize) -> Result<Child> {
        let (program, arguments) = match &self.options.program {
            Some((program, arguments)) => (program.clone(), arguments.clone()),
            None => (
                std::env::current_exe().map_err(|e| cannot("this program cannot be found", e))?,
                Vec::new(),
            ),
        };
        Command::new(&program)
            .args(arguments)
            .env(WORKER_VARIABLE, &self.scheduler)
            .env(TOKEN_VARIABLE, self.token.text())
            .env(NAME_VARIABLE, name(n))
            .env(THREADS_VARIABLE, self.options.threads.to_string())
            .stdin(Stdio::null())
            // What a task prints must not come between what the program prints for other programs.
            .stdout(io::stderr())
            .spawn()
            .map_err(|e| cannot(&program.display().to_string(), e))
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
