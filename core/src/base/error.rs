//! The one error type of the protocol: a kind that is stable across wire and binary border, and words that name the value, what
//! was allowed, the operator and the task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::key::Key;

/// What a caller can do about an error. The numbers and names are stable: they cross the wire and the plugin border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[repr(u16)]
pub enum ErrorKind {
    /// The caller passed something that is not allowed; the message names it and what is.
    BadInput = 1,
    /// An operator returned an error for its inputs.
    Task = 2,
    /// An operator panicked; the pool lives on.
    Panic = 3,
    /// The run was cancelled, or nobody wanted the result any more.
    Cancelled = 4,
    /// The memory budget cannot hold what was asked for.
    OutOfMemory = 5,
    /// Writing or reading spilled data failed (disk full, corrupt file).
    Spill = 6,
    /// The graph has a cycle; the message has the path.
    Cycle = 7,
    /// A task refers to one that does not exist.
    Dangling = 8,
    /// Two things have one name.
    Duplicate = 9,
    /// No operator, layer kind, type or backend of that name is registered here.
    NotRegistered = 10,
    /// The work cannot leave this process, for example a closure that captured something.
    NotPortable = 11,
    /// The configuration is wrong.
    Config = 12,
    /// Reading or writing a file, socket or other resource failed.
    Io = 13,
    /// This backend or build cannot do that.
    Unsupported = 14,
    /// A result that existed is gone and cannot be made again.
    Lost = 15,
    /// A time limit passed.
    Timeout = 16,
    /// Encoded data cannot be decoded.
    Decode = 17,
    /// A defect of kvern itself.
    Internal = 18,
}

impl ErrorKind {
    /// The stable name, such as `"bad-input"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadInput => "bad-input",
            Self::Task => "task",
            Self::Panic => "panic",
            Self::Cancelled => "cancelled",
            Self::OutOfMemory => "out-of-memory",
            Self::Spill => "spill",
            Self::Cycle => "cycle",
            Self::Dangling => "dangling",
            Self::Duplicate => "duplicate",
            Self::NotRegistered => "not-registered",
            Self::NotPortable => "not-portable",
            Self::Config => "config",
            Self::Io => "io",
            Self::Unsupported => "unsupported",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
            Self::Decode => "decode",
            Self::Internal => "internal",
        }
    }

    /// For backends: whether a task that failed so may fare better when it is tried again. A task's own failures may pass; wrong inputs, a
    /// cancellation and a memory budget will not.
    pub fn may_pass(self) -> bool {
        !matches!(self, Self::Cancelled | Self::BadInput | Self::OutOfMemory)
    }
}

/// An error of the graph, a task, a scheduler or a collection. Cheap to clone; one word wide.
///
/// ```
/// use kvern_core::{Error, ErrorKind};
/// let e = Error::new(ErrorKind::BadInput, "axis 3 does not exist: the array has 2 axes (allowed: -2..=1)");
/// assert_eq!(e.kind(), ErrorKind::BadInput);
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    task: Option<TaskInfo>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Which task an error belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// The task's key.
    pub key: Key,
    /// `name@version` of its operator.
    pub operator: String,
    /// What each input was: type, dtype and shape as its value tells.
    pub inputs: Vec<String>,
    /// Of a function or closure: which call of it.
    pub call: Option<Call>,
}

/// A call of a function that somebody submitted or made lazy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Which of several that were made at once ([`Session::map`](crate::Session::map)), from 0.
    pub index: Option<u32>,
    /// Its arguments, shortened.
    pub arguments: Vec<String>,
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(call) = &self.call {
            // By its place in the source, and its arguments: what its author knows it by.
            write!(f, "{}", self.operator)?;
            if let Some(index) = call.index {
                write!(f, ", call {index}")?;
            }
            return write!(f, " ({})", call.arguments.join(", "));
        }
        write!(f, "task {}", self.key.short())?;
        // Data has no operator.
        if !self.operator.is_empty() {
            write!(f, " ({}", self.operator)?;
            if !self.inputs.is_empty() {
                write!(f, ", inputs {}", self.inputs.join(", "))?;
            }
            write!(f, ")")?;
        }
        Ok(())
    }
}

