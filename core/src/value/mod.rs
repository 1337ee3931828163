//! What tasks pass to each other: cheap to clone, with counted bytes, of any type.
//!
//! A scheduler never looks inside. Small scalars are held in place, so that a graph of tiny tasks does not allocate per result;
//! everything else is one shared allocation. How a type is measured, written and read again is a [`TypeEntry`], found by Rust
//! type on the way out and by tag on the way in.

pub mod bulk;
pub(crate) mod codec;
mod numbers;
mod pieces;
pub(crate) mod remote;
pub(crate) mod show;
mod weigh;

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::error::{Error, ErrorKind, Result};
use bulk::Bulk;
pub use pieces::{Piece, Pieces};
use remote::{OF_BUILD, OfBuild, decode_of_build, encode_of_build, list_of_build, of_build};

/// A shared, immutable result of a task.
///
/// ```
/// use kvern_core::Value;
/// let v = Value::new(vec![1.0f64; 1000]);
/// assert!(v.nbytes() >= 8000);
/// assert_eq!(v.downcast_ref::<Vec<f64>>().unwrap()[0], 1.0);
/// assert!(v.downcast_ref::<String>().is_none());
/// ```
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Unit(()),
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Shared(Arc<dyn Shared>),
}

trait Shared: Send + Sync {
    fn any(&self) -> &dyn Any;
    fn any_mut(&mut self) -> &mut dyn Any;
    fn any_boxed(&mut self) -> &mut dyn Any;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn nbytes(&self) -> u64;
    fn type_name(&self) -> &'static str;
    fn describe(&self) -> Option<String>;
    fn of_build(&self) -> Option<OfBuild>;
    fn weigh(&mut self, nbytes: u64);
}

struct Boxed<T> {
    value: T,
    nbytes: u64,
    describe: Option<fn(&dyn Any) -> String>,
    /// How it is written if its type has no name.
    of_build: Option<OfBuild>,
}

impl<T: Any + Send + Sync> Shared for Boxed<T> {
    fn any(&self) -> &dyn Any {
        &self.value
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        &mut self.value
    }

    fn any_boxed(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn nbytes(&self) -> u64 {
        self.nbytes
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn describe(&self) -> Option<String> {
        self.describe.map(|f| f(&self.value))
    }

    fn of_build(&self) -> Option<OfBuild> {
        self.of_build
    }

    fn weigh(&mut self, nbytes: u64) {
        self.nbytes = nbytes;
    }
}

impl Value {
    /// The value of tasks that only have an effect.
    pub const UNIT: Self = Self(Repr::Unit(()));

    /// Wraps any value. Its bytes are counted by its [`TypeEntry`] if it has one, else by its size without what it points to;
    /// see [`Value::with_bytes`] to say better.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        // `Option` dance: moves out through `Any` without `unsafe`; the compiler resolves it for each T.
        let mut value = Some(value);
        let slot: &mut dyn Any = &mut value;
        if let Some(v) = slot.downcast_mut::<Option<i64>>() {
            return v.take().map_or(Self::UNIT, |v| Self(Repr::I64(v)));
        }
        if let Some(v) = slot.downcast_mut::<Option<f64>>() {
            return v.take().map_or(Self::UNIT, |v| Self(Repr::F64(v)));
        }
        if let Some(v) = slot.downcast_mut::<Option<u64>>() {
            return v.take().map_or(Self::UNIT, |v| Self(Repr::U64(v)));
        }
        if let Some(v) = slot.downcast_mut::<Option<bool>>() {
            return v.take().map_or(Self::UNIT, |v| Self(Repr::Bool(v)));
        }
        if slot.is::<Option<()>>() {
            return Self::UNIT;
        }
        if let Some(v) = slot.downcast_mut::<Option<Self>>() {
            return v.take().unwrap_or(Self::UNIT);
        }
        let Some(value) = value else {
            return Self::UNIT;
        };
        let entry = linked_type(TypeId::of::<T>());
        let nbytes = entry.map_or(size_of::<T>() as u64, |e| (e.nbytes)(&value));
        Self(Repr::Shared(Arc::new(Boxed {
            value,
            nbytes,
            describe: entry.and_then(|e| e.describe),
            of_build: None,
        })))
    }

    /// Wraps a value of any serde type, registered or not: processes of the same build can spill it, send it and read it again.
    /// One of a registered type counts as many bytes as its entry says, any other its size and what it points to: the items of its lists and maps and
    /// the bytes of its texts, all of which are looked at; [`Value::serde_with_bytes`] says it at once.
    ///
    /// ```
    /// use kvern_core::{Registry, Value};
    /// let registry = Registry::linked()?;
    /// let mut bytes = Vec::new();
    /// registry.encode(&Value::serde((1u8, "one".to_owned())), &mut bytes)?;
    /// assert_eq!(registry.decode(&bytes)?.downcast_ref(), Some(&(1u8, "one".to_owned())));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn serde<T: Serialize + DeserializeOwned + Any + Send + Sync>(value: T) -> Self {
        let known = linked_type(TypeId::of::<T>()).is_some();
        let points_to = if known { 0 } else { weigh::points_to(&value) };
        Self::of_this_build(value).weighing_if(!known, size_of::<T>() as u64 + points_to)
    }

