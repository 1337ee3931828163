//! Keys as the crates that read them declare them.

use super::kind::Kind;
use super::value::{ConfigValue, Value};

/// A key as a crate declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    pub(super) doc: &'static str,
    pub(super) unit: &'static str,
    pub(super) auto: Option<&'static str>,
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

    /// Reads a raw value as this key's type.
    ///
    /// # Errors
    ///
    /// Why the value is not of this type, as part of a sentence.
    pub(super) fn read(&self, raw: &ConfigValue) -> Result<Value, String> {
        match raw {
            ConfigValue::Text(text) if self.auto.is_some() && text.trim() == "auto" => {
                Ok(Value::Auto)
            }
            _ => self.kind.read(raw),
        }
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

/// What one crate declares: of a linked one made by [`config_keys!`](crate::config_keys), else given to
/// [`Registry::add_keys`](crate::Registry::add_keys).
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// The crate.
    pub crate_name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Variables that it reads and that are no configuration.
    pub variables: &'static [Variable],
}

inventory::collect!(Declared);

/// What a crate would declare that a program does not link: a user's settings are for all their programs, whichever parts each has, so
/// files and variables may name these keys. Submitted through `inventory` by whoever knows both the crate and that it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absent {
    /// The crate.
    pub crate_name: &'static str,
    /// How it is linked, as the end of a sentence: `the feature "plugins" of kvern`.
    pub linked_by: &'static str,
    /// The names of its keys.
    pub keys: &'static [&'static str],
    /// The variables that it reads and that are no configuration.
    pub variables: &'static [&'static str],
}

inventory::collect!(Absent);

/// Declares the configuration keys of a crate, for every program that links it.
///
/// ```
/// use kvern_core::config::{Key, Kind, config_keys};
///
/// config_keys! {
///     Key::new("mill.stones", Kind::Count, "2", "How many stones grind at once.").unit("stones"),
///     Key::new("mill.oil", Kind::Bool, "false", "Oil the bearings before each run."),
/// }
///
/// assert!(kvern_core::Registry::linked()?.schema().get("mill.stones").is_some());
/// # Ok::<(), kvern_core::Error>(())
/// ```
///
/// After a semicolon, environment variables that begin with `KVERN_` and are no configuration may follow:
/// `config_keys! { Key::new(…); "KVERN_MILL_TRACE" = "Where to write the trace." }`.
#[macro_export]
macro_rules! config_keys {
    ($($key:expr),* $(,)? $(; $($variable:literal = $doc:literal),+ $(,)?)?) => {
        $crate::config::inventory::submit! {
            $crate::config::Declared {
                crate_name: env!("CARGO_PKG_NAME"),
                keys: &[$($key),*],
                variables: &[$($($crate::config::Variable { name: $variable, doc: $doc }),+)?],
            }
        }
    };
}

/// The environment variable of a key: `array.chunk-size` has `KVERN_ARRAY_CHUNK_SIZE`.
pub fn variable_of(key: &str) -> String {
    format!(
        "KVERN_{}",
        key.replace(['.', '-'], "_").to_ascii_uppercase()
    )
}

/// Whether this can be a key's name.
pub(super) fn is_name(name: &str) -> bool {
    name.split('.').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    })
}
