//! What a collection must offer so that sessions can compute it: which results it needs, and what it makes of them.

use crate::base::error::{Error, ErrorKind, Result};
use crate::graph::Root;
use crate::protocol::handle::Handle;
use crate::session::Session;
use crate::value::Value;

/// A lazy array, frame, bag or delayed call. It does not know who runs it.
pub trait Collection: Sized {
    /// What computing it gives.
    type Output;

    /// The layers and outputs that it needs, lowered to the symbolic graph.
    ///
    /// # Errors
    /// What is wrong with the expression and could not be told when it was built.
    fn roots(&self) -> Result<Vec<Root>>;

    /// The same for a session that is known: a collection that has more than one way to be computed chooses by what the backend is.
    /// There must be as many results as [`Collection::roots`] stands for.
    ///
    /// # Errors
    /// As [`Collection::roots`].
    fn roots_in(&self, _session: &Session) -> Result<Vec<Root>> {
        self.roots()
    }

    /// How many results its roots stand for.
    ///
    /// # Errors
    /// As [`Collection::roots`].
    fn outputs(&self) -> Result<usize> {
        Ok(self.roots()?.iter().map(Root::len).sum())
    }

    /// The result from the values of the roots, in their order.
    ///
    /// # Errors
    /// If the values do not fit together.
    fn finish(&self, values: Vec<Value>) -> Result<Self::Output>;

    /// The same collection over results that some run holds, in the order of the roots.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] unless the collection offers it.
    fn rebuild(&self, _handles: Vec<Handle>) -> Result<Self> {
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("{} cannot be persisted", std::any::type_name::<Self>()),
        ))
    }
}

/// One collection, a slice or vector of collections, or a tuple of any of these: what [`Session::compute`](crate::Session::compute) takes.
pub trait Computation {
    /// The results together.
    type Output;

    /// All roots, one collection after another.
    ///
    /// # Errors
    /// As [`Collection::roots`].
    fn roots(&self) -> Result<Vec<Root>>;

    /// All roots for a session that is known.
    ///
    /// # Errors
    /// As [`Collection::roots`].
    fn roots_in(&self, session: &Session) -> Result<Vec<Root>>;

    /// How many results its roots stand for.
    ///
    /// # Errors
    /// As [`Collection::roots`].
    fn outputs(&self) -> Result<usize>;

    /// The results from all values.
    ///
    /// # Errors
    /// As [`Collection::finish`].
    fn finish(&self, values: Vec<Value>) -> Result<Self::Output>;
}

impl<C: Collection> Computation for &C {
    type Output = C::Output;

    fn outputs(&self) -> Result<usize> {
        Collection::outputs(*self)
    }

    fn roots(&self) -> Result<Vec<Root>> {
        Collection::roots(*self)
    }

    fn roots_in(&self, session: &Session) -> Result<Vec<Root>> {
        Collection::roots_in(*self, session)
    }

    fn finish(&self, values: Vec<Value>) -> Result<C::Output> {
        Collection::finish(*self, values)
    }
}

impl<C: Collection> Computation for &[C] {
    type Output = Vec<C::Output>;

    fn outputs(&self) -> Result<usize> {
        self.iter().map(Collection::outputs).sum()
    }

    fn roots(&self) -> Result<Vec<Root>> {
        let mut roots = Vec::new();
        for c in *self {
            roots.append(&mut c.roots()?);
        }
        Ok(roots)
    }

    fn roots_in(&self, session: &Session) -> Result<Vec<Root>> {
        let mut roots = Vec::new();
        for c in *self {
            roots.append(&mut c.roots_in(session)?);
        }
        Ok(roots)
    }

    fn finish(&self, values: Vec<Value>) -> Result<Self::Output> {
        let mut values = values.into_iter();
        self.iter()
            .map(|c| c.finish(take(&c, &mut values)?))
            .collect()
    }
}

impl<C: Collection> Computation for &Vec<C> {
    type Output = Vec<C::Output>;

    fn outputs(&self) -> Result<usize> {
        self.as_slice().outputs()
    }

    fn roots(&self) -> Result<Vec<Root>> {
        self.as_slice().roots()
    }

    fn roots_in(&self, session: &Session) -> Result<Vec<Root>> {
        self.as_slice().roots_in(session)
    }

    fn finish(&self, values: Vec<Value>) -> Result<Self::Output> {
        self.as_slice().finish(values)
    }
}

/// The next values, as many as the roots of one part stand for.
fn take<C: Computation>(c: &C, values: &mut impl Iterator<Item = Value>) -> Result<Vec<Value>> {
    let n = c.outputs()?;
    let here: Vec<Value> = values.take(n).collect();
    if here.len() == n {
        Ok(here)
    } else {
        Err(Error::new(
            ErrorKind::Internal,
            format!("{} of {n} values came back", here.len()),
        ))
    }
}

macro_rules! tuples {
    ($($name:ident $n:tt),+) => {
        impl<$($name: Computation),+> Computation for ($($name,)+) {
            type Output = ($($name::Output,)+);

            fn outputs(&self) -> Result<usize> {
                Ok(0 $(+ self.$n.outputs()?)+)
            }

            fn roots(&self) -> Result<Vec<Root>> {
                let mut roots = Vec::new();
                $(roots.append(&mut self.$n.roots()?);)+
                Ok(roots)
            }

            fn roots_in(&self, session: &Session) -> Result<Vec<Root>> {
                let mut roots = Vec::new();
                $(roots.append(&mut self.$n.roots_in(session)?);)+
                Ok(roots)
            }

            fn finish(&self, values: Vec<Value>) -> Result<Self::Output> {
                let mut values = values.into_iter();
                Ok(($(self.$n.finish(take(&self.$n, &mut values)?)?,)+))
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
