//! `kvern config`: every key, its value, and where the value comes from.

use std::fmt::Write;

use kvern::core::Registry;
use kvern::core::config::{Config, DeclaredKey, Entry, Kind, Source};
use serde_json::{Value as Json, json};

use crate::output::{FAILED, Output};

/// `kvern config list`.
///
/// Errors in a configuration tell people to run this command, so it must answer while there is one: with the defaults.
pub(crate) fn list(json: bool) -> Output {
    let registry = match Registry::linked() {
        Ok(registry) => registry,
        Err(error) => return failure(&error),
    };
    let (config, error) = match Config::load(&registry) {
        Ok(config) => (config, None),
        Err(error) => (Config::new(&registry), Some(error)),
    };
    let mut output = if json {
        let keys: Vec<Json> = config
            .schema()
            .keys()
            .map(|key| as_json(key, layers(&config, key)))
            .collect();
        Output::json(&Json::Array(keys))
    } else {
        Output::success(listing(&config))
    };
    if let Some(error) = error {
        output.error = Some(format!(
            "{error}\nuntil this is mended, here are all keys with their defaults:\n"
        ));
        output.status = FAILED;
    }
    output
}

/// `kvern config get KEY`.
pub(crate) fn get(key: &str, json: bool) -> Output {
    match with_key(key, |config, key| {
        if json {
            Output::json(&as_json(key, layers(config, key)))
        } else {
            Output::success(format!("{}\n", shown(config, key)))
        }
    }) {
        Ok(output) => output,
        Err(error) => failure(error.as_ref()),
    }
}

/// `kvern config where KEY`.
pub(crate) fn whence(key: &str, json: bool) -> Output {
    match with_key(key, |config, key| {
        if json {
            Output::json(&as_json(key, layers(config, key)))
        } else {
            Output::success(account(config, key))
        }
    }) {
        Ok(output) => output,
        Err(error) => failure(error.as_ref()),
    }
}

fn with_key(
    key: &str,
    show: impl Fn(&Config, &DeclaredKey) -> Output,
) -> Result<Output, Box<dyn std::error::Error>> {
    let config = Config::load(&Registry::linked()?)?;
    Ok(show(&config, config.declared(key)?))
}

fn failure(error: &dyn std::error::Error) -> Output {
    Output::failure(FAILED, error.to_string())
}

fn layers<'a>(config: &'a Config, key: &DeclaredKey) -> &'a [Entry] {
    config.layers(key.name()).unwrap_or_default()
}

fn shown(config: &Config, key: &DeclaredKey) -> String {
    let top = layers(config, key).last();
    top.map_or_else(
        || key.default().to_string(),
        |entry| entry.value.to_string(),
    )
}

fn origin(source: &Source) -> String {
    match source {
        Source::Default { .. } => "default".to_owned(),
        Source::Environment { variable } => variable.clone(),
        other => other.to_string(),
    }
}

fn listing(config: &Config) -> String {
    let mut text = String::new();
    for key in config.schema().keys() {
        let from = layers(config, key)
            .last()
            .map_or_else(String::new, |entry| origin(&entry.source));
        let head = format!("{} = {}", key.name(), shown(config, key));
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{head:<44}  ({from})\n    {}", key.doc());
    }
    text
}

fn account(config: &Config, key: &DeclaredKey) -> String {
    let (table, word) = key.name().rsplit_once('.').unwrap_or(("", key.name()));
    let mut text = format!(
        "{} = {}\n  {}\n\n",
        key.name(),
        shown(config, key),
        key.doc()
    );
    // The other types name their unit themselves.
    let counted = matches!(key.kind(), Kind::Count | Kind::Integer { .. } | Kind::Float);
    let unit = match key.unit() {
        unit if counted && !unit.is_empty() => format!(" ({unit})"),
        _ => String::new(),
    };
    let place = match table {
        "" => format!("{word} = …"),
        table => format!("[{table}] {word} = …"),
    };
    let rows = [
        ("type", format!("{}{unit}", key.kind().name())),
        ("allowed", key.allowed()),
        ("in a file", place),
        ("variable", key.variable().to_owned()),
        ("declared by", key.crate_name().to_owned()),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    let layers = layers(config, key);
    let width = layers
        .iter()
        .map(|entry| entry.value.to_string().chars().count())
        .max()
        .unwrap_or(0);
    text.push_str("\n  from low to high, the last one holds:\n");
    for (at, entry) in layers.iter().enumerate() {
        let mark = if at + 1 == layers.len() { "->" } else { "  " };
        let _ = writeln!(
            text,
            "  {mark} {:<width$}  {}",
            entry.value.to_string(),
            entry.source
        );
    }
    text
}

fn as_json(key: &DeclaredKey, layers: &[Entry]) -> Json {
    let layer = |entry: &Entry| {
        let mut object = json!({
            "value": entry.value.to_string(),
            "layer": entry.source.layer(),
            "source": entry.source.to_string(),
        });
        if let Source::File { path, line } = &entry.source {
            object["path"] = json!(path.to_string_lossy());
            object["line"] = json!(line);
        }
        object
    };
    let top = layers.last();
    json!({
        "key": key.name(),
        "value": top.map(|entry| entry.value.to_string()),
        "source": top.map(|entry| entry.source.to_string()),
        "type": key.kind().name(),
        "unit": key.unit(),
        "allowed": key.allowed(),
        "doc": key.doc(),
        "variable": key.variable(),
        "declared_by": key.crate_name(),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}
