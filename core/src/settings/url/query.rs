//! The keys and values after the `?`, read by type.

use std::path::PathBuf;
use std::time::Duration;

use super::{SchedulerUrl, UrlError};
use crate::base::text::{
    ByteAmount, TextError, nearest, parse_byte_amount, parse_bytes, parse_duration, shorten,
};

/// Reads a URL's keys by type, and notes which were asked for.
///
/// Ask for every key that the backend knows, then call [`Query::finish`].
#[derive(Debug)]
#[must_use = "a query that is not finished lets a misspelt key pass"]
pub struct Query<'a> {
    url: &'a SchedulerUrl,
    asked: Vec<&'static str>,
}

impl<'a> Query<'a> {
    pub(super) fn new(url: &'a SchedulerUrl) -> Self {
        Self {
            url,
            asked: Vec::new(),
        }
    }

    /// The value of a key, or `None` if the URL does not have it.
    ///
    /// # Errors
    ///
    /// [`UrlError::WrongValue`] if the value does not read as a `T`.
    pub fn get<T: FromText>(&mut self, key: &'static str) -> Result<Option<T>, UrlError> {
        self.asked.push(key);
        let Some((_, value)) = self.url.query.iter().find(|(name, _)| name == key) else {
            return Ok(None);
        };
        T::from_text(value)
            .map(Some)
            .map_err(|reason| UrlError::WrongValue {
                url: self.url.to_string(),
                key: key.to_owned(),
                value: shorten(value).into_owned(),
                expected: T::EXPECTED,
                reason,
            })
    }

    /// Refuses keys that nobody asked for.
    ///
    /// # Errors
    ///
    /// [`UrlError::UnknownKey`] for the first one.
    pub fn finish(self) -> Result<(), UrlError> {
        let unknown = self
            .url
            .query
            .iter()
            .find(|(key, _)| !self.asked.contains(&key.as_str()));
        let Some((key, _)) = unknown else {
            return Ok(());
        };
        Err(UrlError::UnknownKey {
            url: self.url.to_string(),
            scheme: self.url.scheme.clone(),
            key: shorten(key).into_owned(),
            nearest: nearest(key, self.asked.iter().copied()).map(str::to_owned),
            known: match self.asked.as_slice() {
                [] => "no keys".to_owned(),
                asked => asked.join(", "),
            },
        })
    }
}

/// A type that a value of a URL's query can be read as.
pub trait FromText: Sized {
    /// What the text should be, with an article.
    const EXPECTED: &'static str;

    /// Reads the text, or says why it is not what it should be.
    ///
    /// # Errors
    ///
    /// The reason, as part of a sentence.
    fn from_text(text: &str) -> Result<Self, String>;
}

fn reason(error: &TextError) -> String {
    match error.advice() {
        "" => error.reason().to_owned(),
        advice => format!("{}; {advice}", error.reason()),
    }
}

macro_rules! from_text {
    ($($type:ty, $expected:literal: $text:ident => $read:expr;)+) => {$(
        impl FromText for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text($text: &str) -> Result<Self, String> {
                $read
            }
        }
    )+};
}

from_text! {
    bool, "true or false": text => match text {
        "true" | "on" | "yes" | "1" | "" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err("it is neither".to_owned()),
    };
    usize, "a whole number": text => text.parse().map_err(|e: std::num::ParseIntError| e.to_string());
    i64, "a whole number": text => text.parse().map_err(|e: std::num::ParseIntError| e.to_string());
    f64, "a number": text => match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("write it as 0.5".to_owned()),
    };
    u64, "a number, or a number of bytes": text => parse_bytes(text).map_err(|e| reason(&e));
    ByteAmount, "a number of bytes or a share of memory": text => parse_byte_amount(text).map_err(|e| reason(&e));
    Duration, "a duration": text => parse_duration(text).map_err(|e| reason(&e));
    String, "a text": text => Ok(text.to_owned());
    PathBuf, "a path": text => match text {
        "" => Err("it is empty".to_owned()),
        text => Ok(text.into()),
    };
}
