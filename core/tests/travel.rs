//! Closures and values of any serde type in other processes: this test program starts itself again and hands it graphs as bytes.

use std::process::Command;

use kvern_core::delayed::try_delayed;
use kvern_core::{
    Collection, Delayed, ErrorKind, Graph, Registry, Session, TaskGraph, Value, delayed, op,
    reference, remote,
};

const GRAPH: &str = "KVERN_TEST_GRAPH";
const CHILD: &str = "child_runs_the_graph";

/// What another process of this build makes of it: the text that the last task gives, or the words of its error.
fn elsewhere(what: &Delayed<String>) -> Result<String, String> {
    let bytes = Graph::new(&what.roots().unwrap())
        .encode()
        .map_err(|e| e.to_string())?;
    run_child(&bytes)
}

fn run_child(graph: &[u8]) -> Result<String, String> {
    let hex: String = graph.iter().map(|b| format!("{b:02x}")).collect();
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(GRAPH, hex)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = |mark: &str| {
        text.lines()
            .find_map(|l| l.split_once(mark))
            .map(|(_, rest)| rest.to_owned())
    };
    match (line("<<ok>>"), line("<<error>>")) {
        (Some(v), _) => Ok(v),
        (_, Some(e)) => Err(e),
        _ => panic!(
            "the child said nothing: {text}{}",
            String::from_utf8_lossy(&out.stderr)
        ),
    }
}

#[test]
fn child_runs_the_graph() {
    let Ok(hex) = std::env::var(GRAPH) else {
        return;
    };
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let run = || -> kvern_core::Result<String> {
        let registry = Registry::linked()?;
        let graph = Graph::decode(&bytes, &registry)?;
        graph.check(&registry)?;
        let values = reference::run(&TaskGraph::expand(&graph)?, &registry)?;
        Ok(values[0].downcast_ref::<String>().unwrap().clone())
    };
    match run() {
        Ok(v) => println!("<<ok>>{v}"),
        Err(e) => println!("<<error>>{e}"),
    }
}

#[op(name = "test.show")]
fn show(parts: &[&u64]) -> String {
    format!("{parts:?}")
}

fn shout(x: &u64, y: &u64) -> String {
    format!("{x} and {y}!")
}

#[test]
fn closures_run_in_another_process() {
    let add = delayed(remote!(|a: &u64, b: &u64| a + b));
    let times = delayed(remote!(|a: &u64, b: &u64| -> u64 { a * b }));
    let seven = delayed(remote!(|| 7u64));
    let a = add.call((3u64, &seven.call(())));
    let b = times.call((&a, 5u64));
    let text = delayed(remote!(shout as fn(&u64, &u64) -> String));
    assert_eq!(elsewhere(&text.call((&a, &b))).unwrap(), "10 and 50!");
    assert_eq!(elsewhere(&show::delayed([&a, &b])).unwrap(), "[10, 50]");

    let list = delayed(remote!(|all: &Vec<u64>| format!(
        "{} of {all:?}",
        all.len()
    )));
    assert_eq!(
        elsewhere(&list.call((&vec![a, b],))).unwrap(),
        "2 of [10, 50]"
    );
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Pair {
    left: Option<Box<Self>>,
    text: String,
}

#[test]
fn values_of_unregistered_types_go_along() {
    let inner = Pair {
        left: None,
        text: "in".into(),
    };
    let value = Value::serde(Pair {
        left: Some(inner.into()),
        text: "out".into(),
    });
    let layer = kvern_core::Layer::new(kvern_core::layer::Data::values(vec![value]), vec![]);
    let pair = Delayed::<Pair>::of_layer(layer, 0);
    let read = delayed(remote!(|p: &Pair| format!(
        "{}/{}",
        p.text,
        p.left.as_ref().unwrap().text
    )));
    assert_eq!(elsewhere(&read.call((&pair,))).unwrap(), "out/in");
}

#[test]
fn errors_there_name_the_closure() {
    let parse = try_delayed(remote!(|s: &String| s.parse::<u64>())).named("parse");
    let text = delayed(remote!(|x: &u64| x.to_string()));
    let e = elsewhere(&text.call((&parse.call((String::from("six"),)),))).unwrap_err();
    assert!(e.contains("(parse") && e.contains("invalid digit"), "{e}");
}

#[test]
fn what_captures_is_refused_before_it_leaves() {
    let k = std::hint::black_box(3u64);
    let captures = delayed(move |x: &u64| (x * k).to_string()).named("times-k");
    let e = Graph::new(&captures.call((1u64,)).roots().unwrap())
        .encode()
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    let words = e.to_string();
    assert!(
        words.contains("the closure times-k captures 8 bytes"),
        "{words}"
    );
    assert!(
        words.contains("remote!") && words.contains("#[op]"),
        "{words}"
    );

    let plain = delayed(|x: &u64| x.to_string());
    let e = Graph::new(&plain.call((1u64,)).roots().unwrap())
        .encode()
        .unwrap_err();
    assert!(e.to_string().contains("write it as remote!"), "{e}");
}

#[test]
fn another_build_is_named() {
    let f = delayed(remote!(|x: &u64| x.to_string())).named("text-of");
    let mut bytes = Graph::new(&f.call((1u64,)).roots().unwrap())
        .encode()
        .unwrap();
    let build = postcard_of(kvern_core::travel::build_id().unwrap());
    let at = bytes.windows(build.len()).position(|w| w == build).unwrap();
    bytes[at] ^= 1;
    let e = run_child(&bytes).unwrap_err();
    assert!(
        e.contains("the closure text-of: it is part of build") && e.contains("same program file"),
        "{e}"
    );
}

fn postcard_of(id: kvern_core::travel::BuildId) -> Vec<u8> {
    let mut bytes = Vec::new();
    Registry::linked()
        .unwrap()
        .encode(&Value::serde(id), &mut bytes)
        .unwrap();
    // Behind the tag and the place of the type, at the end.
    bytes.split_off(bytes.len() - 8)[..].to_vec()
}

#[test]
fn equal_calls_of_a_travelling_closure_are_one() {
    let f = || delayed(remote!(|x: &u64| x + 1));
    let (a, b) = (f().call((1u64,)), f().call((1u64,)));
    assert_eq!(a.layer().0.key(), b.layer().0.key());
    assert_ne!(a.layer().0.key(), f().call((2u64,)).layer().0.key());
    let plain = || delayed(|x: &u64| x + 1);
    assert_ne!(
        plain().call((1u64,)).layer().0.key(),
        plain().call((1u64,)).layer().0.key()
    );
    let _ = Session::open("nowhere://").unwrap_err();
}
