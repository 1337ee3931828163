//! Ends that keep items as they are: a partition, a plain list, the first few.

use std::marker::PhantomData;
use std::rc::Rc;

use kvern_core::{Error, ErrorKind, Result, Value};

use crate::pipe::{AnyStage, End, Env, FromParams, GoOn, drive, enough};
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

impl<T: Portable, K: Keep> End for Collect<T, K> {
    fn chunk(&self, stage: AnyStage, env: &Rc<Env>, go_on: &GoOn<'_>) -> Result<Value> {
        let mut stage = stage.into_items::<T>()?;
        let mut items: Vec<T> = Vec::new();
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if limit > 0 {
            drive(go_on, || {
                stage.advance(&mut |item| {
                    items.push(item);
                    match items.len() < limit {
                        true => Ok(()),
                        false => enough(),
                    }
                })
            })?;
        }
        // Chains filter: what was grown for more would be held and not counted.
        items.shrink_to_fit();
        Ok(K::value(items, env))
    }

    fn combine(&self, _: &mut [Value]) -> Result<Value> {
        Err(Error::new(ErrorKind::Internal, "partitions are not merged"))
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        self.combine(parts)
    }
}
