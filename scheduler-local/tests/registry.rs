//! Backends and configuration keys that a program adds at run time, before it opens a session with them.

use std::sync::Arc;

use kvern_core::config::{Declared, Key, Kind};
use kvern_core::url::SchedulerUrl;
use kvern_core::{BackendEntry, ErrorKind, Registry, Result, Scheduler, Session, delayed};

/// The backend `sync://` under another name.
fn open_mine(
    url: &SchedulerUrl,
    context: &kvern_core::scheduler::OpenContext,
) -> Result<Arc<dyn Scheduler>> {
    assert_eq!(url.scheme(), "mine");
    assert_eq!(context.config.get::<u64>("mine.stones"), Ok(2));
    let sync = context.registry.get::<BackendEntry>("sync")?;
    let url = SchedulerUrl::parse("sync://").expect("a URL");
    (sync.open)(&url, context)
}

const MINE: BackendEntry = BackendEntry {
    scheme: "mine",
    about: "a backend of this test",
    source: "the test",
    rank: 100,
    open: open_mine,
};

const KEYS: &[Key] = &[Key::new("mine.stones", Kind::Count, "2", "For the test.")];

fn registry() -> Registry {
    // Linked for its backends.
    use kvern_scheduler_local as _;
    let mut registry = Registry::linked().unwrap();
    registry.add(MINE).unwrap();
    let declared = Declared {
        crate_name: "the test",
        keys: KEYS,
        variables: &[],
    };
    registry.add_keys(declared).unwrap();
    registry
}

#[test]
fn a_backend_that_is_added_runs() {
    // By its name, and as the best there is.
    for url in [Some("mine://"), None] {
        let mut builder = Session::builder()
            .registry(registry().into())
            .current(false);
        if let Some(url) = url {
            builder = builder.url(url);
        }
        let session = builder.build().unwrap();
        let answer = delayed(|| 42u64).call(());
        assert_eq!(session.compute(&answer).unwrap(), 42);
        assert_eq!(session.config().get::<u64>("mine.stones"), Ok(2));
    }
    // Sessions without it do not know it.
    let e = Session::open("mine://").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotRegistered);
}

#[test]
fn two_of_one_scheme_are_refused_and_named() {
    let second = BackendEntry {
        source: "another",
        ..MINE
    };
    let e = registry().add(second).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Duplicate);
    let words = "backend mine is registered by both the test and another";
    assert!(e.message().contains(words), "{e}");
    let threads = BackendEntry {
        scheme: "threads",
        ..MINE
    };
    let e = registry().add(threads).unwrap_err();
    assert!(
        e.message().contains("kvern-scheduler-local") && e.message().contains("the test"),
        "{e}"
    );
}

#[test]
fn an_unknown_scheme_suggests_the_nearest() {
    let builder = Session::builder().registry(registry().into());
    let e = builder.url("mime://").build().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotRegistered);
    assert!(e.message().contains("did you mean mine?"), "{e}");
}
