//! `#[op]`: functions as named operators, their keys, their travels and their errors.

use std::error::Error as _;
use std::process::Command;
use std::sync::Arc;

use kvern_core::delayed::Local;
use kvern_core::{
    Delayed, ErrorKind, Graph, Key, OpRef, OpTraits, Registry, Root, TaskContext, TaskGraph,
    TaskList, Value, delayed, op, reference, register_type,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Scale {
    factor: f64,
}

/// The example of the documentation.
#[op(name = "demo.scale", version = 1)]
fn scale(x: &[f64], #[params] p: &Scale) -> Vec<f64> {
    x.iter().map(|v| v * p.factor).collect()
}

#[op]
fn add(a: &i64, b: &i64) -> i64 {
    a.wrapping_add(*b)
}

#[op(inline, version = 7)]
fn negate(a: &i64) -> i64 {
    a.wrapping_neg()
}

#[op(name = "test.parse")]
fn parse(text: &str) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

#[op(name = "test.total")]
fn total(start: &i64, parts: &[&i64]) -> i64 {
    parts.iter().fold(*start, |a, b| a.wrapping_add(**b))
}

#[op(name = "test.lengths")]
fn lengths(words: &[&str]) -> Vec<u64> {
    words.iter().map(|w| w.len() as u64).collect()
}

#[op(name = "test.where", uses_block)]
fn position((): &(), ctx: &TaskContext<'_>, #[params] text: &str) -> String {
    format!("{text} {} of {}", ctx.block(), ctx.operator())
}

#[op(name = "test.stopped")]
fn stopped(_: &i64) -> kvern_core::Result<i64> {
    Err(kvern_core::Error::new(ErrorKind::Cancelled, "enough"))
}

#[op(name = "test.ticket", pure = false)]
fn ticket() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A type of this crate that crosses tasks, with a name of its own on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

register_type!(Point, "test.point@1");

#[op(name = "test.mirror")]
fn mirror(p: &Point) -> Point {
    Point { x: p.y, y: p.x }
}

fn roots<T: Clone + Send + Sync + 'static>(d: &Delayed<T>) -> Vec<Root> {
    kvern_core::Collection::roots(d).unwrap()
}

fn key<T: Clone + Send + Sync + 'static>(d: &Delayed<T>) -> Key {
    let tasks = TaskGraph::expand(&Graph::new(&roots(d))).unwrap();
    tasks.key(tasks.outputs()[0])
}

/// To bytes and back, then computed: what another process would do.
fn travelled<T: Clone + Send + Sync + 'static>(d: &Delayed<T>) -> T {
    let registry = Registry::linked().unwrap();
    let wire = Graph::new(&roots(d)).encode().unwrap();
    let graph = Graph::decode(&wire, &registry).unwrap();
    graph.check(&registry).unwrap();
    let tasks = TaskGraph::expand(&graph).unwrap();
    assert_eq!(tasks.key(tasks.outputs()[0]), key(d), "keys travel too");
    let values = reference::run(&tasks, &registry).unwrap();
    values[0].downcast_ref::<T>().unwrap().clone()
}

#[test]
fn the_function_stays_a_function() {
    assert_eq!(scale(&[1.0, 2.0], &Scale { factor: 3.0 }), [3.0, 6.0]);
    assert_eq!(["4", "5"].map(|t| parse(t).unwrap()), [4, 5]);
    let as_pointer: fn(&i64, &i64) -> i64 = add;
    assert_eq!(as_pointer(&1, &2), 3);
}

#[test]
fn delayed_takes_the_same_arguments() {
    let x = scale::delayed(vec![1.0, 2.0], &Scale { factor: 3.0 });
    let y = scale::delayed(&x, &Scale { factor: 0.5 });
    assert_eq!(y.reference().unwrap(), [1.5, 3.0]);
    assert_eq!(travelled(&y), [1.5, 3.0]);
    let n = parse::delayed(String::from("20"));
    let sum = add::delayed(&n, &negate::delayed(-22));
    assert_eq!(travelled(&sum), 42);
    assert_eq!(
        travelled(&mirror::delayed(Point { x: 1, y: 2 })),
        Point { x: 2, y: 1 }
    );
}

