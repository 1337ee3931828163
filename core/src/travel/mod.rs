//! Code and types that travel: how a closure that captures nothing, and values of any serde type, reach other processes of the same
//! build.
//!
//! A named operator ([`#[op]`](macro@crate::op)) is found by its name in any process. A closure has no name that means something
//! elsewhere, but in another process *of the same program file* its code stands at the same place. So what is sent is a
//! [`Recipe`]: the build's identity, and where in the program's constants a descriptor of that code lies. The receiver checks the
//! build, that the place is inside its own read-only data, and the descriptor's mark and signature before it looks any further.
//!
//! ```
//! use kvern_core::{delayed, remote};
//!
//! let double = delayed(remote!(|x: &i64| x * 2)); // would run in any process of this build
//! assert_eq!(double.call((21i64,)).reference()?, 42);
//! # Ok::<(), kvern_core::Error>(())
//! ```
//!
//! Only [`remote!`](crate::remote) makes a closure travel. It proves, by having the compiler turn it into a plain function pointer, that
//! *nothing* is captured. That the closure is of size zero would not be enough: it could hold a token of size zero that stands for
//! something that has been done in this process. What a closure would capture goes along as serde data instead: as an argument of
//! the call, or as parameters where a collection takes some (`map_with`).
//!
//! ```compile_fail
//! let k = 3;
//! let f = kvern_core::remote!(|x: i64| x * k); // captures k
//! ```
//!
//! A function is given with its signature, which is the proof; `_` would let a closure be its own:
//!
//! ```compile_fail
//! let token = std::marker::PhantomData::<u8>; // of size zero, and captured
//! let f = move |x: i64| { let _held = token; x };
//! let f = kvern_core::remote!(f as _);
//! ```
//!
//! Where it works: programs in ELF format (Linux). Elsewhere a closure stays in its process, and says so when asked to leave.

mod image;
mod recipe;
mod types;

use std::any::TypeId;
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

pub use image::BuildId;
pub use recipe::{KernelMaker, Maker, Recipe, operator, recipe};
pub(crate) use types::{
    OF_BUILD, OfBuild, decode_of_build, encode_of_build, list_of_build, of_build,
};

/// The types of closures that were seen to capture nothing.
static MARKED: RwLock<Option<HashSet<TypeId>>> = RwLock::new(None);

/// Says that closures of this type capture nothing. Not an interface: call [`remote!`](crate::remote), which has the compiler prove it.
#[doc(hidden)]
pub fn __mark<F: Copy + Send + Sync + 'static, P: Copy>(f: F, _proof: P) -> F {
    const { assert!(size_of::<F>() == 0) };
    // A closure that is its own proof proves nothing.
    const {
        assert!(
            size_of::<P>() == size_of::<fn()>(),
            "the proof must be a function pointer"
        );
    };
    let id = TypeId::of::<F>();
    if !is_marked::<F>() {
        let mut marked = MARKED.write().unwrap_or_else(PoisonError::into_inner);
        marked.get_or_insert_default().insert(id);
    }
    f
}

/// Whether closures of this type were seen to capture nothing.
pub fn is_marked<F: 'static>() -> bool {
    let marked = MARKED.read().unwrap_or_else(PoisonError::into_inner);
    size_of::<F>() == 0
        && marked
            .as_ref()
            .is_some_and(|m| m.contains(&TypeId::of::<F>()))
}

/// Two closures as one thing to make a [`recipe`] of: it travels if both do.
///
/// ```
/// use kvern_core::{remote, travel};
/// let both = travel::together(remote!(|x: i64| x + 1), remote!(|x: i64| x - 1));
/// assert_eq!((both.1)((both.0)(5)), 5);
/// ```
pub fn together<F: Send + Sync + 'static, G: Send + Sync + 'static>(f: F, g: G) -> (F, G) {
    // Two marked types are `Copy`, of no size, and made of nothing; so is their pair, and whatever holds of them for
    // `recipe` holds of it.
    if is_marked::<F>() && is_marked::<G>() && !is_marked::<(F, G)>() {
        let mut marked = MARKED.write().unwrap_or_else(PoisonError::into_inner);
        marked
            .get_or_insert_default()
            .insert(TypeId::of::<(F, G)>());
    }
    (f, g)
}

/// The identity of this program file; `None` where closures cannot travel.
pub fn build_id() -> Option<BuildId> {
    image::Image::here().map(|i| i.build)
}

/// A closure that can run in any process of this build: gives the closure itself, after proving that it captures nothing.
///
/// Its parameters need written types: `remote!(|x: i64| x + 1)`, `remote!(|x: &str| -> usize { x.len() })`. A function is given with
/// its signature: `remote!(parse as fn(&str) -> f64)`.
///
/// ```
/// use kvern_core::remote;
/// fn half(x: f64) -> f64 { x / 2.0 }
/// let f = remote!(|x: f64, y: f64| x + y);
/// let g = remote!(half as fn(f64) -> f64);
/// assert_eq!(g(f(1.0, 2.0)), 1.5);
/// ```
#[macro_export]
macro_rules! remote {
    (|| -> $out:ty $body:block) => {{
        let f = || -> $out { $body };
        let proof: fn() -> $out = f;
        $crate::travel::__mark(f, proof)
    }};
    (|| $body:expr) => {{
        let f = || $body;
        let proof: fn() -> _ = f;
        $crate::travel::__mark(f, proof)
    }};
    (|$($arg:tt : $ty:ty),+ $(,)?| -> $out:ty $body:block) => {{
        let f = |$($arg: $ty),+| -> $out { $body };
        let proof: fn($($ty),+) -> $out = f;
        $crate::travel::__mark(f, proof)
    }};
    (|$($arg:tt : $ty:ty),+ $(,)?| $body:expr) => {{
        let f = |$($arg: $ty),+| $body;
        let proof: fn($($ty),+) -> _ = f;
        $crate::travel::__mark(f, proof)
    }};
    ($f:path as $ty:ty) => {{
        let proof: $ty = $f;
        $crate::travel::__mark($f, proof)
    }};
}
