//! A scheduler and those who do not keep to the rules.

use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use kvern_conformance::ops;
use kvern_core::layer::{Data, Edge};
use kvern_core::optimize::Passes;
use kvern_core::{Graph, Layer, Plan, Root, Scheduler, TaskList, Value};
use kvern_machine::wire::{Role, ToWorker};
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::client::ClusterClient;
use crate::net::run;
use crate::net::{hello, pipe};

const PATIENCE: Duration = Duration::from_secs(60);

fn server(token: &Token) -> SchedulerServer {
    let options = SchedulerOptions::new("127.0.0.1:0", token.clone());
    SchedulerServer::start(&options, ops::registry()).unwrap()
}

/// A worker that does nothing but listen until its connection ends; says when it is there, and what it has been given.
fn listens(address: String, token: Token) -> mpsc::Receiver<usize> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        run(async move {
            let role = Role::Worker {
                slots: 1,
                memory: u64::MAX,
                data_address: "127.0.0.1:1".into(),
                last_epoch: None,
            };
            let Ok((stream, _)) = hello::connect(&address, role, "listens", &token).await else {
                return;
            };
            let (mut from, to) = stream.into_split();
            let (say, messages) = unbounded_channel::<kvern_machine::wire::FromWorker>();
            tokio::spawn(pipe::write_with_beats(to, messages));
            let _ = tell.send(0);
            let mut given = 0;
            while let Ok(Some(batch)) = pipe::read::<ToWorker>(&mut from).await {
                let assigned = |m: &&ToWorker| matches!(m, ToWorker::Assign(_));
                given += batch.iter().filter(assigned).count();
            }
            let _ = tell.send(given);
            drop(say);
        });
    });
    told
}

/// A task whose literals are more than fits into a message (tests have small ones): who cannot be told of it is not counted on any more.
#[test]
fn a_worker_that_cannot_be_told_what_was_to_be_said_is_given_up() {
    let token = Token::random().unwrap();
    let server = server(&token);
    let address = server.address().to_string();
    let told = listens(address.clone(), token.clone());
    assert_eq!(told.recv_timeout(PATIENCE), Ok(0));
    let client = ClusterClient::connect(&address, &token, ops::registry()).unwrap();
    // Some 14 MB that are read twice.
    let values = (0..500u32).map(|n| Value::new(vec![n as u8; 28_000]));
    let data = Layer::new(Data::values(values.collect()), Vec::new());
    let mut list = TaskList::new();
    let op = list.op(ops::sum_bytes());
    let reads = (0..1000).map(|n| Edge::Input {
        slot: 0,
        output: n % 500,
    });
    let task = list.task_with(op, reads);
    let layer = Layer::new(list.into_kind([task]), vec![data]);
    let graph = Graph::new(&[Root::all(&layer)]);
    let plan = Plan::new(graph, ops::registry(), Passes::none()).unwrap();
    let run = client.submit(plan).unwrap();
    // Its connection is ended, and it has been given nothing.
    assert_eq!(told.recv_timeout(PATIENCE), Ok(0));
    drop((run, client));
}

/// Connections that say nothing, many more than a scheduler keeps: whoever knows the token gets in beside them.
#[test]
fn a_flood_of_strangers_keeps_nobody_out() {
    let token = Token::random().unwrap();
    let server = server(&token);
    let address = server.address();
    let mut strangers: Vec<_> = (0..300)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    let client = ClusterClient::connect(&address.to_string(), &token, ops::registry()).unwrap();
    // All but the last that came have been let go.
    for (n, stranger) in strangers.iter_mut().take(230).enumerate() {
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = stranger.read(&mut [0; 8]);
        let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(
            matches!(&end, Ok(0)) || end.as_ref().is_err_and(gone),
            "{n}: {end:?}"
        );
    }
    drop(client);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (most, words) in [(0, "allowed-failures is 0"), (61, "allowed-failures is 61")] {
        let mut options = SchedulerOptions::new("127.0.0.1:0", Token::random().unwrap());
        options.allowed_failures = most;
        let e = SchedulerServer::start(&options, ops::registry())
            .map(drop)
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config);
        assert!(
            e.to_string().contains(words) && e.to_string().contains("1 to 60"),
            "{e}"
        );
    }
}
