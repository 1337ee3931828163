//! Code and types that travel: how a closure that captures nothing, and values of any serde type, reach other processes of the same
//! build.
//!
//! A named operator ([`#[op]`](macro@crate::op)) is found by its name in any process. A closure has no name that means something
//! elsewhere, but in another process *of the same program file* its code stands at the same place. So what is sent is a
//! [`Recipe`]: the build's identity, and where in the program's constants a descriptor of that code lies. The receiver checks the
//! build, that the place is inside its own read-only data, and the descriptor's mark and signature before it looks any further.
//!
//! ```
//! use kvern_core::{delayed, travel};
//!
//! fn double(x: &i64) -> i64 { x * 2 }
//! assert!(travel::travels(&double));
//! assert!(travel::travels(&|x: &i64| x * 2));
//! let k = 2;
//! assert!(!travel::travels(&move |x: &i64| x * k)); // captures k
//!
//! let twice = delayed(double); // would run in any process of this build
//! assert_eq!(twice.call(21i64).reference()?, 42);
//! # Ok::<(), kvern_core::Error>(())
//! ```
//!
//! A function, or a closure that captures nothing, has no bytes, so there is nothing to send but the place of its code. What a
//! closure would capture goes along as serde data instead: as an argument of the call, or as parameters where a collection takes some
//! (`map_with`). One that captures runs in this process; a backend that has others refuses it when it is submitted.
//!
//! # What is assumed
//! What travels is a `'static` type of size zero that has no destructor. All functions and closures that capture nothing are such types. So is a
//! closure that captures *by value* only things which are: `PhantomData`, a unit struct, or a token, a value of no size that stands for
//! something that was done (a library that was initialised) or that there is once (a peripheral). The compiler does not tell these from
//! closures that capture nothing, and stable Rust cannot ask whether a type is `Copy` where any type may come. In the process where the closure was
//! made nothing can go wrong: kvern calls a function by reference, from any number of threads, and drops it without an effect, so that one made of
//! nothing does what the one that was given would do. In another process the closure holds a token that nobody made there. **So a
//! closure that is given to kvern must not capture a token of no size that other code trusts for memory safety**, unless what it stands
//! for holds in every process of the program. No such closure comes about unless somebody writes such a token down; captured
//! together with something that has a size (`(token, 0u8)`), it makes the closure stay.
//!
//! Where it works: programs in ELF format (Linux). Elsewhere a closure stays in its process, and says so when asked to leave.

pub use crate::operator::remote::{KernelMaker, operator, stays};
pub use crate::value::remote::{BuildId, Maker, Portable, Recipe, build_id, recipe, travels};
