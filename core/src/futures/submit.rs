//! What a session does with single functions and values: submit, map, scatter, gather.

use std::any::Any;
use std::future::IntoFuture;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Gather, TaskFuture, TaskHandle};
use crate::delayed::{Arguments, Fallible, Function, Portable, call, operator};
use crate::error::Result;
use crate::graph::Root;
use crate::layer::{Edge, Layer, TaskList};
use crate::operator::OpRef;
use crate::session::Session;
use crate::value::Value;

impl Session {
    /// Starts a function and returns at once. The tuple holds its arguments: values, or references to delayed values or handles.
    ///
    /// The function takes its arguments by reference, and what it gives is of a serde type, so that the result can be spilled and sent.
    /// To run in another process the function must travel: see [`travel`](mod@crate::travel). A backend whose workers are other
    /// processes refuses one that does not.
    ///
    /// # Errors
    /// As [`Scheduler::submit`](crate::Scheduler::submit): among others [`ErrorKind::NotPortable`](crate::ErrorKind::NotPortable)
    /// for a closure that cannot leave this process, naming the bytes that it captures and what to do.
    pub fn submit<F, Args, Out>(&self, f: F, args: impl Arguments<Args>) -> Result<TaskHandle<Out>>
    where
        F: Function<Args, Out>,
        Args: 'static,
        Out: Serialize + DeserializeOwned + Any + Send + Sync,
    {
        self.one(operator::<F, Args, Out, Portable>(f), args)
    }

    /// [`Session::submit`] of a function that may fail: its `Err` is the task's error and keeps its source chain.
    ///
    /// # Errors
    /// As [`Session::submit`].
    pub fn try_submit<F, Args, Out, E>(
        &self,
        f: F,
        args: impl Arguments<Args>,
    ) -> Result<TaskHandle<Out>>
    where
        F: Function<Args, Result<Out, E>>,
        Args: 'static,
        Out: Serialize + DeserializeOwned + Any + Send + Sync,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.one(
            operator::<F, Args, Result<Out, E>, Fallible<Portable>>(f),
            args,
        )
    }

    fn one<Args, Out>(&self, op: OpRef, args: impl Arguments<Args>) -> Result<TaskHandle<Out>> {
        let mut inputs = Vec::new();
        args.collect(&mut inputs);
        let (layer, output) = call::<Out>(op, inputs).into_layer();
        let root = Root {
            layer,
            outputs: crate::Outputs::Only(vec![output]),
        };
        Ok(TaskHandle::of(self.start(&[root])?.handle(0)))
    }

    /// Starts a function for each tuple of arguments, as one graph, and returns at once: the handles are in the order of the
    /// arguments.
    ///
    /// # Errors
    /// As [`Session::submit`].
    pub fn map<F, Args, Out, A>(
        &self,
        f: F,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<TaskHandle<Out>>>
    where
        F: Function<Args, Out>,
        A: Arguments<Args>,
        Args: 'static,
        Out: Serialize + DeserializeOwned + Any + Send + Sync,
    {
        let mut list = TaskList::new();
        let op = list.op(operator::<F, Args, Out, Portable>(f));
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
        let layer = Layer::new(list.into_kind(tasks), layers);
        let handles = self.start(&[Root::all(&layer)])?.handles();
        Ok(handles.into_iter().map(TaskHandle::of).collect())
    }

    /// Hands values to the backend, where they live (and are spilled) like results.
    ///
    /// # Errors
    /// As [`Scheduler::scatter`](crate::Scheduler::scatter).
    pub fn scatter<T>(&self, values: impl IntoIterator<Item = T>) -> Result<Vec<TaskHandle<T>>>
    where
        T: Serialize + DeserializeOwned + Any + Send + Sync,
    {
        let values = values.into_iter().map(Value::serde).collect();
        let handles = self.scheduler().scatter(values)?;
        Ok(handles.into_iter().map(TaskHandle::of).collect())
    }

    /// Waits for several results, of any runs: `gather(&handles)`, or `gather(handles)`, which takes each result out of its place and
    /// copies none that nobody else holds.
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
