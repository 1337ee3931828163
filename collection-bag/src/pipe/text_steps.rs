//! Steps over text that is borrowed: from text to pieces of it, or to items.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use kvern_core::Result;
use serde::de::DeserializeOwned;

use super::steps::task_error;
use super::{AnyStage, Env, Flow, FromClosure, FromParams, Stage, Step, Stop, TextStage};
use crate::words::each_word;

/// A function over text, with parameters where there are some.
pub(crate) struct TextCall<F, P, K>(Arc<(F, P)>, PhantomData<fn() -> K>);

impl<F: 'static, K: 'static> FromClosure<F> for TextCall<F, (), K> {
    fn from_closure(f: F, _: &[u8]) -> Result<Self> {
        Ok(Self(Arc::new((f, ())), PhantomData))
    }
}

/// [`TextCall`] with parameters that were serialised.
pub(crate) struct TextCallWith<F, P, K>(TextCall<F, P, K>);

impl<F: 'static, P: DeserializeOwned + 'static, K: 'static> FromClosure<F>
    for TextCallWith<F, P, K>
{
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        let params = kvern_core::operator::decode_params(std::any::type_name::<F>(), params)?;
        Ok(Self(TextCall(Arc::new((f, params)), PhantomData)))
    }
}

impl<F, P, K: 'static> Step for TextCallWith<F, P, K>
where
    TextCall<F, P, K>: Step,
{
    fn attach(&self, upstream: AnyStage, env: &Rc<Env>) -> Result<AnyStage> {
        self.0.attach(upstream, env)
    }
}

/// From texts to items.
struct ToItems<C> {
    upstream: Box<dyn TextStage>,
    call: C,
}

pub(crate) fn to_items<U: 'static>(
    upstream: AnyStage,
    call: impl Fn(&str, &mut dyn FnMut(U) -> Flow) -> Flow + 'static,
) -> Result<AnyStage> {
    Ok(AnyStage::items::<U>(ToItems {
        upstream: upstream.into_text()?,
        call,
    }))
}

impl<U, C: Fn(&str, &mut dyn FnMut(U) -> Flow) -> Flow> Stage<U> for ToItems<C> {
    fn advance(&mut self, sink: &mut dyn FnMut(U) -> Flow) -> Flow<bool> {
        let call = &self.call;
        self.upstream.advance(&mut |text| call(text, sink))
    }
}

/// From texts to texts.
struct ToTexts<C> {
    upstream: Box<dyn TextStage>,
    call: C,
}

fn to_texts(
    upstream: AnyStage,
    call: impl Fn(&str, &mut dyn FnMut(&str) -> Flow) -> Flow + 'static,
) -> Result<AnyStage> {
    Ok(AnyStage::text(ToTexts {
        upstream: upstream.into_text()?,
        call,
    }))
}

impl<C: Fn(&str, &mut dyn FnMut(&str) -> Flow) -> Flow> TextStage for ToTexts<C> {
    fn advance(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        let call = &self.call;
        self.upstream.advance(&mut |text| call(text, sink))
    }
}

/// `map(f)` of text.
pub(crate) struct TextMapKind<U>(PhantomData<fn() -> U>);

impl<F, U: 'static> Step for TextCall<F, (), TextMapKind<U>>
where
    F: Fn(&str) -> U + Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        to_items(upstream, move |s, sink| sink((f.0)(s)))
    }
}

/// `map_with(params, f)` of text.
pub(crate) struct TextMapWithKind<U>(PhantomData<fn() -> U>);

impl<F, P, U: 'static> Step for TextCall<F, P, TextMapWithKind<U>>
where
    F: Fn(&P, &str) -> U + Send + Sync + 'static,
    P: Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        to_items(upstream, move |s, sink| sink((f.0)(&f.1, s)))
    }
}

/// `try_map(f)` of text.
pub(crate) struct TextTryMapKind<U, E>(PhantomData<fn() -> (U, E)>);

impl<F, U: 'static, E> Step for TextCall<F, (), TextTryMapKind<U, E>>
where
    F: Fn(&str) -> Result<U, E> + Send + Sync + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        to_items(upstream, move |s, sink| match (f.0)(s) {
            Ok(y) => sink(y),
            Err(e) => Err(task_error(e.into()).into()),
        })
    }
}

/// `filter(f)` of text.
pub(crate) struct TextFilterKind;

impl<F> Step for TextCall<F, (), TextFilterKind>
where
    F: Fn(&str) -> bool + Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        to_texts(upstream, move |s, sink| match (f.0)(s) {
            true => sink(s),
            false => Ok(()),
        })
    }
}

/// A function from text to pieces that borrow from it, such as [`str::split_whitespace`]. Implemented for all of them.
pub trait Pieces<'a>: Fn(&'a str) -> Self::Iter {
    /// What it gives.
    type Iter: IntoIterator<Item = &'a str>;
}

impl<'a, F, I> Pieces<'a> for F
where
    F: Fn(&'a str) -> I,
    I: IntoIterator<Item = &'a str>,
{
    type Iter = I;
}

/// `flat_map(f)` of text, to pieces of it.
pub(crate) struct PiecesKind;

impl<F> Step for TextCall<F, (), PiecesKind>
where
    F: for<'a> Pieces<'a> + Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        to_texts(upstream, move |s, sink| {
            (f.0)(s).into_iter().try_for_each(&mut *sink)
        })
    }
}

/// `emit(f)`: the function says what comes out by calling.
pub(crate) struct EmitKind;

impl<F> Step for TextCall<F, (), EmitKind>
where
    F: Fn(&str, &mut dyn FnMut(&str)) + Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        to_texts(upstream, move |s, sink| {
            let mut flow = Ok(());
            (f.0)(s, &mut |piece: &str| {
                if flow.is_ok() {
                    flow = sink(piece);
                }
            });
            flow
        })
    }
}

/// `words()`.
pub(crate) struct Words;

impl FromParams for Words {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }
}

impl Step for Words {
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        Ok(AnyStage::text(WordsStage(upstream.into_text()?)))
    }
}

struct WordsStage(Box<dyn TextStage>);

impl TextStage for WordsStage {
    fn advance(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        if !self.0.has_blocks() {
            return self.0.advance(&mut |text| each_word(text, &mut *sink));
        }
        // The end of a line is a space like any other, so that lines need not be found first.
        self.0.advance_blocks(&mut |block| {
            each_word(block, |word| {
                sink(word).map_err(|stop| in_block(stop, block, word))
            })
        })
    }
}

/// Says where in the block it was, so that the source can name the line.
#[cold]
fn in_block(mut stop: Box<Stop>, block: &str, piece: &str) -> Box<Stop> {
    if let Stop::Failed { at, .. } = &mut *stop {
        *at = Some(piece.as_ptr() as usize - block.as_ptr() as usize);
    }
    stop
}

/// Texts as items of their own.
pub(crate) struct Owned;

impl FromParams for Owned {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }
}

impl Step for Owned {
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        to_items(upstream, |s, sink| sink(s.to_owned()))
    }
}

/// `String`s as texts, lent to what follows.
pub(crate) struct Borrowed;

impl FromParams for Borrowed {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }
}

impl Step for Borrowed {
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        Ok(AnyStage::text(Lent(upstream.into_items::<String>()?)))
    }
}

struct Lent(Box<dyn Stage<String>>);

impl TextStage for Lent {
    fn advance(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        self.0.advance(&mut |s| sink(&s))
    }
}
