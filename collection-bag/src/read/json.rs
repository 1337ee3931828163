//! JSON lines: one record a line, of any type that serde can read.

use std::marker::PhantomData;
use std::rc::Rc;

use kvern_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pipe::text_steps::to_items;
use crate::pipe::{AnyStage, Env, FromParams, Step};

/// What to do with a record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnBad {
    /// An error that names file, line and column, and how the record begins.
    #[default]
    Error,
    /// Leave it out, and count it ([`Skipped`](crate::Skipped)).
    Skip,
}

/// So much of a bad record is shown.
const SHOWN: usize = 60;

/// Texts to records.
pub(crate) struct Json<T>(OnBad, PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Json<T> {
    fn from_params(params: &[u8]) -> Result<Self> {
        let on_bad = kvern_core::operator::decode_params("json", params)?;
        Ok(Self(on_bad, PhantomData))
    }
}

impl<T: DeserializeOwned + 'static> Step for Json<T> {
    fn attach(&self, upstream: AnyStage, env: &Rc<Env>) -> Result<AnyStage> {
        let (on_bad, env) = (self.0, env.clone());
        to_items(upstream, move |line, sink| {
            match serde_json::from_str::<T>(line) {
                Ok(record) => sink(record),
                // A line without a record is no record.
                Err(_) if line.trim_ascii().is_empty() => Ok(()),
                Err(e) if on_bad == OnBad::Skip => {
                    env.skip(|| words::<T>(line, &e));
                    Ok(())
                }
                Err(e) => Err(Error::with_source(
                    kvern_core::ErrorKind::BadInput,
                    words::<T>(line, &e),
                    e,
                )
                .into()),
            }
        })
    }
}

#[cold]
fn words<T>(line: &str, e: &serde_json::Error) -> String {
    // serde_json ends with " at line 1 column 7": the line is not that of the file.
    let text = e.to_string();
    let why = text.split(" at line ").next().unwrap_or_default();
    let rest = line.get(e.column().saturating_sub(1)..).unwrap_or_default();
    let hint = match () {
        () if e.is_eof() => {
            " (a record is one line: the file may have been cut, or have records over several lines)"
        }
        () if ["NaN", "Infinity", "-Infinity"]
            .iter()
            .any(|w| rest.starts_with(w)) =>
        {
            " (NaN and Infinity are not JSON, though Python writes them; null is read as None)"
        }
        () => "",
    };
    let type_name = std::any::type_name::<T>();
    let short = type_name.rsplit("::").next().unwrap_or(type_name);
    let shown: String = line.chars().take(SHOWN).collect();
    let more = if shown.len() < line.len() { "…" } else { "" };
    format!(
        "column {}: not a record of type {short}: {why}{hint}; it begins {shown:?}{more}",
        e.column()
    )
}
