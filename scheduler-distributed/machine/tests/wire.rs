//! What travels: it comes back as it was, versions that differ are told apart, and no bytes make a decoder panic.

use kvern_core::error::{Call, ErrorRecord, TaskInfo};
use kvern_core::{Error, ErrorKind, Key};
use kvern_machine::wire::{
    AboutWorker, Answer, Assign, DataReply, DataRequest, FromClient, FromWorker, Hello, HelloError,
    Input, Interest, PROTOCOL, Progressed, Role, Source, Spilled, ToClient, ToWorker, decode,
    decode_answer, decode_hello, encode, encode_answer, encode_hello,
};
use kvern_machine::{Attempt, ClientId, Epoch, GraphId, Payload, TaskRef, WorkerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn graph() -> GraphId {
    GraphId::new(ClientId(7), 9)
}

fn t(task: u32) -> TaskRef {
    TaskRef::new(graph(), task)
}

fn payload() -> Payload {
    Payload::from(vec![0, 1, 2, 255])
}

fn error() -> ErrorRecord {
    ErrorRecord {
        kind: ErrorKind::Io,
        message: "no such file".into(),
        task: Some(TaskInfo {
            key: Key::builder("wire").finish(),
            operator: "array.add@1".into(),
            inputs: vec!["f64[3]".into()],
            call: Some(Call {
                index: Some(7),
                arguments: vec!["3".into()],
            }),
        }),
        causes: vec!["the disk is gone".into()],
    }
}

fn from_client() -> Vec<FromClient> {
    let (graph, outputs) = (graph(), vec![0, 5, u32::MAX]);
    vec![
        FromClient::Submit {
            graph,
            body: payload(),
        },
        FromClient::Want {
            graph,
            outputs: outputs.clone(),
        },
        FromClient::Release { graph, outputs },
        FromClient::ReleaseAll { graph },
        FromClient::Cancel { graph },
        FromClient::CannotFetch {
            data: t(1),
            task: t(2),
            worker: WorkerId(3),
        },
        FromClient::AskProgress { graph },
        FromClient::AskMemory,
        FromClient::AskWorkers,
        FromClient::Subscribe(Interest::Progress),
        FromClient::Subscribe(Interest::Tasks),
        FromClient::NotPut {
            task: t(2),
            worker: Some(WorkerId(3)),
            error: error(),
        },
    ]
}

fn to_client() -> Vec<ToClient> {
    let (graph, task, worker) = (graph(), t(4), WorkerId(3));
    let (done, failed, cancelled) = (1, 2, 3);
    vec![
        ToClient::Accepted {
            graph,
            tasks: 3,
            data: 1,
            bytes: 1 << 40,
            outputs: vec![2, 2],
        },
        ToClient::Refused {
            graph,
            error: error(),
        },
        ToClient::Stored {
            task,
            data: t(5),
            bytes: 8,
            holders: vec![worker],
            inline: Some(payload()),
        },
        ToClient::Failed {
            task,
            error: error(),
        },
        ToClient::WantFailed {
            graph,
            output: 3,
            error: error(),
        },
        ToClient::Lost { task },
        ToClient::Put { task, worker },
        ToClient::Forgotten(graph),
        ToClient::FirstFailure {
            graph,
            error: error(),
        },
        ToClient::GraphDone {
            graph,
            done,
            failed,
            cancelled,
            bytes: 1 << 40,
        },
        ToClient::Progressed(vec![Progressed {
            graph,
            done,
            failed,
            cancelled,
            bytes: 1 << 40,
        }]),
        ToClient::Progress {
            graph,
            total: 6,
            done,
            failed,
            cancelled,
            bytes: 1 << 40,
        },
        ToClient::Memory {
            live: 1,
            peak: u64::MAX,
            held: 3,
            spilled: 4,
            spilled_total: 5,
        },
        ToClient::Workers(vec![AboutWorker {
            worker,
            address: "127.0.0.1:4000".into(),
            slots: 2,
            memory: 1 << 30,
        }]),
        ToClient::Moved {
            key: Key::builder("wire").finish(),
            bytes: 6,
            back: true,
        },
        ToClient::PeerLost(worker),
        ToClient::TaskStarted { task, worker },
        ToClient::TaskFinished {
            task,
            worker,
            nanos: 5,
            bytes: 6,
        },
        ToClient::TaskFailed {
            task,
            error: error(),
            retried: true,
        },
    ]
}

fn to_worker() -> Vec<ToWorker> {
    let (task, attempt, worker) = (t(4), Attempt(2), WorkerId(3));
    let input = |source| Input {
        object: t(1),
        bytes: 100,
        source,
        last: true,
    };
    vec![
        ToWorker::Graph {
            graph: graph(),
            shared: payload(),
        },
        ToWorker::Forget(graph()),
        ToWorker::Assign(Assign {
            task,
            attempt,
            priority: 1,
            key: Key::builder("wire").finish(),
            op: 2,
            block: 3,
            piece: None,
            annotation: 4,
            bytes: 5,
            inputs: vec![
                input(Source::Workers(vec![worker])),
                input(Source::Literal(payload())),
            ],
        }),
        ToWorker::Retract { task, attempt },
        ToWorker::Abort { task, attempt },
        ToWorker::Free(task),
        ToWorker::Probe(task),
        ToWorker::Peer {
            worker,
            address: "127.0.0.1:4000".into(),
        },
        ToWorker::PeerLost(worker),
        ToWorker::Begin { task, attempt },
    ]
}

fn from_worker() -> Vec<FromWorker> {
    let (task, attempt) = (t(4), Attempt(2));
    vec![
        FromWorker::Started { task, attempt },
        FromWorker::Done {
            task,
            attempt,
            bytes: 8,
            nanos: 9,
            inline: None,
        },
        FromWorker::Failed {
            task,
            attempt,
            error: error(),
        },
        FromWorker::InputMissing {
            task,
            attempt,
            object: t(1),
            tried: vec![WorkerId(1), WorkerId(2)],
        },
        FromWorker::Aborted { task, attempt },
        FromWorker::Retracted { task, attempt },
        FromWorker::Seceded { task, attempt },
        FromWorker::Rejoined { task, attempt },
        FromWorker::Have {
            object: task,
            bytes: 5,
        },
        FromWorker::Gone(task),
        FromWorker::Spilled(Spilled {
            memory: 1,
            disk: 2,
            total: 3,
        }),
        FromWorker::Moved {
            object: task,
            bytes: 5,
            back: false,
        },
    ]
}

fn data() -> (Vec<DataRequest>, Vec<DataReply>) {
    let (object, head, length) = (t(3), b"\x0ccore.bytes@1".to_vec(), 1 << 40);
    let refused = ErrorRecord::from(&Error::new(ErrorKind::NotPortable, "stays"));
    (
        vec![
            DataRequest::Get(vec![t(1), t(2)]),
            DataRequest::Put {
                object,
                head: head.clone(),
                length,
            },
        ],
        vec![
            DataReply::Object { head, length },
            DataReply::Gone,
            DataReply::Kept,
            DataReply::Refused(refused),
        ],
    )
}

fn hellos() -> Vec<Hello> {
    let worker = Role::Worker {
        slots: 4,
        memory: 1 << 33,
        data_address: "127.0.0.1:4000".into(),
        last_epoch: Some(Epoch(3)),
    };
    let data = [Role::DataClient(ClientId(1)), Role::DataWorker(WorkerId(2))];
    let roles = [Role::Client, worker].into_iter().chain(data);
    let hello = |role| Hello {
        role,
        token: "secret".into(),
        build: "abc".into(),
        name: "host".into(),
    };
    roles.map(hello).collect()
}

/// Each message alone, and all in one frame, come back the same; what is missing at the end is noticed.
fn round_trip<T: Serialize + DeserializeOwned + std::fmt::Debug>(all: &[T]) {
    let same = |a: &[T], b: &[T]| assert_eq!(format!("{a:?}"), format!("{b:?}"));
    for one in all {
        let one = std::slice::from_ref(one);
        same(&decode::<T>(&encode(one)).unwrap(), one);
    }
    let frame = encode(all);
    same(&decode::<T>(&frame).unwrap(), all);
    for cut in 0..frame.len() {
        assert!(
            decode::<T>(&frame[..cut]).is_err(),
            "a frame cut at {cut} was read"
        );
    }
    let mut longer = frame;
    longer.push(0);
    let e = decode::<T>(&longer).unwrap_err();
    assert!(e.to_string().contains("1 bytes are left over"), "{e}");
}

#[test]
fn messages_come_back_as_they_were() {
    round_trip(&from_client());
    round_trip(&to_client());
    round_trip(&to_worker());
    round_trip(&from_worker());
    round_trip(&data().0);
    round_trip(&data().1);
}

#[test]
fn hellos_come_back_as_they_were() {
    for hello in hellos() {
        assert_eq!(decode_hello(&encode_hello(&hello)).unwrap(), hello);
    }
    let answers = [
        Answer::Client {
            client: ClientId(1),
            epoch: Epoch(1),
        },
        Answer::Worker {
            worker: WorkerId(1),
            epoch: Epoch(1),
        },
        Answer::Data,
        Answer::Refused("wrong token".into()),
    ];
    for answer in answers {
        assert_eq!(decode_answer(&encode_answer(&answer)).unwrap(), answer);
    }
}

#[test]
fn another_version_is_refused_and_both_are_named() {
    let mut bytes = encode_hello(&hellos()[0]);
    bytes[4..6].copy_from_slice(&(PROTOCOL + 41).to_le_bytes());
    // What follows may be anything in another version.
    bytes.truncate(9);
    let e = decode_hello(&bytes).unwrap_err();
    let (theirs, ours) = (PROTOCOL + 41, PROTOCOL);
    assert_eq!(e, HelloError::Version { theirs, ours });
    let words = e.to_string();
    assert!(
        words.contains(&theirs.to_string()) && words.contains(&ours.to_string()),
        "{words}"
    );
}

#[test]
fn a_stranger_is_told_apart() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"", b"KV"] {
        let e = decode_hello(bytes).unwrap_err();
        assert!(matches!(e, HelloError::Magic(_)), "{e}");
    }
    assert!(matches!(
        decode_hello(b"KVRN"),
        Err(HelloError::Malformed(_))
    ));
    let mut bytes = encode_hello(&hellos()[1]);
    bytes.truncate(12);
    assert!(matches!(
        decode_hello(&bytes),
        Err(HelloError::Malformed(_))
    ));
}

