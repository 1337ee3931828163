//! Why a plugin was not loaded: one variant for each thing that can be wrong, each naming the file, what was expected and what was found.

use std::path::PathBuf;

use kvern_core::{Error, ErrorKind};

/// Why a plugin was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the messages name")]
pub enum PluginError {
    /// Plugins are switched off.
    #[error("{}: plugins are not loaded here (plugins.trust is \"deny\"; allowed: manifest, allow-dir)", path.display())]
    Denied { path: PathBuf },

    /// The file cannot be read.
    #[error("{}: the plugin cannot be read: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },

    /// It is a folder, a device, or something else that is no file.
    #[error("{}: a plugin is a file, and this is {found}", path.display())]
    NotAFile { path: PathBuf, found: String },

    /// Somebody else could put something else there.
    #[error("{}: {what} can be changed by others ({found}); a plugin and its folder belong to this user or root, and are not writable by everybody", path.display())]
    Writable {
        path: PathBuf,
        what: &'static str,
        found: String,
    },

    /// The manifest cannot be read.
    #[error("{}: the list of trusted plugins cannot be read: {why}", path.display())]
    Manifest { path: PathBuf, why: String },

    /// The manifest has no such file.
    #[error("{}: sha-256 {found} is not in {}; add it there if you trust the file:\n{entry}", path.display(), manifest.display())]
    NotTrusted {
        path: PathBuf,
        found: String,
        manifest: PathBuf,
        entry: String,
    },

    /// The manifest has a file of that name with other contents.
    #[error("{}: sha-256 {found}, and {} has {expected} for this file: it was changed, or damaged", path.display(), manifest.display())]
    Changed {
        path: PathBuf,
        manifest: PathBuf,
        expected: String,
        found: String,
    },

    /// The manifest has that file under another name or version than it says itself.
    #[error("{}: it says that it is {found}, and {} has it as {expected}", path.display(), manifest.display())]
    Misnamed {
        path: PathBuf,
        manifest: PathBuf,
        expected: String,
        found: String,
    },

    /// It is in none of the folders that plugins may come from.
    #[error("{}: plugins may come from {allowed}, and from nowhere else (not from folders inside)", path.display())]
    WrongDirectory { path: PathBuf, allowed: String },

    /// It is no ELF file, or is cut off or damaged.
    #[error("{}: not a shared library, or a damaged one: {why} ({len} bytes)", path.display())]
    Malformed {
        path: PathBuf,
        len: usize,
        why: String,
    },

    /// It was built for another kind of machine.
    #[error("{}: built for {found}, and this program runs on {expected}", path.display())]
    Machine {
        path: PathBuf,
        expected: String,
        found: String,
    },

    /// It is a shared library, but no plugin.
    #[error("{}: a shared library without the section {section:?}, so it is no kvern plugin (its crate needs `export_plugin!` and crate-type \"cdylib\")", path.display())]
    NoDescriptor {
        path: PathBuf,
        section: &'static str,
    },

    /// Its descriptor is not one.
    #[error("{}: the section {section:?} holds no descriptor of a plugin: {why}", path.display())]
    BadDescriptor {
        path: PathBuf,
        section: &'static str,
        why: String,
    },

    /// It has no root.
    #[error("{}: the plugin {plugin} does not export {symbol:?}, where a host begins", path.display())]
    NoRoot {
        path: PathBuf,
        plugin: String,
        symbol: &'static str,
    },

    /// It was built for another major version of the border.
    #[error("{}: the plugin {plugin} was built for border {found}, and this program loads {expected}.x: rebuild it with kvern-plugin {expected}.x", path.display())]
    Major {
        path: PathBuf,
        plugin: String,
        expected: u16,
        found: String,
    },

    /// Its tables are laid out otherwise than those of its version.
    #[error("{}: the plugin {plugin} says border {version}, whose tables have the fingerprint {expected:#018x}; its own is {found:#018x}", path.display())]
    Layout {
        path: PathBuf,
        plugin: String,
        version: String,
        expected: u64,
        found: u64,
    },

    /// It cannot catch its panics.
    #[error("{}: the plugin {plugin} was compiled with panic = \"abort\", so that a panic would end this program; build it with panic = \"unwind\"", path.display())]
    PanicAbort { path: PathBuf, plugin: String },

    /// The private copy cannot be made.
    #[error("{}: no private copy can be made at {}: {source}", path.display(), copy.display())]
    Cache {
        path: PathBuf,
        copy: PathBuf,
        source: std::io::Error,
    },

    /// The system's loader refused it.
    #[error("{}: the system cannot load it: {why}", path.display())]
    Open { path: PathBuf, why: String },

    /// The module for abi_stable is not what it should be.
    #[error("{}: the root module of {plugin} does not fit: {why}", path.display())]
    RootModule {
        path: PathBuf,
        plugin: String,
        why: String,
    },

    /// Once loaded it says something else than its file did.
    #[error("{}: the loaded plugin says {field} {found}, and its file says {expected}", path.display())]
    Contradiction {
        path: PathBuf,
        field: &'static str,
        expected: String,
        found: String,
    },

    /// It refused to begin.
    #[error("{}: the plugin {plugin} could not begin: {why}", path.display())]
    Init {
        path: PathBuf,
        plugin: String,
        why: String,
    },

    /// A table of its operators is not well formed.
    #[error("{}: the operators of {plugin} cannot be read: {why}", path.display())]
    Table {
        path: PathBuf,
        plugin: String,
        why: String,
    },

    /// One of its operators is called what something else is called.
    #[error("{}: {source}", path.display())]
    Duplicate { path: PathBuf, source: Error },

    /// Plugins cannot be loaded on this system.
    #[error("{}: plugins are loaded on systems with ELF files (Linux and its like), and this is {}", path.display(), std::env::consts::OS)]
    Platform { path: PathBuf },
}

impl PluginError {
    /// The kind of error that it is to the core.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } | Self::Cache { .. } => ErrorKind::Io,
            Self::Duplicate { source, .. } => source.kind(),
            Self::Manifest { .. } => ErrorKind::Config,
            Self::Platform { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::BadInput,
        }
    }
}

impl From<PluginError> for Error {
    fn from(e: PluginError) -> Self {
        Self::with_source(e.kind(), e.to_string(), e)
    }
}
