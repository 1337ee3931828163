//! Layers, sources, and the errors that a typo gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kvern_core::Registry;
use kvern_core::config::{
    Absent, Config, ConfigError, ConfigValue, Declared, Key, Kind, Schema, Source, Value,
    config_keys, variable_of,
};
use kvern_core::text::ByteAmount;
use proptest::prelude::*;

const KEYS: &[Key] = &[
    Key::new("threads.workers", Kind::Count, "auto", "Worker threads.").auto("one for each core"),
    Key::new("memory.limit", Kind::Memory, "70%", "Memory for values."),
    Key::new("memory.spill", Kind::Bool, "true", "Spill to disk."),
    Key::new("spill.directory", Kind::Path, "auto", "Where to spill.").auto("the temporary folder"),
    Key::new("spill.limit", Kind::Bytes, "1TB", "Disk for spill."),
    Key::new(
        "array.chunk-size",
        Kind::Bytes,
        "64MiB",
        "Bytes of a chunk.",
    ),
    Key::new("heart.beat", Kind::Duration, "500ms", "Time between beats."),
    Key::new("heart.rate", Kind::Float, "0.5", "A number."),
    Key::new(
        "heart.level",
        Kind::Integer { min: -3, max: 3 },
        "0",
        "A level.",
    ),
    Key::new(
        "look",
        Kind::OneOf(&["bar", "lines", "off"]),
        "bar",
        "How it looks.",
    ),
    Key::new("title", Kind::Text, "kvern", "A title."),
];

fn schema() -> Schema {
    linked(KEYS).unwrap()
}

fn linked(keys: &'static [Key]) -> Result<Schema, ConfigError> {
    Schema::new([Declared {
        crate_name: "kvern-test",
        keys,
        variables: &[],
    }])
}

fn config() -> Config {
    Config::new(schema())
}

fn file(config: &mut Config, key: &str, value: impl Into<ConfigValue>) -> Result<(), ConfigError> {
    config.add_file_values(Path::new("kvern.toml"), [(key, value.into(), Some(3))])
}

#[test]
fn higher_layers_win_in_any_order_of_adding() {
    let mut config = config();
    config.set("memory.limit", "4GiB").unwrap();
    config
        .add_environment([("KVERN_MEMORY_LIMIT", "3GiB"), ("PATH", "/bin")])
        .unwrap();
    file(&mut config, "memory.limit", "2GiB").unwrap();
    assert_eq!(config.get::<u64>("memory.limit"), Ok(4 << 30));
    let layers: Vec<_> = config
        .layers("memory.limit")
        .unwrap()
        .iter()
        .map(|e| (e.source.layer(), e.value.to_string()))
        .collect();
    let expected = [
        ("default", "70%"),
        ("file", "2GiB"),
        ("environment", "3GiB"),
        ("code", "4GiB"),
    ];
    assert_eq!(
        layers,
        expected.map(|(layer, value)| (layer, value.to_owned()))
    );
}

#[test]
fn every_value_knows_where_it_came_from() {
    let mut config = config();
    file(&mut config, "look", "off").unwrap();
    config
        .add_environment([("KVERN_ARRAY_CHUNK_SIZE", "1MiB")])
        .unwrap();
    config.set("threads.workers", 4_usize).unwrap();
    let source = |key: &str| {
        config
            .layers(key)
            .unwrap()
            .last()
            .unwrap()
            .source
            .to_string()
    };
    assert_eq!(source("look"), "kvern.toml:3");
    assert_eq!(
        source("array.chunk-size"),
        "environment variable KVERN_ARRAY_CHUNK_SIZE"
    );
    assert_eq!(source("title"), "default of kvern-test");
    assert!(
        source("threads.workers").starts_with("code at ")
            && source("threads.workers").contains("config.rs:")
    );
}

