//! The registry: what the names in a graph mean here. A value, not a global: two sessions may know different operators.

mod extension;
mod kernels;

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use crate::base::error::{Error, ErrorKind, Result};
use crate::graph::layer::{LayerEntry, LayerKind};
use crate::operator::{Kernel, OpRef, Operator, Operators};
use crate::settings::config::{ConfigError, Declared, Schema};
use crate::value::bulk::{Lent, Room, Whole};
use crate::value::remote::{OF_BUILD, OfBuild, decode_of_build, encode_of_build};
use crate::value::{TypeEntry, Value};

pub use extension::{Extension, KindEntry};
pub(crate) use kernels::Kernels;

/// An operator of a linked crate, submitted with [`register_operator!`](crate::register_operator).
pub struct OperatorEntry {
    /// Makes the operator.
    pub make: fn() -> Arc<dyn Operator>,
    /// The crate that submitted it, for messages.
    pub source: &'static str,
}

inventory::collect!(OperatorEntry);

/// Registers an operator of this crate: `register_operator!(MyOperator)`, an expression that makes it.
#[macro_export]
macro_rules! register_operator {
    ($make:expr) => {
        $crate::__private::inventory::submit! {
            $crate::OperatorEntry {
                make: || ::std::sync::Arc::new($make),
                source: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
            }
        }
    };
}

#[derive(Clone)]
struct Registered {
    operator: Arc<dyn Operator>,
    source: String,
}

/// Everything that has a name in a session: operators, value types, layer kinds, configuration keys, backends, and whatever other
/// [kinds](Extension) there are. A clone knows the same operators, not copies of them.
#[derive(Default, Clone)]
pub struct Registry {
    operators: BTreeMap<(String, u32), Registered>,
    types: HashMap<&'static str, TypeEntry>,
    by_type: HashMap<TypeId, TypeEntry>,
    layers: HashMap<&'static str, LayerEntry>,
    /// The keys that a configuration may hold.
    schema: Arc<Schema>,
    /// Of each kind those by name, as a `BTreeMap<String, Arc<E>>`.
    extensions: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Registry {
    /// Knows nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Everything that linked crates submitted.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] if two crates submitted one name and version; both are named.
    pub fn linked() -> Result<Self> {
        let mut r = Self::empty();
        for e in inventory::iter::<OperatorEntry>() {
            r.add_operator((e.make)(), e.source)?;
        }
        for e in inventory::iter::<TypeEntry>() {
            r.add_type(*e)?;
        }
        for e in inventory::iter::<LayerEntry>() {
            r.add_layer(*e)?;
        }
        r.schema = Arc::new(Schema::gathered().map_err(refused)?);
        for kind in inventory::iter::<KindEntry>() {
            (kind.gather)(&mut r)?;
        }
        Ok(r)
    }

    /// The keys that a configuration may hold: what [`Config::load`](crate::config::Config::load) is given.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Adds the configuration keys that a crate, or whoever else is named there, declares. They count for configurations that are loaded
    /// afterwards with this registry's [`Registry::schema`].
    ///
    /// ```
    /// use kvern_core::Registry;
    /// use kvern_core::config::{Config, Declared, Key, Kind};
    ///
    /// const KEYS: &[Key] = &[Key::new("press.screws", Kind::Count, "2", "How many screws are turned at once.")];
    /// let mut registry = Registry::linked()?;
    /// registry.add_keys(Declared { crate_name: "press", keys: KEYS, variables: &[] })?;
    /// let mut config = Config::new(&registry);
    /// config.add_environment([("KVERN_PRESS_SCREWS", "3")]).expect("a key that there is");
    /// assert_eq!(config.get::<u64>("press.screws"), Ok(3));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] if a key has the name or the variable of another, naming who declares both; [`ErrorKind::Config`] for a
    /// declaration that is not allowed. Nothing is added then.
    pub fn add_keys(&mut self, declared: Declared) -> Result<()> {
        let schema = self.schema.with(declared).map_err(refused)?;
        self.schema = Arc::new(schema);
        Ok(())
    }

    /// Adds an operator; `source` says where it comes from, for messages.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] naming both sources.
    pub fn add_operator(
        &mut self,
        operator: Arc<dyn Operator>,
        source: impl Into<String>,
    ) -> Result<()> {
        let key = (operator.name().to_owned(), operator.version());
        let source = source.into();
        if let Some(there) = self.operators.get(&key) {
            return Err(duplicate(
                "operator",
                &format!("{}@{}", key.0, key.1),
                &there.source,
                &source,
            ));
        }
        self.operators.insert(key, Registered { operator, source });
        Ok(())
    }

    /// Adds a value type.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] naming both sources.
    pub fn add_type(&mut self, entry: TypeEntry) -> Result<()> {
        let there = self
            .types
            .get(entry.tag)
            .or_else(|| self.by_type.get(&(entry.type_id)()));
        if let Some(there) = there {
            return Err(duplicate(
                "value type",
                entry.tag,
                there.source,
                entry.source,
            ));
        }
        self.types.insert(entry.tag, entry);
        self.by_type.insert((entry.type_id)(), entry);
        Ok(())
    }

    /// Adds a layer kind.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] naming both sources.
    pub fn add_layer(&mut self, entry: LayerEntry) -> Result<()> {
        if let Some(there) = self.layers.get(entry.kind) {
            return Err(duplicate(
                "layer kind",
                entry.kind,
                there.source,
                entry.source,
            ));
        }
        self.layers.insert(entry.kind, entry);
        Ok(())
    }

    /// The operators as `(name, version, source)`, by name.
    pub fn operators(&self) -> impl Iterator<Item = (&str, u32, &str)> {
        self.operators
            .iter()
            .map(|((n, v), r)| (n.as_str(), *v, r.source.as_str()))
    }

    /// The tags of the value types, unordered.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().copied()
    }

