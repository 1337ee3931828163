//! The configuration keys of plugins.

use kvern_core::config::{Key, Kind, config_keys};

config_keys! {
    Key::new(
        "plugins.trust",
        Kind::OneOf(&["deny", "manifest", "allow-dir"]),
        "manifest",
        "Which plugins may be loaded: none, those in the manifest, or those in a folder.",
    ),
    Key::new(
        "plugins.manifest",
        Kind::Path,
        ".kvern/plugins.toml",
        "The list of trusted plugins, with their sha-256.",
    ),
    Key::new(
        "plugins.directory",
        Kind::Path,
        ".kvern/plugins",
        "The folder from which plugins may be loaded, where plugins.trust is allow-dir.",
    ),
    Key::new(
        "plugins.cache",
        Kind::Path,
        "auto",
        "Where private copies of plugins are kept.",
    )
    .auto("the user's folder for caches"),
}