#[test]
fn any_number_of_inputs() {
    let parts: Vec<Delayed<i64>> = (0..5).map(|i| add::delayed(i, 10)).collect();
    assert_eq!(travelled(&total::delayed(100, &parts)), 160);
    assert_eq!(travelled(&total::delayed(100, [&parts[0], &parts[0]])), 120);
    assert_eq!(travelled(&total::delayed(1, [2, 3])), 6);
    assert_eq!(travelled(&total::delayed(7, Vec::<i64>::new())), 7);
    let words = ["a", "bcd"].map(String::from);
    assert_eq!(travelled(&lengths::delayed(words)), [1, 3]);
}

#[test]
fn a_function_may_ask_where_it_is() {
    let at = position::delayed((), "block");
    assert_eq!(travelled(&at), "block 0 of test.where@1");
}

#[test]
fn equal_calls_are_one_call() {
    let p = Scale { factor: 2.0 };
    let a = scale::delayed(vec![1.0], &p);
    let b = scale::delayed(vec![1.0], &p);
    assert_eq!(key(&a), key(&b));
    let graph = Graph::new(&[roots(&a), roots(&b)].concat());
    assert_eq!(graph.layers().len(), 2, "one literal, one call");
    // What makes them differ: an input, the parameters, the version of the operator.
    let others = [
        scale::delayed(vec![1.5], &p),
        scale::delayed(vec![1.0], &Scale { factor: 2.5 }),
        scale::delayed(scale_input(), &p),
    ];
    for other in &others {
        assert_ne!(key(&a), key(other));
    }
    // Equal bytes of two types are not equal values.
    let as_text = delayed::Delayed::value(String::from("\u{1}"));
    let as_bytes = delayed::Delayed::value(vec![1u8]);
    assert_ne!(key(&as_text), key(&as_bytes));
}

/// Of the same content, but too large to be looked at.
fn scale_input() -> Vec<f64> {
    vec![1.0; 1 << 18]
}

#[test]
fn large_values_are_equal_to_nothing_and_stay() {
    let p = Scale { factor: 2.0 };
    let (a, b) = (
        scale::delayed(scale_input(), &p),
        scale::delayed(scale_input(), &p),
    );
    assert_ne!(key(&a), key(&b));
    let e = Graph::new(&roots(&a)).encode().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    assert!(e.to_string().contains("at most 1048576 bytes"), "{e}");
    // Nor can a value of any type that serde does not know.
    let odd = delayed(|c: &Arc<char>| **c).call((Local(Arc::new('x')),));
    let e = Graph::new(&roots(&odd)).encode().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable, "{e}");
}

#[test]
fn calls_of_something_impure_are_never_one() {
    let (a, b) = (ticket::delayed(), ticket::delayed());
    assert_ne!(key(&a), key(&b));
    assert_ne!(a.reference().unwrap(), b.reference().unwrap());
    // The same call read twice is one.
    let twice = total::delayed(0, &[delayed(|t: &u64| *t as i64).call((&a,)); 1]);
    assert_eq!(key(&twice), key(&twice.clone()));
    let wire = Graph::new(&roots(&a)).encode().unwrap();
    let back = Graph::decode(&wire, &Registry::linked().unwrap()).unwrap();
    assert_eq!(TaskGraph::expand(&back).unwrap().key(0), key(&a));
}

#[test]
fn the_registry_knows_them() {
    let registry = Registry::linked().unwrap();
    let sources: Vec<_> = registry
        .operators()
        .filter(|(n, ..)| n.starts_with("kvern-core."))
        .collect();
    let source = concat!("kvern-core ", env!("CARGO_PKG_VERSION"));
    assert!(
        sources.contains(&("kvern-core.add", 1, source)),
        "{sources:?}"
    );
    assert!(
        sources.contains(&("kvern-core.negate", 7, source)),
        "{sources:?}"
    );
    assert_eq!((negate::NAME, negate::VERSION), ("kvern-core.negate", 7));
    let traits = |name| {
        let operator = registry.operator(name, None).unwrap();
        operator.traits(&[]).unwrap()
    };
    let plain = OpTraits::default();
    assert_eq!(traits("demo.scale"), plain);
    assert_eq!(
        traits("kvern-core.negate"),
        OpTraits {
            inline: true,
            ..plain
        }
    );
    assert_eq!(
        traits("test.where"),
        OpTraits {
            uses_block: true,
            ..plain
        }
    );
    assert_eq!(
        traits("test.ticket"),
        OpTraits {
            pure: false,
            ..plain
        }
    );
    assert_eq!(negate::op().traits(), traits("kvern-core.negate"));
    assert_eq!(
        scale::op(&Scale { factor: 1.0 }).unwrap().label(),
        "demo.scale@1"
    );
}