    /// The same for a value that holds `nbytes` bytes of memory.
    pub fn serde_with_bytes<T: Serialize + DeserializeOwned + Any + Send + Sync>(
        value: T,
        nbytes: u64,
    ) -> Self {
        Self::of_this_build(value).weighing_if(true, nbytes)
    }

    /// A list that can leave the process if its items can. As values of their own they held so many bytes together.
    pub(crate) fn list<T: Any + Send + Sync>(items: Vec<T>, held: u64) -> Self {
        let places = size_of_val(items.as_slice()) as u64;
        let mut value = Self::new(items);
        if let Repr::Shared(s) = &mut value.0
            && linked_type(s.any().type_id()).is_none()
            && let Some(s) = Arc::get_mut(s)
            && let Some(boxed) = s.any_boxed().downcast_mut::<Boxed<Vec<T>>>()
        {
            let entry = list_of_build::<T>();
            boxed.nbytes = held + places;
            boxed.of_build = Some(entry);
        }
        value
    }

    fn of_this_build<T: Serialize + DeserializeOwned + Any + Send + Sync>(value: T) -> Self {
        let mut value = Self::new(value);
        if let Repr::Shared(s) = &mut value.0
            && linked_type(s.any().type_id()).is_none()
            && let Some(s) = Arc::get_mut(s)
            && let Some(boxed) = s.any_boxed().downcast_mut::<Boxed<T>>()
        {
            boxed.of_build = Some(of_build::<T>());
        }
        value
    }

    /// The same value, counted as so many bytes if nobody else holds it (scalars held in place stay 0).
    fn weighing_if(mut self, so: bool, nbytes: u64) -> Self {
        if so
            && let Repr::Shared(s) = &mut self.0
            && let Some(s) = Arc::get_mut(s)
        {
            s.weigh(nbytes);
        }
        self
    }

    /// How it is written if its type has no name but this build knows it.
    pub(crate) fn of_build(&self) -> Option<OfBuild> {
        match &self.0 {
            Repr::Shared(s) => s.of_build(),
            _ => None,
        }
    }

    /// Wraps any value that holds `nbytes` bytes of memory of its own (0 for a view of something counted elsewhere).
    pub fn with_bytes<T: Any + Send + Sync>(value: T, nbytes: u64) -> Self {
        let describe = linked_type(TypeId::of::<T>()).and_then(|e| e.describe);
        Self(Repr::Shared(Arc::new(Boxed {
            value,
            nbytes,
            describe,
            of_build: None,
        })))
    }

    /// Memory held by this value, in bytes; 0 for scalars held in place.
    pub fn nbytes(&self) -> u64 {
        match &self.0 {
            Repr::Shared(s) => s.nbytes(),
            _ => 0,
        }
    }

