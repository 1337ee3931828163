//! The one error of this module: which text, what it should have been, and why it is not.

use std::borrow::Cow;

/// A text that could not be read as what it should be.
///
/// ```
/// use kvern_core::text::parse_bytes;
///
/// let error = parse_bytes("8 gigs").unwrap_err();
/// assert!(error.to_string().starts_with(r#""8 gigs" is not a number of bytes"#));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{:?} is not {expected}: {reason}{}{advice}", shorten(.text), if .advice.is_empty() { "" } else { "; " })]
pub struct TextError {
    text: String,
    expected: &'static str,
    reason: String,
    advice: &'static str,
}

impl TextError {
    pub(crate) fn new(text: &str, expected: &'static str, reason: impl Into<String>) -> Self {
        Self {
            text: text.to_owned(),
            expected,
            reason: reason.into(),
            advice: "",
        }
    }

    /// Says what is allowed.
    pub(crate) fn advise(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the text should have been, such as "a number of bytes".
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// Why it is not.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What is allowed, where the reason does not say it already; or nothing.
    pub fn advice(&self) -> &'static str {
        self.advice
    }
}

/// Cuts a text that is too long for a line of an error message.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
