//! What travels of an error.

use kvern_core::Error;
use kvern_core::error::ErrorRecord;

use crate::parcel::caught;

/// The most bytes of words that travel with an error, or a line that a task logs.
const WORDS: usize = 64 << 10;

/// The most inputs and causes that an error names.
const LISTED: usize = 64;

/// What travels of an error: not more than anybody reads. Its words are somebody else's code, which may panic.
pub(super) fn record(e: &Error) -> ErrorRecord {
    let record = caught(|| Ok(ErrorRecord::from(e)));
    let mut record = record.unwrap_or_else(|panic| ErrorRecord {
        kind: e.kind(),
        message: format!("{} (and the words of its cause: {panic})", e.message()),
        task: e.task().cloned(),
        causes: Vec::new(),
    });
    shorten(&mut record.message);
    record.causes.truncate(LISTED);
    record.causes.iter_mut().for_each(shorten);
    if let Some(task) = &mut record.task {
        let more = task.inputs.len().saturating_sub(LISTED);
        task.inputs.truncate(LISTED);
        task.inputs.iter_mut().for_each(shorten);
        if more > 0 {
            task.inputs.push(format!("and {more} more"));
        }
    }
    record
}

/// Cuts what is longer than anybody reads, and says so.
pub(super) fn shorten(words: &mut String) {
    if words.len() > WORDS {
        let all = words.len();
        let mut end = WORDS;
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        words.truncate(end);
        words.push_str(&format!("… (cut: {all} bytes)"));
    }
}
