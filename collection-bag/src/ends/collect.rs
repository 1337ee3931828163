//! Ends that keep items as they are: a partition, a plain list, the first few.

use std::marker::PhantomData;
use std::rc::Rc;

use kvern_core::{Error, ErrorKind, Result, Value};

use crate::pipe::{AnyStage, Eating, End, Env, FromParams, Stage, enough, more};
use crate::value::{Partition, Portable, weigh};

/// What becomes of the list.
pub(crate) trait Keep: 'static {
    /// Its value.
    fn value<T: Portable>(items: Vec<T>, env: &Env) -> Value;
}

/// A partition, with the count of what was skipped.
pub(crate) struct AsPartition;

impl Keep for AsPartition {
    fn value<T: Portable>(items: Vec<T>, env: &Env) -> Value {
        Partition::value(items, env.skipped())
    }
}

/// A `Vec<T>` for functions outside of bags.
pub(crate) struct AsList;

impl Keep for AsList {
    fn value<T: Portable>(items: Vec<T>, _: &Env) -> Value {
        let bytes = weigh(&items);
        Value::serde_with_bytes(items, bytes)
    }
}

/// Keeps up to `limit` items.
pub(crate) struct Collect<T, K> {
    limit: u64,
    of: PhantomData<fn() -> (T, K)>,
}

impl<T: 'static, K: 'static> FromParams for Collect<T, K> {
    fn from_params(params: &[u8]) -> Result<Self> {
        Ok(Self {
            limit: kvern_core::operator::decode_params("collect", params)?,
            of: PhantomData,
        })
    }
}

/// A list that grows.
struct Collecting<T, K> {
    stage: Box<dyn Stage<T>>,
    items: Vec<T>,
    limit: usize,
    /// About the bytes of the items when they were weighed, and how many there will be when they are weighed again.
    weight: u64,
    weigh_at: usize,
    env: Rc<Env>,
    of: PhantomData<fn() -> K>,
}

impl<T: Portable, K> Collecting<T, K> {
    /// Says how much is held, whenever that has grown by a quarter.
    fn weigh(&mut self) {
        let len = self.items.len();
        if len < self.weigh_at {
            return;
        }
        let now = weigh(&self.items);
        self.env.holds(self.weight, now);
        self.weight = now;
        // A few are weighed each time, of many items as of few; the first ones seldom, since there may be no more.
        self.weigh_at = len + if len < 256 { len } else { len / 4 };
    }
}

impl<T: Portable, K: Keep> Eating for Collecting<T, K> {
    fn advance(&mut self) -> Result<bool> {
        let (items, limit) = (&mut self.items, self.limit);
        if limit == 0 {
            return Ok(false);
        }
        let go_on = more(self.stage.advance(&mut |item| {
            items.push(item);
            match items.len() < limit {
                true => Ok(()),
                false => enough(),
            }
        }));
        self.weigh();
        go_on
    }

    fn finish(mut self: Box<Self>) -> Result<Value> {
        // Chains filter: what was grown for more would be held and not counted.
        self.items.shrink_to_fit();
        Ok(K::value(self.items, &self.env))
    }
}

impl<T: Portable, K: Keep> End for Collect<T, K> {
    fn begin<'a>(&'a self, stage: AnyStage, env: &Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        Ok(Box::new(Collecting::<T, K> {
            stage: stage.into_items::<T>()?,
            items: Vec::new(),
            weight: 0,
            weigh_at: 1,
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            env: env.clone(),
            of: PhantomData,
        }))
    }

    fn combine(&self, _: &mut [Value]) -> Result<Value> {
        Err(Error::new(ErrorKind::Internal, "partitions are not merged"))
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        self.combine(parts)
    }
}
