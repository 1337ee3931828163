//! Tokens: the word that a process must know to be let in.

use std::fmt;

use kvern_core::{Error, ErrorKind, Result};

/// The environment variable that workers and clients find it in; an argument of a command could be read by every user of the machine.
pub const TOKEN_VARIABLE: &str = "KVERN_TOKEN";

/// A shared secret. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one, of 128 random bits.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the system gives no random numbers.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|e| {
            Error::new(
                ErrorKind::Io,
                format!("the system gives no random numbers: {e}"),
            )
        })?;
        Ok(Self(bytes.iter().map(|b| format!("{b:02x}")).collect()))
    }

    /// One that was made elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is shorter than 16 characters, or longer than 256.
    pub fn from_text(text: &str) -> Result<Self> {
        let text = text.trim();
        if !(16..=256).contains(&text.len()) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "a token has 16 to 256 characters, this one has {}",
                    text.len()
                ),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// What the environment says.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it says nothing.
    pub fn from_environment() -> Result<Self> {
        match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => Self::from_text(&text),
            Err(_) => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "a token is needed: set {TOKEN_VARIABLE} to what the scheduler printed when it started (or put token=… into the URL)"
                ),
            )),
        }
    }

    /// The text, to hand it on.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether another is the same, in a time that does not tell how much of it is.
    pub(crate) fn matches(&self, other: &str) -> bool {
        let (a, b) = (self.0.as_bytes(), other.as_bytes());
        let differ = a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y));
        a.len() == b.len() && std::hint::black_box(differ) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_match_themselves_alone() {
        let (a, b) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(
            a.matches(a.text())
                && !a.matches(b.text())
                && !a.matches("")
                && !a.matches(&a.text()[1..])
        );
        assert_eq!(format!("{a:?}"), "Token(…)");
        assert!(
            Token::from_text("short")
                .unwrap_err()
                .to_string()
                .contains("16 to 256 characters, this one has 5")
        );
    }
}