#[test]
fn errors_keep_their_cause_and_their_kind() {
    let e = parse::delayed(String::from("six")).reference().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Task);
    assert_eq!(e.task().unwrap().operator, "test.parse@1");
    let cause = e.source().unwrap();
    assert!(cause.is::<std::num::ParseIntError>(), "{cause}");
    assert_eq!(e.message(), cause.to_string());
    let e = stopped::delayed(1).reference().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
    let e = delayed::try_delayed(stopped)
        .call((1,))
        .reference()
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
}

/// A task of `op` over values that no typed call would have allowed.
fn untyped(op: OpRef, inputs: &[Value]) -> kvern_core::Result<Vec<Value>> {
    let mut list = TaskList::new();
    let ids: Vec<_> = inputs
        .iter()
        .map(|v| {
            let v = v.clone();
            let op = list.op(OpRef::local("value", move |_, _| Ok(v.clone())));
            list.task(op, [])
        })
        .collect();
    let op = list.op(op);
    let task = list.task(op, ids);
    reference::compute(&list.finish([task]))
}

#[test]
fn graphs_from_elsewhere_are_checked() {
    let (one, word) = (Value::new(1i64), Value::new(String::from("one")));
    let words = |op: OpRef, inputs: &[Value]| untyped(op, inputs).unwrap_err().message().to_owned();
    assert_eq!(
        words(add::op(), std::slice::from_ref(&one)),
        "kvern-core.add takes 2 inputs, got 1"
    );
    assert_eq!(
        words(total::op(), &[]),
        "test.total takes at least 1 inputs, got 0"
    );
    assert_eq!(
        words(add::op(), &[one.clone(), word.clone()]),
        format!("input b (number 1) must be a i64, got {}", word.describe())
    );
    assert!(
        words(total::op(), &[one.clone(), one, word])
            .starts_with("input parts (number 2) must be a i64")
    );
    let of = |name: &str, params: &[u8]| {
        let op = OpRef::named(name, 1, OpTraits::default(), params.to_vec());
        untyped(op, &[]).unwrap_err()
    };
    let e = of("demo.scale", &[1, 2, 3]);
    assert_eq!(e.kind(), ErrorKind::Decode);
    assert!(e.message().contains("(3 bytes) cannot be read"), "{e}");
    let e = of("demo.scale", &[0; 9]);
    assert!(
        e.message()
            .contains("9 bytes, of which the last 1 mean nothing"),
        "{e}"
    );
    assert!(
        of("kvern-core.add", &[0])
            .message()
            .contains("of which the last 1")
    );
}

/// Cannot be serialised.
#[derive(Deserialize)]
struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never"))
    }
}

#[op(name = "test.stubborn")]
fn stubborn(#[params] _: &Stubborn) -> i64 {
    1
}

#[test]
fn parameters_that_cannot_be_written_fail_the_task() {
    assert_eq!(stubborn(&Stubborn), 1);
    assert_eq!(
        stubborn::op(&Stubborn).unwrap_err().kind(),
        ErrorKind::BadInput
    );
    let e = stubborn::delayed(&Stubborn).reference().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::BadInput);
    assert!(
        e.message()
            .contains("parameters of test.stubborn cannot be serialised"),
        "{e}"
    );
}

/// Names that a generated body could trip over, types of this function only, and a definition made by another macro.
#[test]
fn names_do_not_collide() {
    #[derive(Clone)]
    struct Here(i64);

    #[op(name = "test.hygiene")]
    fn hygiene(
        inputs: &i64,
        ctx: &i64,
        decoded: &i64,
        rest: &[&i64],
        #[params] params: &i64,
    ) -> Here {
        Here(inputs + ctx + decoded + rest.len() as i64 + params)
    }

    macro_rules! is_default {
        ($name:ident, $text:literal, $t:ty) => {
            #[op(name = $text, crate = elsewhere::core)]
            fn $name(x: &$t) -> bool {
                *x == <$t>::default()
            }
        };
    }
    mod elsewhere {
        pub(super) use kvern_core as core;
    }
    is_default!(is_zero, "test.is-zero", i64);

    assert_eq!(
        hygiene::delayed(1, 2, 3, [9, 9], &10)
            .reference()
            .unwrap()
            .0,
        18
    );
    assert!(is_zero::delayed(0).reference().unwrap());
}

