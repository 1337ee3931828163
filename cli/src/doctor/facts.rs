//! Everything that is looked up, in one place and once.

use std::path::PathBuf;

use kvern::core::Registry;
use kvern::core::config::Config;
use kvern::core::text::ByteAmount;
use kvern::scheduler_local::limits::{self, Limit};

use super::Asked;
use super::machine::{self, Machine};
use super::spill::{self, Spill};
use super::trial::{self, Trial};
use super::unfinished::{self, Unfinished};

/// What was found out.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) build: Build,
    pub(crate) machine: Machine,
    pub(crate) memory: Memory,
    pub(crate) spill: Spill,
    pub(crate) config: Configured,
    pub(crate) trial: Trial,
    pub(crate) unfinished: Unfinished,
}

/// What this program is made of.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) debug: bool,
    pub(crate) features: Vec<(&'static str, bool)>,
    /// Scheme and meaning, the best first.
    pub(crate) backends: Result<Vec<(String, String)>, String>,
    /// Name, version and crate.
    pub(crate) operators: Result<Vec<(String, u32, String)>, String>,
}

impl Build {
    /// Whether a session could be opened at all.
    fn works(&self) -> bool {
        self.backends.as_ref().is_ok_and(|all| !all.is_empty()) && self.operators.is_ok()
    }
}

/// What this process may use.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) limits: Vec<Limit>,
    pub(crate) free: Option<u64>,
}

impl Memory {
    /// The limit that binds.
    pub(crate) fn binding(&self) -> Option<&Limit> {
        limits::least(&self.limits)
    }
}

/// What the configuration says.
#[derive(Debug, Clone)]
pub(crate) struct Configured {
    /// What is wrong with it; the values here are the defaults then.
    pub(crate) error: Option<String>,
    /// The files that are read if they are there, and whether they are.
    pub(crate) files: Vec<(PathBuf, bool)>,
    pub(crate) workers: Option<u64>,
    pub(crate) memory: ByteAmount,
    pub(crate) memory_source: String,
    pub(crate) may_spill: bool,
}

impl Facts {
    pub(crate) fn find(asked: &Asked) -> Self {
        let registry = Registry::linked();
        let (config, error) = match &registry {
            Ok(registry) => match Config::load(registry) {
                Ok(config) => (Some(config), None),
                Err(error) => (Some(Config::new(registry)), Some(error.to_string())),
            },
            Err(error) => (None, Some(error.to_string())),
        };
        let directory = config
            .as_ref()
            .and_then(|config| config.get("spill.directory").ok())
            .flatten();
        let build = build(&registry);
        let trial = match &config {
            _ if error.is_some() => Trial::Skipped("the configuration is wrong"),
            _ if !build.works() => Trial::Skipped("there is no backend"),
            Some(config) => trial::of(config),
            None => Trial::Skipped("there is no configuration"),
        };
        Self {
            build,
            trial,
            machine: machine::find(),
            memory: Memory {
                limits: limits::limits(),
                free: limits::free_memory(),
            },
            spill: spill::find(directory.unwrap_or_else(std::env::temp_dir)),
            config: configured(config.as_ref(), error),
            unfinished: unfinished::find(&asked.folders, asked.clean),
        }
    }
}

fn build(registry: &kvern::core::Result<Registry>) -> Build {
    let backends = |registry: &Registry| {
        let all = registry.backends().into_iter();
        all.map(|entry| (entry.scheme.to_owned(), entry.about.to_owned()))
            .collect()
    };
    let operators = |registry: &Registry| {
        let all = registry
            .operators()
            .map(|(name, version, source)| (name.to_owned(), version, source.to_owned()));
        all.collect()
    };
    let registry = registry.as_ref();
    Build {
        debug: cfg!(debug_assertions),
        features: kvern::about::features().to_vec(),
        backends: registry.map(backends).map_err(ToString::to_string),
        operators: registry.map(operators).map_err(ToString::to_string),
    }
}

fn configured(config: Option<&Config>, error: Option<String>) -> Configured {
    let files = kvern::config_file::Places::of_this_process().files();
    let source = config.and_then(|config| config.layers("memory.limit").ok()?.last());
    Configured {
        error,
        files: files
            .into_iter()
            .map(|path| (path.clone(), path.exists()))
            .collect(),
        workers: config
            .and_then(|config| config.get("threads.workers").ok())
            .flatten(),
        memory: config
            .and_then(|config| config.get("memory.limit").ok())
            .unwrap_or(ByteAmount::Share(0.7)),
        memory_source: source.map_or_else(String::new, |entry| entry.source.to_string()),
        may_spill: config
            .and_then(|config| config.get("memory.spill").ok())
            .unwrap_or(true),
    }
}
