//! Where a chain parts: what one stage gives is kept in short lists, from which several chains take it. Also where a very long chain is
//! broken, so that no call goes through all of it.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{LazyLock, RwLock};

use kvern_core::{Error, ErrorKind, Result};

use super::sources::Pace;
use super::{AnyStage, Env, Flow, FromParams, SplitPart, Stage, Stop, TextStage};

/// The stages of one partition that take what another gives, and who moves items on.
type Parted = (Rc<dyn Pump>, Vec<AnyStage>);

/// How items of one type go to several chains.
pub(crate) trait Split: Send + Sync {
    /// `n` stages that each give what `upstream` gives.
    ///
    /// # Errors
    /// If the items are of another type.
    fn split(&self, upstream: AnyStage, n: usize, env: &Rc<Env>) -> Result<Parted>;
}

/// Moves items from a stage into the lists of those that take them.
pub(crate) trait Pump {
    /// Moves some. What fails is told by the stages, when they have given what came before it.
    fn advance(&self);

    /// Whether there is no more to move.
    fn ended(&self) -> bool;

    /// Whether there is something in the list of one.
    fn has(&self, tail: usize) -> bool;

    /// Nobody takes from that list any more.
    fn close(&self, tail: usize);
}

/// So many source items are moved at once, from a stage that gives few at a time.
trait Batch: Default {
    fn is_empty(&self) -> bool;
}

/// What waits for one of those that take.
struct List<B> {
    batches: VecDeque<Rc<B>>,
    /// It has taken a batch of which not all is given.
    holds: bool,
}

/// The stage above, and the lists.
struct Core<B> {
    #[allow(clippy::type_complexity, reason = "it is said once")]
    fill: RefCell<Box<dyn FnMut(&mut B) -> Flow<bool>>>,
    /// A list for each tail; `None`: it takes no more.
    lists: RefCell<Vec<Option<List<B>>>>,
    ended: Cell<bool>,
    failed: RefCell<Option<Box<Stop>>>,
    env: Rc<Env>,
}

impl<B: Batch> Core<B> {
    fn new(n: usize, env: &Rc<Env>, fill: impl FnMut(&mut B) -> Flow<bool> + 'static) -> Rc<Self> {
        let list = || List {
            batches: VecDeque::new(),
            holds: false,
        };
        Rc::new(Self {
            fill: RefCell::new(Box::new(fill)),
            lists: RefCell::new((0..n).map(|_| Some(list())).collect()),
            ended: Cell::new(false),
            failed: RefCell::new(None),
            env: env.clone(),
        })
    }

    /// A tail has given all of the batch that it took.
    fn given(&self, tail: usize) {
        if let Some(Some(list)) = self.lists.borrow_mut().get_mut(tail) {
            list.holds = false;
        }
    }

    /// The next batch of a tail, moved here if there is none; `None`: there are no more.
    fn next(&self, tail: usize) -> Flow<Option<Rc<B>>> {
        loop {
            if let Some(Some(list)) = self.lists.borrow_mut().get_mut(tail) {
                let next = list.batches.pop_front();
                list.holds = next.is_some();
                if next.is_some() {
                    return Ok(next);
                }
            }
            if self.ended.get() {
                return match self.failed.borrow_mut().take() {
                    Some(stop) => Err(stop),
                    None => Ok(None),
                };
            }
            self.advance();
        }
    }
}

impl<B: Batch> Pump for Core<B> {
    fn advance(&self) {
        if self.ended.get() {
            return;
        }
        let mut batch = B::default();
        match (self.fill.borrow_mut())(&mut batch) {
            Ok(more) => self.ended.set(!more),
            Err(stop) => {
                self.ended.set(true);
                *self.failed.borrow_mut() = Some(stop);
            }
        }
        if !batch.is_empty() {
            let batch = Rc::new(batch);
            for list in self.lists.borrow_mut().iter_mut().flatten() {
                list.batches.push_back(batch.clone());
            }
        }
    }

    fn ended(&self) -> bool {
        self.ended.get()
    }

    fn has(&self, tail: usize) -> bool {
        let lists = self.lists.borrow();
        let list = lists.get(tail).and_then(Option::as_ref);
        list.is_some_and(|l| l.holds || !l.batches.is_empty())
    }

    fn close(&self, tail: usize) {
        if let Some(list) = self.lists.borrow_mut().get_mut(tail) {
            *list = None;
        }
    }
}

