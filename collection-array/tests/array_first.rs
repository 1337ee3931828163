//! What a first program writes: literals without types or points, shapes, axes, chunks and slices in whatever form they are at hand.

#![allow(
    clippy::needless_borrows_for_generic_args,
    clippy::useless_vec,
    clippy::unnecessary_cast,
    reason = "what is tested is that each form is taken"
)]

use kvern_array::{Array, Axes, Chunks, Element, Slice, concatenate, keepdims, stack, where_};
use kvern_core::{Result, Session};
use kvern_scheduler_local as _;
use ndarray::{Array1, Array2, CowArray, array, s};

#[test]
fn literals_need_no_type() -> Result<()> {
    let session = Session::open("sync://")?;
    let mean = Array::from_ndarray(array![1.0, 2.0], ())?
        .mean(())?
        .item_in(&session)?;
    assert!(mean == 1.5, "{mean}");
    let x = Array::from_ndarray(array![1.0, 2.0, 4.0], 2)?;
    let sum = x.sum(..)?.item_in(&session)?;
    let spread = x.std(())?.item_in(&session)?;
    assert!(sum == 7.0 && spread > 1.0, "{sum} {spread}");
    // Of whole numbers means are f64, whichever integers the literals become.
    let whole = Array::from_ndarray(array![1, 2, 6], 2)?;
    let mean = whole.mean(())?.item_in(&session)?;
    let var = whole.var(())?.item_in(&session)?;
    assert!(mean == 3.0 && var == 14.0 / 3.0, "{mean} {var}");
    // Of f32 and integers the type is what it was.
    let f: f32 = Array::from_ndarray(array![1.0f32, 2.0], ())?
        .mean(())?
        .item_in(&session)?;
    let i: f64 = Array::from_ndarray(array![1u8, 2], ())?
        .mean(())?
        .item_in(&session)?;
    let n: u64 = Array::from_ndarray(array![200u8, 100], ())?
        .sum(())?
        .item_in(&session)?;
    assert_eq!((f, i, n), (1.5, 1.5, 300));
    Ok(())
}

/// As NumPy does: `np.array([True, False, True, True]).var()`.
#[test]
fn truth_values_have_a_spread() -> Result<()> {
    let x = Array::from_ndarray(array![[true, false], [true, true]], 1)?;
    let var: f64 = x.var(())?.reference()?[[]];
    let std: f64 = x.std(())?.reference()?[[]];
    assert_eq!((var, std), (0.1875, 0.1875f64.sqrt()));
    assert_eq!(x.var(1)?.reference()?, array![0.25, 0.0].into_dyn());
    assert_eq!(x.std_ddof(0, 1)?.reference()?[[0]], 0.0);
    assert_eq!(x.var_ddof((), 1)?.reference()?[[]], 0.25);
    Ok(())
}

#[test]
fn literals_on_the_left_of_literals() -> Result<()> {
    let x = Array::from_ndarray(array![1.0, 2.0], ())?;
    // The array first: its type may be open still.
    assert_eq!((&x * 2.0).sum(())?.reference()?[[]], 6.0);
    assert_eq!((&x * 2 - 1).sum(())?.reference()?[[]], 4.0);
    let x = Array::from_ndarray(array![1.0, 2.0], ())?;
    // The number first: one of the types must be there, that of the result or that of the elements.
    let y: Array<f64> = 2.0 * &x;
    assert_eq!(y.sum(())?.reference()?[[]], 6.0);
    let x = Array::from_ndarray(array![1f64, 2.0], ())?;
    assert_eq!((2.0 * &x).sum(())?.reference()?[[]], 6.0);
    assert_eq!((2 * &x).sum(())?.reference()?[[]], 6.0);
    Ok(())
}

/// In code for any type of elements means have the type that the element says.
#[test]
fn means_in_code_for_any_type() -> Result<()> {
    fn centred<T: Element>(x: &Array<T>) -> Result<Array<T::Mean>> {
        x.mean(keepdims(..))
    }
    let of_floats: Array<f32> = centred(&Array::from_ndarray([1.0f32, 2.0], 2)?)?;
    let of_whole: Array<f64> = centred(&Array::from_ndarray([1u8, 2], 2)?)?;
    assert_eq!(of_floats.reference()?[[0]], 1.5);
    assert_eq!(of_whole.reference()?[[0]], 1.5);
    Ok(())
}

