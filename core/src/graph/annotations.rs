//! How a layer's tasks should be run, as said by the user. Annotations never change what is computed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::Key;
use crate::base::text::format_bytes;

/// Wishes and limits for the tasks of a layer. They survive every optimisation: layers that differ in them are not merged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Annotations {
    /// Tasks of higher priority start first; the static order decides among equals. So do runs all of whose tasks have a higher one; of a run whose
    /// tasks differ the one nearest to 0 counts.
    pub priority: i32,
    /// How often a failed task is tried again.
    pub retries: u32,
    /// How long to wait before a failed task is tried again; twice as long each further time.
    pub backoff: Option<Duration>,
    /// Named resources that a task occupies while it runs, such as `{"gpu": 1.0}`.
    pub resources: BTreeMap<String, f64>,
    /// Bytes that a task needs beyond its inputs and output.
    pub memory: Option<u64>,
    /// A task that runs longer fails.
    pub timeout: Option<Duration>,
    /// Only workers of these names may run the tasks; empty: any.
    pub workers: Vec<String>,
    /// Free words for people: shown in plans and dashboards.
    pub label: Option<String>,
}

/// What some backends honour and others do not. Priority, retries, time limit and label all of them do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// [`Annotations::resources`].
    Resources,
    /// [`Annotations::memory`].
    Memory,
    /// [`Annotations::workers`].
    Workers,
}

impl Demand {
    fn name(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Memory => "memory",
            Self::Workers => "workers",
        }
    }
}

impl Annotations {
    /// None of anything.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// assert_eq!(Annotations::new().retries, 0);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the priority.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// assert_eq!(Annotations::new().priority(1).priority, 1);
    /// ```
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets how often a failed task is tried again.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// let call = kvern_core::delayed(|x: &u64| x + 1).call(1u64).annotate(Annotations::new().retries(2));
    /// assert_eq!(call.reference()?, 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets how long to wait before a failed task is tried again; twice as long each further time.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// use std::time::Duration;
    /// let patient = Annotations::new().retries(3).backoff(Duration::from_secs(1)); // waits 1, 2 and 4 seconds
    /// ```
    #[must_use]
    pub fn backoff(mut self, pause: Duration) -> Self {
        self.backoff = Some(pause);
        self
    }

    /// Asks for `amount` of a named resource.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// let on_a_gpu = Annotations::new().resource("gpu", 1.0);
    /// ```
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>, amount: f64) -> Self {
        self.resources.insert(name.into(), amount);
        self
    }

    /// Says how many bytes a task needs beyond its inputs and output.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// let large = Annotations::new().memory(2 << 30); // 2 GiB while it runs
    /// ```
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Lets only workers of these names run the tasks.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// let there = Annotations::new().workers(["worker-0", "worker-1"]);
    /// ```
    #[must_use]
    pub fn workers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.workers = names.into_iter().map(Into::into).collect();
        self
    }

    /// For backends: refuses what they would pass over. `honoured`: what they honour of what not all do.
    ///
    /// ```
    /// use kvern_core::{Annotations, annotations::Demand};
    ///
    /// let on_a_gpu = Annotations::new().resource("gpu", 1.0);
    /// let e = on_a_gpu.check_honoured("sync://", &[Demand::Memory]).unwrap_err();
    /// assert_eq!(
    ///     e.message(),
    ///     "sync:// does not honour the annotation resources (gpu=1); it honours priority, retries, timeout, label and memory"
    /// );
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] naming the annotation and what the backend honours.
    pub fn check_honoured(&self, backend: &str, honoured: &[Demand]) -> Result<()> {
        let asked = |demand| match demand {
            Demand::Resources if !self.resources.is_empty() => {
                let all = self.resources.iter().map(|(name, n)| format!("{name}={n}"));
                Some(all.collect::<Vec<_>>().join(", "))
            }
            Demand::Memory => self.memory.map(format_bytes),
            Demand::Workers if !self.workers.is_empty() => Some(self.workers.join(", ")),
            _ => None,
        };
        for demand in [Demand::Resources, Demand::Memory, Demand::Workers] {
            let Some(what) = asked(demand).filter(|_| !honoured.contains(&demand)) else {
                continue;
            };
            let mut known = vec!["priority", "retries", "timeout", "label"];
            known.extend(honoured.iter().map(|d| d.name()));
            let last = known.pop().unwrap_or_default();
            let words = format!(
                "{backend} does not honour the annotation {} ({what}); it honours {} and {last}",
                demand.name(),
                known.join(", ")
            );
            return Err(Error::new(ErrorKind::Unsupported, words));
        }
        Ok(())
    }

    /// Limits the time a task may run: when it is over, whoever waits is told at once. See [`Tasks::timeout`](crate::futures::Tasks::timeout).
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// let quick = Annotations::new().timeout(std::time::Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Says in free words what the layer is.
    ///
    /// ```
    /// use kvern_core::Annotations;
    /// let named = Annotations::new().label("nightly report");
    /// ```
    #[must_use]
    pub fn label(mut self, words: impl Into<String>) -> Self {
        self.label = Some(words.into());
        self
    }

    /// Equal annotations have equal keys.
    pub(crate) fn key(&self) -> Key {
        let k = Key::builder("annotations")
            .u64(self.priority as u64)
            .u64(u64::from(self.retries));
        let k = self
            .resources
            .iter()
            .fold(k.u64(self.resources.len() as u64), |k, (n, a)| {
                k.str(n).u64(a.to_bits())
            });
        let k = k.u64(self.memory.map_or(0, |m| m.wrapping_add(1)));
        let time = |t: Option<Duration>| t.map_or(0, |t| (t.as_nanos() as u64).wrapping_add(1));
        let k = k.u64(time(self.timeout)).u64(time(self.backoff));
        let k = self
            .workers
            .iter()
            .fold(k.u64(self.workers.len() as u64), |k, w| k.str(w));
        k.str(self.label.as_deref().unwrap_or("")).finish()
    }
}
