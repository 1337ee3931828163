//! What a URL or the configuration says that cannot be: told when the session is opened.

use std::sync::Arc;

use kvern_core::config::Config;
use kvern_core::{Annotations, ErrorKind, Registry, Session, delayed};
use kvern_scheduler_local as _;

fn refusal(url: &str) -> String {
    let e = Session::open(url).map(drop).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Config, "{e}");
    e.to_string()
}

#[test]
fn a_spill_folder_that_cannot_be_used_is_told_at_once() {
    for scheme in ["threads", "sync"] {
        let words = refusal(&format!("{scheme}://?spill-directory=/nonexistent/folder"));
        assert!(words.contains("/nonexistent/folder"), "{words}");
        assert!(words.contains("spill.directory"), "{words}");
        assert!(!std::path::Path::new("/nonexistent").exists());
        let file = std::env::current_exe().unwrap();
        let words = refusal(&format!("{scheme}://?spill-directory={}", file.display()));
        assert!(words.contains("directory"), "{words}");
        // Where nothing is spilled it does not matter.
        let url = format!("{scheme}://?spill=off&spill-directory=/nonexistent");
        drop(Session::open(&url).unwrap());
    }
}

#[test]
fn more_memory_than_there_is_is_refused() {
    for scheme in ["threads", "sync"] {
        let words = refusal(&format!("{scheme}://?memory=0"));
        assert!(words.contains("the memory limit is 0"), "{words}");
        let words = refusal(&format!("{scheme}://?memory=999TiB"));
        assert!(
            words.contains("999TiB") && words.contains("more than the"),
            "{words}"
        );
        drop(Session::open(&format!("{scheme}://?memory=100%")).unwrap());
    }
}

/// A URL that nobody wrote into the program is told with where it stands.
#[test]
fn a_configured_scheduler_that_is_wrong_is_told_with_its_place() {
    for (value, words) in [
        ("thraeds://", "did you mean threads?"),
        ("threads://?wrokers=2", "did you mean \"workers\""),
        ("threads://?workers=0", "workers=0"),
    ] {
        let mut config = Config::new(&Registry::linked().unwrap());
        config
            .add_environment([("KVERN_SCHEDULER", value)])
            .unwrap();
        let session = Session::builder().config(Arc::new(config)).build();
        let said = session.map(drop).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
        assert!(said.contains("KVERN_SCHEDULER"), "{said}");
    }
}

#[test]
fn annotations_that_threads_do_not_know_are_refused() {
    let twice = delayed(|x: &u64| 2 * x);
    for url in ["threads://?workers=1", "sync://"] {
        let session = Session::open(url).unwrap();
        for wish in [
            Annotations::new().resource("gpu", 2.0),
            Annotations::new().workers(["left", "right"]),
        ] {
            let call = twice.call((21u64,)).annotate(wish.clone());
            let e = session.compute(&call).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
            let words = e.to_string();
            assert!(
                words.contains("gpu=2") || words.contains("left, right"),
                "{words}"
            );
            assert!(
                words.contains("priority, retries, timeout, label and memory"),
                "{words}"
            );
        }
        let call = twice
            .call((21u64,))
            .annotate(Annotations::new().memory(1 << 10));
        assert_eq!(session.compute(&call).unwrap(), 42);
    }
}