/// A `Result` with kvern's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of that kind with those words.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            task: None,
            source: None,
        }))
    }

    /// The same, keeping the error that caused it as [`std::error::Error::source`].
    #[cold]
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            task: None,
            source: Some(Arc::from(source.into())),
        }))
    }

    /// A [`ErrorKind::BadInput`].
    #[cold]
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadInput, message)
    }

    /// For backends: a task's time limit is over. `took`: how long it ran, if it has come to an end.
    #[cold]
    pub fn out_of_time(limit: Duration, took: Option<Duration>) -> Self {
        let words = match took {
            Some(took) => format!("ran for {took:.1?}, its time limit is {limit:.1?}"),
            None => format!(
                "has not ended within its time limit of {limit:.1?}; its thread cannot be stopped and goes on"
            ),
        };
        Self::new(ErrorKind::Timeout, words)
    }

    /// Names the task, unless one is named already (the innermost is the one that failed).
    #[must_use]
    pub fn at_task(mut self, task: TaskInfo) -> Self {
        if self.0.task.is_none() {
            Arc::make_mut(&mut self.0).task = Some(task);
        }
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The words without the task.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The task that failed, if it was one.
    pub fn task(&self) -> Option<&TaskInfo> {
        self.0.task.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(t) = &self.0.task {
            write!(f, "{t}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.to_string();
        write!(f, "{}: {said}", self.0.kind.name())?;
        let mut cause = std::error::Error::source(self);
        while let Some(c) = cause {
            // Some repeat the words of what they caused.
            let words = c.to_string();
            if !said.contains(&words) {
                write!(f, "\n  caused by: {words}")?;
                said.push_str(&words);
            }
            cause = c.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|s| s.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// What of an [`Error`] crosses a wire: everything but the live source, whose words are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// The stable kind.
    pub kind: ErrorKind,
    /// The words.
    pub message: String,
    /// The task.
    pub task: Option<TaskInfo>,
    /// The words of each cause, outermost first.
    pub causes: Vec<String>,
}

impl From<&Error> for ErrorRecord {
    fn from(e: &Error) -> Self {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(e);
        while let Some(c) = cause {
            causes.push(c.to_string());
            cause = c.source();
        }
        Self {
            kind: e.kind(),
            message: e.0.message.clone(),
            task: e.0.task.clone(),
            causes,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct RemoteCause {
    words: String,
    #[source]
    next: Option<Box<Self>>,
}

impl From<ErrorRecord> for Error {
    fn from(r: ErrorRecord) -> Self {
        let chain = r.causes.into_iter().rev().fold(None, |next, words| {
            Some(Box::new(RemoteCause { words, next }))
        });
        let source = chain.map(|c| Arc::from(c as Box<dyn std::error::Error + Send + Sync>));
        Self(Arc::new(Inner {
            kind: r.kind,
            message: r.message,
            task: r.task,
            source,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_wire_with_its_causes() {
        let io = std::io::Error::other("disk is gone");
        let e = Error::with_source(ErrorKind::Spill, "cannot write chunk", io).at_task(TaskInfo {
            key: Key::from_words([0xabcd_ef01_0000_0000, 2]),
            operator: "array.add@1".into(),
            inputs: vec!["f64[3]".into()],
            call: None,
        });
        let bytes = postcard::to_allocvec(&ErrorRecord::from(&e)).unwrap();
        let back = Error::from(postcard::from_bytes::<ErrorRecord>(&bytes).unwrap());
        assert_eq!(back.kind(), ErrorKind::Spill);
        assert_eq!(
            back.to_string(),
            "task abcdef01 (array.add@1, inputs f64[3]): cannot write chunk"
        );
        assert_eq!(
            std::error::Error::source(&back).unwrap().to_string(),
            "disk is gone"
        );
    }

    #[test]
    fn what_a_cause_repeats_is_told_once() {
        let cause = |words: &str| std::io::Error::other(words.to_owned());
        let of = |words| Error::with_source(ErrorKind::Io, "x.npz: it is gone", cause(words));
        assert_eq!(format!("{:?}", of("it is gone")), "io: x.npz: it is gone");
        assert_eq!(
            format!("{:?}", of("os error 2")),
            "io: x.npz: it is gone\n  caused by: os error 2"
        );
    }

    #[test]
    fn the_innermost_task_is_the_one_named() {
        let info = |w| TaskInfo {
            key: Key::from_words([w, 0]),
            operator: "op@1".into(),
            inputs: vec![],
            call: None,
        };
        let data = TaskInfo {
            operator: String::new(),
            ..info(0xabcd_ef01_0000_0000)
        };
        let words = Error::bad_input("no").at_task(data).to_string();
        assert_eq!(words, "task abcdef01: no");
        let call = Call {
            index: Some(3),
            arguments: vec!["7".into(), "\"three\"".into()],
        };
        let mapped = TaskInfo {
            operator: "closure at src/main.rs:31".into(),
            call: Some(call),
            ..info(1)
        };
        let words = Error::bad_input("no").at_task(mapped).to_string();
        assert_eq!(
            words,
            "closure at src/main.rs:31, call 3 (7, \"three\"): no"
        );
        let e = Error::bad_input("no").at_task(info(1)).at_task(info(2));
        assert_eq!(e.task().unwrap().key, Key::from_words([1, 0]));
    }
}