#[test]
fn whole_numbers_beside_floats() -> Result<()> {
    let x = Array::from_ndarray(array![-1.0, 0.5, 3.0], 2)?;
    let is = |y: Array<f64>, want: Array1<f64>| assert_eq!(y.reference().unwrap(), want.into_dyn());
    is(&x * 2, array![-2.0, 1.0, 6.0]);
    is(2 * &x, array![-2.0, 1.0, 6.0]);
    is(1 - &x + 1, array![3.0, 1.5, -1.0]);
    is(6 / (&x + 3), array![3.0, 6.0 / 3.5, 1.0]);
    is(&x % 2, array![1.0, 0.5, 1.0]);
    is(x.power(2)?, array![1.0, 0.25, 9.0]);
    is(x.clip(0, 1)?, array![0.0, 0.5, 1.0]);
    is(x.maximum(0)?, array![0.0, 0.5, 3.0]);
    is(where_(&x.greater(0)?, &x, 0.0)?, array![0.0, 0.5, 3.0]);
    let mut y = x.clone();
    y += 1.0;
    y *= 2;
    y -= &x;
    y /= 2;
    y %= 10;
    is(y, array![0.5, 1.25, 2.5]);
    let f = x.astype::<f32>();
    assert_eq!(
        (&f * 3).power(2)?.reference()?,
        array![9f32, 2.25, 81.0].into_dyn()
    );
    // Integers stay what they are, whatever their type.
    let i = Array::from_ndarray(array![1u8, 2, 3], 2)?;
    assert_eq!(((&i * 2) + 1).reference()?, array![3u8, 5, 7].into_dyn());
    let mut b = i.greater(1)?;
    b &= i.less(3)?;
    assert_eq!(b.reference()?, array![false, true, false].into_dyn());
    let mut k = i.clone();
    k <<= 2;
    k |= 1;
    assert_eq!(k.reference()?, array![5u8, 9, 13].into_dyn());
    // Two literals are a choice of their own type.
    assert_eq!(where_(&b, 1, 0)?.reference()?, array![0, 1, 0].into_dyn());
    Ok(())
}

#[test]
fn shapes_in_every_form() -> Result<()> {
    let (rows, columns) = (2usize, 3usize);
    let want = [2, 3];
    assert_eq!(Array::<f64>::zeros((2, 3), ())?.shape(), want);
    assert_eq!(Array::<f64>::zeros([rows, columns], ())?.shape(), want);
    assert_eq!(Array::<f64>::zeros(&[2, 3], ())?.shape(), want);
    assert_eq!(Array::<f64>::zeros(vec![2, 3], ())?.shape(), want);
    assert_eq!(Array::<f64>::zeros(&vec![rows, columns], ())?.shape(), want);
    assert_eq!(
        Array::<f64>::zeros(vec![2, 3].as_slice(), ())?.shape(),
        want
    );
    let like = Array2::<u8>::zeros((2, 3));
    assert_eq!(Array::<f64>::zeros(like.raw_dim(), ())?.shape(), want);
    assert_eq!(Array::<f64>::zeros(like.dim(), ())?.shape(), want);
    assert_eq!(Array::<f64>::zeros(like.shape(), ())?.shape(), want);
    assert_eq!(
        Array::<f64>::zeros(like.into_dyn().raw_dim(), ())?.shape(),
        want
    );
    assert_eq!(Array::<f64>::zeros((), ())?.shape(), [0; 0]);

    let x = Array::<i64>::arange(0, 6, 1, 4)?;
    assert_eq!(x.reshape((2, -1))?.shape(), want);
    assert_eq!(x.reshape((rows, -1))?.shape(), want);
    assert_eq!(x.reshape([2, 3])?.shape(), want);
    assert_eq!(x.reshape(vec![rows, columns])?.shape(), want);
    assert_eq!(x.reshape(&[2i64, -1])?.shape(), want);
    assert_eq!(x.reshape(&[rows, columns][..])?.shape(), want);
    assert_eq!(x.slice(0)?.reshape(())?.ndim(), 0);
    Ok(())
}