#[test]
fn values_are_read_as_rust_types() {
    let mut config = config();
    assert_eq!(config.get::<Option<usize>>("threads.workers"), Ok(None));
    assert_eq!(
        config.get::<ByteAmount>("memory.limit").unwrap().of(1000),
        700
    );
    assert_eq!(config.get::<bool>("memory.spill"), Ok(true));
    assert_eq!(config.get::<Option<PathBuf>>("spill.directory"), Ok(None));
    assert_eq!(config.get::<u64>("spill.limit"), Ok(1_000_000_000_000));
    assert_eq!(
        config.get::<Duration>("heart.beat"),
        Ok(Duration::from_millis(500))
    );
    assert_eq!(config.get::<f64>("heart.rate"), Ok(0.5));
    assert_eq!(config.get::<i64>("heart.level"), Ok(0));
    assert_eq!(config.get::<String>("look"), Ok("bar".to_owned()));
    assert_eq!(
        config.get::<String>("threads.workers"),
        Ok("auto".to_owned())
    );
    assert!(config.get::<usize>("threads.workers").is_err());
    config.set("threads.workers", 3_u32).unwrap();
    config.set("heart.beat", Duration::from_secs(1)).unwrap();
    config
        .set("spill.directory", Path::new("/scratch"))
        .unwrap();
    config.set("memory.limit", ByteAmount::Share(0.5)).unwrap();
    config.set("spill.limit", 5_u64).unwrap();
    assert_eq!(config.get::<usize>("threads.workers"), Ok(3));
    assert_eq!(
        config.get::<Duration>("heart.beat"),
        Ok(Duration::from_secs(1))
    );
    assert_eq!(
        config.get::<PathBuf>("spill.directory"),
        Ok(PathBuf::from("/scratch"))
    );
    assert_eq!(
        config.value("memory.limit"),
        Ok(&Value::Bytes(ByteAmount::Share(0.5)))
    );

    let error = config.get::<bool>("look").unwrap_err().to_string();
    assert_eq!(
        error,
        "look is bar, which cannot be read as a bool; its type is word"
    );
}

