//! The configuration keys of arrays.

use kvern_core::config::{Key, Kind, config_keys};

config_keys! {
    Key::new(
        "array.chunk-size",
        Kind::Bytes,
        "16MiB",
        "How many bytes a chunk of an array has, about, where the program does not say.",
    ),
}
