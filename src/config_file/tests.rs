//! Files in folders of their own, through the same way that a process takes.

use std::path::{Path, PathBuf};

use kvern_core::config::{Config, ConfigError, Declared, Key, Kind, Schema};

use super::{Places, add_files, parse};

const KEYS: &[Key] = &[
    Key::new("memory.limit", Kind::Memory, "70%", "Memory."),
    Key::new("spill.directory", Kind::Path, "auto", "Where to spill.").auto("temporary"),
    Key::new("array.chunk-size", Kind::Bytes, "64MiB", "Bytes."),
    Key::new("rate", Kind::Float, "0.5", "A rate."),
    Key::new("workers", Kind::Count, "1", "Workers."),
    Key::new("shown", Kind::Bool, "true", "Shown?"),
];

fn config() -> Config {
    let linked = Declared {
        crate_name: "kvern-test",
        keys: KEYS,
        variables: &[],
    };
    Config::new(Schema::new([linked]).unwrap())
}

/// Writes a file and reads it as `KVERN_CONFIG` would.
fn read(text: &str) -> (Result<Config, ConfigError>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.toml");
    std::fs::write(&path, text).unwrap();
    let mut config = config();
    let places = Places {
        named: Some(path),
        user: None,
        here: PathBuf::new(),
    };
    (add_files(&mut config, &places).map(|_| config), folder)
}

/// The error of a file without the folder that it is in.
fn error(text: &str) -> String {
    let (result, folder) = read(text);
    let text = result.expect_err(text).to_string();
    text.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn every_type_and_form_is_read() {
    let text = "\u{feff}workers = 0x10\nshown = false\r\narray.chunk-size = 1_048_576\n[memory]\nlimit = '50%'\n\
                [spill]\ndirectory = \"scratch\"\n";
    let (config, folder) = read(text);
    let config = config.unwrap();
    assert_eq!(config.get::<usize>("workers"), Ok(16));
    assert_eq!(config.get::<bool>("shown"), Ok(false));
    assert_eq!(config.get::<u64>("array.chunk-size"), Ok(1 << 20));
    assert_eq!(config.value("memory.limit").unwrap().to_string(), "50%");
    assert_eq!(
        config.get::<PathBuf>("spill.directory"),
        Ok(folder.path().join("scratch"))
    );
    let source = config.layers("spill.directory").unwrap()[1]
        .source
        .to_string();
    assert!(source.ends_with("k.toml:7"), "{source}");
}

#[test]
fn paths_that_stand_alone_stay() {
    let (config, _folder) = read("spill.directory = '/scratch'\nrate = 1e3");
    let config = config.unwrap();
    assert_eq!(
        config.get::<PathBuf>("spill.directory"),
        Ok(PathBuf::from("/scratch"))
    );
    assert_eq!(config.get::<f64>("rate"), Ok(1000.0));
    let (config, _folder) = read("spill.directory = 'auto'");
    assert_eq!(
        config.unwrap().get::<Option<PathBuf>>("spill.directory"),
        Ok(None)
    );
}

#[test]
fn errors_name_the_line() {
    assert_eq!(
        error("# mine\n[memory]\nlimt = '1GB'\n"),
        "k.toml:3: \"memory.limt\" is not a configuration key (did you mean \"memory.limit\"?); `kvern config list` shows every key"
    );
    assert!(
        error("workers = 4\n\nrate = [1]").starts_with("k.toml:3: a list is not a value for rate")
    );
    assert!(error("workers = 99999999999999999999999999999999999999999").contains("too large"));
    assert!(error("workers = 1979-05-27").contains("a date or time is not a value for workers"));
    let syntax = error("workers = 4\nshown = maybe\n");
    assert!(
        syntax.starts_with("k.toml:2:9: this is not TOML: "),
        "{syntax}"
    );
    assert_eq!(
        error("memory.limit = '1GB'\n'memory.limit' = '2GB'"),
        "k.toml:2: \"memory.limit\" stands in this file twice; first in line 1"
    );
    // The first in the file is told, not the first by name.
    assert!(error("zzz = 1\naaa = 2\n").starts_with("k.toml:1: \"zzz\""));
}

#[test]
fn the_current_folder_goes_over_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        named: None,
        user: Some(folder.path().join("user.toml")),
        here: folder.path().join("kvern.toml"),
    };
    assert_eq!(
        add_files(&mut config(), &places).unwrap(),
        Vec::<PathBuf>::new()
    );
    std::fs::write(folder.path().join("user.toml"), "workers = 2\nrate = 2").unwrap();
    std::fs::write(folder.path().join("kvern.toml"), "workers = 3").unwrap();
    let mut config = config();
    assert_eq!(add_files(&mut config, &places).unwrap(), places.files());
    assert_eq!(config.get::<usize>("workers"), Ok(3));
    assert_eq!(config.get::<f64>("rate"), Ok(2.0));
}

#[test]
fn a_named_file_must_be_there_and_is_the_only_one() {
    let places = Places::of(|name| (name == "KVERN_CONFIG").then(|| "/no/such.toml".into()));
    assert_eq!(places.files(), [Path::new("/no/such.toml")]);
    let error = add_files(&mut config(), &places).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "environment variable KVERN_CONFIG: the configuration file /no/such.toml cannot be read: "
        ),
        "{error}"
    );
}

#[cfg(not(windows))]
#[test]
fn the_user_folder_is_that_of_xdg() {
    let of = |variables: &[(&str, &str)]| {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| v.into())
        };
        Places::of(find).user
    };
    let home = ("HOME", "/home/a");
    assert_eq!(
        of(&[home]),
        Some("/home/a/.config/kvern/config.toml".into())
    );
    assert_eq!(
        of(&[home, ("XDG_CONFIG_HOME", "/x")]),
        Some("/x/kvern/config.toml".into())
    );
    assert_eq!(
        of(&[home, ("XDG_CONFIG_HOME", "x")]),
        Some("/home/a/.config/kvern/config.toml".into())
    );
    assert_eq!(of(&[]), None);
}

/// Random texts without a property-test crate: it would be compiled for every example of the facade, the tour first of all.
#[test]
fn no_text_is_a_panic() {
    const PIECES: &[&str] = &[
        "a", "b.", "'", "\"", " = ", "=", "[", "]", "{", "}", "\n", "\r\n", "0", "9", "-", ".",
        "é", "\u{0}", "# ", "memory", "\"\"\"", "1e5", "true", ",", "\\", "\u{fffd}",
    ];
    let mut state = 1u64;
    for case in 0..3000 {
        let mut text = String::new();
        for _ in 0..case % 24 {
            // SplitMix64 (Steele, Lea, Flood 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            text.push_str(PIECES[(z >> 33) as usize % PIECES.len()]);
        }
        match parse::values(Path::new("k.toml"), &text) {
            Ok(values) => {
                let lines = text.lines().count();
                let known =
                    |line: &Option<usize>| line.is_some_and(|line| line >= 1 && line <= lines);
                assert!(values.iter().all(|(_, _, line)| known(line)), "{text:?}");
            }
            Err(error) => assert!(
                error.to_string().starts_with("k.toml:"),
                "{text:?}: {error}"
            ),
        }
    }
}