#[test]
fn small_messages_are_small() {
    let assign = to_worker().swap_remove(2);
    let done = from_worker().swap_remove(1);
    let (assign, done) = (encode(&[assign]).len(), encode(&[done]).len());
    assert!(
        assign <= 70 && done <= 20,
        "an assignment takes {assign} bytes, its end {done}"
    );
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn decode_all(bytes: &[u8]) -> u32 {
    let good = [
        decode::<FromClient>(bytes).is_ok(),
        decode::<ToClient>(bytes).is_ok(),
        decode::<ToWorker>(bytes).is_ok(),
        decode::<FromWorker>(bytes).is_ok(),
        decode::<DataRequest>(bytes).is_ok(),
        decode::<DataReply>(bytes).is_ok(),
        decode_hello(bytes).is_ok(),
        decode_answer(bytes).is_ok(),
    ];
    good.iter().map(|g| u32::from(*g)).sum()
}

#[test]
fn any_bytes_are_taken() {
    for seed in 0..20_000u64 {
        let mut rng = Rng(seed);
        let n = rng.next() as usize % 200;
        let bytes: Vec<u8> = (0..n).map(|_| rng.next() as u8).collect();
        decode_all(&bytes);
    }
}

#[test]
fn damaged_messages_are_taken() {
    let frames = [
        encode(&from_client()),
        encode(&to_client()),
        encode(&to_worker()),
        encode(&from_worker()),
        encode_hello(&hellos()[1]),
    ];
    let mut read = 0;
    for seed in 0..20_000u64 {
        let mut rng = Rng(seed);
        let mut bytes = frames[rng.next() as usize % frames.len()].clone();
        for _ in 0..1 + rng.next() % 3 {
            let at = rng.next() as usize % bytes.len();
            bytes[at] = rng.next() as u8;
        }
        read += decode_all(&bytes);
    }
    println!("{read} damaged frames could be read as something");
    // A length that says 2^60 must not be believed.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(decode_all(&huge), 0);
}
