//! The configuration key of the local backends that is theirs alone.

use kvern_core::config::{Key, Kind, config_keys};

config_keys! {
    Key::new(
        "threads.workers",
        Kind::Count,
        "auto",
        "How many threads the threads:// backend works with.",
    )
    .unit("threads")
    .auto("one for each core that this process may use"),
}