#[test]
fn an_unknown_key_is_an_error_in_every_layer() {
    let mut config = config();
    assert_eq!(
        file(&mut config, "memory.limt", "1GB")
            .unwrap_err()
            .to_string(),
        "kvern.toml:3: \"memory.limt\" is not a configuration key (did you mean \"memory.limit\"?); `kvern config list` shows every key"
    );
    let error = config
        .add_environment([("KVERN_MEMORY_LIMT", "1GB")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("KVERN_MEMORY_LIMT")
            && error.contains("did you mean \"KVERN_MEMORY_LIMIT\"?"),
        "{error}"
    );
    let error = config.set("workers", 4).unwrap_err();
    assert!(
        matches!(&error, ConfigError::UnknownKey { place, nearest: Some(n), .. } if n == "threads.workers" && matches!(**place, Source::Code { .. })),
        "{error}"
    );
    let error = config.get::<u64>("spill.limits").unwrap_err();
    assert!(
        matches!(&error, ConfigError::NoSuchKey { nearest: Some(n), .. } if n == "spill.limit"),
        "{error}"
    );
    let error = config.set("zebra.stripes", 4).unwrap_err();
    assert!(
        matches!(&error, ConfigError::UnknownKey { nearest: None, .. }),
        "{error}"
    );
}

#[test]
fn a_wrong_value_is_an_error_that_says_what_is_allowed() {
    let bad: &[(&str, ConfigValue, &[&str])] = &[
        (
            "memory.limit",
            "8 gigs".into(),
            &["\"8 gigs\"", "\"gigs\" is unknown", "such as 70%"],
        ),
        (
            "memory.limit",
            0.7.into(),
            &["0.7", "it is a number", "70%"],
        ),
        ("memory.limit", 0.into(), &["0", "out of range", "above 0"]),
        (
            "spill.limit",
            "70%".into(),
            &["a share of memory is not allowed here"],
        ),
        (
            "threads.workers",
            0.into(),
            &["out of range", "from 1", "\"auto\" (one for each core)"],
        ),
        ("threads.workers", "-2".into(), &["\"-2\"", "out of range"]),
        ("threads.workers", "four".into(), &["not a whole number"]),
        ("heart.beat", 5.into(), &["it has no unit", "50ms"]),
        ("heart.level", 4.into(), &["from -3 to 3"]),
        ("heart.rate", f64::NAN.into(), &["not finite"]),
        ("memory.spill", "maybe".into(), &["true or false"]),
        (
            "look",
            "lin".into(),
            &["did you mean \"lines\"?", "\"bar\", \"lines\" or \"off\""],
        ),
        ("look", "auto".into(), &["\"bar\", \"lines\" or \"off\""]),
        (
            "look",
            ConfigValue::Other("a list"),
            &["a list is not a value for look"],
        ),
        ("title", "".into(), &["it is empty"]),
        ("title", true.into(), &["a truth value"]),
    ];
    for (key, value, parts) in bad {
        let mut config = config();
        let error = file(&mut config, key, value.clone())
            .unwrap_err()
            .to_string();
        for part in parts.iter().chain(&["kvern.toml:3", *key, "allowed: "]) {
            assert!(error.contains(part), "{error} lacks {part}");
        }
        assert_eq!(config.layers(key).unwrap().len(), 1, "nothing is added");
    }
}

#[test]
fn one_bad_value_keeps_the_whole_layer_out() {
    let mut config = config();
    let values = [
        ("look", "off".into(), None),
        ("nonsense", ConfigValue::Bool(true), None),
    ];
    assert!(
        config
            .add_file_values(Path::new("kvern.toml"), values)
            .is_err()
    );
    assert!(
        config
            .add_environment([("KVERN_LOOK", "off"), ("KVERN_NONSENSE", "1")])
            .is_err()
    );
    assert_eq!(config.get::<String>("look"), Ok("bar".to_owned()));
}

#[test]
fn reserved_and_empty_variables_are_no_configuration() {
    let mut config = Config::new(&Registry::linked().unwrap());
    config
        .add_environment([
            ("KVERN_CONFIG", "x"),
            ("KVERN_TEST_SEED", "1"),
            ("KVERN_MILL_TRACE", "1"),
            ("KVERN_NONSENSE", ""),
            ("KVERN", "1"),
        ])
        .unwrap();
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_an_error_or_a_path() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(vec![b'/', 0xff]);
    let mut config = config();
    let error = config
        .add_environment([("KVERN_TITLE", odd())])
        .unwrap_err()
        .to_string();
    assert!(error.contains("not UTF-8"), "{error}");
    config
        .add_environment([("KVERN_SPILL_DIRECTORY", odd())])
        .unwrap();
    assert_eq!(config.get::<PathBuf>("spill.directory"), Ok(odd().into()));
}

config_keys! {
    Key::new("mill.stones", Kind::Count, "2", "How many stones grind at once.").unit("stones");
    "KVERN_MILL_TRACE" = "Where to write the trace.",
}

#[test]
fn linked_crates_declare_their_own_keys() {
    let registry = Registry::linked().unwrap();
    let schema = registry.schema();
    let key = schema.get("mill.stones").unwrap();
    assert_eq!(
        (key.crate_name(), key.unit(), key.variable()),
        ("kvern-core", "stones", "KVERN_MILL_STONES")
    );
    assert!(schema.get("scheduler").is_some() && schema.get("progress").is_some());
    assert!(schema.reserved().any(|v| v.name == "KVERN_MILL_TRACE"));
}

/// The settings of one user, in a program that leaves a part out.
#[test]
fn what_a_crate_that_is_left_out_would_declare_is_passed_over() {
    let mill = Absent {
        crate_name: "kvern-mill",
        linked_by: "the feature \"mill\" of kvern",
        keys: &["mill.wind", "look"],
        variables: &["KVERN_MILL_DEBUG"],
    };
    let mut config = Config::new(schema().with_absent([mill]));
    config
        .add_environment([
            ("KVERN_MILL_WIND", "high"),
            ("KVERN_MILL_DEBUG", "1"),
            ("KVERN_LOOK", "off"),
        ])
        .unwrap();
    file(&mut config, "mill.wind", "low").unwrap();
    // Declared by a crate that is linked, so it is that one's.
    assert_eq!(config.get::<String>("look"), Ok("off".to_owned()));

    let variable = config.add_environment([("KVERN_MILL_WINDS", "high")]);
    assert!(matches!(variable, Err(ConfigError::UnknownVariable { .. })));
    for error in [
        config.get::<String>("mill.wind").unwrap_err(),
        config.set("mill.wind", "high").map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "\"mill.wind\" is a configuration key of kvern-mill, which this program leaves out; it is linked by the feature \"mill\" of kvern"
        );
    }
}

