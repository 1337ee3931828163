//! Loading: the steps in their order.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kvern_core::config::Config;
use kvern_core::{Error, ErrorKind, Operator, Registry};
use kvern_plugin_bridge::TableOperator;

use crate::error::PluginError;
use crate::file::PluginFile;
use crate::inspect::{Inspection, inspect_bytes};
use crate::library::Opened;
use crate::manifest::Manifest;
use crate::trust::Trust;
use crate::{cache, registration, root};

/// Loads plugins that it is told to trust.
#[derive(Debug, Clone)]
pub struct Loader {
    trust: Trust,
    cache: PathBuf,
}

/// A plugin that is loaded.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Where its file was.
    pub path: PathBuf,
    /// What its file says of it.
    pub inspection: Inspection,
    /// Its operators as `(name, version)`, in the plugin's order.
    pub operators: Vec<(String, u32)>,
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operators: Vec<String> = self
            .operators
            .iter()
            .map(|(name, version)| format!("{name}@{version}"))
            .collect();
        write!(
            f,
            "{} {}: {}",
            self.inspection.name,
            self.inspection.version,
            operators.join(", ")
        )
    }
}

/// What is in this process, by the hash of the file. The lock is held while one is loaded, so none begins twice.
static LOADED: Mutex<Option<HashMap<String, Loaded>>> = Mutex::new(None);

#[derive(Clone)]
struct Loaded {
    operators: Vec<Arc<TableOperator>>,
    _library: Arc<Opened>,
}

impl Loader {
    /// A loader that keeps its private copies in [`cache::default_directory`].
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            cache: cache::default_directory(),
        }
    }

    /// A loader as the configuration says: `plugins.trust`, `plugins.manifest`, `plugins.directory`, `plugins.cache`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a wrong value, and for a manifest that cannot be read. One that is not there trusts nothing.
    pub fn configured(config: &Config) -> Result<Self, Error> {
        let wrong = |e: kvern_core::config::ConfigError| {
            Error::with_source(ErrorKind::Config, e.to_string(), e)
        };
        let trust = match config
            .get::<String>("plugins.trust")
            .map_err(wrong)?
            .as_str()
        {
            "deny" => Trust::Deny,
            "allow-dir" => Trust::AllowDir(vec![
                config.get::<PathBuf>("plugins.directory").map_err(wrong)?,
            ]),
            _ => {
                let path = config.get::<PathBuf>("plugins.manifest").map_err(wrong)?;
                Trust::Manifest(if path.exists() {
                    Manifest::read(&path)?
                } else {
                    Manifest::of(&path, Vec::new())
                })
            }
        };
        let loader = Self::new(trust);
        let cache: Option<PathBuf> = config.get("plugins.cache").map_err(wrong)?;
        Ok(match cache {
            Some(folder) => loader.cache(folder),
            None => loader,
        })
    }

    /// Keeps the private copies there.
    #[must_use]
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = directory.into();
        self
    }

    /// Loads a plugin and adds its operators to the registry. The same file again does nothing; it is never unloaded.
    ///
    /// # Errors
    /// The first step that fails, by its own variant of [`PluginError`]; the registry is as it was then.
    pub fn load(&self, path: &Path, registry: &mut Registry) -> Result<Plugin, PluginError> {
        self.trust.check_path(path)?;
        let file = PluginFile::read(path)?;
        self.trust.check_file(&file)?;
        let inspection = inspect_bytes(&file)?;
        self.trust.check_name(&file, &inspection)?;
        let loaded = self.open(&file, &inspection)?;
        let source = format!(
            "plugin {} {} ({}, sha-256 {})",
            inspection.name,
            inspection.version,
            file.name(),
            &file.sha256[..12]
        );
        registration::add(registry, &loaded.operators, &source).map_err(|source| {
            PluginError::Duplicate {
                path: file.path.clone(),
                source,
            }
        })?;
        let operators = loaded.operators.iter();
        Ok(Plugin {
            operators: operators
                .map(|o| (o.name().to_owned(), o.version()))
                .collect(),
            path: file.path,
            inspection,
        })
    }

    /// From the private copy to the operators.
    fn open(&self, file: &PluginFile, inspection: &Inspection) -> Result<Loaded, PluginError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loaded.get_or_insert_default();
        if let Some(there) = loaded.get(&file.sha256) {
            return Ok(there.clone());
        }
        let copy = cache::copy(file, &self.cache)?;
        // SAFETY: trusted, as the mode says, and found to be a plugin of this border; nobody else can change the copy.
        let library = unsafe { Opened::open(&copy) }.map_err(|why| PluginError::Open {
            path: file.path.clone(),
            why,
        })?;
        let found = root::find(&library, file, inspection)?;
        root::check_decl(found, file, inspection)?;
        root::init(found, file, inspection)?;
        let new = Loaded {
            operators: root::operators(found, file, inspection)?,
            _library: Arc::new(library),
        };
        loaded.insert(file.sha256.clone(), new.clone());
        Ok(new)
    }
}