    /// The layer kinds, unordered.
    pub fn layers(&self) -> impl Iterator<Item = &str> {
        self.layers.keys().copied()
    }

    /// The operator of that name; without a version, the highest there is.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] naming the nearest name or the versions there are.
    pub fn operator(&self, name: &str, version: Option<u32>) -> Result<&Arc<dyn Operator>> {
        let mut versions = self
            .operators
            .range((name.to_owned(), 0)..=(name.to_owned(), u32::MAX));
        let found = match version {
            None => versions.next_back().map(|(_, r)| r),
            Some(v) => self.operators.get(&(name.to_owned(), v)),
        };
        found
            .map(|r| &r.operator)
            .ok_or_else(|| self.missing(name, version))
    }

    #[cold]
    fn missing(&self, name: &str, version: Option<u32>) -> Error {
        let have: Vec<String> = self
            .operators
            .keys()
            .filter(|k| k.0 == name)
            .map(|k| k.1.to_string())
            .collect();
        let asked = version.map_or_else(|| name.to_owned(), |v| format!("{name}@{v}"));
        let words = if !have.is_empty() {
            format!(
                "operator {asked} is not registered; of {name} there is version {}",
                have.join(", ")
            )
        } else if let Some(near) =
            crate::base::text::nearest(name, self.operators.keys().map(|k| k.0.as_str()))
        {
            format!("operator {asked} is not registered; did you mean {near}?")
        } else {
            format!(
                "operator {asked} is not registered ({} operators are; if its crate is in Cargo.toml but never named, add `use its_crate as _;`)",
                self.operators.len()
            )
        };
        Error::new(ErrorKind::NotRegistered, words)
    }

    /// The code of an operator reference, parameters parsed.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`], or what the operator says of its parameters.
    pub fn resolve(&self, op: &OpRef) -> Result<Arc<dyn Kernel>> {
        Kernels::default().of(op, self)
    }

    /// Reads an encoded layer of that kind.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] for an unknown kind, [`ErrorKind::Decode`] for bytes that are not one.
    pub fn decode_layer(&self, kind: &str, bytes: &[u8]) -> Result<Arc<dyn LayerKind>> {
        let entry = self.layers.get(kind).ok_or_else(|| {
            let mut have: Vec<&str> = self.layers.keys().copied().collect();
            have.sort_unstable();
            unknown("layer kind", kind, &have, "")
        })?;
        (entry.decode)(bytes)
    }

    /// Whether values like this one can be written and read again.
    pub fn can_encode(&self, value: &Value) -> bool {
        self.by_type.contains_key(&value.value_type()) || value.of_build().is_some()
    }

    /// Writes a value: its tag, then its bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotPortable`] if its type is neither registered nor known to this build ([`Value::serde`]).
    pub fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer(value)?;
        put_tag(writer.tag(), out)?;
        writer.encode(value, out)
    }

    /// A value in two pieces, which one after the other are what [`Registry::encode`] writes. The second is the value's own memory
    /// where its type can lend it (see [`bulk`](crate::value::bulk)); then nothing large is copied.
    ///
    /// # Errors
    /// As [`Registry::encode`].
    pub fn lend<'a>(&self, value: &'a Value) -> Result<Lent<'a>> {
        let writer = self.writer(value)?;
        let mut head = Vec::new();
        put_tag(writer.tag(), &mut head)?;
        if let Writer::Named(entry) = &writer
            && let Some(bulk) = entry.bulk
        {
            let lent = (bulk.lend)(value.as_any())?;
            head.extend_from_slice(&lent.head);
            let body = lent.body;
            return Ok(Lent { head, body });
        }
        // About its bytes at once: growing would copy. (What a value says of itself may be wrong: an absurd size is not allocated.)
        let mut body = Vec::with_capacity(value.nbytes().min(1 << 30) as usize + 64);
        writer.encode(value, &mut body)?;
        let body = Cow::Owned(body);
        Ok(Lent { head, body })
    }

    fn writer(&self, value: &Value) -> Result<Writer<'_>> {
        let named = self.by_type.get(&value.value_type()).map(Writer::Named);
        named
            .or_else(|| value.of_build().map(Writer::OfBuild))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotPortable,
                    format!(
                        "values of type {} cannot be written: register the type with register_type!",
                        value.type_name()
                    ),
                )
            })
    }

    /// Reads what [`Registry::encode`] wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`], or [`ErrorKind::NotRegistered`] for an unknown tag.
    pub fn decode(&self, bytes: &[u8]) -> Result<Value> {
        let (tag, body) = split_tag(bytes)?;
        match self.reader(tag)? {
            None => decode_of_build(body),
            Some(entry) => (entry.decode)(body),
        }
    }

    /// Where a value arrives that left by [`Registry::lend`]: after this head, so many bytes of body.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if no such body can follow that head, or [`ErrorKind::NotRegistered`] for an unknown tag.
    pub fn room(&self, head: &[u8], length: usize) -> Result<Box<dyn Room>> {
        let (tag, head) = split_tag(head)?;
        match self.reader(tag)? {
            None => Whole::room(head, length, decode_of_build),
            Some(entry) => match entry.bulk {
                Some(bulk) => (bulk.room)(head, length),
                None => Whole::room(head, length, entry.decode),
            },
        }
    }

    /// Who reads values of that tag; `None`: any process of the build that wrote them.
    fn reader(&self, tag: &str) -> Result<Option<&TypeEntry>> {
        if tag == OF_BUILD {
            return Ok(None);
        }
        let entry = self.types.get(tag).ok_or_else(|| {
            let mut have: Vec<&str> = self.types.keys().copied().collect();
            have.sort_unstable();
            unknown("value type", tag, &have, "")
        })?;
        Ok(Some(entry))
    }
}

