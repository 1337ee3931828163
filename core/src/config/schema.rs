//! Which keys there are: declared by the crates that read them, collected over all that are linked.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::kind::Kind;
use super::value::{ConfigValue, Value};
use crate::text::nearest;

/// A key as a crate declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
    unit: &'static str,
    auto: Option<&'static str>,
}

impl Key {
    /// Declares a key: its dotted name (`memory.limit`), type, default as text, and meaning in one sentence.
    ///
    /// A name is words of `a-z`, `0-9` and `-` with dots between them.
    pub const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        let unit = match kind {
            Kind::Bytes | Kind::Memory => "bytes",
            Kind::Duration => "time",
            _ => "",
        };
        Self {
            name,
            kind,
            default,
            doc,
            unit,
            auto: None,
        }
    }

    /// The dotted name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Says what is counted, such as `threads`.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Allows the word `auto`, and says what it stands for.
    #[must_use]
    pub const fn auto(mut self, meaning: &'static str) -> Self {
        self.auto = Some(meaning);
        self
    }
}

/// An environment variable that begins with `KVERN_` and is no configuration: its name and meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name, with `KVERN_`.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub doc: &'static str,
}

/// What one crate declares. Made by [`config_keys!`](crate::config_keys).
#[derive(Debug, Clone, Copy)]
pub struct Linked {
    /// The crate.
    pub crate_name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Variables that it reads and that are no configuration.
    pub variables: &'static [Variable],
}

inventory::collect!(Linked);

/// Declares the configuration keys of a crate, for every program that links it.
///
/// ```
/// use kvern_core::config::{Key, Kind, Schema, config_keys};
///
/// config_keys! {
///     Key::new("mill.stones", Kind::Count, "2", "How many stones grind at once.").unit("stones"),
///     Key::new("mill.oil", Kind::Bool, "false", "Oil the bearings before each run."),
/// }
///
/// assert!(Schema::linked()?.get("mill.stones").is_some());
/// # Ok::<(), kvern_core::config::ConfigError>(())
/// ```
///
/// After a semicolon, environment variables that begin with `KVERN_` and are no configuration may follow:
/// `config_keys! { Key::new(…); "KVERN_MILL_TRACE" = "Where to write the trace." }`.
#[macro_export]
macro_rules! config_keys {
    ($($key:expr),* $(,)? $(; $($variable:literal = $doc:literal),+ $(,)?)?) => {
        $crate::config::inventory::submit! {
            $crate::config::Linked {
                crate_name: env!("CARGO_PKG_NAME"),
                keys: &[$($key),*],
                variables: &[$($($crate::config::Variable { name: $variable, doc: $doc }),+)?],
            }
        }
    };
}

/// A key of a schema: as it was declared, with what follows from that.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredKey {
    key: Key,
    crate_name: &'static str,
    variable: String,
    default: Value,
}

impl DeclaredKey {
    /// The dotted name.
    pub fn name(&self) -> &'static str {
        self.key.name
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        self.key.kind
    }

    /// The meaning, in one sentence.
    pub fn doc(&self) -> &'static str {
        self.key.doc
    }

    /// What is counted, or nothing.
    pub fn unit(&self) -> &'static str {
        self.key.unit
    }

    /// What `auto` stands for, where it is allowed.
    pub fn auto(&self) -> Option<&'static str> {
        self.key.auto
    }

    /// The environment variable.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// The crate that declares the key.
    pub fn crate_name(&self) -> &'static str {
        self.crate_name
    }

    /// The default.
    pub fn default(&self) -> &Value {
        &self.default
    }

    /// What is allowed, as the object of "allowed: …".
    pub fn allowed(&self) -> String {
        match self.key.auto {
            Some(meaning) => format!("{}, or \"auto\" ({meaning})", self.key.kind),
            None => self.key.kind.to_string(),
        }
    }

    /// Reads a raw value as this key's type.
    pub(crate) fn read(&self, raw: &ConfigValue) -> Result<Value, String> {
        read(&self.key, raw)
    }
}

fn read(key: &Key, raw: &ConfigValue) -> Result<Value, String> {
    match raw {
        ConfigValue::Text(text) if key.auto.is_some() && text.trim() == "auto" => Ok(Value::Auto),
        _ => key.kind.read(raw),
    }
}

/// The environment variable of a key: `array.chunk-size` has `KVERN_ARRAY_CHUNK_SIZE`.
pub fn variable_of(key: &str) -> String {
    format!(
        "KVERN_{}",
        key.replace(['.', '-'], "_").to_ascii_uppercase()
    )
}

/// All keys that a configuration may hold.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    keys: BTreeMap<&'static str, DeclaredKey>,
    by_variable: BTreeMap<String, &'static str>,
    reserved: BTreeMap<&'static str, Variable>,
}

impl Schema {
    /// The keys of all crates that are linked into this program.
    ///
    /// # Errors
    ///
    /// As [`Schema::new`].
    pub fn linked() -> Result<Self, ConfigError> {
        Self::new(inventory::iter::<Linked>.into_iter().copied())
    }

