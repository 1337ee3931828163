//! Panics of somebody else's code: caught, told with their place in the source, and let go of without another one.
//!
//! What a panic throws is a value like any other, and its destructor may panic too: outside of `catch_unwind` that ends the thread, and
//! within another panic the process. Whoever runs code that is not ours runs it by [`caught`], and drops values that are not ours by
//! [`discard`].

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::ThreadId;

use crate::base::error::{Error, ErrorKind, Result};

/// Characters of a panic's words that are kept: where a task fails since a task that it waited for failed, and so on, each holds the words
/// of the one before.
const MOST_WORDS: usize = 2000;
/// Panics whose places are remembered until somebody asks: those of all threads that may be at it at once.
const REMEMBERED: usize = 64;
/// Destructors that panic with something whose destructor panics: after so many the last is left where it is.
const PATIENCE: usize = 8;

/// What a panic said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// Its words, shortened if there are very many; of a payload that is no text, that it is none.
    pub words: String,
    /// `file:line:column`, if the panic hook has seen it.
    pub place: Option<String>,
}

impl Panicked {
    /// Of a payload that was caught elsewhere (a thread that was joined). Drops it.
    pub fn of(payload: Box<dyn Any + Send>) -> Self {
        let words = text_of(&*payload).map(shorten);
        let place = words.as_deref().and_then(place_of);
        discard(payload);
        Self {
            words: words.unwrap_or_else(|| "(the payload is not a text)".to_owned()),
            place,
        }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "panicked at {place}: {}", self.words),
            None => write!(f, "panicked: {}", self.words),
        }
    }
}

impl From<Panicked> for Error {
    #[cold]
    fn from(p: Panicked) -> Self {
        Self::new(ErrorKind::Panic, p.to_string())
    }
}

impl Error {
    /// What a caught panic says, as a [`ErrorKind::Panic`]. See [`caught`], which catches it as well.
    #[cold]
    pub fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Panicked::of(payload).into()
    }
}

/// Runs somebody else's code; what it panics with is told and dropped here.
///
/// ```
/// let e = kvern_core::panics::caught(|| "six".parse::<u8>().expect("a number")).unwrap_err();
/// assert!(e.to_string().contains("a number: ParseIntError"), "{e}");
/// ```
///
/// # Errors
/// What the panic said.
pub fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Panicked> {
    listen();
    // What a panic leaves half done belongs to the code that panicked, and is not looked at again.
    catch_unwind(AssertUnwindSafe(f)).map_err(Panicked::of)
}

/// Drops a value of somebody else's: a panic of its destructor ends here, and so does one of what that panic threw.
pub fn discard<T>(value: T) {
    let mut end = catch_unwind(AssertUnwindSafe(move || drop(value)));
    for _ in 0..PATIENCE {
        let Err(payload) = end else { return };
        end = catch_unwind(AssertUnwindSafe(move || drop(payload)));
    }
    if let Err(payload) = end {
        let _never = ManuallyDrop::new(payload);
    }
}

fn text_of(payload: &dyn Any) -> Option<&str> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

fn shorten(words: &str) -> String {
    match words.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// A panic that the hook saw.
struct Seen {
    thread: ThreadId,
    words: String,
    place: String,
}

/// Known by their words: a panic of a thread that helps may be thrown on by the one that it helped.
static SEEN: Mutex<VecDeque<Seen>> = Mutex::new(VecDeque::new());

/// Puts a hook before the one that is there (which prints), to see where panics are.
fn listen() {
    static ONCE: Once = Once::new();
    // A hook cannot be changed by a thread that panics: the next call will do.
    if !ONCE.is_completed() && !std::thread::panicking() {
        ONCE.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                remember(info);
                before(info);
            }));
        });
    }
}

fn remember(info: &PanicHookInfo<'_>) {
    let (Some(words), Some(at)) = (text_of(info.payload()), info.location()) else {
        return;
    };
    let seen = Seen {
        thread: std::thread::current().id(),
        words: shorten(words),
        place: at.to_string(),
    };
    let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= REMEMBERED {
        all.pop_front();
    }
    all.push_back(seen);
}

/// The place of the last panic with these words: of this thread if there is one.
fn place_of(words: &str) -> Option<String> {
    let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let me = std::thread::current().id();
    let mine = all.iter().rposition(|s| s.thread == me && s.words == words);
    let at = mine.or_else(|| all.iter().rposition(|s| s.words == words))?;
    all.remove(at).map(|s| s.place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its destructor panics with something whose destructor panics, so many levels deep.
    struct Bomb(usize);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::resume_unwind(Box::new(Self(self.0 - 1)));
            }
        }
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_ends_nothing() {
        for depth in [1, 2, 100] {
            let end = caught(|| std::panic::resume_unwind(Box::new(Bomb(depth))));
            assert_eq!(
                end,
                Err::<(), _>(Panicked {
                    words: "(the payload is not a text)".into(),
                    place: None
                })
            );
            discard(Bomb(depth));
        }
    }

    #[test]
    fn a_panic_is_told_with_its_place() {
        let here = line!() + 1;
        let e = caught(|| panic!("three of {}", 4)).map(|()| 0).unwrap_err();
        assert_eq!(e.words, "three of 4");
        let place = e.place.clone().unwrap();
        assert!(place.contains(&format!("panics.rs:{here}:")), "{place}");
        assert_eq!(
            Error::from(e).message(),
            format!("panicked at {place}: three of 4")
        );
        // Thrown on by another thread: it is still known where it was. No hook runs for a payload that is only thrown on.
        let thrown = std::thread::spawn(|| panic!("of a helper")).join();
        let e = caught(|| std::panic::resume_unwind(thrown.unwrap_err()));
        assert!(e.map(|()| 0).unwrap_err().place.is_some());
        let e = caught(|| std::panic::resume_unwind(Box::new("no hook")));
        assert_eq!(e.map(|()| 0).unwrap_err().to_string(), "panicked: no hook");
    }

    #[test]
    fn long_words_are_shortened() {
        let e = caught(|| panic!("{}", "ä".repeat(3000)))
            .map(|()| 0)
            .unwrap_err();
        assert_eq!(e.words.chars().count(), MOST_WORDS + 1);
        assert!(e.words.ends_with('…') && e.place.is_some());
    }
}
