//! Operators without a name: of closures that stay here, and of code that any process of this build has.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::base::error::Result;
use crate::operator::{Kernel, OpRef, OpTraits, Stays};
use crate::value::remote::{self, Maker, recipe};

/// Why a closure of this type stays in its process.
pub fn stays<F: 'static>(_f: &F) -> Stays {
    let name = std::any::type_name::<F>();
    match size_of::<F>() {
        0 if remote::nothing_to_send::<F>() => Stays::Platform,
        0 => Stays::Destructor,
        n if n == size_of::<fn()>() && (name.starts_with("fn(") || name.starts_with("for<")) => {
            Stays::Pointer
        }
        n => Stays::Captures(n),
    }
}

/// How a kernel is made of parameters alone: for generic operators, which no registry can name, since it would have to name them for every
/// type.
pub trait KernelMaker: 'static {
    /// Makes it, here or in another process.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) for parameters that cannot be read.
    fn make(params: &[u8]) -> Result<Arc<dyn Kernel>>;
}

/// The operator of what `M` makes: it travels wherever closures do, with no closure in it.
///
/// # Errors
/// What `M` says of the parameters, where nothing can travel and the kernel is made now.
pub fn operator<M: KernelMaker>(name: &str, traits: OpTraits, params: Vec<u8>) -> Result<OpRef> {
    struct Alone<M>(PhantomData<fn() -> M>);
    impl<F: 'static, M: KernelMaker> Maker<F> for Alone<M> {
        type Made = Arc<dyn Kernel>;

        fn make(_nothing: F, params: &[u8]) -> Result<Arc<dyn Kernel>> {
            M::make(params)
        }
    }
    Ok(match recipe::<_, Alone<M>>(&()) {
        Some(recipe) => OpRef::travelling(name, traits, recipe, params),
        None => OpRef::local_kernel(name, traits, Stays::Platform, M::make(&params)?),
    })
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::*;

    #[test]
    fn what_has_nothing_to_send_is_told_from_what_has() {
        fn function(x: i64) -> i64 {
            x
        }
        fn ask<F: 'static>(f: &F) -> (bool, Stays) {
            (remote::nothing_to_send::<F>(), stays(f))
        }
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {}
        }
        let (guard, phantom, text) = (Guard, PhantomData::<String>, String::from("a"));
        assert_eq!(ask(&function), (true, Stays::Platform));
        assert_eq!(ask(&|x: i64| x + 1), (true, Stays::Platform));
        assert_eq!(ask(&(function, |x: i64| x + 1)), (true, Stays::Platform));
        assert_eq!(ask(&(function, ())), (true, Stays::Platform));
        assert_eq!(
            ask(&move |x: i64| (phantom, x).1),
            (true, Stays::Platform),
            "what is assumed"
        );
        assert_eq!(
            ask(&move |x: i64| {
                let _held = &guard;
                x
            }),
            (false, Stays::Destructor)
        );
        assert_eq!(
            ask(&move |x: i64| text.len() as i64 + x),
            (false, Stays::Captures(24))
        );
        assert_eq!(ask(&(function as fn(i64) -> i64)), (false, Stays::Pointer));
    }
}
