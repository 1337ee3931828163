//! Operators that go wrong on purpose.

use kvern_core::{Error, ErrorKind, OpRef, Value};

use super::{BLOCK, EFFECT, named, operator};
use crate::probe;

operator!(Fail, "fail", BLOCK, |(kind, words): (ErrorKind, String)| {
    move |_: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        let cause = std::io::Error::other("the root of it");
        Err(Error::with_source(kind, words.clone(), cause))
    }
});

operator!(PanicText, "panic-text", BLOCK, |words: String| {
    move |_: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        // `resume_unwind` is a panic that runs no hook: a case with a hundred of them does not fill the log.
        std::panic::resume_unwind(Box::new(words.clone()))
    }
});

operator!(PanicValue, "panic-value", BLOCK, |n: u32| {
    move |_: &mut [Value], _: &kvern_core::TaskContext<'_>| std::panic::resume_unwind(Box::new(n))
});

/// Its destructor panics with another one, so many deep.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::resume_unwind(Box::new(Self(self.0 - 1)));
        }
    }
}

operator!(PanicBomb, "panic-bomb", BLOCK, |deep: u32| {
    move |_: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        std::panic::resume_unwind(Box::new(Bomb(deep)))
    }
});

operator!(Flaky, "flaky", EFFECT, |(path, failures): (String, u64)| {
    move |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        let probe_failed =
            |e: std::io::Error| Error::with_source(ErrorKind::Io, "the probe cannot be written", e);
        let tried =
            std::fs::read(&path).map_or(0, |b| b.iter().filter(|&&c| c == b'\n').count()) as u64;
        probe::append(&path, &probe::nanos().to_string()).map_err(probe_failed)?;
        if tried < failures {
            return Err(Error::new(
                ErrorKind::Task,
                format!("attempt {} fails", tried + 1),
            ));
        }
        Ok(Value::new(super::numbers::fold(3, inputs)?))
    }
});

operator!(Log, "log", EFFECT, |words: String| {
    move |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        ctx.log(&words);
        Ok(Value::UNIT)
    }
});

/// Returns an error of that kind with those words; its source says "the root of it".
pub fn fail(kind: ErrorKind, words: &str) -> OpRef {
    named(&Fail, &(kind, words))
}

/// Panics with those words.
pub fn panic_text(words: &str) -> OpRef {
    named(&PanicText, &words)
}

/// Panics with a number instead of words.
pub fn panic_value(n: u32) -> OpRef {
    named(&PanicValue, &n)
}

/// Panics with something whose destructor panics, and so on, so many deep.
pub fn panic_bomb(deep: u32) -> OpRef {
    named(&PanicBomb, &deep)
}

/// Fails until the probe has `failures` lines; each attempt adds one, the nanoseconds since 1970 at which it began.
pub fn flaky(probe: &str, failures: u64) -> OpRef {
    named(&Flaky, &(probe, failures))
}

/// Logs a line.
pub fn log(words: &str) -> OpRef {
    named(&Log, &words)
}