/// The graphs whose keys are written down in `data/op_keys.txt`.
fn examples() -> Vec<(&'static str, Key)> {
    let x = scale::delayed(vec![1.0, 2.0], &Scale { factor: 3.0 });
    let parts: Vec<_> = (0..3).map(|i| add::delayed(i, 10)).collect();
    vec![
        ("literal", key(&delayed::Delayed::value(5i64))),
        ("scale", key(&x)),
        (
            "scale of scale",
            key(&scale::delayed(&x, &Scale { factor: 0.5 })),
        ),
        ("total", key(&total::delayed(0, &parts))),
        ("point", key(&mirror::delayed(Point { x: 1, y: -1 }))),
    ]
}

fn listing() -> String {
    examples()
        .iter()
        .map(|(name, key)| format!("{name} = {key}\n"))
        .collect()
}

/// Keys are part of stored results: if this fails, results of older versions would be missed (then raise the key scheme) or, worse,
/// mistaken for others.
#[test]
fn keys_are_those_of_every_version_and_platform() {
    assert_eq!(listing(), include_str!("data/op_keys.txt"));
}

#[test]
#[ignore = "run by `keys_are_the_same_in_another_process`"]
fn tell_the_keys() {
    println!("{}", listing());
}

#[test]
fn keys_are_the_same_in_another_process() {
    let exe = std::env::current_exe().unwrap();
    let args = ["--exact", "tell_the_keys", "--ignored", "--nocapture"];
    let out = Command::new(exe).args(args).output().unwrap();
    let told = String::from_utf8(out.stdout).unwrap();
    assert!(told.contains(&listing()), "{told}");
}

/// A formula over `add`, `negate` and `total`.
#[derive(Debug, Clone)]
enum Formula {
    Number(i64),
    Negate(Box<Self>),
    Add(Box<Self>, Box<Self>),
    Total(Vec<Self>),
}

impl Formula {
    fn any() -> impl Strategy<Value = Self> {
        let leaf = (-3i64..4).prop_map(Self::Number);
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|a| Self::Negate(Box::new(a))),
                (inner.clone(), inner.clone())
                    .prop_map(|(a, b)| Self::Add(Box::new(a), Box::new(b))),
                prop::collection::vec(inner, 0..4).prop_map(Self::Total),
            ]
        })
    }

    fn now(&self) -> i64 {
        match self {
            Self::Number(n) => *n,
            Self::Negate(a) => negate(&a.now()),
            Self::Add(a, b) => add(&a.now(), &b.now()),
            Self::Total(parts) => parts.iter().fold(1, |s, p| s.wrapping_add(p.now())),
        }
    }

    fn later(&self) -> Delayed<i64> {
        match self {
            Self::Number(n) => Delayed::value(*n),
            Self::Negate(a) => negate::delayed(&a.later()),
            Self::Add(a, b) => add::delayed(&a.later(), &b.later()),
            Self::Total(parts) => {
                total::delayed(1, &parts.iter().map(Self::later).collect::<Vec<_>>())
            }
        }
    }

    /// Subformulas, each once: how many layers there are to be.
    fn distinct(&self, seen: &mut std::collections::HashSet<String>) {
        match self {
            Self::Number(n) => {
                seen.insert(format!("{n}"));
            }
            Self::Negate(a) => a.distinct(seen),
            Self::Add(a, b) => [a, b].iter().for_each(|x| x.distinct(seen)),
            Self::Total(parts) => {
                seen.insert("1".into());
                parts.iter().for_each(|x| x.distinct(seen));
            }
        }
        if !matches!(self, Self::Number(_)) {
            seen.insert(format!("{self:?}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Computed now, later, and later elsewhere: the same; and equal parts are one layer.
    #[test]
    fn later_is_now(formula in Formula::any()) {
        let lazy = formula.later();
        prop_assert_eq!(lazy.reference().unwrap(), formula.now());
        prop_assert_eq!(travelled(&lazy), formula.now());
        prop_assert_eq!(key(&lazy), key(&formula.later()));
        let mut distinct = std::collections::HashSet::new();
        formula.distinct(&mut distinct);
        prop_assert_eq!(Graph::new(&roots(&lazy)).layers().len(), distinct.len());
    }
}
