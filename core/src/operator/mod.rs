//! Operators: what a task does. A graph names them ([`OpRef`]); a [`Registry`](crate::Registry) turns names into code
//! ([`Kernel`]).

mod context;
pub(crate) mod function;
pub mod program;
pub(crate) mod remote;
mod typed;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::error::{Call, Error, ErrorKind, Result, TaskInfo};
use crate::base::key::{self, Key};
use crate::base::meta::Meta;
use crate::value::Value;
use crate::value::remote::Recipe;
use crate::value::show;
pub use context::{CancelFlag, Reservation, Submitter, TaskContext, TaskHost, TaskTable};
use program::Program;
pub use typed::{Typed, TypedOperator};

/// A named, versioned operation that a graph can refer to from any process. Implemented by collections and plugins, registered
/// once with [`register_operator!`](crate::register_operator). One whose parameters have a type is a [`TypedOperator`], which is less to write.
pub trait Operator: Send + Sync {
    /// `namespace.op`, for example `"array.elementwise"`.
    fn name(&self) -> &str;

    /// Raised when the same parameters would give another result; two versions may be registered beside each other.
    fn version(&self) -> u32 {
        1
    }

    /// What optimisers and schedulers may assume, with these parameters.
    ///
    /// # Errors
    /// As [`Operator::instantiate`], if they are read for it.
    fn traits(&self, _params: &[u8]) -> Result<OpTraits> {
        Ok(OpTraits::default())
    }

    /// Parses and checks the parameters once; the kernel is then run for many tasks.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] or [`ErrorKind::Decode`] naming the parameter and what is allowed.
    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>>;

    /// [`Operator::instantiate`] for an operator whose parameters name others, which are found there: a plan of a frame whose columns are
    /// computed by operators of plugins, for example.
    ///
    /// # Errors
    /// As [`Operator::instantiate`].
    fn instantiate_in(&self, params: &[u8], _operators: &dyn Operators) -> Result<Arc<dyn Kernel>> {
        self.instantiate(params)
    }

    /// What the output looks like for such inputs, without running anything. Unknown unless overridden.
    ///
    /// # Errors
    /// When the operator could not take such inputs, in the same words as running it would say.
    fn infer(&self, _params: &[u8], _inputs: &[Meta]) -> Result<Meta> {
        Ok(Meta::unknown())
    }
}

/// Where operators are found by their names: a session's [`Registry`](crate::Registry).
pub trait Operators: fmt::Debug + Send + Sync {
    /// The operator of that name; without a version, the highest there is.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] naming the nearest name or the versions there are.
    fn operator(&self, name: &str, version: Option<u32>) -> Result<&Arc<dyn Operator>>;

