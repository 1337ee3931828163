//! Parts of a chain: what is made of a closure here, and the recipe by which another process of this build makes the same.

use std::marker::PhantomData;
use std::sync::Arc;

use kvern_core::operator::Stays;
use kvern_core::travel::{self, Maker, Recipe};
use kvern_core::{Error, ErrorKind, Key, Result};
use serde::{Deserialize, Serialize};

use super::split::{Pump, Split};
use super::{AnyStage, Eating, End, Env, Source, Step};

/// How another process makes it.
type Wire<X> = Arc<PartWire<X>>;

/// A source, step or end (`X` is its trait) of a chain.
pub(crate) struct Part<X: ?Sized + 'static> {
    pub(crate) made: Arc<X>,
    pub(crate) name: &'static str,
    /// Why it stays in this process, if it does.
    pub(crate) stays: Stays,
    /// Whether it calls functions of the user, of which nobody knows whether they do the same again.
    pub(crate) is_users: bool,
    wire: Option<Wire<X>>,
}

impl<X: ?Sized> Clone for Part<X> {
    fn clone(&self) -> Self {
        Self {
            made: self.made.clone(),
            name: self.name,
            stays: self.stays,
            is_users: self.is_users,
            wire: self.wire.clone(),
        }
    }
}

pub(crate) type SourcePart = Part<dyn Source>;
pub(crate) type StepPart = Part<dyn Step>;
pub(crate) type EndPart = Part<dyn End>;
pub(crate) type SplitPart = Part<dyn Split>;

/// What of a part is sent.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct PartWire<X: ?Sized + 'static> {
    recipe: Recipe<Arc<X>>,
    params: Vec<u8>,
    /// A function of the user's is asked as often as it is given: nothing says that it gives the same each time, so chains that are built apart
    /// are apart, however equal they look.
    own: Option<Key>,
}

impl<X: ?Sized> PartWire<X> {
    pub(crate) fn make(&self) -> Result<Arc<X>> {
        self.recipe.make(&self.params)
    }
}

impl<X: ?Sized + 'static> Part<X> {
    /// What is sent of it; `None`: it holds a closure that cannot leave this process.
    pub(crate) fn wire(&self) -> Option<&PartWire<X>> {
        self.wire.as_deref()
    }

    /// Why it stays in this process, if it does.
    pub(crate) fn why(&self) -> Option<Stays> {
        self.wire.is_none().then_some(self.stays)
    }
}

/// Something made of a closure, and of parameters as bytes.
pub(crate) trait FromClosure<F>: Sized + 'static {
    /// # Errors
    /// If the parameters cannot be read.
    fn from_closure(f: F, params: &[u8]) -> Result<Self>;
}

/// Something made of parameters alone.
pub(crate) trait FromParams: Sized + 'static {
    /// # Errors
    /// If the parameters cannot be read.
    fn from_params(params: &[u8]) -> Result<Self>;
}

/// `OfStep<S>`: a step made by [`FromClosure`]; `PlainStep<S>`: one made by [`FromParams`]; and so on. One a trait, for coherence.
macro_rules! makers {
    ($($name:ident)*) => {$(
        pub(crate) struct $name<S>(PhantomData<fn() -> S>);
    )*};
}

makers!(OfSource PlainSource OfStep PlainStep OfEnd PlainEnd OfSplit PlainSplit);

