//! What a session does with single functions and values: submit, map, scatter, gather.

use std::future::IntoFuture;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{Gather, TaskFuture, TaskHandle};
use crate::base::error::Result;
use crate::base::key;
use crate::graph::annotations::Annotations;
use crate::graph::layer::{Edge, Layer, TaskList};
use crate::graph::{Outputs, Root};
use crate::operator::OpRef;
use crate::session::Session;
use crate::session::delayed::{CallArguments, Fallible, Function, Serde, one_task, operator};
use crate::value::Value;
use crate::value::remote::Portable;

impl Session {
    /// Starts a function and returns at once. The tuple holds its arguments: values, or references to delayed values or handles.
    ///
    /// The function takes its arguments by reference, and what it gives is of a serde type, so that the result can be spilled and sent.
    /// A function, or a closure that captures nothing, runs on any backend; one that captures runs on those of this process. See
    /// [`Session::tasks`] for retries, time limits, priorities and names.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// let nine = session.submit(|x: &u64| x * x, 3u64)?; // runs now
    /// let ten = session.submit(|x: &u64, y: &u64| x + y, (&nine, 1u64))?; // when that is there
    /// assert_eq!(ten.wait()?, 10);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Scheduler::submit`](crate::Scheduler::submit): among others [`ErrorKind::NotPortable`](crate::ErrorKind::NotPortable)
    /// for a closure that captures, if the backend's workers are other processes, naming the bytes that it captures and what to do.
    #[track_caller]
    pub fn submit<F, Args, Out, A, Form>(&self, f: F, args: A) -> Result<TaskHandle<Out>>
    where
        F: Function<Args, Out>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
    {
        self.tasks().submit(f, args)
    }

