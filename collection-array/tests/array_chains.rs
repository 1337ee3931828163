//! Long chains: building, lowering, computing and letting go of them costs as much as they are long.

use std::time::{Duration, Instant};

use kvern_array::{Array, concatenate, stack, where_};
use kvern_core::{Collection, Graph, Session};
use kvern_scheduler_local as _;

/// A line of `n` numbers in chunks of one, so that an append adds one task and not more.
fn line(n: usize) -> Array<i64> {
    Array::from_fn(n, 1, |i| i[0] as i64).unwrap()
}

fn graph<T: kvern_array::Element>(x: &Array<T>) -> Graph {
    Graph::new(&x.roots().unwrap())
}

/// Runs `f` on a stack that a recursion of a few thousand calls would overflow.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(f)
        .unwrap();
    thread.join().unwrap();
}

/// How much longer `build` takes for eight times the length; where that looks like too long, the machine may be busy and is asked again.
fn growth(short: usize, build: impl Fn(usize)) -> f64 {
    let time = |n: usize| {
        let start = Instant::now();
        build(n);
        start
            .elapsed()
            .max(Duration::from_micros(100))
            .as_secs_f64()
    };
    let mut least = f64::INFINITY;
    for _ in 0..6 {
        least = f64::min(least, time(8 * short) / time(short));
        if least <= LINEAR {
            break;
        }
    }
    least
}

/// Eight times the length may take eight times as long; a copy of all that was built before would take 64 times.
const LINEAR: f64 = 24.0;

#[test]
fn appends_are_one_layer_of_what_was_appended() {
    let n = 2_000;
    let one = line(1);
    let mut all = one.clone();
    for i in 1..n {
        all = concatenate(&[&all, &(&one + i)], 0).unwrap();
    }
    assert_eq!(all.shape(), [n as usize]);
    let g = graph(&all);
    assert!(
        g.tasks() <= 3 * n as u64,
        "{} tasks for {n} appends",
        g.tasks()
    );
    let session = Session::open("threads://?workers=2").unwrap();
    let got = all.compute_in(&session).unwrap();
    assert!(got.iter().copied().eq(0..n), "{got}");
}

#[test]
fn appends_in_front_and_of_uneven_pieces_and_of_many_axes() {
    let mut all = Array::<i64>::arange(0, 3, 1, 2).unwrap();
    let mut want: Vec<i64> = (0..3).collect();
    for i in 0..50 {
        let piece = Array::<i64>::arange(i, i + i % 4, 1, 2).unwrap();
        all = concatenate(&[piece, all], 0).unwrap();
        want = (i..i + i % 4).chain(want).collect();
    }
    assert_eq!(all.reference().unwrap().into_raw_vec_and_offset().0, want);
    // One within others along another axis stays a concatenation of its own.
    let row = Array::<i64>::arange(0, 2, 1, 1)
        .unwrap()
        .expand_dims(0)
        .unwrap();
    let wide = concatenate(&[&row, &row], 1).unwrap();
    let tall = concatenate(&[&wide, &(&wide + 10)], 0).unwrap();
    let both = concatenate(&[&tall, &tall], 0).unwrap();
    let want = ndarray::array![[0, 1, 0, 1], [10, 11, 10, 11]];
    let want = ndarray::concatenate![ndarray::Axis(0), want, want].into_dyn();
    assert_eq!(both.reference().unwrap(), want);
    // One that is read besides being appended to is still there for who reads it.
    let sum = (&both.sum(()).unwrap() + tall.sum(()).unwrap())
        .item_in(&Session::open("sync://").unwrap());
    assert_eq!(sum.unwrap(), 3 * (4 + 40));
    let twice = (&tall + 1).sum(0).unwrap();
    let joined = concatenate(&[&tall.slice(0).unwrap(), &twice], 0).unwrap();
    assert_eq!(
        joined.reference().unwrap(),
        ndarray::array![0, 1, 0, 1, 12, 14, 12, 14].into_dyn()
    );
}

/// One more link: what a chain becomes at step `i`.
type Link = fn(&Array<i64>, usize) -> Array<i64>;

const CHAINS: [(&str, usize, Link); 11] = [
    ("adding", 500, |x, i| x + i as i64),
    ("adding itself", 500, |x, _| x + x),
    ("adding arrays", 300, |x, i| x + (line(4) * i as i64)),
    ("appending", 300, |x, _| {
        concatenate(&[x, &line(4)], 0).unwrap()
    }),
    ("slicing", 500, |x, _| {
        x.slice(0..4).unwrap().flip(0).unwrap()
    }),
    ("reshaping", 300, |x, i| {
        (x + 1).reshape([[4, 1], [2, 2]][i % 2]).unwrap()
    }),
    ("transposing", 500, |x, i| {
        let turned = (x + i as i64).expand_dims(0).unwrap().transpose();
        turned.squeeze(()).unwrap()
    }),
    ("rechunking", 300, |x, i| {
        (x + 1).rechunk(1 + i % 2).unwrap()
    }),
    ("reducing", 300, |x, _| x - x.max(()).unwrap()),
    ("choosing", 300, |x, i| {
        where_(&x.greater(i as i64).unwrap(), x, line(4)).unwrap()
    }),
    ("stacking", 300, |x, _| {
        stack(&[x, &line(4)], 0).unwrap().sum(0).unwrap()
    }),
];

#[test]
fn building_is_linear_in_every_chain() {
    let mut slow = Vec::new();
    for (what, short, link) in CHAINS {
        let ratio = growth(short, |n| {
            let x = (0..n).fold(line(4), |x, i| link(&x, i));
            let _ = x.roots().unwrap();
        });
        println!("{what}: {ratio:.1}");
        if ratio > LINEAR {
            slow.push(format!("{what}: {ratio:.1}"));
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

#[test]
fn a_long_chain_of_elements_is_computed() {
    on_a_small_stack(|| {
        let n = 10_000;
        let x = (0..n).fold(line(3), |x, i| x + i);
        let session = Session::open("sync://").unwrap();
        let sum = n * (n - 1) / 2;
        assert_eq!(
            x.compute_in(&session).unwrap(),
            ndarray::array![sum, sum + 1, sum + 2].into_dyn()
        );
        // It is told and let go of without recursion, too.
        assert!(x.explain().unwrap().contains("more"));
    });
}

#[test]
fn long_chains_are_let_go_of_without_recursion() {
    on_a_small_stack(|| {
        let one = line(4);
        let n = 20_000;
        let added = (0..n).fold(one.clone(), |x, i| x + i);
        let reduced = (0..n / 4).fold(one.clone(), |x, _| &x - x.max(()).unwrap());
        let appended = (0..n / 4).fold(one.clone(), |x, _| concatenate(&[&x, &one], 0).unwrap());
        let reshaped = (0..n / 4).fold(one.clone(), |x, i| {
            (x + 1).reshape([[4, 1], [2, 2]][(i % 2) as usize]).unwrap()
        });
        let layers: Vec<_> = [&reduced, &appended, &reshaped]
            .iter()
            .map(|x| x.roots().unwrap())
            .collect();
        drop((added, reduced, appended, reshaped));
        drop(layers);
    });
}

#[test]
fn a_reshape_of_what_reads_itself_twice_again_and_again() {
    // 2^60 paths lead through sixty doublings.
    let x = (0..60)
        .fold(line(4), |x, _| &x + &x)
        .reshape([2, 2])
        .unwrap();
    let unit = 1_i64 << 60;
    let want = ndarray::array![[0, unit], [2 * unit, unit.wrapping_mul(3)]].into_dyn();
    assert_eq!(x.reference().unwrap(), want);
}