#[test]
fn chunks_in_every_form() -> Result<()> {
    let list = [2usize, 3];
    for chunks in [
        Chunks::from((2, 3)),
        Chunks::from([2, 3]),
        Chunks::from(&[2, 3]),
        Chunks::from(vec![2, 3]),
        Chunks::from(&vec![2i64, 3]),
        Chunks::from(list),
        Chunks::from(&list[..]),
        Chunks::from(list.to_vec()),
        Chunks::from([2u32, 3]),
        Chunks::from(vec![vec![2, 2], vec![3, 3]]),
        Chunks::from((vec![2, 2], 3)),
    ] {
        let x = Array::<u8>::zeros((4, 6), chunks.clone())?;
        assert_eq!(x.chunks(), [[2, 2], [3, 3]], "{chunks:?}");
    }
    Ok(())
}

#[test]
fn axes_in_every_form() -> Result<()> {
    let x = Array::<f64>::ones((2, 3, 4), 2)?;
    let axis = x.ndim() - 1;
    for axes in [
        Axes::from((0, 2)),
        Axes::from((0usize, -1)),
        Axes::from([0, 2]),
        Axes::from(&[0, -1]),
        Axes::from(vec![0usize, 2]),
        Axes::from(&vec![0i64, 2]),
        Axes::from(&[0u64, 2][..]),
        Axes::from([0, axis]),
    ] {
        assert_eq!(x.sum(axes.clone())?.shape(), [3], "{axes:?}");
        assert_eq!(x.mean(keepdims(axes))?.shape(), [1, 3, 1]);
    }
    assert_eq!(x.mean(..)?.ndim(), 0);
    assert_eq!(x.max(axis)?.shape(), [2, 3]);
    assert_eq!(x.permute_dims((2, 0, 1))?.shape(), [4, 2, 3]);
    assert_eq!(x.permute_dims([2usize, 0, 1])?.shape(), [4, 2, 3]);
    assert_eq!(x.permute_dims(&[-1, 0, 1])?.shape(), [4, 2, 3]);
    assert_eq!(x.permute_dims(())?.shape(), [4, 3, 2]);
    assert_eq!(x.swapaxes(0, axis)?.shape(), [4, 3, 2]);
    assert_eq!(x.moveaxis(axis, 0u32)?.shape(), [4, 2, 3]);
    assert_eq!(x.expand_dims(axis + 1)?.shape(), [2, 3, 4, 1]);
    assert_eq!(x.flip((0, 1))?.shape(), [2, 3, 4]);
    assert_eq!(x.slice((.., ..1))?.squeeze(1u64)?.shape(), [2, 4]);
    assert_eq!(
        Array::<i32>::indices((2, 3), axis - 1, ())?.reference()?[[1, 2]],
        2
    );
    Ok(())
}

#[test]
fn slices_in_every_form_and_positions_as_they_come() -> Result<()> {
    let session = Session::open("sync://")?;
    let a = Array2::from_shape_fn((4, 5), |(i, j)| (10 * i + j) as i32);
    let x = Array::from_ndarray(&a, 2)?;
    let want = a.slice(s![1..3, 2..4]).to_owned().into_dyn();
    assert_eq!(x.slice((1..3, 2..4))?.reference()?, want);
    assert_eq!(x.slice([1..3, 2..4])?.reference()?, want);
    assert_eq!(x.slice(&[1..3usize, 2..4])?.reference()?, want);
    assert_eq!(x.slice(vec![1..3u64, 2..4])?.reference()?, want);
    assert_eq!(x.slice(&vec![1..3i64, 2..4])?.reference()?, want);
    assert_eq!(
        x.slice(&[Slice::from(1..3), Slice::new(2, 4, 1)][..])?
            .reference()?,
        want
    );
    assert_eq!(x.slice(s![1..3, 2..4])?.reference()?, want);
    assert_eq!(x.slice([2, 3])?.reference()?[[]], 23);

    // A position that a reduction found.
    let row = x.slice((.., 4))?.argmax(())?.item_in(&session)?;
    assert_eq!(
        x.slice(row)?.reference()?,
        array![30, 31, 32, 33, 34].into_dyn()
    );
    assert_eq!(
        x.slice((row - 1.., ..row as u32))?.reference()?.shape(),
        [2, 3]
    );
    assert_eq!(x.slice((row, row))?.reference()?[[]], 33);
    Ok(())
}

