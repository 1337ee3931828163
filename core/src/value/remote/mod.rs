//! Code and values of types without a name, referred to by their place in this build: what [`travel`](mod@crate::travel) stands on.

mod image;
mod recipe;
mod types;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use image::BuildId;
pub use recipe::{Maker, Recipe, recipe};
pub(crate) use types::{
    OF_BUILD, OfBuild, decode_of_build, encode_of_build, list_of_build, of_build,
};

/// What can be sent to another process of the same build, and spilled: any serde type. Implemented for all of them.
pub trait Portable: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Portable for T {}

/// Whether a closure can run in any process of this build: it has no bytes and no destructor ([what that leaves
/// unproved](crate::travel#what-is-assumed)).
pub fn travels<F: 'static>(_f: &F) -> bool {
    nothing_to_send::<F>() && build_id().is_some()
}

pub(crate) const fn nothing_to_send<F: 'static>() -> bool {
    size_of::<F>() == 0 && !std::mem::needs_drop::<F>()
}

/// The identity of this program file; `None` where closures cannot travel.
pub fn build_id() -> Option<BuildId> {
    image::Image::here().map(|i| i.build)
}
