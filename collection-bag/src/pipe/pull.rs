//! The other direction: a stage that pushes, as an iterator that is pulled, for functions that want one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use kvern_core::Error;

use super::{Flow, Stage, Stop};

/// Where an iterator, which can only end, leaves the error that ended it.
pub(crate) type Failed = Rc<RefCell<Option<Error>>>;

/// Pulls items out of a stage: a batch is pushed into a buffer, and taken from there.
pub(crate) struct Pull<T> {
    upstream: Box<dyn Stage<T>>,
    buffer: VecDeque<T>,
    more: bool,
    failed: Failed,
}

impl<T> Pull<T> {
    pub(crate) fn new(upstream: Box<dyn Stage<T>>) -> Self {
        Self {
            upstream,
            buffer: VecDeque::new(),
            more: true,
            failed: Failed::default(),
        }
    }

    /// Where it leaves an error.
    pub(crate) fn failed(&self) -> Failed {
        self.failed.clone()
    }

    pub(crate) fn next(&mut self) -> Option<T> {
        while self.buffer.is_empty() && self.more {
            let buffer = &mut self.buffer;
            let advanced = self.upstream.advance(&mut |item| {
                buffer.push_back(item);
                Ok(())
            });
            self.more = match advanced {
                Ok(more) => more,
                Err(stop) => {
                    if let Stop::Failed { error, .. } = *stop {
                        *self.failed.borrow_mut() = Some(error);
                    }
                    false
                }
            };
        }
        self.buffer.pop_front()
    }
}

/// An iterator that is made when its first item is wanted.
pub(crate) enum Later<F, I> {
    Not(Option<F>),
    Now(I),
}

impl<F: FnOnce() -> I, I: Iterator> Later<F, I> {
    pub(crate) fn new(make: F) -> Self {
        Self::Not(Some(make))
    }
}

impl<F: FnOnce() -> I, I: Iterator> Iterator for Later<F, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        loop {
            match self {
                Self::Now(items) => return items.next(),
                Self::Not(make) => *self = Self::Now(make.take()?()),
            }
        }
    }
}

/// A stage over what was made of pulled items: fails if pulling them did, whatever became of it.
pub(crate) struct Checked<S> {
    pub(crate) stage: S,
    pub(crate) failed: Failed,
}

impl<T, S: Stage<T>> Stage<T> for Checked<S> {
    fn advance(&mut self, sink: &mut dyn FnMut(T) -> Flow) -> Flow<bool> {
        let advanced = self.stage.advance(sink);
        match self.failed.borrow_mut().take() {
            Some(error) => Err(error.into()),
            None => advanced,
        }
    }
}