    /// The Rust type's name, for messages.
    pub fn type_name(&self) -> &'static str {
        match &self.0 {
            Repr::Unit(()) => "()",
            Repr::Bool(_) => "bool",
            Repr::I64(_) => "i64",
            Repr::U64(_) => "u64",
            Repr::F64(_) => "f64",
            Repr::Shared(s) => s.type_name(),
        }
    }

    /// One short phrase for error messages: dtype and shape if the type's entry can tell, else the type and its size.
    pub fn describe(&self) -> String {
        match &self.0 {
            Repr::Shared(s) => s
                .describe()
                .unwrap_or_else(|| format!("{} ({} bytes)", s.type_name(), s.nbytes())),
            _ => self.type_name().to_owned(),
        }
    }

    /// The value as `&dyn Any`.
    pub fn as_any(&self) -> &dyn Any {
        match &self.0 {
            Repr::Unit(v) => v,
            Repr::Bool(v) => v,
            Repr::I64(v) => v,
            Repr::U64(v) => v,
            Repr::F64(v) => v,
            Repr::Shared(s) => s.any(),
        }
    }

    /// The value, if it is a `T`.
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        self.as_any().downcast_ref()
    }

    /// Whether the value is a `T`.
    pub fn is<T: Any>(&self) -> bool {
        self.as_any().is::<T>()
    }

    /// The value for changing in place, if it is a `T` that nobody else holds.
    pub fn get_mut<T: Any>(&mut self) -> Option<&mut T> {
        match &mut self.0 {
            Repr::Unit(v) => (v as &mut dyn Any).downcast_mut(),
            Repr::Bool(v) => (v as &mut dyn Any).downcast_mut(),
            Repr::I64(v) => (v as &mut dyn Any).downcast_mut(),
            Repr::U64(v) => (v as &mut dyn Any).downcast_mut(),
            Repr::F64(v) => (v as &mut dyn Any).downcast_mut(),
            Repr::Shared(s) => Arc::get_mut(s)?.any_mut().downcast_mut(),
        }
    }

    /// Takes the `T` out without a copy if nobody else holds it.
    ///
    /// # Errors
    /// Gives the value back if it is not a `T` or is shared.
    pub fn try_into_inner<T: Any + Send + Sync>(self) -> Result<T, Self> {
        if !self.is::<T>() {
            return Err(self);
        }
        match self.0 {
            Repr::Shared(s) => match s.into_any().downcast::<Boxed<T>>() {
                Ok(b) => Arc::try_unwrap(b)
                    .map(|b| b.value)
                    .map_err(|b| Self(Repr::Shared(b))),
                // `is::<T>()` above makes this arm unreachable; answering with UNIT would lose data silently.
                Err(_) => unreachable!("a value that is a T is boxed as a T"),
            },
            Repr::Unit(v) => take(v, self),
            Repr::Bool(v) => take(v, self),
            Repr::I64(v) => take(v, self),
            Repr::U64(v) => take(v, self),
            Repr::F64(v) => take(v, self),
        }
    }

    /// The type's identity, for finding its [`TypeEntry`].
    pub fn value_type(&self) -> TypeId {
        self.as_any().type_id()
    }
}

fn take<S: Any, T: Any>(v: S, whole: Value) -> Result<T, Value> {
    let mut v = Some(v);
    (&mut v as &mut dyn Any)
        .downcast_mut::<Option<T>>()
        .and_then(Option::take)
        .ok_or(whole)
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Unit(()) => f.write_str("()"),
            Repr::Bool(v) => write!(f, "{v:?}"),
            Repr::I64(v) => write!(f, "{v:?}"),
            Repr::U64(v) => write!(f, "{v:?}"),
            Repr::F64(v) => write!(f, "{v:?}"),
            Repr::Shared(_) => f.write_str(&self.describe()),
        }
    }
}

