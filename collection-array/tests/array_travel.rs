//! Functions of chunks leave the process if they capture nothing, and say why not if they do.

use std::ops::Range;

use kvern_array::{Array, Element};
use kvern_core::{Collection, ErrorKind, Graph, Key, Registry, TaskGraph, reference};
use ndarray::{ArrayD, ArrayViewD, IxDyn, array};
use serde::{Deserialize, Serialize};

/// What comes of its graph after that was bytes.
fn sent<T: Element>(x: &Array<T>) -> ArrayD<T> {
    let registry = Registry::linked().unwrap();
    let bytes = Graph::new(&x.roots().unwrap()).encode().unwrap();
    let graph = Graph::decode(&bytes, &registry).unwrap();
    graph.check(&registry).unwrap();
    let values = reference::run(&TaskGraph::expand(&graph).unwrap(), &registry).unwrap();
    x.finish(values).unwrap()
}

/// Why it cannot be sent.
fn refused<T: Element>(x: &Array<T>) -> String {
    let e = Graph::new(&x.roots().unwrap()).encode().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable, "{e}");
    e.to_string()
}

fn key<T: Element>(x: &Array<T>) -> Key {
    x.roots().unwrap()[0].layer.key()
}

fn numbers() -> Array<i64> {
    Array::from_fn([4, 5], (2, 3), |i: &[usize]| (i[0] * 10 + i[1]) as i64).unwrap()
}

fn doubled(chunk: ArrayViewD<'_, i64>) -> ArrayD<i64> {
    chunk.mapv(|v| 2 * v)
}

#[test]
fn elements_and_chunks_by_position() {
    let want = ArrayD::from_shape_fn(IxDyn(&[4, 5]), |i| (i[0] * 10 + i[1]) as i64);
    assert_eq!(sent(&numbers()), want);
    let by_block = |place: &[Range<usize>]| {
        ArrayD::from_elem(vec![place[0].len(), place[1].len()], place[1].start as u8)
    };
    let x = Array::from_block_fn([2, 5], (1, 2), by_block).unwrap();
    assert_eq!(
        sent(&x),
        array![[0, 0, 2, 2, 4], [0, 0, 2, 2, 4]].into_dyn()
    );
    // Without axes, and without elements.
    let one = Array::from_fn((), (), |i: &[usize]| i.is_empty()).unwrap();
    assert!(sent(&one)[[]]);
    let none = Array::from_fn([0, 3], (), |_: &[usize]| -> u8 { panic!("no element") });
    assert_eq!(sent(&none.unwrap()).shape(), [0, 3]);
}

#[test]
fn chunks_by_others() {
    let (x, whole) = (numbers(), numbers().reference().unwrap());
    let doubles = x.map_blocks(doubled);
    assert_eq!(sent(&doubles), &whole * 2);
    // Other elements, with what is before and after in the same tasks or not.
    let halves = (&x + 1).map_blocks(|c: ArrayViewD<'_, i64>| c.mapv(|v| v as f64 / 2.0));
    let sums = halves.sum(0).unwrap();
    assert_eq!(sent(&sums), sums.reference().unwrap());
    assert_eq!(sent(&halves), whole.mapv(|v| (v + 1) as f64 / 2.0));
    // A number a chunk, which is told where it goes.
    let counts = x
        .map_blocks_to(
            vec![vec![1, 1], vec![1, 1]],
            |c: ArrayViewD<'_, i64>, place: &[Range<usize>]| {
                let n = 100 * place[0].start + 10 * place[1].start + c.len();
                ArrayD::from_elem(vec![1, 1], n as u32)
            },
        )
        .unwrap();
    assert_eq!(sent(&counts), array![[6, 14], [106, 114]].into_dyn());
}

#[derive(Serialize, Deserialize)]
struct Line {
    slope: i64,
    names: Vec<String>,
    #[serde(skip)]
    here: i64,
}

