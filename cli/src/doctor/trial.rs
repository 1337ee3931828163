//! A small graph on the backend that a program would get: the one check that everything works together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kvern::core::config::Config;
use kvern::core::url::SchedulerUrl;
use kvern::core::{BackendEntry, Registry, Session, delayed};

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) enum Trial {
    /// The graph was computed.
    Done {
        /// The backend's name.
        scheme: String,
        threads: usize,
        memory_budget: Option<u64>,
        /// From opening the session to the result.
        took: Duration,
    },
    /// It was not.
    Failed(String),
    /// It was not tried, and why.
    Skipped(&'static str),
}

/// Opens the session that this configuration asks for, and computes 3 * 4 + 3 in it.
pub(crate) fn of(config: &Config) -> Trial {
    let url: Option<String> = config.get("scheduler").ok().flatten();
    let url = url.and_then(|url| SchedulerUrl::parse(&url).ok());
    if let Some(url) = url.filter(|url| url.host().is_some()) {
        let linked = Registry::linked();
        let backend = linked.and_then(|all| all.get::<BackendEntry>(url.scheme()).map(drop));
        return match backend {
            Ok(()) => Trial::Skipped("the scheduler is on another machine"),
            Err(error) => Trial::Failed(error.to_string()),
        };
    }
    let start = Instant::now();
    match compute(config) {
        Ok((session, 15)) => {
            let description = session.describe();
            Trial::Done {
                scheme: description.scheme,
                threads: description.threads,
                memory_budget: description.memory_budget,
                took: start.elapsed(),
            }
        }
        Ok((_, answer)) => Trial::Failed(format!("3 * 4 + 3 came out as {answer}")),
        Err(error) => Trial::Failed(error.to_string()),
    }
}

fn compute(config: &Config) -> kvern::core::Result<(Session, i64)> {
    let session = Session::builder()
        .config(Arc::new(config.clone()))
        .build()?;
    let times = delayed(|a: &i64, b: &i64| a * b).call((3_i64, 4_i64));
    let plus = delayed(|a: &i64, b: &i64| a + b).call((&times, 3_i64));
    let answer = session.compute(&plus)?;
    Ok((session, answer))
}
