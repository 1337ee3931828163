//! What kvern does to plans beside what DataFusion does: before a plan is made ([`aggregate`], [`analyse`], [`names`], [`statement`], [`sets`],
//! [`not_in`]), while it
//! is made (the rules of [`nan`], [`groups`] and [`windows`], by functions of [`own`]), and with what comes out ([`guard`], [`bounds`],
//! [`keys`]).

pub(crate) mod aggregate;
pub(crate) mod analyse;
pub(crate) mod bounds;
pub(crate) mod groups;
pub(crate) mod guard;
pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod nan;
pub(crate) mod not_in;
pub(crate) mod own;
pub(crate) mod sets;
pub(crate) mod statement;
pub(crate) mod windows;
