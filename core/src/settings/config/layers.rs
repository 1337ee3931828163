//! The stack of layers, and what wins.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::error::ConfigError;
use super::key::Absent;
use super::read::FromValue;
use super::schema::{DeclaredKey, Schema};
use super::source::Source;
use super::value::{ConfigValue, Value};

/// A value of a key, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub source: Source,
}

/// Reads configuration files, for every program that links the crate which submits it through `inventory`.
///
/// This crate reads none itself: a program that wants none, or another language than TOML, links another reader.
#[derive(Debug, Clone, Copy)]
pub struct FileReader {
    /// The crate that submits it.
    pub crate_name: &'static str,
    /// Finds files and adds what they say with [`Config::add_file_values`].
    pub read: fn(&mut Config) -> Result<(), ConfigError>,
}

inventory::collect!(FileReader);

/// Values for the keys of a schema, in layers: default < file < environment < code.
///
/// Within a layer the value that was added last wins.
#[derive(Debug, Clone)]
pub struct Config {
    schema: Arc<Schema>,
    /// For each key from low to high; never empty, the default is first.
    entries: BTreeMap<&'static str, Vec<Entry>>,
}

impl Config {
    /// The defaults of a schema.
    pub fn new(schema: impl Into<Arc<Schema>>) -> Self {
        let schema = schema.into();
        let entries = schema
            .keys()
            .map(|key| {
                let source = Source::Default {
                    crate_name: key.crate_name(),
                };
                let value = key.default().clone();
                (key.name(), vec![Entry { value, source }])
            })
            .collect();
        Self { schema, entries }
    }

    /// As [`Config::load`], without files.
    ///
    /// # Errors
    ///
    /// As [`Config::add_environment`].
    pub fn from_environment(schema: impl Into<Arc<Schema>>) -> Result<Self, ConfigError> {
        let mut config = Self::new(schema);
        config.add_environment(std::env::vars_os())?;
        Ok(config)
    }

    /// The configuration of this process: the defaults of a schema, mostly that of a [registry](crate::Registry::schema), the files that linked
    /// [`FileReader`]s find, and the environment over them.
    ///
    /// ```
    /// use kvern_core::Registry;
    /// use kvern_core::config::Config;
    ///
    /// let config = Config::load(&Registry::linked()?)?;
    /// println!("{}", config.value("progress")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As the readers, and [`Config::add_environment`].
    pub fn load(schema: impl Into<Arc<Schema>>) -> Result<Self, ConfigError> {
        let mut config = Self::new(schema);
        let mut readers: Vec<&FileReader> = inventory::iter::<FileReader>.into_iter().collect();
        readers.sort_by_key(|reader| reader.crate_name);
        for reader in readers {
            (reader.read)(&mut config)?;
        }
        config.add_environment(std::env::vars_os())?;
        Ok(config)
    }

    /// The keys there are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Adds the values of a file: dotted key, value, and line from 1 where it is known. Those of crates that are known and not linked are
    /// passed over.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`] or [`ConfigError::WrongValue`] for the first value that is not allowed; nothing is
    /// added then.
    pub fn add_file_values<K: AsRef<str>>(
        &mut self,
        path: &Path,
        values: impl IntoIterator<Item = (K, ConfigValue, Option<usize>)>,
    ) -> Result<(), ConfigError> {
        let mut read = Vec::new();
        for (name, value, line) in values {
            let source = Source::File {
                path: path.to_owned(),
                line,
            };
            if self.schema.absent(name.as_ref()).is_none() {
                read.push(self.read(name.as_ref(), &value, source)?);
            }
        }
        self.push_all(read);
        Ok(())
    }

