//! From DataFusion's errors to kvern's: a kind that tells what to do, and words that name the nearest column.

use std::sync::Arc;

use datafusion::common::{DataFusionError, SchemaError};
use kvern_core::text::nearest;
use kvern_core::{Error, ErrorKind};

/// The error as kvern's. An error of kvern that travelled through DataFusion comes out as it went in.
pub fn from_df(e: DataFusionError) -> Error {
    convert(&e)
}

fn convert(e: &DataFusionError) -> Error {
    if let Some(words) = not_taken(&e.to_string()) {
        return Error::bad_input(words);
    }
    match e {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            convert(inner)
        }
        DataFusionError::Shared(inner) => convert(inner),
        DataFusionError::Collection(all) => all.first().map_or_else(
            || Error::new(ErrorKind::Internal, "an empty list of errors"),
            convert,
        ),
        DataFusionError::External(inner) => external(inner.as_ref(), e),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            arrow::error::ArrowError::ExternalError(inner) => external(inner.as_ref(), e),
            _ => Error::new(ErrorKind::BadInput, words(e)),
        },
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => no_column(
                &field.name,
                valid_fields.iter().map(|c| c.name.as_str()).collect(),
            ),
            // Such as `rename([("b", "a")])` of a frame that has an `a`.
            SchemaError::DuplicateUnqualifiedField { name }
            | SchemaError::DuplicateQualifiedField { name, .. } => two_of(name),
            SchemaError::AmbiguousReference { field } if field.relation.is_some() => {
                two_of(&field.name)
            }
            _ => Error::bad_input(words(e)),
        },
        DataFusionError::Plan(_)
        | DataFusionError::SQL(..)
        | DataFusionError::Execution(_)
        | DataFusionError::Configuration(_) => Error::bad_input(words(e)),
        DataFusionError::NotImplemented(_) => Error::new(ErrorKind::Unsupported, words(e)),
        DataFusionError::ResourcesExhausted(_) => Error::new(ErrorKind::OutOfMemory, words(e)),
        DataFusionError::IoError(inner) => Error::with_source(
            ErrorKind::Io,
            words(e),
            std::io::Error::new(inner.kind(), inner.to_string()),
        ),
        DataFusionError::ObjectStore(_) => Error::new(ErrorKind::Io, words(e)),
        DataFusionError::ParquetError(_) => Error::new(ErrorKind::Decode, words(e)),
        DataFusionError::ExecutionJoin(_) => Error::new(ErrorKind::Panic, words(e)),
        _ => Error::new(ErrorKind::Internal, words(e)),
    }
}

fn two_of(name: &str) -> Error {
    Error::bad_input(format!(
        "two columns would be named {name:?}: give one of them another name (`alias`, `rename`), or leave it out"
    ))
}

fn external(
    inner: &(dyn std::error::Error + Send + Sync + 'static),
    whole: &DataFusionError,
) -> Error {
    if let Some(ours) = inner.downcast_ref::<Error>() {
        return ours.clone();
    }
    if let Some(theirs) = inner.downcast_ref::<DataFusionError>() {
        return convert(theirs);
    }
    if let Some(shared) = inner.downcast_ref::<Arc<DataFusionError>>() {
        return convert(shared);
    }
    Error::new(ErrorKind::Task, words(whole))
}

/// What DataFusion says of a function whose arguments have types that it does not take, in one sentence: by itself it tells all that it has
/// tried, and now and then that this is a bug of its own.
fn not_taken(words: &str) -> Option<String> {
    const BEGIN: &str = "No function matches the given name and argument types '";
    let (_, rest) = words.split_once(BEGIN)?;
    let (call, rest) = rest.split_once("'.")?;
    let (name, types) = call.split_once('(')?;
    let taken: Vec<&str> = rest
        .split_once("Candidate functions:")
        .map_or("", |(_, list)| list)
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with(name))
        .collect();
    let taken = match taken.is_empty() {
        true => String::new(),
        false => format!(" (but {})", taken.join(", ")),
    };
    Some(format!(
        "{name} does not take ({types}{taken}: cast its arguments"
    ))
}

fn words(e: &DataFusionError) -> String {
    let words = e.strip_backtrace();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
    ] {
        if let Some(rest) = words.strip_prefix(prefix) {
            return rest.to_owned();
        }
    }
    words
}

/// A column that does not exist, with the nearest that does.
pub(crate) fn no_column(name: &str, mut have: Vec<&str>) -> Error {
    const SHOWN: usize = 40;
    let hint = nearest(name, have.iter().copied())
        .map(|n| format!("; did you mean {n:?}?"))
        .unwrap_or_default();
    let more = have.len().saturating_sub(SHOWN);
    have.truncate(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Error::bad_input(format!(
        "there is no column {name:?}{hint} (there are: {}{more})",
        have.join(", ")
    ))
}

/// kvern's error on its way through DataFusion.
pub fn into_df(e: Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}

/// An error of reading or writing a file.
pub(crate) fn io(path: &std::path::Path, what: &str, e: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Io, format!("{}: {what}: {e}", path.display()), e)
}
