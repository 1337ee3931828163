//! How the loops of reductions are called: with the elements of one output, or with a group of rows.

use std::marker::PhantomData;

use super::super::any_slice::AnySlice;
use super::super::level::{Call, Loop};
use super::accumulate::GROUP;
use crate::dtype::Element;

/// A loop over elements of one output.
pub(crate) struct Segment<T, O>(PhantomData<(T, O)>);
impl<T: 'static, O> Call for Segment<T, O> {
    type Args<'a> = &'a [T];
    type Out = O;
}

/// A group of rows, to be added to accumulators element by element.
pub(crate) struct RowArgs<'a, T, A, B> {
    pub(crate) rows: [&'a [T]; GROUP],
    pub(crate) acc: &'a mut [A],
    /// A second accumulator array, where the reduction has one.
    pub(crate) aux: &'a mut [B],
}

/// A loop over rows. Those that take one row alone take the first.
pub(crate) struct Rows<T, A, B = ()>(PhantomData<(T, A, B)>);
impl<T: 'static, A: 'static, B: 'static> Call for Rows<T, A, B> {
    type Args<'a> = RowArgs<'a, T, A, B>;
    type Out = ();
}

/// Calls the loop for a full group, or that for one row as often as there are rows.
pub(crate) fn call_rows<T: Element, A: 'static, B: 'static>(
    group: Loop<Rows<T, A, B>>,
    single: Loop<Rows<T, A, B>>,
    rows: &[AnySlice<'_>],
    acc: &mut [A],
    aux: &mut [B],
) {
    if let Ok(rows) = <[AnySlice<'_>; GROUP]>::try_from(rows) {
        let rows = rows.map(AnySlice::get);
        group.call(RowArgs { rows, acc, aux });
        return;
    }
    for row in rows {
        let rows = [row.get(); GROUP];
        let (acc, aux) = (&mut *acc, &mut *aux);
        single.call(RowArgs { rows, acc, aux });
    }
}