/// How values of one type are measured, and written to disk or a wire and read again. Linked crates submit theirs with
/// [`register_type!`](crate::register_type); tags are `crate.type@version`, never a Rust path, so that they outlive renames.
#[derive(Clone, Copy)]
pub struct TypeEntry {
    /// The stable tag that goes before the encoded bytes.
    pub tag: &'static str,
    /// The crate that submitted it, for messages.
    pub source: &'static str,
    /// The Rust type.
    pub type_id: fn() -> TypeId,
    /// Bytes of memory that a value holds.
    pub nbytes: fn(&dyn Any) -> u64,
    /// A short phrase for messages, such as `f64[100, 3]`.
    pub describe: Option<fn(&dyn Any) -> String>,
    /// Writes the value at the end of the buffer.
    pub encode: fn(&dyn Any, &mut Vec<u8>) -> Result<()>,
    /// Reads what `encode` wrote.
    pub decode: fn(&[u8]) -> Result<Value>,
    /// How large values leave and arrive without a copy, for types whose values are one piece of memory.
    pub bulk: Option<Bulk>,
}

impl fmt::Debug for TypeEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeEntry({}, from {})", self.tag, self.source)
    }
}

inventory::collect!(TypeEntry);

/// The error about a value of another type than `T`.
#[cold]
pub(crate) fn wrong_type<T>(v: &Value) -> Error {
    Error::bad_input(format!(
        "a {} was expected, got {}",
        std::any::type_name::<T>(),
        v.describe()
    ))
}

/// Whether values of this type have a name by which any process knows them.
pub(crate) fn is_registered<T: 'static>() -> bool {
    linked_type(TypeId::of::<T>()).is_some()
}

/// The linked entry of a type. A process-wide table (rather than the registry's) because values are made deep inside operators,
/// where no registry is at hand; it only ever says how to measure and describe.
pub(crate) fn linked_type(id: TypeId) -> Option<&'static TypeEntry> {
    static TABLE: OnceLock<std::collections::HashMap<TypeId, &'static TypeEntry>> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            inventory::iter::<TypeEntry>()
                .map(|e| ((e.type_id)(), e))
                .collect()
        })
        .get(&id)
        .copied()
}

/// A value of a linked type, or of one that this build knows, as its tag and its bytes; `None` if its type is not linked, or it is larger than `max` bytes.
pub(crate) fn encode_linked(value: &Value, max: u64) -> Option<(&'static str, Vec<u8>)> {
    if value.nbytes() > max {
        return None;
    }
    let mut bytes = Vec::new();
    let tag = match (linked_type(value.value_type()), value.of_build()) {
        (Some(entry), _) => {
            (entry.encode)(value.as_any(), &mut bytes).ok()?;
            entry.tag
        }
        (None, Some(entry)) => {
            encode_of_build(entry, value, &mut bytes).ok()?;
            OF_BUILD
        }
        (None, None) => return None,
    };
    (bytes.len() as u64 <= max).then_some((tag, bytes))
}

/// Reads what [`encode_linked`] gave.
pub(crate) fn decode_linked(tag: &str, bytes: &[u8]) -> Result<Value> {
    if tag == OF_BUILD {
        return decode_of_build(bytes);
    }
    let entry = inventory::iter::<TypeEntry>()
        .find(|e| e.tag == tag)
        .ok_or_else(|| {
            Error::new(
                ErrorKind::NotRegistered,
                format!("value type {tag:?} is not registered"),
            )
        })?;
    (entry.decode)(bytes)
}

