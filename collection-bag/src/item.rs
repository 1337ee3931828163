//! [`Item`]: the one value that a reduction of a bag ends in.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use kvern_core::layer::Data;
use kvern_core::{
    Collection, Delayed, Error, ErrorKind, Handle, Layer, Result, Root, Session, Value,
};

use crate::compute::{WithSkipped, reference};
use crate::expr::{Expr, Reads};
use crate::pipe::split::ItemType;
use crate::pipe::{
    AnyStage, Eating, End, EndPart, Env, FromParams, Part, Source, SourcePart, Stage, more,
};
use crate::skipped::Skipped;
use crate::value::{Partial, Portable, written};

/// One value that will be there once it is computed: a count, a sum, a fold. Cloning shares it.
pub struct Item<A> {
    layer: Result<Arc<Layer>>,
    of: PhantomData<fn() -> A>,
}

impl<A> Clone for Item<A> {
    fn clone(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            of: PhantomData,
        }
    }
}

impl<A> std::fmt::Debug for Item<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Item<{}>", std::any::type_name::<A>())
    }
}

impl<A: Portable> Item<A> {
    pub(crate) fn of(expr: &Expr, end: &Part<dyn End>) -> Self {
        Self {
            layer: expr.reduced(end),
            of: PhantomData,
        }
    }

    pub(crate) fn layer(&self) -> Result<Arc<Layer>> {
        self.layer.clone()
    }

    /// The value as an argument of delayed functions. The count of records that were left out ([`OnBad::Skip`](crate::OnBad)) does not come along.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// use kvern_core::delayed;
    /// let n = Bag::range(10, 2).count().to_delayed()?;
    /// assert_eq!(delayed(|n: &u64| n * 2).call(&n).reference()?, 20);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn to_delayed(&self) -> Result<Delayed<A>> {
        let source = SourcePart::plain::<Whole<A>>("item", &());
        let item = ItemType::of::<A>();
        let expr = Expr::source(item, source, Reads::Same(self.layer()?), 1, 0);
        let end = EndPart::plain::<Bare<A>>("value", &());
        Ok(Delayed::of_layer(expr.ended(&end)?, 0))
    }

    /// The value with what was skipped while it was made.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let (n, skipped) = Bag::range(3, 1).count().with_skipped().reference()?;
    /// assert_eq!((n, skipped.records()), (3, 0));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn with_skipped(&self) -> WithSkipped<Self> {
        WithSkipped(self.clone())
    }

    /// Computes it in the current session and waits.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(Bag::range(4, 2).sum().compute()?, 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<A> {
        self.compute_in(&Session::current()?)
    }

    /// Computes it in a session and waits.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<A> {
        session.compute(self)
    }

    /// Starts computing it in the current session and returns at once: the same value, which the backend keeps.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// let session = kvern_core::Session::open("threads://?workers=2")?;
    /// let sum = Bag::range(4, 2).sum().persist()?; // is being made
    /// assert_eq!(sum.compute()?, 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist(&self) -> Result<Self> {
        self.persist_in(&Session::current()?)
    }

    /// [`Item::persist`] in a session.
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist_in(&self, session: &Session) -> Result<Self> {
        session.persist(self)
    }

    /// Computes it one task after another, without optimisation: slow and plain, for tests and examples.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::range(4, 2).sum().reference()?, 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<A> {
        reference(self)
    }
}

pub(crate) fn taken<A: Portable>(values: Vec<Value>) -> Result<(A, Skipped)> {
    let value = values.into_iter().next();
    let value = value.ok_or_else(|| Error::new(ErrorKind::Internal, "no value came back"))?;
    Partial::take(value)
}

impl<A: Portable> Collection for Item<A> {
    type Output = A;

    fn roots(&self) -> Result<Vec<Root>> {
        Ok(vec![Root::all(&self.layer()?)])
    }

    fn finish(&self, values: Vec<Value>) -> Result<A> {
        Ok(taken(values)?.0)
    }

    fn rebuild(&self, handles: Vec<Handle>) -> Result<Self> {
        Ok(Self {
            layer: Ok(Layer::new(Data::handles(handles), Vec::new())),
            of: PhantomData,
        })
    }
}

/// The value of an [`Item`] as the only thing of a chain.
struct Whole<A>(PhantomData<fn() -> A>);

impl<A: Portable> FromParams for Whole<A> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

impl<A: Portable> Source for Whole<A> {
    fn open(&self, inputs: &mut [Value], _: u64, _: &Rc<Env>) -> Result<AnyStage> {
        let inputs = inputs.iter_mut();
        let values = inputs.map(|v| std::mem::replace(v, Value::UNIT)).collect();
        let (value, _) = taken::<A>(values)?;
        Ok(AnyStage::items(crate::pipe::sources::IterStage::new(
            std::iter::once(value),
        )))
    }
}

/// The value without anything around it.
struct Bare<A>(PhantomData<fn() -> A>);

impl<A: Portable> FromParams for Bare<A> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

struct Taking<A> {
    stage: Box<dyn Stage<A>>,
    value: Option<A>,
}

impl<A: Portable> Eating for Taking<A> {
    fn advance(&mut self) -> Result<bool> {
        let value = &mut self.value;
        more(self.stage.advance(&mut |a| {
            *value = Some(a);
            Ok(())
        }))
    }

    fn finish(self: Box<Self>) -> Result<Value> {
        let value = self.value;
        let value = value.ok_or_else(|| Error::new(ErrorKind::Internal, "an item of nothing"))?;
        let bytes = size_of::<A>() as u64 + written(&value);
        Ok(Value::serde_with_bytes(value, bytes))
    }
}

impl<A: Portable> End for Bare<A> {
    fn begin<'a>(&'a self, stage: AnyStage, _: &Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        let stage = stage.into_items::<A>()?;
        Ok(Box::new(Taking { stage, value: None }))
    }

    fn combine(&self, _: &mut [Value]) -> Result<Value> {
        Err(Error::new(ErrorKind::Internal, "one value is not merged"))
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        self.combine(parts)
    }
}
