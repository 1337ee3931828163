//! Ctrl-C, and SIGTERM, for sessions that asked ([`Session::cancel_on_ctrl_c`](kvern_core::Session::cancel_on_ctrl_c)).
//!
//! Of two of them the second ends the process in the signal handler itself, so that nothing that hangs can keep it from doing so. Handlers of the
//! program's own, and tokio's, are called as well: `signal-hook` chains them.

use kvern_core::config::inventory;
use kvern_core::stop::Listener;

inventory::submit! {
    Listener {
        source: env!("CARGO_PKG_NAME"),
        listen,
        ignore,
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, LazyLock, Mutex, PoisonError};

    use kvern_core::stop::told_to_end;
    use kvern_core::{Error, ErrorKind, Result};
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    /// Whether the next signal does what it usually does.
    static AS_USUAL: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

    pub(super) fn listen() -> Result<()> {
        static BEGUN: Mutex<bool> = Mutex::new(false);
        let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
        if !*begun {
            begin().map_err(|e| {
                Error::with_source(
                    ErrorKind::Io,
                    format!("Ctrl-C cannot be listened for: {e}"),
                    e,
                )
            })?;
            *begun = true;
        }
        AS_USUAL.store(false, Ordering::SeqCst);
        Ok(())
    }

    pub(super) fn ignore() {
        AS_USUAL.store(true, Ordering::SeqCst);
    }

    fn begin() -> io::Result<()> {
        // First: it hears what comes from here on.
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second of two finds what the first has left.
            flag::register_conditional_default(signal, AS_USUAL.clone())?;
            flag::register(signal, AS_USUAL.clone())?;
        }
        let tell = move || {
            for signal in signals.forever() {
                told_to_end(if signal == SIGINT {
                    "Ctrl-C"
                } else {
                    "SIGTERM"
                });
            }
        };
        let thread = std::thread::Builder::new().name("kvern-ctrl-c".into());
        thread.spawn(tell).map(drop)
    }
}

#[cfg(unix)]
use unix::{ignore, listen};

#[cfg(not(unix))]
fn listen() -> kvern_core::Result<()> {
    Err(kvern_core::Error::new(
        kvern_core::ErrorKind::Unsupported,
        "Ctrl-C is heard on Unix only so far",
    ))
}

#[cfg(not(unix))]
fn ignore() {}
