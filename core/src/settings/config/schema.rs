//! Which keys there are: declared by the crates that read them, collected over all that are linked.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::key::{Absent, Declared, Key, Variable, is_name, variable_of};
use super::kind::Kind;
use super::value::{ConfigValue, Value};
use crate::base::text::nearest;

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
        self.key.read(raw)
    }
}

/// All keys that a configuration may hold.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    keys: BTreeMap<&'static str, DeclaredKey>,
    by_variable: BTreeMap<String, &'static str>,
    reserved: BTreeMap<&'static str, Variable>,
    absent: Vec<Absent>,
}

impl Schema {
    /// The keys of all crates that are linked into this program.
    pub(crate) fn gathered() -> Result<Self, ConfigError> {
        let schema = Self::new(inventory::iter::<Declared>.into_iter().copied())?;
        Ok(schema.with_absent(inventory::iter::<Absent>.into_iter().copied()))
    }

    /// The same keys, and those of one more declaration.
    ///
    /// # Errors
    ///
    /// As [`Schema::new`].
    pub fn with(&self, declared: Declared) -> Result<Self, ConfigError> {
        let mut schema = self.clone();
        schema.declare(declared)?;
        schema.check_tables()?;
        Ok(schema)
    }

    /// The keys of these declarations.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Clash`] if two keys have one name or one variable, or one is a table that holds the other;
    /// [`ConfigError::BadDeclaration`] if a name or a default is not allowed.
    pub fn new(declarations: impl IntoIterator<Item = Declared>) -> Result<Self, ConfigError> {
        let mut schema = Self::default();
        let mut declarations: Vec<Declared> = declarations.into_iter().collect();
        // The linker's order is not a promise; errors that name two crates should name them alike each time.
        declarations
            .sort_by_key(|linked| (linked.crate_name, linked.keys.first().map(|key| key.name)));
        for declared in declarations {
            schema.declare(declared)?;
        }
        schema.check_tables()?;
        Ok(schema)
    }

    fn declare(&mut self, declared: Declared) -> Result<(), ConfigError> {
        for key in declared.keys {
            self.add(key, declared.crate_name)?;
        }
        let variables = declared.variables.iter().map(|v| (v.name, *v));
        self.reserved.extend(variables);
        Ok(())
    }

    /// With what crates would declare that are not linked: files and variables may name it, and are passed over there. What is declared
    /// as well is there.
    #[must_use]
    pub fn with_absent(mut self, absent: impl IntoIterator<Item = Absent>) -> Self {
        self.absent.extend(absent);
        self
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
        let default = key
            .read(&ConfigValue::Text(key.default.to_owned()))
            .map_err(|reason| {
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

    /// Who would declare this key and is not linked.
    pub fn absent(&self, name: &str) -> Option<&Absent> {
        let absent = self.absent.iter().find(|a| a.keys.contains(&name));
        absent.filter(|_| self.get(name).is_none())
    }

    /// Whether a variable belongs to a crate that is not linked.
    pub(crate) fn is_of_absent(&self, variable: &str) -> bool {
        self.get_variable(variable).is_none()
            && self.absent.iter().any(|a| {
                a.variables.contains(&variable) || a.keys.iter().any(|k| variable_of(k) == variable)
            })
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
