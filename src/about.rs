//! What this build of kvern is.

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The features of this crate by name, and whether each is compiled in.
///
/// ```
/// assert!(kvern::about::features().iter().any(|(name, _)| *name == "array"));
/// ```
pub const fn features() -> &'static [(&'static str, bool)] {
    &[
        ("array", cfg!(feature = "array")),
        ("ballista", cfg!(feature = "ballista")),
        ("bag", cfg!(feature = "bag")),
        ("cluster", cfg!(feature = "cluster")),
        ("config-file", cfg!(feature = "config-file")),
        ("ctrl-c", cfg!(feature = "ctrl-c")),
        ("frame", cfg!(feature = "frame")),
        ("local", cfg!(feature = "local")),
        ("plugins", cfg!(feature = "plugins")),
        ("progress", cfg!(feature = "progress")),
    ]
}
