//! The ways in which a frame is computed.

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kvern::Session;
use kvern::frame::{Frame, Way, sql};
use kvern_fuzz::compare::Answer;
use kvern_fuzz::make::Case;
use kvern_fuzz::ops::Dialect;
use kvern_fuzz::sql::query;
use tempfile::TempDir;

use super::{batches, calls, files};

/// A way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// One task that streams, on threads of this process.
    Local,
    /// By tasks over partitions, on threads of this process.
    Tasks,
    /// By tasks on two worker processes.
    Cluster,
    /// By Ballista, on two executor processes.
    Ballista,
}

/// All of them by their names.
pub(crate) const WAYS: &[(&str, How)] = &[
    ("local", How::Local),
    ("tasks", How::Tasks),
    ("cluster", How::Cluster),
    ("ballista", How::Ballista),
];

impl How {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        WAYS.iter().find(|w| w.1 == self).map_or("", |w| w.0)
    }

    fn url(self) -> &'static str {
        match self {
            Self::Local | Self::Tasks => "threads://?workers=2&memory=1GiB",
            Self::Cluster => "cluster://?workers=2",
            Self::Ballista => "ballista://local?executors=2&slots=1",
        }
    }
}

/// How a query is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// As SQL.
    Sql,
    /// As calls of frames, if it can be.
    Calls,
    /// By this text instead of its own.
    Text(&'a str),
}

/// The sessions of some ways.
pub(crate) struct Ways(Vec<(How, Session)>);

impl Ways {
    /// Opens them.
    pub(crate) fn open(hows: &[How]) -> Result<Self, String> {
        let open = |how: &How| {
            let session = Session::open(how.url());
            let session = session.map_err(|e| format!("{}: {e}", how.url()))?;
            Ok((*how, session))
        };
        Ok(Self(hows.iter().map(open).collect::<Result<_, String>>()?))
    }

    /// The ways that are open.
    pub(crate) fn all(&self) -> impl Iterator<Item = How> {
        self.0.iter().map(|w| w.0)
    }

    /// The answer to a case by that way. `None`: it cannot be said so.
    pub(crate) fn answer(
        &self,
        how: How,
        case: &Framed<'_>,
        form: Form<'_>,
    ) -> Option<Result<Answer, String>> {
        let session = &self.0.iter().find(|w| w.0 == how)?.1;
        let frame = match case.frame(form)? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error)),
        };
        let partitions = case.case.partitions;
        Some(caught(|| compute(&frame, how, partitions, session)))
    }
}

/// A case as frames, which are made once for all ways.
pub(crate) struct Framed<'a> {
    case: &'a Case,
    tables: Result<Vec<Frame>, String>,
    sql: OnceCell<Result<Frame, String>>,
    calls: OnceCell<Option<Result<Frame, String>>>,
    /// Files of the tables.
    _folder: Option<TempDir>,
}

impl<'a> Framed<'a> {
    /// With its tables.
    pub(crate) fn of(case: &'a Case) -> Self {
        let folder = tempfile::tempdir();
        let tables = match &folder {
            Ok(folder) => caught(|| {
                let tables = case.tables.iter();
                tables.map(|t| files::frame(t, folder.path())).collect()
            }),
            Err(e) => Err(e.to_string()),
        };
        Self {
            case,
            tables,
            sql: OnceCell::new(),
            calls: OnceCell::new(),
            _folder: folder.ok(),
        }
    }

    fn frame(&self, form: Form<'_>) -> Option<Result<Frame, String>> {
        let tables = match &self.tables {
            Ok(tables) => tables,
            Err(error) => return Some(Err(error.clone())),
        };
        let names = self.case.names();
        let parse = |text: &str| {
            let tables = names.iter().map(String::as_str).zip(tables);
            caught(|| sql(text, tables).map_err(|e| e.to_string()))
        };
        let in_words = || parse(&query(&self.case.query, &names, Dialect::Kvern));
        let by_calls = || {
            let made = caught(|| match calls::frame(&self.case.query, tables) {
                Some(frame) => frame.map(Some).map_err(|e| e.to_string()),
                None => Ok(None),
            });
            made.transpose()
        };
        match form {
            Form::Sql => Some(self.sql.get_or_init(in_words).clone()),
            Form::Calls => self.calls.get_or_init(by_calls).clone(),
            Form::Text(text) => Some(parse(text)),
        }
    }
}

/// What comes of some work; a panic is an error.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(made) => made,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err(format!("a panic: {}", words.unwrap_or_default()))
        }
    }
}

fn compute(
    frame: &Frame,
    how: How,
    partitions: usize,
    session: &Session,
) -> Result<Answer, String> {
    let frame = match how {
        How::Local => frame.via(Way::Local),
        How::Tasks => frame.via(Way::Tasks),
        How::Cluster | How::Ballista => frame.clone(),
    };
    let frame = frame.repartition(partitions);
    let schema = frame.schema();
    let found = session.compute(&frame).map_err(|e| e.to_string())?;
    // What was announced is what comes.
    for batch in &found {
        let pairs = schema.fields().iter().zip(batch.schema_ref().fields());
        for (told, came) in pairs {
            if told.data_type() != came.data_type() || told.name() != came.name() {
                return Err(format!(
                    "the schema announces {} {}, and {} {} came",
                    told.name(),
                    told.data_type(),
                    came.name(),
                    came.data_type()
                ));
            }
        }
    }
    Ok(batches::answer(&schema, &found))
}
