//! The configuration keys of every backend that keeps values.

use kvern_core::config::{Key, Kind, config_keys};

config_keys! {
    Key::new(
        "memory.limit",
        Kind::Memory,
        "70%",
        "How much memory the values of a run may hold before some are spilled.",
    ),
    Key::new(
        "memory.spill",
        Kind::Bool,
        "true",
        "Whether values over the memory limit are written to disk; if not, such a run is an error.",
    ),
    Key::new(
        "spill.directory",
        Kind::Path,
        "auto",
        "The folder in which spilled values are written; it must exist.",
    )
    .auto("the system's folder for temporary files"),
    Key::new(
        "spill.limit",
        Kind::Bytes,
        "auto",
        "How much disk the spilled values of a run may hold.",
    )
    .auto("as much as the disk has"),
}