/// Items, each with where it was in the input.
struct Items<T>(Vec<(u64, T)>);

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Batch for Items<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The batch that a tail is giving.
enum Giving<T> {
    Nothing,
    /// Nobody else takes from it.
    Own(std::vec::IntoIter<(u64, T)>),
    /// Others do. From this item on.
    Shared(Rc<Items<T>>, usize, fn(&T) -> T),
}

impl<T> Iterator for Giving<T> {
    type Item = (u64, T);

    fn next(&mut self) -> Option<(u64, T)> {
        match self {
            Self::Nothing => None,
            Self::Own(items) => items.next(),
            Self::Shared(items, i, clone) => {
                let (at, x) = items.0.get(*i)?;
                *i += 1;
                Some((*at, clone(x)))
            }
        }
    }
}

/// Gives one tail its items.
struct ItemFeed<T> {
    core: Rc<Core<Items<T>>>,
    tail: usize,
    clone: Option<fn(&T) -> T>,
    giving: Giving<T>,
    pace: Pace,
}

impl<T> ItemFeed<T> {
    fn take(&mut self) -> Flow<bool> {
        let Some(batch) = self.core.next(self.tail)? else {
            return Ok(false);
        };
        self.giving = match (Rc::try_unwrap(batch), self.clone) {
            (Ok(items), _) => Giving::Own(items.0.into_iter()),
            (Err(items), Some(clone)) => Giving::Shared(items, 0, clone),
            (Err(_), None) => {
                let words = "items that cannot be cloned go to several chains";
                return Err(Error::new(ErrorKind::Internal, words).into());
            }
        };
        Ok(true)
    }
}

impl<T> Stage<T> for ItemFeed<T> {
    fn advance(&mut self, sink: &mut dyn FnMut(T) -> Flow) -> Flow<bool> {
        if matches!(self.giving, Giving::Nothing) && !self.take()? {
            return Ok(false);
        }
        let (env, giving) = (&self.core.env, &mut self.giving);
        let flow = self.pace.run(|| match giving.next() {
            Some((at, x)) => {
                env.at(at);
                sink(x)?;
                Ok(true)
            }
            None => Ok(false),
        });
        match flow {
            Ok(true) => {}
            Ok(false) => {
                self.giving = Giving::Nothing;
                self.core.given(self.tail);
            }
            Err(stop) => return Err(self.core.env.placed(stop)),
        }
        Ok(true)
    }
}

fn split_items<T: 'static>(
    upstream: AnyStage,
    n: usize,
    env: &Rc<Env>,
    clone: Option<fn(&T) -> T>,
) -> Result<Parted> {
    let mut upstream = upstream.into_items::<T>()?;
    let at = env.clone();
    let core = Core::new(n, env, move |batch: &mut Items<T>| {
        upstream.advance(&mut |x| {
            batch.0.push((at.now(), x));
            Ok(())
        })
    });
    let feed = |tail| {
        AnyStage::items(ItemFeed {
            core: core.clone(),
            tail,
            clone,
            giving: Giving::Nothing,
            pace: Pace::default(),
        })
    };
    let feeds = (0..n).map(feed).collect();
    Ok((core, feeds))
}

/// Items that can be cloned, to any number of chains.
struct Cloned<T>(std::marker::PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Cloned<T> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(std::marker::PhantomData))
    }
}

impl<T: Clone + 'static> Split for Cloned<T> {
    fn split(&self, upstream: AnyStage, n: usize, env: &Rc<Env>) -> Result<Parted> {
        split_items::<T>(upstream, n, env, Some(T::clone))
    }
}

/// Items of any type, to one chain.
struct Passed<T>(std::marker::PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Passed<T> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(std::marker::PhantomData))
    }
}

impl<T: 'static> Split for Passed<T> {
    fn split(&self, upstream: AnyStage, n: usize, env: &Rc<Env>) -> Result<Parted> {
        split_items::<T>(upstream, n, env, None)
    }
}

/// Texts in one buffer: where each ends in it, and where it was in the input.
#[derive(Default)]
struct Texts {
    buffer: String,
    ends: Vec<(usize, u64)>,
}

