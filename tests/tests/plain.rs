//! The plainest backend, and every decorator over it, pass the suite.

mod plain_backend;

use std::sync::Arc;

use kvern_conformance::conformance;
use kvern_conformance::decorators::{Flaky, Recorded, Traced};
use plain_backend::Plain;

conformance!(plain, open = || Arc::new(Plain::default()));

conformance!(traced, open = || Traced::new(Arc::new(Plain::default())));

conformance!(flaky, open = || Flaky::new(Arc::new(Plain::default()), 1));

conformance!(
    recorded,
    open = || Recorded::new(Arc::new(Plain::default()))
);
