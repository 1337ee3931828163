//! What a command prints, and with which status it exits.

use std::io::{self, Write};
use std::process::ExitCode;

/// Something is wrong with the machine or the configuration.
pub(crate) const FAILED: u8 = 1;
/// The command line could not be understood.
pub(crate) const WRONG_COMMAND_LINE: u8 = 2;

/// What a command has to say.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// For standard output.
    pub(crate) text: String,
    /// For standard error, without the program's name.
    pub(crate) error: Option<String>,
    /// The exit status.
    pub(crate) status: u8,
}

impl Output {
    pub(crate) fn success(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(crate) fn failure(status: u8, error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            status,
            ..Self::default()
        }
    }

    /// Indented JSON.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::success(format!("{value:#}\n"))
    }

    /// Prints it, the error first: it explains what follows.
    pub(crate) fn print(self) -> ExitCode {
        if let Some(error) = &self.error {
            // If there is nobody to read the error, the status still tells.
            let _ = writeln!(io::stderr(), "kvern: {error}");
        }
        let mut stdout = io::stdout().lock();
        match stdout
            .write_all(self.text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Ok(()) => ExitCode::from(self.status),
            // `kvern config list | head -1` is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(self.status),
            Err(error) => {
                let _ = writeln!(
                    io::stderr(),
                    "kvern: cannot write to standard output: {error}"
                );
                ExitCode::from(FAILED)
            }
        }
    }
}
