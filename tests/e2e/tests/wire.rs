//! What goes over the wire: bytes counted on the socket between a program and its scheduler.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kvern::cluster::{SchedulerOptions, SchedulerServer, Token, WorkerOptions, run_worker};
use kvern::core::Registry;
use kvern::prelude::*;

/// Chunks of the array.
const CHUNKS: usize = 1_000_000;
/// What the graph over them may cost, in bytes.
const LIMIT: u64 = 100_000;

/// An address that stands for another; what is written to it is counted.
fn counted(to: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(to).unwrap();
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let counter = counter.clone();
            std::thread::spawn(move || pump(client, server, &counter));
            std::thread::spawn(move || pump(back.0, back.1, &AtomicU64::new(0)));
        }
    });
    (address, count)
}

/// Copies until one side is closed.
fn pump(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut buffer)
        && n > 0
    {
        // Counted first: whoever sees an answer sees what was asked.
        count.fetch_add(n as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn an_elementwise_operation_over_a_million_chunks_is_small() {
    let registry = Arc::new(Registry::linked().unwrap());
    let token = Token::random().unwrap();
    let options = SchedulerOptions::new("127.0.0.1:0", token.clone());
    let server = SchedulerServer::start(&options, registry.clone()).unwrap();
    let worker = WorkerOptions::new(server.address().to_string(), token.clone());
    std::thread::spawn(move || run_worker(&worker, registry));
    let (address, count) = counted(server.address());
    let url = format!("tcp://{address}?token={}", token.text());
    let session = Session::open(&url).unwrap();
    let sent = || count.load(Ordering::SeqCst);
    let add = |x: &u64| x + 1;
    let one = session.submit(add, (1u64,)).unwrap();
    assert_eq!(
        one.wait_timeout(Duration::from_secs(60)).unwrap().unwrap(),
        2
    );

    let before = sent();
    assert!(before > 0);
    let x = Array::<f64>::ones([CHUNKS * 10], 10).unwrap();
    let run = session.start(&(&x * 2.0).roots().unwrap()).unwrap();
    assert_eq!(run.len(), CHUNKS);
    assert!(!run.progress().is_finished());
    run.cancel();
    // What comes after it has been answered: all of the graph has gone out.
    let next = session.submit(add, (2u64,)).unwrap();
    assert_eq!(
        next.wait_timeout(Duration::from_secs(60)).unwrap().unwrap(),
        3
    );
    let cost = sent() - before;
    println!("{cost} bytes");
    assert!((100..=LIMIT).contains(&cost), "{cost} bytes");
}
