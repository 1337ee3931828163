//! Pipes: how the items of one partition pass through a chain of steps and the reduction that eats them, one item at a time.
//!
//! Items are *pushed*. A stage is asked to advance and pushes what a bounded number of source items become into a closure; each step wraps the closure
//! below it, so a chain is one pass without a list in between, at one indirect call a step and item. Text is pushed as `&str` that
//! borrows from the buffer that was read, which is what a pull by iterators could not give. Because a stage stops after a bounded
//! number of items, the other direction can be had where a function wants an iterator ([`pull`]).
//!
//! A chain is type-erased ([`AnyStage`]) between its parts, and typed inside them: one downcast a part and task, none an item.

pub(crate) mod begin;
mod env;
pub(crate) mod fork;
mod held;
pub(crate) mod kernel;
mod part;
pub(crate) mod pull;
pub(crate) mod sources;
pub(crate) mod split;
pub(crate) mod steps;
pub(crate) mod text_steps;

use std::any::{Any, type_name};
use std::rc::Rc;

use kvern_core::{Error, ErrorKind, Pieces, Result, Value};

pub(crate) use env::Env;
pub(crate) use part::{EndPart, FromClosure, FromParams, Part, SourcePart, SplitPart, StepPart};

/// Why no more items are wanted.
pub(crate) enum Stop {
    /// Whoever eats them has enough.
    Enough,
    /// Something failed. `at`: where in the text that was pushed, in bytes, if it was pushed in blocks of several lines.
    Failed {
        /// What failed.
        error: Error,
        /// Byte in the block.
        at: Option<usize>,
    },
}

/// Boxed, because it is returned for every item and nearly never there.
pub(crate) type Flow<T = ()> = std::result::Result<T, Box<Stop>>;

impl From<Error> for Box<Stop> {
    #[cold]
    fn from(error: Error) -> Self {
        Self::new(Stop::Failed { error, at: None })
    }
}

/// The cold way out of a sink that has enough.
#[cold]
pub(crate) fn enough() -> Flow {
    Err(Box::new(Stop::Enough))
}

/// Items of one partition.
pub(crate) trait Stage<T> {
    /// Pushes what some source items become, a bounded number of them; `false`: there are no more.
    fn advance(&mut self, sink: &mut dyn FnMut(T) -> Flow) -> Flow<bool>;
}

/// Texts of one partition, which live in a buffer and only until the sink returns.
pub(crate) trait TextStage {
    /// Pushes some texts.
    fn advance(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool>;

    /// Whether [`TextStage::advance_blocks`] can be called: the texts are the lines of a file.
    fn has_blocks(&self) -> bool {
        false
    }

    /// Pushes several whole lines at once, for steps to which the ends of lines mean nothing.
    fn advance_blocks(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        self.advance(sink)
    }
}

/// A stage whose type only its neighbours know.
pub(crate) struct AnyStage {
    stage: Box<dyn Any>,
    /// Of what, for messages.
    of: &'static str,
}

impl AnyStage {
    pub(crate) fn items<T: 'static>(stage: impl Stage<T> + 'static) -> Self {
        let stage: Box<dyn Stage<T>> = Box::new(stage);
        Self {
            stage: Box::new(stage),
            of: type_name::<T>(),
        }
    }

    pub(crate) fn text(stage: impl TextStage + 'static) -> Self {
        let stage: Box<dyn TextStage> = Box::new(stage);
        Self {
            stage: Box::new(stage),
            of: "text",
        }
    }

    /// # Errors
    /// If its items are of another type, which the typed interface does not allow: a defect, or forged bytes.
    pub(crate) fn into_items<T: 'static>(self) -> Result<Box<dyn Stage<T>>> {
        let of = self.of;
        let stage = self.stage.downcast::<Box<dyn Stage<T>>>();
        stage.map(|s| *s).map_err(|_| misfit(type_name::<T>(), of))
    }

    /// # Errors
    /// As [`AnyStage::into_items`].
    pub(crate) fn into_text(self) -> Result<Box<dyn TextStage>> {
        let of = self.of;
        let stage = self.stage.downcast::<Box<dyn TextStage>>();
        stage.map(|s| *s).map_err(|_| misfit("text", of))
    }
}

#[cold]
fn misfit(wanted: &str, got: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a step takes {wanted}, the one before it gives {got}"),
    )
}

/// Where the items of a partition come from.
pub(crate) trait Source: Send + Sync {
    /// Begins partition `block`.
    ///
    /// # Errors
    /// What keeps it from beginning.
    fn open(&self, inputs: &mut [Value], block: u64, env: &Rc<Env>) -> Result<AnyStage>;
}

/// One step of a chain.
pub(crate) trait Step: Send + Sync {
    /// The stage that this step makes of the one before it.
    ///
    /// # Errors
    /// If that one gives other items.
    fn attach(&self, upstream: AnyStage, env: &Rc<Env>) -> Result<AnyStage>;

    /// Whether it asks for items until it has enough, however many are there.
    fn pulls(&self) -> bool {
        false
    }
}

/// What eats the items of a partition, and puts partial results together.
pub(crate) trait End: Send + Sync {
    /// Begins to eat the items of a partition.
    ///
    /// # Errors
    /// If they are of another type, or there is nothing to eat them with.
    fn begin<'a>(&'a self, stage: AnyStage, env: &Rc<Env>) -> Result<Box<dyn Eating + 'a>>;

    /// A partition to a partial result, in one pass.
    ///
    /// # Errors
    /// Of the first step that fails.
    fn chunk(&self, stage: AnyStage, env: &Rc<Env>, go_on: &GoOn<'_>) -> Result<Value> {
        let mut eating = self.begin(stage, env)?;
        loop {
            go_on()?;
            if !eating.advance()? {
                return eating.finish();
            }
        }
    }

    /// Whether a chain in it asks for items until it has enough, however many are there.
    fn pulls(&self) -> bool {
        false
    }

    /// Whether it makes [`Pieces`], one for each of several chains.
    fn is_fork(&self) -> bool {
        false
    }

    /// Partial results, in order, to one.
    ///
    /// # Errors
    /// If they do not fit.
    fn combine(&self, parts: &mut [Value]) -> Result<Value>;

    /// Partial results, in order, to the result.
    ///
    /// # Errors
    /// If they do not fit.
    fn finish(&self, parts: &mut [Value]) -> Result<Value>;

    /// A partial result by key in `n` of them, each key in the one that its hash says.
    ///
    /// # Errors
    /// If it has no keys.
    fn split(&self, _part: Value, _n: usize) -> Result<Pieces> {
        Err(Error::new(
            ErrorKind::Internal,
            "a result without keys is not split",
        ))
    }
}

/// Asks between batches whether the run goes on.
pub(crate) type GoOn<'a> = dyn Fn() -> Result<()> + 'a;

/// An end that eats.
pub(crate) trait Eating {
    /// Eats a bounded number of items; `false`: there are no more, or it has enough.
    ///
    /// # Errors
    /// Of the first step that fails.
    fn advance(&mut self) -> Result<bool>;

    /// The partial result.
    ///
    /// # Errors
    /// If it cannot be made.
    fn finish(self: Box<Self>) -> Result<Value>;
}

/// Whether more is wanted and there.
///
/// # Errors
/// Of the step that failed.
pub(crate) fn more(flow: Flow<bool>) -> Result<bool> {
    flow.or_else(|stop| match *stop {
        Stop::Enough => Ok(false),
        Stop::Failed { error, .. } => Err(error),
    })
}