    /// The keys of these declarations.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Clash`] if two keys have one name or one variable, or one is a table that holds the other;
    /// [`ConfigError::BadDeclaration`] if a name or a default is not allowed.
    pub fn new(declarations: impl IntoIterator<Item = Linked>) -> Result<Self, ConfigError> {
        let mut schema = Self::default();
        let mut declarations: Vec<Linked> = declarations.into_iter().collect();
        // The linker's order is not a promise; errors that name two crates should name them alike each time.
        declarations
            .sort_by_key(|linked| (linked.crate_name, linked.keys.first().map(|key| key.name)));
        for linked in declarations {
            for key in linked.keys {
                schema.add(key, linked.crate_name)?;
            }
            schema
                .reserved
                .extend(linked.variables.iter().map(|v| (v.name, *v)));
        }
        schema.check_tables()?;
        Ok(schema)
    }

    fn add(&mut self, key: &Key, crate_name: &'static str) -> Result<(), ConfigError> {
        let bad = |reason: String| ConfigError::BadDeclaration {
            key: key.name,
            crate_name,
            reason,
        };
        if !is_name(key.name) {
            return Err(bad(
                "a name is words of a-z, 0-9 and - with dots between them".to_owned(),
            ));
        }
        let default = read(key, &ConfigValue::Text(key.default.to_owned())).map_err(|reason| {
            bad(format!(
                "its default {:?} is not allowed: {reason}",
                key.default
            ))
        })?;
        if let Some(first) = self.keys.get(key.name) {
            return Err(clash(first, key.name, crate_name, "a key has one owner"));
        }
        let variable = variable_of(key.name);
        if let Some(first) = self
            .by_variable
            .get(&variable)
            .and_then(|name| self.keys.get(name))
        {
            return Err(clash(
                first,
                key.name,
                crate_name,
                "both have the same environment variable",
            ));
        }
        self.by_variable.insert(variable.clone(), key.name);
        let declared = DeclaredKey {
            key: *key,
            crate_name,
            variable,
            default,
        };
        self.keys.insert(key.name, declared);
        Ok(())
    }

    /// A file cannot hold both `spill = …` and `spill.limit = …`.
    fn check_tables(&self) -> Result<(), ConfigError> {
        for key in self.keys.values() {
            let mut table = key.name();
            while let Some((parent, _)) = table.rsplit_once('.') {
                table = parent;
                if let Some(first) = self.keys.get(table) {
                    return Err(clash(
                        first,
                        key.name(),
                        key.crate_name,
                        "a file cannot hold both",
                    ));
                }
            }
        }
        Ok(())
    }

    /// The key of this name.
    pub fn get(&self, name: &str) -> Option<&DeclaredKey> {
        self.keys.get(name)
    }

    /// The key of this environment variable.
    pub fn get_variable(&self, variable: &str) -> Option<&DeclaredKey> {
        self.by_variable
            .get(variable)
            .and_then(|name| self.keys.get(name))
    }

    /// All keys, by name.
    pub fn keys(&self) -> impl Iterator<Item = &DeclaredKey> {
        self.keys.values()
    }

    /// The variables that begin with `KVERN_` and are no configuration, by name.
    pub fn reserved(&self) -> impl Iterator<Item = &Variable> {
        self.reserved.values()
    }

    pub(crate) fn is_reserved(&self, variable: &str) -> bool {
        variable.starts_with("KVERN_TEST_") || self.reserved.contains_key(variable)
    }

    /// The name that was probably meant: by spelling, or by its last word (`workers` for `threads.workers`).
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        let by_spelling =
            nearest(name, self.keys.keys().copied()).and_then(|near| self.keys.get(near));
        by_spelling.map(DeclaredKey::name).or_else(|| {
            let last = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
            let wanted = name.rsplit('.').next().unwrap_or(name);
            let near = nearest(wanted, self.keys.keys().map(|name| last(name)))?;
            self.keys.keys().copied().find(|name| last(name) == near)
        })
    }

    pub(crate) fn nearest_variable(&self, variable: &str) -> Option<String> {
        let names = self.by_variable.keys().map(String::as_str);
        // Without the prefix that all share, or half of every long name would already be right.
        let bare = |name: &str| name.strip_prefix("KVERN_").unwrap_or(name).to_owned();
        let all: Vec<String> = names
            .chain(self.reserved.keys().copied())
            .map(bare)
            .collect();
        let near = nearest(&bare(variable), all.iter().map(String::as_str))?;
        Some(format!("KVERN_{near}"))
    }
}

fn clash(
    first: &DeclaredKey,
    second: &'static str,
    second_crate: &'static str,
    why: &'static str,
) -> ConfigError {
    ConfigError::Clash {
        first: first.name(),
        first_crate: first.crate_name,
        second,
        second_crate,
        why,
    }
}

fn is_name(name: &str) -> bool {
    name.split('.').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    })
}
