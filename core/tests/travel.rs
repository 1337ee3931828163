//! Closures and values of any serde type in other processes: this test program starts itself again and hands it graphs as bytes.

use std::process::Command;
use std::sync::Arc;

use kvern_core::delayed::{Local, delayed_local, try_delayed};
use kvern_core::{
    Collection, Delayed, ErrorKind, Graph, Registry, Session, TaskGraph, Value, delayed, op,
    reference,
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
    let add = delayed(|a: &u64, b: &u64| a + b);
    let times = delayed(|a: &u64, b: &u64| -> u64 { a * b });
    let seven = delayed(|| 7u64);
    let a = add.call((3u64, &seven.call(())));
    let b = times.call((&a, 5u64));
    let text = delayed(shout);
    assert_eq!(elsewhere(&text.call((&a, &b))).unwrap(), "10 and 50!");
    assert_eq!(elsewhere(&show::delayed([&a, &b])).unwrap(), "[10, 50]");

    let list = delayed(|all: &Vec<u64>| format!("{} of {all:?}", all.len()));
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
    let read = delayed(|p: &Pair| format!("{}/{}", p.text, p.left.as_ref().unwrap().text));
    assert_eq!(elsewhere(&read.call((&pair,))).unwrap(), "out/in");
}

#[test]
fn errors_there_name_the_closure() {
    let parse = try_delayed(|s: &String| s.parse::<u64>()).named("parse");
    let text = delayed(|x: &u64| x.to_string());
    let e = elsewhere(&text.call((&parse.call((String::from("six"),)),))).unwrap_err();
    assert!(
        e.contains("parse (\"six\")") && e.contains("invalid digit"),
        "{e}"
    );
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
        words.contains("argument") && words.contains("#[op]"),
        "{words}"
    );

    let pointer = delayed(shout as fn(&u64, &u64) -> String);
    let refused = |d: &dyn Fn() -> Vec<kvern_core::Root>| {
        let e = Graph::new(&d()).encode().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotPortable);
        e.to_string()
    };
    let words = refused(&|| pointer.call((1u64, 2u64)).roots().unwrap());
    assert!(words.contains("give the function itself"), "{words}");
    // What is registered leaves by whatever way it was made.
    let number = delayed_local(|x: &u64| x + 1).call((1u64,));
    assert!(Graph::new(&number.roots().unwrap()).encode().is_ok());
    let shared = delayed_local(|_: &u64| Arc::new(std::sync::Mutex::new(1u8)));
    let words = refused(&|| shared.call((1u64,)).roots().unwrap());
    assert!(
        words.contains("gives a") && words.contains("Mutex<u8>"),
        "{words}"
    );
    assert!(words.contains("use delayed"), "{words}");
}

#[test]
fn an_argument_of_any_type_stays() {
    let read = delayed(|x: &Arc<u64>| **x).named("read");
    let call = read.call((Local(Arc::new(7u64)),));
    assert_eq!(call.reference().unwrap(), 7);
    let e = Graph::new(&call.roots().unwrap()).encode().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
}

#[test]
fn another_build_is_named() {
    let f = delayed(|x: &u64| x.to_string()).named("text-of");
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
fn equal_calls_are_one_where_the_function_is_said_to_be_pure() {
    let f = || delayed(|x: &u64| x + 1);
    let key = |d: kvern_core::Delayed<u64>| d.layer().0.key();
    assert_ne!(key(f().call((1u64,))), key(f().call((1u64,))));
    let one = f();
    assert_ne!(key(one.call((1u64,))), key(one.call((1u64,))));
    let pure = || f().pure();
    assert_eq!(key(pure().call((1u64,))), key(pure().call((1u64,))));
    assert_ne!(key(pure().call((1u64,))), key(pure().call((2u64,))));
    // An argument of any serde type is equal by its bytes.
    let g = || delayed(|x: &(u8, String)| x.1.len() as u64).pure();
    let called = |s: &str| key(g().call(((1u8, s.to_owned()),)));
    assert_eq!(called("a"), called("a"));
    assert_ne!(called("a"), called("b"));
    // One that captures is equal to nothing but itself.
    let k = std::hint::black_box(1u64);
    let captures = || delayed(move |x: &u64| x + k).pure();
    assert_ne!(key(captures().call((1,))), key(captures().call((1,))));
    let one = captures();
    assert_eq!(key(one.call((1,))), key(one.call((1,))));
    let _ = Session::open("nowhere://").unwrap_err();
}