#[test]
fn clashing_declarations_name_both_crates() {
    let group = |crate_name, keys| Declared {
        crate_name,
        keys,
        variables: &[],
    };
    const A: &[Key] = &[Key::new("a.b-c", Kind::Bool, "on", "A.")];
    const SAME: &[Key] = &[Key::new("a.b-c", Kind::Count, "1", "B.")];
    const VARIABLE: &[Key] = &[Key::new("a.b.c", Kind::Count, "1", "B.")];
    const TABLE: &[Key] = &[Key::new("a", Kind::Count, "1", "B.")];
    for (keys, why) in [
        (SAME, "one owner"),
        (VARIABLE, "environment variable"),
        (TABLE, "a file cannot hold both"),
    ] {
        let error = Schema::new([group("two", keys), group("one", A)])
            .unwrap_err()
            .to_string();
        for part in ["one declares", "two declares", why] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn bad_declarations_are_refused() {
    const BAD: [&[Key]; 5] = [
        &[Key::new("Memory", Kind::Bool, "on", "A.")],
        &[Key::new("memory..limit", Kind::Bool, "on", "A.")],
        &[Key::new("memory_limit", Kind::Bool, "on", "A.")],
        &[Key::new("memory.limit", Kind::Memory, "lots", "A.")],
        &[Key::new("memory.limit", Kind::Memory, "auto", "A.")],
    ];
    for keys in BAD {
        let error = linked(keys).unwrap_err();
        assert!(
            matches!(
                error,
                ConfigError::BadDeclaration {
                    crate_name: "kvern-test",
                    ..
                }
            ),
            "{error}"
        );
    }
}

/// A text that is allowed for a key.
fn allowed_text(key: &Key) -> BoxedStrategy<String> {
    match key.name() {
        "threads.workers" => prop_oneof![
            Just("auto".to_owned()),
            (1_u64..).prop_map(|n| n.to_string())
        ]
        .boxed(),
        "memory.limit" => {
            let share = (1_u32..=1000).prop_map(|n| format!("{}%", f64::from(n) / 10.0));
            prop_oneof![share, (1_u64..).prop_map(|n| n.to_string())].boxed()
        }
        "memory.spill" => any::<bool>().prop_map(|b| b.to_string()).boxed(),
        "spill.directory" => "/[a-z]{1,9}".boxed(),
        "heart.beat" => any::<u32>().prop_map(|n| format!("{n}us")).boxed(),
        "heart.rate" => any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(|n| n.to_string())
            .boxed(),
        "heart.level" => (-3_i32..=3).prop_map(|n| n.to_string()).boxed(),
        "look" => prop_oneof![Just("bar"), Just("lines"), Just("off")]
            .prop_map(str::to_owned)
            .boxed(),
        "title" => "[a-zA-Z]{1,9}".boxed(),
        _ => (1_u64..9000).prop_map(|n| format!("{n}MiB")).boxed(),
    }
}

fn key_and_text() -> impl Strategy<Value = (&'static str, String)> {
    (0..KEYS.len()).prop_flat_map(|at| (Just(KEYS[at].name()), allowed_text(&KEYS[at])))
}

proptest! {
    /// The oracle is a map from key to the highest layer, and within it the latest value.
    #[test]
    fn precedence(changes in proptest::collection::vec((1_usize..4, key_and_text()), 0..20)) {
        let mut config = config();
        let mut oracle: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        for (layer, (key, text)) in changes {
            match layer {
                1 => file(&mut config, key, text.as_str()).unwrap(),
                2 => config.add_environment([(variable_of(key), text.as_str())]).unwrap(),
                _ => { config.set(key, text.as_str()).unwrap(); }
            }
            if oracle.get(key).is_none_or(|(top, _)| *top <= layer) {
                oracle.insert(key, (layer, text));
            }
        }
        for (key, (layer, text)) in oracle {
            let mut alone = self::config();
            alone.set(key, text.as_str()).unwrap();
            let top = config.layers(key).unwrap().last().unwrap();
            prop_assert_eq!(&top.value, alone.value(key).unwrap());
            prop_assert_eq!(top.source.layer(), ["default", "file", "environment", "code"][layer]);
        }
    }

    #[test]
    fn a_value_shown_reads_back((key, text) in key_and_text()) {
        let (mut first, mut second) = (config(), config());
        first.set(key, text.as_str()).unwrap();
        second.set(key, first.value(key).unwrap().to_string()).unwrap();
        prop_assert_eq!(first.value(key).unwrap(), second.value(key).unwrap());
    }

    #[test]
    fn no_text_is_a_panic(name in prop_oneof![any::<String>(), "KVERN_[A-Z_]{0,20}", "[a-z.-]{0,20}"], text in any::<String>(), float in any::<f64>(), int in any::<i64>()) {
        let mut config = config();
        let values = [ConfigValue::from(text.as_str()), float.into(), int.into(), ConfigValue::Bool(true), ConfigValue::Other("a list")];
        for value in values {
            let _ = config.set(&name, value.clone());
            let _ = file(&mut config, &name, value.clone());
            for key in schema().keys() {
                let _ = config.set(key.name(), value.clone()).map(|_| ()).map_err(|e| e.to_string());
            }
        }
        let _ = config.add_environment([(name.as_str(), text.as_str())]).map_err(|e| e.to_string());
        for key in schema().keys() {
            let _ = config.add_environment([(key.variable(), text.as_str())]).map_err(|e| e.to_string());
        }
    }
}
