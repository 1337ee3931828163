//! What the parts of one task's chain share: what was skipped, and where in the input they are.

use std::cell::{Cell, RefCell};

use crate::skipped::Skipped;

/// Tells people a byte of the input.
type Locate = Box<dyn Fn(u64) -> String>;

/// Shared by the parts of one chain while one task runs, on one thread.
#[derive(Default)]
pub(crate) struct Env {
    skipped: RefCell<Skipped>,
    block: Cell<u64>,
    /// Byte of the input that is being worked on.
    at: Cell<u64>,
    locate: RefCell<Option<Locate>>,
    /// Whether the error that ends the task says already where it was.
    told: Cell<bool>,
}

impl Env {
    /// For partition `block`.
    pub(crate) fn new(block: u64) -> Self {
        let env = Self::default();
        env.block.set(block);
        env
    }

    /// The number of the partition.
    pub(crate) fn block(&self) -> u64 {
        self.block.get()
    }

    /// Says how a byte of the input is told to people.
    pub(crate) fn locate_with(&self, locate: impl Fn(u64) -> String + 'static) {
        *self.locate.borrow_mut() = Some(Box::new(locate));
    }

    /// Says where the input is: cheap, called for every line.
    pub(crate) fn at(&self, byte: u64) {
        self.at.set(byte);
    }

    /// What [`Env::at`] said last.
    pub(crate) fn now(&self) -> u64 {
        self.at.get()
    }

    /// Where the input is, in words. Reads the file again up to there: for errors only.
    pub(crate) fn place(&self) -> Option<String> {
        self.locate.borrow().as_ref().map(|f| f(self.at.get()))
    }

    /// Where it was that something went wrong, for who knows no better: near a line, or the partition.
    pub(crate) fn about(&self) -> String {
        match self.place() {
            Some(place) => format!("near {place}"),
            None => format!("in partition {}", self.block.get()),
        }
    }

    /// An error says where it was.
    pub(crate) fn tell(&self) {
        self.told.set(true);
    }

    /// Whether one does.
    pub(crate) fn told(&self) -> bool {
        self.told.get()
    }

    /// Counts a record that was left out.
    pub(crate) fn skip(&self, why: impl FnOnce() -> String) {
        let mut skipped = self.skipped.borrow_mut();
        skipped.count(|| match self.place() {
            Some(place) => format!("{place}: {}", why()),
            None => why(),
        });
    }

    /// Adds what an input had left out already.
    pub(crate) fn skipped_before(&self, other: &Skipped) {
        self.skipped.borrow_mut().add(other);
    }

    /// What was left out.
    pub(crate) fn skipped(&self) -> Skipped {
        self.skipped.take()
    }
}
