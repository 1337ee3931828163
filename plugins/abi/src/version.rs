//! The version of the border.

/// The major version of the border. Plugins of another one are refused.
pub const MAJOR: u16 = 1;

/// The minor version: what was added at the ends of tables. 1 added [`OpVTable::infer`](crate::OpVTable::infer) and [`Ctx::alloc_tensor`](crate::Ctx::alloc_tensor).
pub const MINOR: u16 = 1;
