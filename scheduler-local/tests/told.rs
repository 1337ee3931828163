//! What was told of a result stays true, whatever a task is about to do.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use kvern_core::events::{Event, Interest, Observer};
use kvern_core::{ErrorKind, OpRef, Root, Session, TaskList, Value};
use kvern_scheduler_local as _;

const PATIENCE: Duration = Duration::from_secs(30);

/// Stops each task between its end and the moment in which its result can be seen.
struct Between {
    here: Mutex<Sender<()>>,
    go: Mutex<Receiver<()>>,
    errors: Mutex<Vec<Option<ErrorKind>>>,
}

impl Observer for Between {
    fn interest(&self) -> Interest {
        Interest::Tasks
    }

    fn event(&self, event: &Event) {
        match event {
            Event::TaskFinished { .. } => {
                let _ = self.here.lock().unwrap().send(());
                let _ = self.go.lock().unwrap().recv_timeout(PATIENCE);
            }
            Event::RunFinished { error, .. } => {
                let kind = error.as_ref().map(|e| e.kind());
                self.errors.lock().unwrap().push(kind);
            }
            _ => {}
        }
    }
}

#[test]
fn a_result_that_comes_after_it_was_called_cancelled_stays_cancelled() {
    let session = Session::open("threads://?workers=1").unwrap();
    let ((here, came), (open, go)) = (channel(), channel());
    let between = Arc::new(Between {
        here: Mutex::new(here),
        go: Mutex::new(go),
        errors: Mutex::default(),
    });
    let subscription = session.subscribe(between.clone());
    let mut list = TaskList::new();
    let op = list.op(OpRef::local("one", |_, _| Ok(Value::new(1u64))));
    let task = list.task(op, []);
    let run = session.start(&[Root::all(&list.finish([task]))]).unwrap();
    came.recv_timeout(PATIENCE).unwrap();
    run.cancel();
    let kind = |r: kvern_core::Result<Value>| r.unwrap_err().kind();
    let first = run.handle(0).wait_timeout(PATIENCE).unwrap();
    assert_eq!(kind(first), ErrorKind::Cancelled);
    open.send(()).unwrap();
    let whole = || run.run().wait_all(Some(PATIENCE)).unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    while !run.progress().is_finished() {
        assert!(std::time::Instant::now() < end, "{:?}", run.progress());
        std::thread::yield_now();
    }
    assert_eq!(whole().unwrap_err().kind(), ErrorKind::Cancelled);
    let again = run.handle(0).wait_timeout(PATIENCE).unwrap();
    assert_eq!(kind(again), ErrorKind::Cancelled);
    assert_eq!(run.progress().failed, 1);
    session.close();
    drop(subscription);
    let told = between.errors.lock().unwrap();
    assert_eq!(*told, [Some(ErrorKind::Cancelled)]);
}
