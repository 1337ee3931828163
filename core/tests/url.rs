//! Scheduler URLs: their parts, their typed keys, and their errors.

use std::time::Duration;

use kvern_core::text::ByteAmount;
use kvern_core::url::{SchedulerUrl, UrlError};
use proptest::prelude::*;

fn parse(url: &str) -> SchedulerUrl {
    SchedulerUrl::parse(url).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_part_is_found() {
    let url = parse("tcp://example.org:8786/a%20b?name=x%26y&wait=50ms");
    assert_eq!(url.scheme(), "tcp");
    assert_eq!((url.host(), url.port()), (Some("example.org"), Some(8786)));
    assert_eq!(url.path(), "/a b");
    assert_eq!(
        url.pairs().collect::<Vec<_>>(),
        [("name", "x&y"), ("wait", "50ms")]
    );
    assert_eq!(url.expect_address(), Ok(("example.org", 8786)));

    assert_eq!(parse("tcp://[::1]:8786").host(), Some("::1"));
    assert_eq!(parse("unix:///run/kvern.sock").path(), "/run/kvern.sock");
    assert_eq!(parse("threads"), parse("THREADS://"));
    assert_eq!(
        parse("ray://head/?a=1+1").pairs().next(),
        Some(("a", "1+1"))
    );
}

#[test]
fn keys_are_read_by_type() {
    // A % that can be nothing else stands for itself.
    for percent in ["50%", "50%25", "50%&trace", "%35%30%"] {
        let url = parse(&format!("threads://?memory={percent}"));
        let half: Option<ByteAmount> = url.query().get("memory").unwrap();
        assert_eq!(half.unwrap().of(1000), 500, "{percent}");
        assert_eq!(parse(&url.to_string()), url);
    }
    let url = parse("threads://?workers=4&memory=70%25&spill=off&wait=1.5s&dir=/tmp/x%20y&trace");
    let mut query = url.query();
    assert_eq!(query.get::<usize>("workers"), Ok(Some(4)));
    assert_eq!(
        query.get::<ByteAmount>("memory").unwrap().unwrap().of(1000),
        700
    );
    assert_eq!(query.get::<bool>("spill"), Ok(Some(false)));
    assert_eq!(
        query.get::<Duration>("wait"),
        Ok(Some(Duration::from_millis(1500)))
    );
    assert_eq!(query.get::<String>("dir"), Ok(Some("/tmp/x y".to_owned())));
    assert_eq!(query.get::<bool>("trace"), Ok(Some(true)));
    assert_eq!(query.get::<u64>("seed"), Ok(None));
    assert_eq!(query.finish(), Ok(()));
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let url = parse("threads://?wrokers=4");
    let mut query = url.query();
    query.get::<usize>("workers").unwrap();
    query.get::<u64>("memory").unwrap();
    assert_eq!(
        query.finish().unwrap_err().to_string(),
        "scheduler URL \"threads://?wrokers=4\": threads knows no \"wrokers\" (did you mean \"workers\"?); it knows workers, memory"
    );
}

#[test]
fn a_wrong_value_names_all_that_matters() {
    let url = parse("threads://?memory=8gigs");
    let error = url.query().get::<u64>("memory").unwrap_err().to_string();
    for part in [
        "threads://?memory=8gigs",
        "memory=\"8gigs\"",
        "the unit \"gigs\" is unknown",
        "MiB",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn malformed_urls_say_how() {
    let bad = [
        ("", "begin with a letter"),
        ("4threads://", "begin with a letter"),
        ("threads:workers=4", "a scheduler URL is name://"),
        ("threads?workers=4", "a scheduler URL is name://"),
        ("tcp://host:99999", "the port \"99999\""),
        ("tcp://host:+80", "the port \"+80\""),
        ("tcp://::1:80", "an IPv6 address stands in [ ]"),
        ("tcp://[::1", "has no ]"),
        ("tcp://[zz]:1", "not an IPv6 address"),
        ("tcp://me:secret@host:1", "no user or password"),
        ("tcp://a%3Ab", "is not a host"),
        ("threads://?a=1#b", "%23"),
        ("threads://?a=1&a=2", "stands there twice"),
        ("threads://?=1", "has no key"),
        ("threads://?a=%ff", "UTF-8"),
    ];
    for (url, reason) in bad {
        let error = SchedulerUrl::parse(url).expect_err(url);
        assert!(matches!(error, UrlError::Malformed { .. }));
        assert!(error.to_string().contains(reason), "{url}: {error}");
        assert!(error.to_string().contains(&format!("{url:?}")), "{error}");
    }
}

#[test]
fn a_backend_says_which_parts_it_takes() {
    assert_eq!(parse("threads://?workers=1").expect_local(), Ok(()));
    let error = parse("threads://4").expect_local().unwrap_err().to_string();
    assert!(error.contains("takes no host"), "{error}");
    let error = parse("tcp://host")
        .expect_address()
        .unwrap_err()
        .to_string();
    assert!(error.contains("needs a host and a port"), "{error}");
}

proptest! {
    #[test]
    fn display_reads_back(
        scheme in "[a-z][a-z0-9+.-]{0,8}",
        host in prop_oneof![Just(String::new()), Just("[::1]".to_owned()), "[a-z0-9.-]{1,12}"],
        port in proptest::option::of(any::<u16>()),
        path in "(/[a-z %:é]{0,6}){0,3}",
        pairs in proptest::collection::btree_map("[^=]{1,5}", any::<String>(), 0..4),
    ) {
        let escape = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
        let port_text = port.map_or_else(String::new, |p| format!(":{p}"));
        let query: Vec<String> = pairs.iter().map(|(k, v)| format!("{}={}", escape(k), escape(v))).collect();
        let path_text: String = path.split('/').map(escape).collect::<Vec<_>>().join("/");
        let url = parse(&format!("{scheme}://{host}{port_text}{path_text}?{}", query.join("&")));
        prop_assert_eq!(url.path(), path);
        prop_assert_eq!(url.port(), port);
        let found: Vec<_> = url.pairs().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        prop_assert_eq!(found, pairs.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(parse(&url.to_string()), url);
    }

    #[test]
    fn no_text_is_a_panic(text in prop_oneof![any::<String>(), "[a-z]{0,3}:?/{0,2}[\\[\\]:%a-f0-9@#/?&=]{0,30}"]) {
        if let Ok(url) = SchedulerUrl::parse(&text) {
            prop_assert_eq!(parse(&url.to_string()), url.clone());
            let mut query = url.query();
            let _ = query.get::<u64>("a");
            let _ = query.get::<bool>("b");
            let _ = query.get::<f64>("c");
            let _ = query.finish();
        }
    }
}