    /// [`Session::submit`] of a function that may fail: its `Err` is the task's error and keeps its source chain.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// let n = session.try_submit(|text: &String| text.parse::<i64>(), "six".to_owned())?;
    /// assert!(n.wait().unwrap_err().to_string().contains("invalid digit"));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::submit`].
    #[track_caller]
    pub fn try_submit<F, Args, Out, E, A, Form>(&self, f: F, args: A) -> Result<TaskHandle<Out>>
    where
        F: Function<Args, Result<Out, E>>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.tasks().try_submit(f, args)
    }

    /// Starts a function for each item, as one graph, and returns at once: the handles are in the order of the items. An item is a tuple of
    /// arguments, or the one argument of a function that takes one ([`CallArguments`]).
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// let powers = session.map(|x: &u64, n: &u32| x.pow(*n), (0..4u32).map(|n| (2u64, n)))?;
    /// assert_eq!(session.gather(powers)?, [1, 2, 4, 8]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::submit`].
    #[track_caller]
    pub fn map<F, Args, Out, A, Form>(
        &self,
        f: F,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<TaskHandle<Out>>>
    where
        F: Function<Args, Out>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
    {
        self.tasks().map(f, args)
    }

    /// [`Session::map`] of a function that may fail: an `Err` is the error of that one task, and the others go on.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// let texts = ["1", "two", "3"].map(|t| t.to_owned());
    /// let numbers = session.try_map(|text: &String| text.parse::<i64>(), texts)?;
    /// assert_eq!(numbers.iter().filter(|n| n.wait().is_ok()).count(), 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::submit`].
    #[track_caller]
    pub fn try_map<F, Args, Out, E, A, Form>(
        &self,
        f: F,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<TaskHandle<Out>>>
    where
        F: Function<Args, Result<Out, E>>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.tasks().try_map(f, args)
    }

    /// Says how functions are to be run before they are submitted: tried again, stopped, preferred, named.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use kvern_core::{Session, as_completed};
    /// fn model(growth: &f64, capacity: &f64) -> Result<f64, String> {
    ///     if *growth > 2.9 { Err("did not converge".into()) } else { Ok(capacity * growth) }
    /// }
    /// let session = Session::open("threads://")?;
    /// let runs = session.tasks().named("model").retries(2).backoff(Duration::from_millis(100)).timeout(Duration::from_secs(60));
    /// let params: Vec<_> = (0..30).map(|i| (0.1 * f64::from(i), 10.0)).collect();
    /// let handles = runs.try_map(model, params.iter().copied())?;
    /// for done in as_completed(params.iter().zip(handles)) {
    ///     match done.wait() {
    ///         Ok(y) => println!("{:?} gives {y}", done.with),
    ///         Err(e) => println!("number {} of {:?} failed: {e}", done.index, done.with),
    ///     }
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn tasks(&self) -> Tasks<'_> {
        Tasks {
            session: self,
            name: None,
            pure: false,
            annotations: Annotations::new(),
        }
    }

    /// Hands values to the backend, where they live (and are spilled) like results.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// let tables = session.scatter([vec![1.0, 2.0], vec![3.0]])?; // a handle for each
    /// let at = session.map(|table: &Vec<f64>, i: &usize| table[*i], [(&tables[0], 1usize), (&tables[1], 0)])?;
    /// assert_eq!(session.gather(at)?, [2.0, 3.0]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Scheduler::scatter`](crate::Scheduler::scatter).
    pub fn scatter<T: Portable>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<Vec<TaskHandle<T>>> {
        let values = values.into_iter().map(Value::serde).collect();
        let handles = self.scheduler().scatter(values)?;
        Ok(handles.into_iter().map(TaskHandle::of).collect())
    }

    /// Waits for several results, of any runs: `gather(&handles)`, or `gather(handles)`, which takes each result out of its place and
    /// copies none that nobody else holds.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// let handles = session.map(|x: &u64| x + 1, 0..3u64)?;
    /// assert_eq!(session.gather(&handles)?, [1, 2, 3]); // copies, since the handles keep them
    /// assert_eq!(session.gather(handles)?, [1, 2, 3]); // without a copy
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure in the order given.
    pub fn gather<H: Gather>(
        &self,
        handles: impl IntoIterator<Item = H>,
    ) -> Result<Vec<H::Output>> {
        handles.into_iter().map(Gather::gather).collect()
    }

    /// [`Session::gather`] for asynchronous code, on any executor: gives up the thread while it waits.
    ///
    /// ```no_run
    /// use kvern_core::{Result, Session};
    /// async fn sum(session: &Session) -> Result<u64> {
    ///     let handles = session.map(|x: &u64| x + 1, 0..3u64)?;
    ///     Ok(session.gather_async(handles).await?.into_iter().sum())
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::gather`].
    pub async fn gather_async<T: Clone + Send + Sync + 'static>(
        &self,
        handles: impl IntoIterator<Item = TaskHandle<T>>,
    ) -> Result<Vec<T>> {
        let mut results: Vec<_> = handles.into_iter().map(IntoFuture::into_future).collect();
        // All are on their way before the first is waited for.
        results.iter_mut().for_each(TaskFuture::begin);
        let mut values = Vec::with_capacity(results.len());
        for result in results {
            values.push(result.await?);
        }
        Ok(values)
    }
}

/// How functions are to be run: made by [`Session::tasks`], used as often as one likes.
#[derive(Debug, Clone)]
#[must_use = "it starts nothing by itself"]
pub struct Tasks<'a> {
    session: &'a Session,
    name: Option<String>,
    pure: bool,
    annotations: Annotations,
}

impl Tasks<'_> {
    /// Names the function in errors, progress and pictures; otherwise it has the place in the source where it was submitted.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let e = session.tasks().named("load").try_submit(|| Err::<u8, _>("no such table"), ())?.wait().unwrap_err();
    /// assert!(e.to_string().contains("load"), "{e}");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How often a task that failed or panicked is tried again.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.tasks().retries(2).submit(|x: &u64| x + 1, 1u64)?; // three times at most
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.annotations = self.annotations.retries(retries);
        self
    }

    /// How long to wait before a task is tried again; twice as long each further time.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// use std::time::Duration;
    /// let patient = session.tasks().retries(3).backoff(Duration::from_secs(1)); // after 1, 2 and 4 seconds
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn backoff(mut self, pause: Duration) -> Self {
        self.annotations = self.annotations.backoff(pause);
        self
    }

    /// A task that runs longer fails with [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), at once for whoever waits for it. It may be tried again.
    ///
    /// A running function cannot be stopped from outside. It is told so when it asks ([`is_cancelled`](crate::is_cancelled)); if it does not, its thread
    /// goes on until it ends, another takes its place, and what it makes then is dropped. On `sync://` all runs on the thread that waits, so there the
    /// end of the function is waited for.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// use std::time::Duration;
    /// let slow = |_: &u8| while !kvern_core::is_cancelled() {};
    /// let e = session.tasks().timeout(Duration::from_millis(10)).submit(slow, 0u8)?.wait().unwrap_err();
    /// assert_eq!(e.kind(), kvern_core::ErrorKind::Timeout);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.annotations = self.annotations.timeout(limit);
        self
    }

    /// Tasks of higher priority start first, also before those that were submitted earlier and wait.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let soon = session.tasks().priority(10).submit(|x: &u64| x + 1, 1u64)?;
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn priority(mut self, priority: i32) -> Self {
        self.annotations = self.annotations.priority(priority);
        self
    }

    /// Everything that can be said, in the place of what was said before.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// use kvern_core::Annotations;
    /// let tasks = session.tasks().annotate(Annotations::new().retries(1).label("nightly"));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn annotate(mut self, annotations: Annotations) -> Self {
        self.annotations = annotations;
        self
    }

    /// Equal calls are one task, as [`DelayedFn::pure`](crate::delayed::DelayedFn::pure) says.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let squares = session.tasks().pure().map(|x: &u64| x * x, [3u64, 3])?; // one task
    /// assert_eq!(squares[0].key(), squares[1].key());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn pure(mut self) -> Self {
        self.pure = true;
        self
    }

    /// [`Session::submit`], run so.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// assert_eq!(session.tasks().retries(1).submit(|x: &u64| x + 1, 1u64)?.wait()?, 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::submit`].
    #[track_caller]
    pub fn submit<F, Args, Out, A, Form>(&self, f: F, args: A) -> Result<TaskHandle<Out>>
    where
        F: Function<Args, Out>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
    {
        let op = operator::<F, Args, Out, Serde>(f);
        self.one(op.function_at(Location::caller(), false), args)
    }

    /// [`Session::try_submit`], run so.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let n = session.tasks().retries(1).try_submit(|text: &String| text.parse::<i64>(), "6".to_owned())?;
    /// assert_eq!(n.wait()?, 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::submit`].
    #[track_caller]
    pub fn try_submit<F, Args, Out, E, A, Form>(&self, f: F, args: A) -> Result<TaskHandle<Out>>
    where
        F: Function<Args, Result<Out, E>>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let op = operator::<F, Args, Result<Out, E>, Fallible<Serde>>(f);
        self.one(op.function_at(Location::caller(), false), args)
    }

    /// [`Session::map`], run so.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handles = session.tasks().named("square").map(|x: &u64| x * x, 0..3u64)?;
    /// assert_eq!(session.gather(handles)?, [0, 1, 4]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::submit`].
    #[track_caller]
    pub fn map<F, Args, Out, A, Form>(
        &self,
        f: F,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<TaskHandle<Out>>>
    where
        F: Function<Args, Out>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
    {
        let op = operator::<F, Args, Out, Serde>(f);
        self.many(op.function_at(Location::caller(), true), args)
    }

    /// [`Session::try_map`], run so.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let root = |x: &f64| if *x < 0.0 { Err("negative") } else { Ok(x.sqrt()) };
    /// let roots = session.tasks().retries(1).try_map(root, [4.0, -1.0])?;
    /// assert!(roots[0].wait().is_ok() && roots[1].wait().is_err());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::submit`].
    #[track_caller]
    pub fn try_map<F, Args, Out, E, A, Form>(
        &self,
        f: F,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<TaskHandle<Out>>>
    where
        F: Function<Args, Result<Out, E>>,
        A: CallArguments<Args, Form>,
        Args: 'static,
        Out: Portable,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let op = operator::<F, Args, Result<Out, E>, Fallible<Serde>>(f);
        self.many(op.function_at(Location::caller(), true), args)
    }

    fn op(&self, op: OpRef) -> OpRef {
        match &self.name {
            Some(name) => op.renamed(name.as_str()),
            None => op,
        }
    }

    fn annotated(&self, layer: Arc<Layer>) -> Arc<Layer> {
        if self.annotations == Annotations::default() {
            layer
        } else {
            layer.annotated(self.annotations.clone())
        }
    }

    fn one<Args, Out, A: CallArguments<Args, Form>, Form>(
        &self,
        op: OpRef,
        args: A,
    ) -> Result<TaskHandle<Out>> {
        let mut inputs = Vec::new();
        args.collect(&mut inputs);
        let (layer, output) = one_task::<Out>(self.op(op), inputs, self.pure).into_layer();
        let root = Root {
            layer: self.annotated(layer),
            outputs: Outputs::Only(vec![output]),
        };
        Ok(TaskHandle::of(self.session.start(&[root])?.handle(0)))
    }

    fn many<Args, Out, A: CallArguments<Args, Form>, Form>(
        &self,
        op: OpRef,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<TaskHandle<Out>>> {
        let mut list = TaskList::new();
        let op = list.op(self.op(op));
        let (mut layers, mut inputs, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for a in args {
            a.collect(&mut inputs);
            let edges: Vec<Edge> = inputs
                .drain(..)
                .map(|(layer, output)| {
                    layers.push(layer);
                    let slot = layers.len() as u32 - 1;
                    Edge::Input { slot, output }
                })
                .collect();
            tasks.push(list.task_with(op, edges));
        }
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let key = (!self.pure).then(|| key::unique("map"));
        let kind = Arc::new(list.into_kind(tasks));
        let layer = Arc::new(Layer::build(kind, layers, key, None, None));
        let handles = self
            .session
            .start(&[Root::all(&self.annotated(layer))])?
            .handles();
        Ok(handles.into_iter().map(TaskHandle::of).collect())
    }
}
