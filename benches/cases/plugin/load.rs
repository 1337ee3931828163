//! Loading a plugin.

use kvern_core::Registry;

use super::kernels;
use crate::catalog::Outcome;
use crate::machine;
use crate::measure::{Timing, clock};
use crate::options::Options;
use crate::record::Record;

/// Once in a process: a plugin is never unloaded. The turns make it several.
pub(super) fn load(options: &Options) -> Outcome {
    machine::wait_for_quiet(options.patience);
    let cache = tempfile::tempdir()?;
    // What is linked is collected before, and the file is in the page cache.
    Registry::linked()?;
    let bytes = std::fs::read(kernels::file())?.len();
    let (seconds, registry) = clock(|| kernels::registry(cache.path()));
    registry?;
    let detail = format!(
        "{} KiB, the first time, without a private copy",
        bytes >> 10
    );
    Ok(vec![
        Record::new(Timing::of(vec![seconds]), detail)
            .units(1, "plugin")
            .target(5_000.0),
    ])
}