#[test]
fn parameters_go_along() {
    let line = |slope| Line {
        slope,
        names: vec!["a".into(); 3],
        here: 7,
    };
    let of = |line: &Line| {
        let f = |l: &Line, c: ArrayViewD<'_, i64>| {
            c.mapv(|v| l.slope * v + l.names.len() as i64 + l.here)
        };
        numbers().map_blocks_with(line, f).unwrap()
    };
    let (steep, flat) = (of(&line(5)), of(&line(0)));
    let want = numbers().reference().unwrap() * 5 + 3;
    assert_eq!(sent(&steep), want);
    assert_ne!(key(&steep), key(&flat));
    // A function that stays is given the same parameters as one that travels.
    let k = std::hint::black_box(1);
    let stays = numbers().map_blocks_with(&line(5), move |l: &Line, c| {
        c.mapv(|v| (l.slope * v + l.names.len() as i64 + l.here) * k)
    });
    assert_eq!(stays.unwrap().reference().unwrap(), want);
    // Postcard has to know how long a list is before it is written.
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_seq((0..).take_while(|n| *n < 3))
        }
    }
    impl<'de> Deserialize<'de> for Endless {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    let e = numbers()
        .map_blocks_with(&Endless, |_, c: ArrayViewD<'_, i64>| c.to_owned())
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::BadInput);
    let words = e.to_string();
    assert!(
        words.contains("the parameters of map_blocks_with cannot be serialised"),
        "{words}"
    );
}

#[test]
fn what_captures_stays_and_says_how_much() {
    let x = numbers();
    let k = std::hint::black_box(3i64);
    let (shape, lengths) = ([2, 2], vec![vec![2, 2], vec![3, 2]]);
    let from_fn = Array::from_fn(shape, (), move |_| k).unwrap();
    let from_block_fn = Array::from_block_fn(shape, (), move |place: &[Range<usize>]| {
        ArrayD::from_elem(vec![place[0].len(), place[1].len()], k)
    });
    let to = x.map_blocks_to(lengths.clone(), move |c, _| c.mapv(|v| v * k));
    let with = x.map_blocks_with(&1i64, move |p, c| c.mapv(|v| v * k + p));
    for (method, words) in [
        ("from_fn", refused(&from_fn)),
        ("from_block_fn", refused(&from_block_fn.unwrap())),
        (
            "map_blocks",
            refused(&x.map_blocks(move |c| c.mapv(|v| v * k))),
        ),
        ("map_blocks_to", refused(&to.unwrap())),
        ("map_blocks_with", refused(&with.unwrap())),
    ] {
        let closure = format!("the closure array.{method} captures 8 bytes");
        assert!(words.contains(&closure), "{words}");
        assert!(words.contains("map_with"), "{words}");
        assert!(words.contains("threads://"), "{words}");
    }
}

#[test]
fn each_call_with_a_function_is_an_array_of_its_own() {
    let filled = |chunks: usize| Array::from_fn(6, chunks, |i: &[usize]| i[0] as u8);
    let mapped = |chunks: usize| {
        let x = filled(chunks).unwrap();
        x.map_blocks(|c: ArrayViewD<'_, u8>| c.mapv(|v| v + 1))
    };
    // It may be one of random numbers: nobody has said otherwise.
    assert_ne!(key(&filled(2).unwrap()), key(&filled(2).unwrap()));
    assert_ne!(key(&mapped(2)), key(&mapped(2)));
    let one = mapped(2);
    assert_eq!(key(&one), key(&one.clone()));
    // The key survives the wire: the scheduler and the workers call results by it.
    let roots = one.roots().unwrap();
    let bytes = Graph::new(&roots).encode().unwrap();
    let back = Graph::decode(&bytes, &Registry::linked().unwrap()).unwrap();
    assert!(
        back.layers()
            .iter()
            .any(|l| l.key() == roots[0].layer.key())
    );
}

#[test]
fn a_chunk_of_another_shape_is_told_by_the_method() {
    let x = numbers().map_blocks(|_: ArrayViewD<'_, i64>| ArrayD::from_elem(vec![1], 0u8));
    let e = x.reference().unwrap_err().to_string();
    assert!(
        e.contains("the function of map_blocks made a chunk of shape [1] at [0..2, 0..3]"),
        "{e}"
    );
    let e = numbers()
        .map_blocks_to(vec![vec![4], vec![5]], |c, _| c.to_owned())
        .unwrap_err()
        .to_string();
    assert!(e.contains("map_blocks_to: [1, 1] chunks were given"), "{e}");
}
