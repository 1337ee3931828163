//! The backends of one machine, bare and under every decorator, pass the suite.

use std::sync::Arc;

use kvern_conformance::decorators::{Flaky, Recorded, Traced};
use kvern_conformance::{Fixture, Limits, conformance, ops};
use kvern_core::config::Config;
use kvern_core::scheduler::OpenContext;
use kvern_core::url::SchedulerUrl;
use kvern_core::{BackendEntry, Scheduler};
use kvern_scheduler_local as _;

/// A backend by URL. Not through a session, which closes its backend when it is dropped.
fn open(url: &str) -> Arc<dyn Scheduler> {
    let registry = ops::registry();
    let context = OpenContext {
        config: Arc::new(Config::load(&*registry).unwrap()),
        registry: registry.clone(),
    };
    let url = SchedulerUrl::parse(url).unwrap();
    let backend = registry.get::<BackendEntry>(url.scheme()).unwrap();
    (backend.open)(&url, &context).unwrap()
}

/// The same with a budget; `url` ends in `?` or `&`.
fn limited(url: &str, limits: Limits<'_>) -> Arc<dyn Scheduler> {
    let spill = limits.spill.display();
    open(&format!(
        "{url}memory={}&spill-directory={spill}",
        limits.memory
    ))
}

conformance!(
    sync,
    open = || open("sync://"),
    limited = |l: Limits<'_>| limited("sync://?", l),
);

conformance!(
    sync_seeded,
    fixture = Fixture::new(|| open("sync://?seed=11"))
        .limited(|l: Limits<'_>| limited("sync://?seed=11&", l))
        .any_order(),
);

conformance!(
    threads,
    open = || open("threads://?workers=4"),
    limited = |l: Limits<'_>| limited("threads://?workers=4&", l),
);

conformance!(
    one_thread,
    open = || open("threads://?workers=1"),
    limited = |l: Limits<'_>| limited("threads://?workers=1&", l),
);

conformance!(
    traced,
    open = || Traced::new(open("threads://?workers=2")),
    limited = |l: Limits<'_>| Traced::new(limited("threads://?workers=2&", l)),
);

conformance!(
    flaky,
    open = || Flaky::new(open("threads://?workers=3"), 5),
    limited = |l: Limits<'_>| Flaky::new(limited("threads://?workers=3&", l), 6),
);

conformance!(
    recorded,
    open = || Recorded::new(open("threads://?workers=2")),
    limited = |l: Limits<'_>| Recorded::new(limited("threads://?workers=2&", l)),
);
