//! What the parts of one task's chain share: what was skipped, and where in the input they are.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use kvern_core::Error;

use super::Stop;
use crate::skipped::Skipped;

/// Tells people a byte of the input.
type Locate = Box<dyn Fn(u64) -> String>;

/// Shared by the parts of one chain while one task runs, on one thread.
#[derive(Default)]
pub(crate) struct Env {
    skipped: RefCell<Skipped>,
    /// What it is below, for a chain that takes what another gives: what that has left out is left out here, too.
    above: Option<Rc<Self>>,
    /// The number in the whole bag of what is partition 0 here, and that of the partition here.
    first: u64,
    partition: u64,
    input: Rc<Input>,
}

/// Where all chains of the task are in their input, and what they hold of it.
#[derive(Default)]
struct Input {
    /// Byte of the input that is being worked on.
    at: Cell<u64>,
    locate: RefCell<Option<Locate>>,
    /// Whether the error that ends the task says already where it was.
    told: Cell<bool>,
    /// About the bytes that the chains keep for their results.
    held: Cell<u64>,
}

impl Env {
    /// For a partition, which has the number `first` more in the whole bag.
    pub(crate) fn new(first: u64, partition: u64) -> Self {
        Self {
            first,
            partition,
            ..Self::default()
        }
    }

    /// For a chain that takes what one of this environment gives.
    pub(crate) fn below(above: &Rc<Self>, first: u64) -> Self {
        Self {
            skipped: RefCell::default(),
            above: Some(above.clone()),
            first,
            partition: above.partition,
            input: above.input.clone(),
        }
    }

    /// The number of the partition.
    pub(crate) fn block(&self) -> u64 {
        self.first + self.partition
    }

    /// Says how a byte of the input is told to people.
    pub(crate) fn locate_with(&self, locate: impl Fn(u64) -> String + 'static) {
        *self.input.locate.borrow_mut() = Some(Box::new(locate));
    }

    /// Says where the input is: cheap, called for every line.
    pub(crate) fn at(&self, byte: u64) {
        self.input.at.set(byte);
    }

    /// What [`Env::at`] said last.
    pub(crate) fn now(&self) -> u64 {
        self.input.at.get()
    }

    /// Where the input is, in words. Reads the file again up to there: for errors only.
    pub(crate) fn place(&self) -> Option<String> {
        self.input
            .locate
            .borrow()
            .as_ref()
            .map(|f| f(self.input.at.get()))
    }

    /// Where it was that something went wrong, for who knows no better: near a line, or the partition.
    pub(crate) fn about(&self) -> String {
        match self.place() {
            Some(place) => format!("near {place}"),
            None => format!("in partition {}", self.block()),
        }
    }

    /// An error says where it was.
    pub(crate) fn tell(&self) {
        self.input.told.set(true);
    }

    /// Whether one does.
    pub(crate) fn told(&self) -> bool {
        self.input.told.get()
    }

    /// Says that a chain keeps about `now` bytes for its result, and no longer those that it said `before`.
    pub(crate) fn holds(&self, before: u64, now: u64) {
        let held = &self.input.held;
        held.set(held.get().saturating_sub(before).saturating_add(now));
    }

    /// About the bytes that all chains of the task keep.
    pub(crate) fn held(&self) -> u64 {
        self.input.held.get()
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
        let own = self.skipped.take();
        match &self.above {
            None => own,
            Some(above) => {
                let mut all = above.seen();
                all.add(&own);
                all
            }
        }
    }

    /// What was left out so far, which others will ask for, too.
    fn seen(&self) -> Skipped {
        let mut all = self
            .above
            .as_ref()
            .map_or_else(Skipped::default, |a| a.seen());
        all.add(&self.skipped.borrow());
        all
    }

    /// Names file and line in the error that an item led to.
    #[cold]
    pub(crate) fn placed(&self, mut stop: Box<Stop>) -> Box<Stop> {
        if let Stop::Failed { error, at } = &mut *stop
            && !self.told()
        {
            self.at(self.now() + at.take().unwrap_or(0) as u64);
            if let Some(place) = self.place() {
                let words = format!("{place}: {}", error.message());
                *error = Error::with_source(error.kind(), words, error.clone());
                self.tell();
            }
        }
        stop
    }
}
