//! Positions, lengths and axes at the ends of their types: an unsigned number is never taken for a negative one.

use kvern_array::{Array, Slice, concatenate};
use kvern_core::Error;

const LAST: &str = "18446744073709551615";

fn ten() -> Array<i64> {
    Array::<i64>::arange(0, 10, 1, 4).unwrap()
}

fn refused<T>(r: Result<T, Error>, words: &[&str]) {
    let e = match r {
        Ok(_) => panic!("taken, where an error with {words:?} was due"),
        Err(e) => e.to_string(),
    };
    for w in words {
        assert!(e.contains(w), "{e:?} has no {w:?}");
    }
}

#[test]
fn ranges_beyond_the_end_are_cut_off() {
    let x = ten();
    let all = x.reference().unwrap();
    let is = |y: kvern_core::Result<Array<i64>>, from: usize| {
        let want = all.slice(ndarray::s![from..]).to_owned().into_dyn();
        assert_eq!(y.unwrap().reference().unwrap(), want);
    };
    is(x.slice(..usize::MAX), 0);
    is(x.slice(..=usize::MAX), 0);
    is(x.slice(..u64::MAX), 0);
    is(x.slice(..u32::MAX), 0);
    is(x.slice(3..usize::MAX), 3);
    is(x.slice(3..=usize::MAX), 3);
    is(x.slice(3..=u64::MAX - 1), 3);
    is(x.slice(3..i64::MAX), 3);
    is(x.slice(i64::MIN..i64::MAX), 0);
    is(x.slice(isize::MIN..), 0);
    is(x.slice(usize::MAX..), 10);
    is(x.slice(u64::MAX - 1..u64::MAX), 10);
    is(x.slice(Slice::new(None, isize::MAX, 1)), 0);
    is(x.slice(Slice::new(isize::MAX, None, isize::MAX)), 10);
    let y = x
        .slice(Slice::new(isize::MAX, isize::MIN, isize::MIN))
        .unwrap();
    assert_eq!(y.reference().unwrap(), ndarray::array![9].into_dyn());
}

#[test]
fn positions_outside_are_errors_that_name_them() {
    let x = ten();
    let i = 0usize;
    refused(x.slice(i.wrapping_sub(1)), &[LAST, "axis 0", "-10..=9"]);
    refused(x.slice(u64::MAX), &[LAST]);
    refused(
        x.reshape((2, 5)).unwrap().slice((1u64 << 63, ..0)),
        &["9223372036854775808"],
    );
    refused(x.slice(1u64 << 63), &["9223372036854775808"]);
    refused(x.slice(u32::MAX), &["4294967295"]);
    refused(x.slice(i64::MIN), &["-9223372036854775808"]);
    refused(x.slice(i64::MAX), &["9223372036854775807"]);
    assert_eq!(x.slice(-10i64).unwrap().reference().unwrap()[[]], 0);
}

#[test]
fn axes_outside_are_errors_that_name_them() {
    let x = ten();
    refused(x.sum(usize::MAX), &["sum", LAST, "-1..=0"]);
    refused(x.sum([0, usize::MAX]), &[LAST]);
    refused(x.sum(vec![u64::MAX]), &[LAST]);
    refused(x.mean((usize::MAX,)), &[LAST]);
    refused(x.max(u32::MAX), &["4294967295"]);
    refused(x.argmax(i64::MIN), &["-9223372036854775808"]);
    refused(x.flip(usize::MAX), &[LAST]);
    refused(x.squeeze(usize::MAX), &[LAST]);
    refused(x.expand_dims(usize::MAX), &[LAST]);
    refused(x.swapaxes(0, usize::MAX), &[LAST]);
    refused(x.moveaxis(usize::MAX, 0), &[LAST]);
    refused(x.permute_dims([usize::MAX]), &[LAST]);
    refused(concatenate(&[&x, &x], usize::MAX), &[LAST]);
    refused(kvern_array::stack(&[&x], usize::MAX), &[LAST]);
    refused(Array::<i8>::indices(3, usize::MAX, ()), &[LAST]);
}

#[test]
fn lengths_at_the_ends_are_errors() {
    let x = ten();
    refused(x.reshape([usize::MAX, 5]), &[LAST]);
    refused(x.reshape(usize::MAX), &[LAST]);
    refused(x.reshape([u64::MAX]), &[LAST]);
    refused(x.reshape((usize::MAX, 5)), &[LAST]);
    refused(x.reshape([i64::MIN, 5]), &["-9223372036854775808"]);
    refused(x.reshape([-2, 5]), &["0 or more, or -1"]);
    refused(x.reshape([1usize << 63, 0]), &["9223372036854775808"]);
    refused(Array::<u8>::zeros([0, usize::MAX], ()), &[LAST]);
    refused(
        Array::<u8>::zeros([1 << 40, 1 << 40], ()),
        &["1099511627776"],
    );
    refused(x.broadcast_to([usize::MAX, 10], ()), &[LAST]);
    refused(x.rechunk(-7), &["-7"]);
    refused(x.rechunk([vec![11, -1]].to_vec()), &["-1"]);
    refused(
        x.map_blocks_to::<u8, _>(vec![vec![usize::MAX, 2, usize::MAX]], |_, _| unreachable!()),
        &[LAST],
    );
    assert_eq!(x.rechunk(usize::MAX).unwrap().numblocks(), [1]);
    assert_eq!(
        Array::<u8>::zeros([0, 5], usize::MAX).unwrap().shape(),
        [0, 5]
    );
}

#[test]
fn diagonals_and_steps_at_the_ends() {
    for k in [isize::MIN, isize::MAX, -5, 7] {
        let x = Array::<i64>::eye(5, 7, k, 2).unwrap();
        assert!(x.reference().unwrap().iter().all(|&v| v == 0), "{k}");
    }
    refused(Array::<f64>::arange(0.0, f64::MAX, 1e-300, ()), &["count"]);
    refused(
        Array::<f64>::arange(f64::MIN, f64::MAX, 1.0, ()),
        &["count"],
    );
    refused(Array::<i64>::arange(i64::MIN, i64::MAX, 1, ()), &["count"]);
    let x = Array::<i64>::arange(i64::MIN, i64::MAX, i64::MAX, ()).unwrap();
    assert_eq!(
        x.reference().unwrap(),
        ndarray::array![i64::MIN, -1, i64::MAX - 1].into_dyn()
    );
}

#[test]
fn more_than_can_be_counted_is_not_put_together() {
    let large = Array::<u8>::zeros(isize::MAX as usize, -1).unwrap();
    refused(concatenate(&[&large, &large], 0), &["elements"]);
    refused(concatenate(&[&large, &large, &large], 0), &["elements"]);
    let many = Array::<u8>::zeros((1usize << 32) - 2, 1).unwrap();
    refused(concatenate(&[&many, &many], 0), &["4294967294 chunks"]);
}
