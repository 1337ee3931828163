//! What tasks of bags pass to each other: partitions, partial results, and how they are counted and written.

use std::marker::PhantomData;

use kvern_core::{Error, Result, Value};
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::skipped::Skipped;

/// What can be kept between tasks: any serde type that can be cloned. Implemented for all of them.
///
/// Items that only exist *inside* a chain need not be: a `map` may make anything, and the next one take it. A `&str` is none, since what is
/// read from disk has to be somewhere: make it a `String`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept between tasks",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize`, or `map` it to something that has them"
)]
pub trait Portable: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Portable for T {}

/// A value in a format that describes itself (MessagePack with field names), whatever format it stands in.
#[derive(Debug, Clone)]
pub(crate) struct Packed<A>(pub(crate) A);

impl<A: Portable> Serialize for Packed<A> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let bytes = rmp_serde::to_vec_named(&self.0).map_err(S::Error::custom)?;
        s.serialize_bytes(&bytes)
    }
}

impl<'de, A: Portable> Deserialize<'de> for Packed<A> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Bytes<A>(PhantomData<A>);

        impl<'de, A: Portable> Visitor<'de> for Bytes<A> {
            type Value = Packed<A>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "the bytes of a {}", std::any::type_name::<A>())
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Packed<A>, E> {
                rmp_serde::from_slice(bytes).map(Packed).map_err(E::custom)
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Packed<A>, S::Error> {
                let mut bytes = Vec::new();
                while let Some(b) = seq.next_element()? {
                    bytes.push(b);
                }
                rmp_serde::from_slice(&bytes)
                    .map(Packed)
                    .map_err(S::Error::custom)
            }
        }

        d.deserialize_bytes(Bytes(PhantomData))
    }
}

/// The items of one partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Partition<T: Portable> {
    items: Packed<Vec<T>>,
    pub(crate) skipped: Skipped,
}

impl<T: Portable> Partition<T> {
    /// A partition as a value.
    pub(crate) fn value(items: Vec<T>, skipped: Skipped) -> Value {
        let bytes = weigh(&items);
        let partition = Self {
            items: Packed(items),
            skipped,
        };
        Value::serde_with_bytes(partition, bytes)
    }

    /// The items of a value, taken out if nobody else holds it.
    ///
    /// # Errors
    /// If it is neither a partition of `T` nor a plain list of them.
    pub(crate) fn take(value: Value) -> Result<(Vec<T>, Skipped)> {
        let value = match value.try_into_inner::<Self>() {
            Ok(p) => return Ok((p.items.0, p.skipped)),
            Err(v) => v,
        };
        if let Some(p) = value.downcast_ref::<Self>() {
            return Ok((p.items.0.clone(), p.skipped.clone()));
        }
        match value.try_into_inner::<Vec<T>>() {
            Ok(v) => Ok((v, Skipped::default())),
            Err(v) => match v.downcast_ref::<Vec<T>>() {
                Some(v) => Ok((v.clone(), Skipped::default())),
                None => Err(Error::bad_input(format!(
                    "a partition of {} was expected, got {}",
                    std::any::type_name::<T>(),
                    v.describe()
                ))),
            },
        }
    }
}

/// A partial result, or the final one of a reduction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Partial<A: Portable> {
    acc: Packed<A>,
    skipped: Skipped,
}

impl<A: Portable> Partial<A> {
    /// A partial result as a value that holds about so many bytes.
    pub(crate) fn value(acc: A, skipped: Skipped, bytes: u64) -> Value {
        let partial = Self {
            acc: Packed(acc),
            skipped,
        };
        Value::serde_with_bytes(partial, bytes)
    }

    /// The result in a value, taken out if nobody else holds it.
    ///
    /// # Errors
    /// If there is something else in it.
    pub(crate) fn take(value: Value) -> Result<(A, Skipped)> {
        match value.try_into_inner::<Self>() {
            Ok(p) => Ok((p.acc.0, p.skipped)),
            Err(v) => match v.downcast_ref::<Self>() {
                Some(p) => Ok((p.acc.0.clone(), p.skipped.clone())),
                None => Err(Error::bad_input(format!(
                    "a partial {} was expected, got {}",
                    std::any::type_name::<A>(),
                    v.describe()
                ))),
            },
        }
    }
}

/// So many items are measured; the others are taken to be like them.
const MEASURED: usize = 256;

/// About how many bytes of memory a list holds: its elements, and what they point to as long as it would be when written.
pub(crate) fn weigh<T: Serialize>(items: &[T]) -> u64 {
    let inline = size_of_val(items) as u64;
    let every = items.len().div_ceil(MEASURED).max(1);
    let measured = items.iter().step_by(every);
    let (mut n, mut bytes) = (0u64, 0u64);
    for item in measured {
        n += 1;
        bytes += written(item);
    }
    // What is written of the element itself is in `inline` too; for what matters here, strings and lists, it is little.
    let whole = bytes.saturating_mul(items.len() as u64);
    let points_to = whole.checked_div(n).unwrap_or(0);
    inline.saturating_add(points_to)
}

/// Bytes of the written form.
pub(crate) fn written<T: Serialize + ?Sized>(item: &T) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0 += buf.len() as u64;
            Ok(buf.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written is told when it must be; here it only weighs nothing.
    let _ = rmp_serde::encode::write(&mut count, item);
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Point { x: i64 },
        Name { name: String },
    }

    #[test]
    fn types_that_ask_what_comes_next_survive_disk_and_wire() {
        let registry = kvern_core::Registry::linked().unwrap();
        let items = vec![Tagged::Point { x: 3 }, Tagged::Name { name: "n".into() }];
        let mut bytes = Vec::new();
        let value = Partition::value(items.clone(), Skipped::default());
        registry.encode(&value, &mut bytes).unwrap();
        let back = registry.decode(&bytes).unwrap();
        assert_eq!(Partition::<Tagged>::take(back).unwrap().0, items);
    }

    #[test]
    fn bytes_grow_with_what_is_pointed_to() {
        let short = weigh(&vec![String::from("a"); 1000]);
        let long = weigh(&vec!["b".repeat(1000); 1000]);
        assert!((24_000..60_000).contains(&short), "{short}");
        assert!((1_000_000..1_100_000).contains(&long), "{long}");
        assert_eq!(weigh::<i64>(&[]), 0);
    }
}