/// Registers a serde type so that its values can be spilled and sent: `register_type!(MyType, "mycrate.mytype@1")`, or with how
/// many bytes a value holds: `register_type!(MyType, "mycrate.mytype@1", |v: &MyType| 8 * v.0.len() as u64)`. A type that is written by code of its own,
/// or without a copy, has a whole [`TypeEntry`](crate::TypeEntry): `register_type!(TypeEntry { … })`.
#[macro_export]
macro_rules! register_type {
    ($t:ty, $tag:literal) => {
        $crate::register_type!($t, $tag, |v: &$t| ::core::mem::size_of_val(v) as u64);
    };
    ($t:ty, $tag:literal, $nbytes:expr) => {
        $crate::__private::inventory::submit! {
            $crate::TypeEntry {
                tag: $tag,
                source: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                type_id: || ::core::any::TypeId::of::<$t>(),
                nbytes: |v| v.downcast_ref::<$t>().map_or(0, $nbytes),
                describe: None,
                encode: |v, out| $crate::__private::encode_serde::<$t>(v, out),
                decode: |b| $crate::__private::decode_serde::<$t>(b),
                bulk: None,
            }
        }
    };
    ($entry:expr) => {
        $crate::__private::inventory::submit! { $entry }
    };
}

register_type!(
    String,
    "core.string@1",
    |s: &String| (s.len() + size_of::<String>()) as u64
);
/// Registers a list of numbers, whose memory is what is written.
macro_rules! numbers {
    ($t:ty, $tag:literal) => {
        inventory::submit! {
            TypeEntry {
                tag: $tag,
                source: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
                type_id: TypeId::of::<Vec<$t>>,
                nbytes: |v| {
                    let length = v.downcast_ref::<Vec<$t>>().map_or(0, Vec::len);
                    (length * size_of::<$t>() + size_of::<Vec<$t>>()) as u64
                },
                describe: None,
                encode: crate::value::numbers::encode::<$t>,
                decode: crate::value::numbers::decode::<$t>,
                bulk: Some(crate::value::numbers::bulk::<$t>()),
            }
        }
    };
}

numbers!(f64, "core.vec-f64@1");
numbers!(f32, "core.vec-f32@1");
numbers!(i64, "core.vec-i64@1");
numbers!(u64, "core.vec-u64@1");
numbers!(u8, "core.bytes@1");
register_type!(Vec<String>, "core.vec-string@1", |v: &Vec<String>| {
    v.iter()
        .map(|s| s.len() + size_of::<String>())
        .sum::<usize>() as u64
});
register_type!(i32, "core.i32@1");
register_type!(u32, "core.u32@1");
register_type!(usize, "core.usize@1");
register_type!(f32, "core.f32@1");
register_type!(i64, "core.i64@1");
register_type!(u64, "core.u64@1");
register_type!(f64, "core.f64@1");
register_type!(bool, "core.bool@1");
register_type!((), "core.unit@1");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_held_in_place_and_found_again() {
        assert!(size_of::<Value>() <= 24);
        let v = Value::new(7i64);
        assert_eq!((v.nbytes(), v.downcast_ref::<i64>()), (0, Some(&7)));
        assert_eq!(v.clone().try_into_inner::<i64>().unwrap(), 7);
        assert!(v.try_into_inner::<f64>().is_err());
        assert_eq!(
            Value::new(Value::new(3.5f64)).downcast_ref::<f64>(),
            Some(&3.5)
        );
    }

    #[test]
    fn a_shared_value_is_given_back_and_a_lone_one_taken_out() {
        let v = Value::new(vec![1u8, 2]);
        let other = v.clone();
        let v = v.try_into_inner::<Vec<u8>>().unwrap_err();
        drop(other);
        assert_eq!(v.try_into_inner::<Vec<u8>>().unwrap(), [1, 2]);
    }

    #[test]
    fn in_place_change_needs_a_lone_holder() {
        let mut v = Value::new(String::from("a"));
        v.get_mut::<String>().unwrap().push('b');
        let keep = v.clone();
        assert!(v.get_mut::<String>().is_none());
        assert_eq!(keep.downcast_ref::<String>().unwrap(), "ab");
    }

    #[test]
    fn bytes_count_what_is_pointed_to() {
        assert!(Value::new(String::from("0123456789")).nbytes() >= 10);
        assert_eq!(Value::with_bytes([0u8; 3], 99).nbytes(), 99);
    }
}