/// Who writes a value.
enum Writer<'a> {
    Named(&'a TypeEntry),
    OfBuild(OfBuild),
}

impl Writer<'_> {
    fn tag(&self) -> &'static str {
        match self {
            Self::Named(entry) => entry.tag,
            Self::OfBuild(of) => of.value.tag,
        }
    }

    fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Named(entry) => (entry.encode)(value.as_any(), out),
            Self::OfBuild(of) => encode_of_build(of, value, out),
        }
    }
}

fn put_tag(tag: &str, out: &mut Vec<u8>) -> Result<()> {
    out.push(
        u8::try_from(tag.len())
            .map_err(|_| Error::bad_input(format!("tag {tag:?} is longer than 255 bytes")))?,
    );
    out.extend_from_slice(tag.as_bytes());
    Ok(())
}

/// The tag at the beginning of an encoded value, and the rest.
fn split_tag(bytes: &[u8]) -> Result<(&str, &[u8])> {
    let short = || {
        Error::new(
            ErrorKind::Decode,
            format!("{} bytes are too few for an encoded value", bytes.len()),
        )
    };
    let (&n, rest) = bytes.split_first().ok_or_else(short)?;
    let (tag, body) = rest.split_at_checked(n as usize).ok_or_else(short)?;
    let tag = std::str::from_utf8(tag)
        .map_err(|e| Error::with_source(ErrorKind::Decode, "a value's tag is not UTF-8", e))?;
    Ok((tag, body))
}

/// For [`Config::load`](crate::config::Config::load) and [`Config::new`](crate::config::Config::new): the keys of this registry.
impl From<&Registry> for Arc<Schema> {
    fn from(registry: &Registry) -> Self {
        registry.schema.clone()
    }
}

impl Operators for Registry {
    fn operator(&self, name: &str, version: Option<u32>) -> Result<&Arc<dyn Operator>> {
        Self::operator(self, name, version)
    }

    fn resolve(&self, op: &OpRef) -> Result<Arc<dyn Kernel>> {
        Self::resolve(self, op)
    }

    fn shared(&self) -> Arc<dyn Operators> {
        Arc::new(self.clone())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Registry({} operators, {} types, {} layer kinds)",
            self.operators.len(),
            self.types.len(),
            self.layers.len()
        )
    }
}

#[cold]
fn duplicate(what: &str, name: &str, first: &str, second: &str) -> Error {
    Error::new(
        ErrorKind::Duplicate,
        format!("{what} {name} is registered by both {first} and {second}"),
    )
}

/// What is not there, what was probably meant, and what there is.
#[cold]
fn unknown(what: &str, name: &str, have: &[&str], hint: &str) -> Error {
    let near = crate::base::text::nearest(name, have.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let mut words = format!("{what} {name:?} is not registered{near}");
    match (have.is_empty(), near.is_empty()) {
        (true, _) => words.push_str(" (there is none)"),
        // A long list says less than the nearest name.
        (false, false) if have.len() > 12 => {}
        _ => words.push_str(&format!(" (there are: {})", have.join(", "))),
    }
    if !hint.is_empty() {
        words.push_str("; ");
        words.push_str(hint);
    }
    Error::new(ErrorKind::NotRegistered, words)
}

/// What a schema says of a declaration.
fn refused(e: ConfigError) -> Error {
    let kind = match e {
        ConfigError::Clash { .. } => ErrorKind::Duplicate,
        _ => ErrorKind::Config,
    };
    Error::with_source(kind, e.to_string(), e)
}
