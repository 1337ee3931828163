//! Small texts that people write and read: byte counts, durations, and names with a typo in them; and numbers that a text format has no word for.
//!
//! Configuration, scheduler URLs, command lines and reports all speak this one dialect, so that `256MiB` means the
//! same number wherever it is written.

mod bytes;
mod decimal;
mod duration;
mod error;
mod finite;
mod nearest;

pub use bytes::{ByteAmount, format_bytes, format_bytes_exact, parse_byte_amount, parse_bytes};
pub use duration::{format_duration, parse_duration};
pub use error::TextError;
pub use finite::Finite;
pub use nearest::nearest;

pub(crate) use error::shorten;