#[test]
fn elements_from_whatever_holds_them() -> Result<()> {
    let a = array![[1, 2], [3, 4]];
    let want = a.clone().into_dyn();
    let is = |x: Array<i32>| assert_eq!(x.reference().unwrap(), want);
    is(Array::from_ndarray(&a, ())?);
    is(Array::from_ndarray(a.view(), 1)?);
    is(Array::from_ndarray(a.t().reversed_axes(), 1)?);
    is(Array::from_ndarray(&a.view(), 1)?);
    is(Array::from_ndarray(a.clone().view_mut(), 1)?);
    is(Array::from_ndarray(a.to_shared(), 1)?);
    is(Array::from_ndarray(&a.to_shared(), 1)?);
    is(Array::from_ndarray(CowArray::from(a.view()), 1)?);
    is(Array::from_ndarray(a.slice(s![.., ..]), 1)?);
    is(Array::from_ndarray(a.clone().into_dyn(), 1)?);
    let list = vec![1, 2, 3, 4];
    is(Array::from_ndarray(&list, 3)?.reshape((2, 2))?);
    is(Array::from_ndarray(&list[..], 3)?.reshape((2, 2))?);
    is(Array::from_ndarray([1, 2, 3, 4], 3)?.reshape((2, 2))?);
    is(Array::from_ndarray(&[1, 2, 3, 4], 3)?.reshape((2, 2))?);
    is(Array::from_ndarray(list, 3)?.reshape((2, 2))?);
    // A view with steps of its own.
    let odd = Array::from_ndarray(a.slice(s![..;-1, 1]), ())?;
    assert_eq!(odd.reference()?, array![4, 2].into_dyn());
    Ok(())
}

#[test]
fn what_is_owned_or_shared_is_not_copied() -> Result<()> {
    let a = Array2::<u64>::zeros((100, 100));
    let at = a.as_ptr();
    let x = Array::from_ndarray(a, -1)?
        .map_blocks(|c| ndarray::ArrayD::from_elem(c.raw_dim(), c.as_ptr() as usize as u64));
    assert_eq!(x.reference()?[[0, 0]], at as usize as u64);
    let shared = Array2::<u64>::zeros((100, 100)).into_shared();
    let x = Array::from_ndarray(&shared, -1)?
        .map_blocks(|c| ndarray::ArrayD::from_elem(c.raw_dim(), c.as_ptr() as usize as u64));
    assert_eq!(x.reference()?[[0, 0]], shared.as_ptr() as usize as u64);
    Ok(())
}

#[test]
fn arrays_or_references_to_put_together() -> Result<()> {
    let x = Array::<i32>::arange(0, 2, 1, ())?;
    let y = &x + 2;
    let want = array![0, 1, 2, 3].into_dyn();
    assert_eq!(concatenate(&[&x, &y], 0)?.reference()?, want);
    assert_eq!(
        concatenate(&[x.clone(), y.clone()], 0usize)?.reference()?,
        want
    );
    let list = vec![x, y];
    assert_eq!(concatenate(&list, -1)?.reference()?, want);
    assert_eq!(
        stack(&list, 0)?.reference()?,
        array![[0, 1], [2, 3]].into_dyn()
    );
    assert_eq!(
        stack(&list, 1u8 as u32)?.reference()?,
        array![[0, 2], [1, 3]].into_dyn()
    );
    Ok(())
}