    /// The code of an operator reference, parameters parsed.
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`], or what the operator says of its parameters.
    fn resolve(&self, op: &OpRef) -> Result<Arc<dyn Kernel>>;

    /// The same, to be kept.
    fn shared(&self) -> Arc<dyn Operators>;
}

/// What may be assumed of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpTraits {
    /// Same inputs, same output: it may be run again (retry, recompute, speculation) and its results cached.
    pub pure: bool,
    /// The kernel asks [`TaskContext::block`]; such an operator is not fused across a change of block numbering.
    pub uses_block: bool,
    /// So cheap that it is better run again in each reader than kept: the inline pass copies it into its readers.
    pub inline: bool,
}

impl Default for OpTraits {
    fn default() -> Self {
        Self {
            pure: true,
            uses_block: false,
            inline: false,
        }
    }
}

/// An operator with its parameters parsed: the code a worker runs.
pub trait Kernel: Send + Sync {
    /// Runs one task. An input that no other task will read is held by `inputs` alone, so a kernel may take it
    /// ([`Value::get_mut`], [`Value::try_into_inner`]) and reuse its memory.
    ///
    /// # Errors
    /// Whatever keeps it from making a value; the scheduler adds which task it was. A panic becomes [`ErrorKind::Panic`].
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value>;
}

impl<F> Kernel for F
where
    F: Fn(&mut [Value], &TaskContext<'_>) -> Result<Value> + Send + Sync,
{
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        self(inputs, ctx)
    }
}

/// A reference to an operator as a graph holds it: cheap to clone, with a content key.
#[derive(Clone)]
pub struct OpRef(Arc<OpInner>);

struct OpInner {
    name: String,
    version: u32,
    traits: OpTraits,
    key: Key,
    /// Whether errors name it by its call.
    function: bool,
    body: OpBody,
    /// See [`OpRef::made_of`].
    origin: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// Where the code of an [`OpRef`] is.
pub enum OpBody {
    /// In a registry under name and version, with these parameters.
    Named(Vec<u8>),
    /// Here: a closure of this process.
    Local {
        /// The code.
        kernel: Arc<dyn Kernel>,
        /// Why it cannot leave.
        stays: Stays,
    },
    /// A closure that captures nothing, in any process of this build.
    Travelling {
        /// Where the code is.
        recipe: Recipe<Arc<dyn Kernel>>,
        /// What it was given, as bytes.
        params: Vec<u8>,
    },
    /// Several operators run as one task, made by fusion.
    Program(Program),
}

/// Why a closure cannot leave this process ([`travel`](mod@crate::travel)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// It captures so many bytes.
    Captures(usize),
    /// It captures something that has no size, but a destructor.
    Destructor,
    /// It is a pointer to a function, and not a function.
    Pointer,
    /// What it gives, a value of this type, cannot be written.
    Gives(&'static str),
    /// It is code of this process, such as a kernel that was made here ([`OpRef::local`]).
    Here,
    /// Nothing can leave on this platform.
    Platform,
}

impl Stays {
    /// What stays, and what to do about it.
    fn why(self) -> String {
        match self {
            Self::Captures(n) => format!(
                "captures {n} bytes and cannot leave this process: pass what it captures as an argument of the call, or as parameters \
                 where a method takes some (map_with); or make it a function with a name (#[op])"
            ),
            Self::Destructor => "captures something of no size that has a destructor, and cannot leave this process: make it without".into(),
            Self::Pointer => "is a pointer to a function and cannot leave this process: give the function itself, without a cast to fn(…)".into(),
            Self::Gives(t) => format!(
                "gives a {t}, which cannot leave this process: derive serde's Serialize and Deserialize for the type and use delayed, or \
                 register it with register_type!"
            ),
            Self::Here => "is code of this process and cannot leave it: make it a function with a name (#[op])".into(),
            Self::Platform => "cannot leave this process on this platform: make it a function with a name (#[op])".into(),
        }
    }
}

impl OpRef {
    /// An operator by name, version and serialised parameters.
    pub fn named(name: impl Into<String>, version: u32, traits: OpTraits, params: Vec<u8>) -> Self {
        let name = name.into();
        let key = Key::builder("op")
            .str(&name)
            .u64(u64::from(version))
            .bytes(&params)
            .finish();
        Self(Arc::new(OpInner {
            name,
            version,
            traits,
            key,
            function: false,
            body: OpBody::Named(params),
            origin: None,
        }))
    }

    /// The same from a registered [`Operator`] and parameters of any serde type.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] if the parameters cannot be serialised, and what [`Operator::traits`] says of them.
    pub fn of(op: &dyn Operator, params: &impl Serialize) -> Result<Self> {
        let bytes = postcard::to_allocvec(params).map_err(|e| {
            Error::with_source(
                ErrorKind::BadInput,
                format!("parameters of {} cannot be serialised", op.name()),
                e,
            )
        })?;
        let traits = op.traits(&bytes)?;
        Ok(Self::named(op.name(), op.version(), traits, bytes))
    }

    /// A closure of this process. Its key is its own, so it is equal to nothing but itself; it cannot leave the process.
    pub fn local<F>(name: impl Into<String>, f: F) -> Self
    where
        F: Fn(&mut [Value], &TaskContext<'_>) -> Result<Value> + Send + Sync + 'static,
    {
        Self::local_kernel(name, OpTraits::default(), Stays::Here, Arc::new(f))
    }

    /// [`OpRef::local`] with everything said.
    pub fn local_kernel(
        name: impl Into<String>,
        traits: OpTraits,
        stays: Stays,
        kernel: Arc<dyn Kernel>,
    ) -> Self {
        let body = OpBody::Local { kernel, stays };
        Self(Arc::new(OpInner {
            name: name.into(),
            version: 0,
            traits,
            key: key::unique("op.local"),
            function: false,
            body,
            origin: None,
        }))
    }

    /// A closure that any process of this build can run ([`travel`](mod@crate::travel)), with parameters as bytes. The same code with the same
    /// parameters has the same key.
    pub fn travelling(
        name: impl Into<String>,
        traits: OpTraits,
        recipe: Recipe<Arc<dyn Kernel>>,
        params: Vec<u8>,
    ) -> Self {
        let words = recipe.words();
        let key = words
            .iter()
            .fold(Key::builder("op.travelling"), |k, &w| k.u64(w))
            .bytes(&params)
            .finish();
        Self(Arc::new(OpInner {
            name: name.into(),
            version: 0,
            traits,
            key,
            function: false,
            body: OpBody::Travelling { recipe, params },
            origin: None,
        }))
    }

    /// The same closure under another name; named operators and programs keep theirs, which is what they are.
    #[must_use]
    pub fn renamed(&self, name: impl Into<String>) -> Self {
        self.closure_with(|inner| inner.name = name.into())
    }

    /// The same closure, of which other things may be assumed; named operators and programs keep what is true of them.
    #[must_use]
    pub fn with_traits(&self, traits: OpTraits) -> Self {
        self.closure_with(|inner| inner.traits = traits)
    }

    fn closure_with(&self, change: impl FnOnce(&mut OpInner)) -> Self {
        let body = match &self.0.body {
            OpBody::Local { kernel, stays } => OpBody::Local {
                kernel: kernel.clone(),
                stays: *stays,
            },
            OpBody::Travelling { recipe, params } => OpBody::Travelling {
                recipe: *recipe,
                params: params.clone(),
            },
            _ => return self.clone(),
        };
        let mut inner = OpInner {
            name: self.0.name.clone(),
            version: self.0.version,
            traits: self.0.traits,
            key: self.0.key,
            function: self.0.function,
            body,
            origin: self.0.origin.clone(),
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// The same closure as a function that was submitted or made lazy at that place in the source, by which errors name it. `several`: it is
    /// called for each of a list, and errors tell which call it was. Its name is that of its type.
    #[must_use]
    pub(crate) fn function_at(&self, place: &Location<'_>, several: bool) -> Self {
        let (file, line) = (place.file(), place.line());
        self.closure_with(|inner| {
            inner.function = true;
            inner.traits.uses_block = several;
            // What the compiler calls a closure or a pointer says nothing; the name of a function does.
            let what = match inner.name.rsplit("::").next() {
                _ if inner.name.contains("{{closure}}") => "closure",
                Some(name) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => name,
                _ => "function",
            };
            inner.name = format!("{what} at {file}:{line}");
        })
    }

    /// The same closure with what it was made of, which the [`GraphPass`](crate::graph::optimize::GraphPass) of a collection looks at. It stays in this
    /// process.
    #[must_use]
    pub fn made_of(&self, origin: Arc<dyn std::any::Any + Send + Sync>) -> Self {
        self.closure_with(|inner| inner.origin = Some(origin))
    }

    /// What [`OpRef::made_of`] said, if it is of that type.
    pub fn origin<T: std::any::Any>(&self) -> Option<&T> {
        self.0.origin.as_ref()?.downcast_ref()
    }

    /// Several operators run as one task.
    pub fn program(program: Program) -> Self {
        let traits = program.traits();
        let key = program.key();
        let name = program.name();
        Self(Arc::new(OpInner {
            name,
            version: 0,
            traits,
            key,
            function: false,
            body: OpBody::Program(program),
            origin: None,
        }))
    }

    /// The operator's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The operator's version; 0 for closures and programs.
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// What may be assumed of it.
    pub fn traits(&self) -> OpTraits {
        self.0.traits
    }

    /// What it is, by content; for a closure, itself.
    pub fn key(&self) -> Key {
        self.0.key
    }

    /// Where its code is.
    pub fn body(&self) -> &OpBody {
        &self.0.body
    }

    /// `name@version` for messages; only the name for closures and programs.
    pub fn label(&self) -> String {
        match self.0.body {
            OpBody::Named(_) => format!("{}@{}", self.0.name, self.0.version),
            _ => self.0.name.clone(),
        }
    }

    /// Whether it is a function that somebody submitted or made lazy.
    pub fn is_function(&self) -> bool {
        self.0.function
    }

    /// Whether the two are one object (a cheap test before comparing keys).
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    #[cold]
    fn stays(&self, stays: Stays) -> Error {
        Error::new(
            ErrorKind::NotPortable,
            format!(
                "the closure {} {}; or run it on a local backend (threads://, sync://)",
                self.0.name,
                stays.why()
            ),
        )
    }

    /// An error unless every part can be sent to another process.
    ///
    /// # Errors
    /// [`ErrorKind::NotPortable`] naming the closure, why it stays and the remedies.
    pub fn check_portable(&self) -> Result<()> {
        match &self.0.body {
            OpBody::Named(_) | OpBody::Travelling { .. } => Ok(()),
            OpBody::Local { stays, .. } => Err(self.stays(*stays)),
            OpBody::Program(p) => p.steps().iter().try_for_each(|s| s.op.check_portable()),
        }
    }
}

impl fmt::Debug for OpRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl TaskInfo {
    /// The task of that key, which runs `op` over `inputs`. `block`: its number in its layer.
    pub fn new(key: Key, op: &OpRef, block: u32, inputs: &[Value]) -> Self {
        let call = op.is_function().then(|| Call {
            index: op.traits().uses_block.then_some(block),
            arguments: show::arguments(inputs),
        });
        Self {
            key,
            operator: op.label(),
            inputs: inputs.iter().map(Value::describe).collect(),
            call,
        }
    }
}

/// What of an [`OpRef`] crosses a wire.
#[derive(Serialize, Deserialize)]
enum OpWire {
    Named {
        name: String,
        version: u32,
        traits: OpTraits,
        params: Vec<u8>,
    },
    Program(Program),
    Travelling {
        name: String,
        traits: OpTraits,
        function: bool,
        recipe: Recipe<Arc<dyn Kernel>>,
        params: Vec<u8>,
    },
}

impl Serialize for OpRef {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.check_portable().map_err(serde::ser::Error::custom)?;
        match &self.0.body {
            OpBody::Named(params) => OpWire::Named {
                name: self.0.name.clone(),
                version: self.0.version,
                traits: self.0.traits,
                params: params.clone(),
            }
            .serialize(s),
            OpBody::Program(p) => OpWire::Program(p.clone()).serialize(s),
            OpBody::Travelling { recipe, params } => OpWire::Travelling {
                name: self.0.name.clone(),
                traits: self.0.traits,
                function: self.0.function,
                recipe: *recipe,
                params: params.clone(),
            }
            .serialize(s),
            OpBody::Local { .. } => {
                Err(serde::ser::Error::custom("a closure cannot be serialised"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for OpRef {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match OpWire::deserialize(d)? {
            OpWire::Named {
                name,
                version,
                traits,
                params,
            } => Self::named(name, version, traits, params),
            OpWire::Program(p) => Self::program(p),
            OpWire::Travelling {
                name,
                traits,
                function,
                recipe,
                params,
            } => Self::travelling(name, traits, recipe, params)
                .closure_with(|inner| inner.function = function),
        })
    }
}

/// Reads an operator that is not a program: programs are flat, and reading hostile bytes must not recurse.
pub(crate) fn deserialize_flat<'de, D: serde::Deserializer<'de>>(d: D) -> Result<OpRef, D::Error> {
    /// Stands where [`OpWire`] has a program, and cannot be read.
    #[derive(Deserialize)]
    enum Never {}
    /// [`OpWire`] without programs.
    #[derive(Deserialize)]
    enum Flat {
        Named {
            name: String,
            version: u32,
            traits: OpTraits,
            params: Vec<u8>,
        },
        Program(Never),
        Travelling {
            name: String,
            traits: OpTraits,
            function: bool,
            recipe: Recipe<Arc<dyn Kernel>>,
            params: Vec<u8>,
        },
    }
    Ok(match Flat::deserialize(d)? {
        Flat::Named {
            name,
            version,
            traits,
            params,
        } => OpRef::named(name, version, traits, params),
        Flat::Program(never) => match never {},
        Flat::Travelling {
            name,
            traits,
            function,
            recipe,
            params,
        } => OpRef::travelling(name, traits, recipe, params)
            .closure_with(|inner| inner.function = function),
    })
}

/// Decodes the parameters of an operator, naming it on failure.
///
/// # Errors
/// [`ErrorKind::Decode`].
pub fn decode_params<T: serde::de::DeserializeOwned>(operator: &str, params: &[u8]) -> Result<T> {
    postcard::from_bytes(params).map_err(|e| {
        Error::with_source(
            ErrorKind::Decode,
            format!(
                "the parameters of {operator} ({} bytes) cannot be read",
                params.len()
            ),
            e,
        )
    })
}
