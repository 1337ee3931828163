//! How a process ended, in words.

use std::process::ExitStatus;

/// Signals by number, as Linux and most systems have them; true: a process raises it itself by what it does.
const SIGNALS: &[(i32, &str, bool)] = &[
    (1, "SIGHUP", false),
    (2, "SIGINT", false),
    (3, "SIGQUIT", false),
    (4, "SIGILL", true),
    (5, "SIGTRAP", true),
    (6, "SIGABRT", true),
    (7, "SIGBUS", true),
    (8, "SIGFPE", true),
    (9, "SIGKILL", false),
    (11, "SIGSEGV", true),
    (13, "SIGPIPE", true),
    (15, "SIGTERM", false),
    (24, "SIGXCPU", false),
    (31, "SIGSYS", true),
];

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// `was killed by signal 9 (SIGKILL)`, `ended with exit code 1`.
pub(crate) fn words(status: ExitStatus) -> String {
    match (signal(status), status.code()) {
        (Some(number), _) => {
            let known = SIGNALS.iter().find(|(n, _, _)| *n == number);
            let name = known.map_or_else(String::new, |(_, name, _)| format!(" ({name})"));
            format!("was killed by signal {number}{name}")
        }
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => format!("ended ({status})"),
    }
}

/// Whether somebody else ended it: a person, a supervisor, a system without memory.
pub(crate) fn is_from_outside(status: ExitStatus) -> bool {
    signal(status).is_some_and(|number| {
        let known = SIGNALS.iter().find(|(n, _, _)| *n == number);
        known.is_none_or(|(_, _, own)| !own)
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn ends_have_their_words() {
        let of = |raw| {
            let status = ExitStatus::from_raw(raw);
            (words(status), is_from_outside(status))
        };
        assert_eq!(of(9), ("was killed by signal 9 (SIGKILL)".into(), true));
        assert_eq!(of(6), ("was killed by signal 6 (SIGABRT)".into(), false));
        assert_eq!(
            of(11 | 0x80),
            ("was killed by signal 11 (SIGSEGV)".into(), false)
        );
        assert_eq!(of(40), ("was killed by signal 40".into(), true));
        assert_eq!(of(3 << 8), ("ended with exit code 3".into(), false));
        assert_eq!(of(0), ("ended with exit code 0".into(), false));
    }
}