    /// Adds the environment variables that begin with `KVERN_`; the others are passed over, as are those of crates that are known and not
    /// linked.
    ///
    /// A variable that is empty counts as not there, as most shells cannot unset one for a single command.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownVariable`] or [`ConfigError::WrongValue`] for the first one, by name, that is not allowed;
    /// nothing is added then.
    pub fn add_environment<K: AsRef<OsStr>, V: Into<OsString>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), ConfigError> {
        // By name: the order of an environment is nobody's intent, and errors should come in the same order each time.
        let ours: BTreeMap<String, OsString> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.as_ref().to_str()?.to_owned(), value.into())))
            .filter(|(name, value)| name.starts_with("KVERN_") && !value.is_empty())
            .collect();
        let mut read = Vec::new();
        for (variable, value) in ours {
            if self.schema.is_reserved(&variable) || self.schema.is_of_absent(&variable) {
                continue;
            }
            let Some(key) = self.schema.get_variable(&variable) else {
                let nearest = self.schema.nearest_variable(&variable);
                return Err(ConfigError::UnknownVariable { variable, nearest });
            };
            let value = match value.into_string() {
                Ok(text) => ConfigValue::Text(text),
                Err(bytes) => ConfigValue::Path(bytes.into()),
            };
            read.push(read_as(key, &value, Source::Environment { variable })?);
        }
        self.push_all(read);
        Ok(())
    }

    /// Sets a value over all other layers.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`] or [`ConfigError::WrongValue`]; nothing is set then.
    #[track_caller]
    pub fn set(
        &mut self,
        key: &str,
        value: impl Into<ConfigValue>,
    ) -> Result<&mut Self, ConfigError> {
        let source = Source::Code {
            at: Location::caller(),
        };
        let read = self.read(key, &value.into(), source)?;
        self.push_all([read]);
        Ok(self)
    }

    /// The value of a key, as a Rust type: see [`FromValue`] for which.
    ///
    /// ```
    /// use kvern_core::Registry;
    /// use kvern_core::config::Config;
    ///
    /// let config = Config::new(&Registry::linked()?);
    /// let url: Option<String> = config.get("scheduler")?; // `None` stands for `auto`
    /// assert_eq!(url, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoSuchKey`], or [`ConfigError::WrongType`] if the value is not of this Rust type.
    pub fn get<T: FromValue>(&self, key: &str) -> Result<T, ConfigError> {
        let declared = self.declared(key)?;
        let value = self.value(key)?;
        T::from_value(value).ok_or_else(|| ConfigError::WrongType {
            key: declared.name(),
            value: value.to_string(),
            wanted: T::NAME,
            kind: declared.kind().name(),
        })
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoSuchKey`].
    pub fn value(&self, key: &str) -> Result<&Value, ConfigError> {
        let declared = self.declared(key)?;
        Ok(self
            .layers(key)?
            .last()
            .map_or(declared.default(), |entry| &entry.value))
    }

    /// All values that a key was given, from the default up to the one that holds.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoSuchKey`].
    pub fn layers(&self, key: &str) -> Result<&[Entry], ConfigError> {
        self.entries
            .get(key)
            .map(Vec::as_slice)
            .ok_or_else(|| self.no_such_key(key))
    }

    /// The declaration of a key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoSuchKey`].
    pub fn declared(&self, key: &str) -> Result<&DeclaredKey, ConfigError> {
        self.schema.get(key).ok_or_else(|| self.no_such_key(key))
    }

    fn no_such_key(&self, key: &str) -> ConfigError {
        if let Some(absent) = self.schema.absent(key) {
            return not_linked(absent, key);
        }
        ConfigError::NoSuchKey {
            key: key.to_owned(),
            nearest: self.schema.nearest(key).map(str::to_owned),
        }
    }

    fn read(
        &self,
        key: &str,
        value: &ConfigValue,
        source: Source,
    ) -> Result<(&'static str, Entry), ConfigError> {
        match self.schema.get(key) {
            Some(key) => read_as(key, value, source),
            None if self.schema.absent(key).is_some() => Err(self.no_such_key(key)),
            None => Err(ConfigError::UnknownKey {
                place: source.into(),
                key: key.to_owned(),
                nearest: self.schema.nearest(key).map(str::to_owned),
            }),
        }
    }

    fn push_all(&mut self, read: impl IntoIterator<Item = (&'static str, Entry)>) {
        for (name, entry) in read {
            let stack = self.entries.entry(name).or_default();
            let at = stack.partition_point(|below| below.source.rank() <= entry.source.rank());
            stack.insert(at, entry);
        }
    }
}

fn not_linked(absent: &Absent, key: &str) -> ConfigError {
    ConfigError::NotLinked {
        key: key.to_owned(),
        crate_name: absent.crate_name,
        linked_by: absent.linked_by,
    }
}

fn read_as(
    key: &DeclaredKey,
    value: &ConfigValue,
    source: Source,
) -> Result<(&'static str, Entry), ConfigError> {
    match key.read(value) {
        Ok(value) => Ok((key.name(), Entry { value, source })),
        Err(reason) => Err(ConfigError::WrongValue {
            place: source.into(),
            key: key.name(),
            value: value.to_string(),
            reason,
            allowed: key.allowed(),
        }),
    }
}