macro_rules! parts {
    ($($of:ident $plain:ident $X:ident;)*) => {$(
        impl<F, S: FromClosure<F> + $X> Maker<F> for $of<S> {
            type Made = Arc<dyn $X>;

            fn make(f: F, params: &[u8]) -> Result<Self::Made> {
                Ok(Arc::new(S::from_closure(f, params)?))
            }
        }

        impl<F, S: FromParams + $X> Maker<F> for $plain<S> {
            type Made = Arc<dyn $X>;

            fn make(_: F, params: &[u8]) -> Result<Self::Made> {
                Ok(Arc::new(S::from_params(params)?))
            }
        }

        impl Part<dyn $X> {
            /// The part that `S` is of a closure.
            #[allow(dead_code, reason = "not every kind of part has such")]
            pub(crate) fn of<S, F>(name: &'static str, f: F) -> Self
            where
                F: Send + Sync + 'static,
                S: FromClosure<F> + $X,
            {
                Self::build::<F, $of<S>>(name, f, Ok(Vec::new()), true)
            }

            /// The part that `S` is of a closure and parameters.
            #[allow(dead_code, reason = "not every kind of part has such")]
            pub(crate) fn of_with<S, F>(name: &'static str, f: F, params: &impl Serialize) -> Self
            where
                F: Send + Sync + 'static,
                S: FromClosure<F> + $X,
            {
                Self::build::<F, $of<S>>(name, f, encode(name, params), true)
            }

            /// The part that `S` is of parameters.
            pub(crate) fn plain<S: FromParams + $X>(name: &'static str, params: &impl Serialize) -> Self {
                Self::build::<_, $plain<S>>(name, (), encode(name, params), false)
            }

            fn build<F, M>(name: &'static str, f: F, params: Result<Vec<u8>>, own: bool) -> Self
            where
                F: Send + Sync + 'static,
                M: Maker<F, Made = Arc<dyn $X>>,
            {
                let (recipe, stays) = (travel::recipe::<F, M>(&f), travel::stays(&f));
                // A chain is built without errors; what is wrong with a part is told when it runs.
                let (made, params): (Arc<dyn $X>, _) = match params {
                    Ok(p) => (M::make(f, &p).unwrap_or_else(|e| Arc::new(Broken(e))), Some(p)),
                    Err(e) => (Arc::new(Broken(e)), None),
                };
                let is_users = own;
                let own = own.then(|| kvern_core::key::unique("bag.function"));
                let wire = recipe.zip(params);
                let wire = wire.map(|(recipe, params)| Arc::new(PartWire { recipe, params, own }));
                Self { made, name, stays, is_users, wire }
            }
        }
    )*};
}

parts! {
    OfSource PlainSource Source;
    OfStep PlainStep Step;
    OfEnd PlainEnd End;
    OfSplit PlainSplit Split;
}

impl Part<dyn End> {
    /// An end that was put together of other parts. `params`: what it is made of elsewhere; `Err`: why one of them stays here.
    pub(crate) fn assembled<S: FromParams + End>(
        name: &'static str,
        made: S,
        params: Result<Vec<u8>, Stays>,
    ) -> Self {
        let stays = params.as_ref().err().copied().unwrap_or(Stays::Here);
        let wire = travel::recipe::<_, PlainEnd<S>>(&()).zip(params.ok());
        let wire = wire.map(|(recipe, params)| PartWire {
            recipe,
            params,
            own: None,
        });
        Self {
            made: Arc::new(made),
            name,
            stays,
            is_users: true,
            wire: wire.map(Arc::new),
        }
    }
}

fn encode(name: &str, params: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(params).map_err(|e| {
        Error::with_source(
            ErrorKind::BadInput,
            format!("the parameters of {name} cannot be serialised"),
            e,
        )
    })
}

impl Part<dyn Source> {
    /// A source that fails.
    pub(crate) fn broken(e: Error) -> Self {
        Self {
            made: Arc::new(Broken(e)),
            name: "error",
            stays: Stays::Here,
            is_users: false,
            wire: None,
        }
    }
}

/// Stands where a part could not be made.
struct Broken(Error);

impl Source for Broken {
    fn open(&self, _: &mut [kvern_core::Value], _: u64, _: &std::rc::Rc<Env>) -> Result<AnyStage> {
        Err(self.0.clone())
    }
}

impl Step for Broken {
    fn attach(&self, _: AnyStage, _: &std::rc::Rc<Env>) -> Result<AnyStage> {
        Err(self.0.clone())
    }
}

impl End for Broken {
    fn begin<'a>(&'a self, _: AnyStage, _: &std::rc::Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        Err(self.0.clone())
    }

    fn combine(&self, _: &mut [kvern_core::Value]) -> Result<kvern_core::Value> {
        Err(self.0.clone())
    }

    fn finish(&self, _: &mut [kvern_core::Value]) -> Result<kvern_core::Value> {
        Err(self.0.clone())
    }
}

impl Split for Broken {
    fn split(
        &self,
        _: AnyStage,
        _: usize,
        _: &std::rc::Rc<Env>,
    ) -> Result<(std::rc::Rc<dyn Pump>, Vec<AnyStage>)> {
        Err(self.0.clone())
    }
}
