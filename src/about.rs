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
        ("config-file", cfg!(feature = "config-file")),
        ("local", cfg!(feature = "local")),
        ("progress", cfg!(feature = "progress")),
    ]
}
