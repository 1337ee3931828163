//! What plans are made with ([`base`](fn@base)), and what kvern does to them beside what DataFusion does: before a plan is made ([`aggregate`], [`analyse`], [`names`], [`statement`],
//! [`sets`], [`not_in`]), while it is made (the rules of [`nan`], [`groups`], [`determined`], [`windows`], [`null`] and [`push`], by functions of [`own`]),
//! with what comes out ([`skip`], [`forget`], [`guard`], [`bounds`], [`keys`]), and when none can be made
//! ([`again`], [`correlated`]).

pub(crate) mod again;
pub(crate) mod aggregate;
pub(crate) mod analyse;
mod base;
pub(crate) mod bounds;
pub(crate) mod correlated;
pub(crate) mod determined;
pub(crate) mod forget;
pub(crate) mod groups;
pub(crate) mod guard;
pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod nan;
pub(crate) mod not_in;
pub(crate) mod null;
pub(crate) mod own;
pub(crate) mod peers;
pub(crate) mod push;
pub(crate) mod sets;
pub(crate) mod skip;
pub(crate) mod statement;
pub(crate) mod windows;

pub(crate) use base::{Knobs, base};