impl Batch for Texts {
    fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Gives one tail its texts.
struct TextFeed {
    core: Rc<Core<Texts>>,
    tail: usize,
    /// The batch that it is giving, the next text in it, and where that begins.
    giving: Option<(Rc<Texts>, usize, usize)>,
    pace: Pace,
}

impl TextStage for TextFeed {
    fn advance(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        if self.giving.is_none() {
            self.giving = self.core.next(self.tail)?.map(|batch| (batch, 0, 0));
        }
        let Some((batch, i, start)) = &mut self.giving else {
            return Ok(false);
        };
        let env = &self.core.env;
        let flow = self.pace.run(|| {
            let Some(&(end, at)) = batch.ends.get(*i) else {
                return Ok(false);
            };
            env.at(at);
            let text = &batch.buffer[*start..end];
            (*i, *start) = (*i + 1, end);
            sink(text)?;
            Ok(true)
        });
        match flow {
            Ok(true) => {}
            Ok(false) => {
                self.giving = None;
                self.core.given(self.tail);
            }
            Err(stop) => return Err(self.core.env.placed(stop)),
        }
        Ok(true)
    }
}

/// Texts, to any number of chains.
pub(crate) struct TextSplit;

impl FromParams for TextSplit {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }
}

impl Split for TextSplit {
    fn split(&self, upstream: AnyStage, n: usize, env: &Rc<Env>) -> Result<Parted> {
        let mut upstream = upstream.into_text()?;
        let at = env.clone();
        let core = Core::new(n, env, move |batch: &mut Texts| {
            upstream.advance(&mut |text| {
                batch.buffer.push_str(text);
                batch.ends.push((batch.buffer.len(), at.now()));
                Ok(())
            })
        });
        let feed = |tail| {
            AnyStage::text(TextFeed {
                core: core.clone(),
                tail,
                giving: None,
                pace: Pace::default(),
            })
        };
        let feeds = (0..n).map(feed).collect();
        Ok((core, feeds))
    }
}

/// What the items are between two steps.
#[derive(Clone, Copy)]
pub(crate) struct ItemType {
    /// `None`: texts.
    id: Option<TypeId>,
    pub(crate) name: &'static str,
    passed: fn() -> SplitPart,
}

impl ItemType {
    pub(crate) const TEXT: Self = Self {
        id: None,
        name: "&str",
        passed: text_split,
    };

    pub(crate) fn of<T: 'static>() -> Self {
        Self {
            id: Some(TypeId::of::<T>()),
            name: std::any::type_name::<T>(),
            passed: || SplitPart::plain::<Passed<T>>("", &()),
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        self.id.is_none()
    }

    /// How they go on to one chain.
    pub(crate) fn passed(&self) -> SplitPart {
        (self.passed)()
    }

    /// How they go to several; `None`: it is not known that they can be cloned.
    pub(crate) fn split(&self) -> Option<SplitPart> {
        let Some(id) = self.id else {
            return Some(text_split());
        };
        let known = CLONED.read().unwrap_or_else(|e| e.into_inner());
        known.get(&id).cloned()
    }
}

fn text_split() -> SplitPart {
    SplitPart::plain::<TextSplit>("", &())
}

/// Types of which it is known that they can be cloned: what a generic `map` makes does not say so.
static CLONED: LazyLock<RwLock<HashMap<TypeId, SplitPart>>> = LazyLock::new(|| {
    let mut known = HashMap::new();
    macro_rules! usual {
        ($($t:ty)*) => {$(
            insert::<$t>(&mut known);
            insert::<Option<$t>>(&mut known);
            insert::<Vec<$t>>(&mut known);
            insert::<(String, $t)>(&mut known);
            insert::<(u64, $t)>(&mut known);
        )*};
    }
    usual! {
        bool char i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 String Vec<String> Vec<f64> serde_json::Value
    }
    insert::<()>(&mut known);
    insert::<&'static str>(&mut known);
    insert::<(f64, f64)>(&mut known);
    insert::<(i64, i64)>(&mut known);
    insert::<std::path::PathBuf>(&mut known);
    RwLock::new(known)
});

fn insert<T: Clone + 'static>(known: &mut HashMap<TypeId, SplitPart>) {
    let part = || SplitPart::plain::<Cloned<T>>("", &());
    known.entry(TypeId::of::<T>()).or_insert_with(part);
}

/// Notes that a type can be cloned.
pub(crate) fn learn<T: Clone + 'static>() {
    let id = TypeId::of::<T>();
    let known = |m: &HashMap<_, _>| m.contains_key(&id);
    if !known(&CLONED.read().unwrap_or_else(|e| e.into_inner())) {
        insert::<T>(&mut CLONED.write().unwrap_or_else(|e| e.into_inner()));
    }
}
