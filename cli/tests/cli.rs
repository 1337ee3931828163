//! The program as a person runs it: in a folder of its own, with nothing in the environment.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A folder in which the program runs.
struct Place(TempDir);

/// What it printed, and its exit status.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    status: i32,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes `kvern.toml`.
    fn with_file(self, text: &str) -> Self {
        std::fs::write(self.path().join("kvern.toml"), text).unwrap();
        self
    }

    fn run(&self, line: &str) -> Said {
        self.run_with(line, &[])
    }

    fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_kvern"))
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("TMPDIR", self.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Said {
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
            status: status.code().unwrap(),
        }
    }
}

impl Said {
    fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[test]
fn help_and_version_are_printed() {
    let place = Place::new();
    for line in ["", "--help", "help"] {
        let said = place.run(line);
        assert!(
            said.out.contains("Usage: kvern COMMAND") && said.err.is_empty() && said.status == 0,
            "{said:?}"
        );
    }
    assert!(
        place
            .run("doctor --help")
            .out
            .contains("Usage: kvern doctor")
    );
    assert!(
        place
            .run("help config")
            .out
            .contains("Usage: kvern config list")
    );
    assert_eq!(
        place.run("--version").out,
        format!("kvern {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_wrong_command_line_is_status_2_and_names_the_nearest() {
    let said = Place::new().run("docter");
    assert_eq!(said.status, 2);
    assert_eq!(
        said.err,
        "kvern: there is no command \"docter\" (did you mean \"doctor\"?)\ntry `kvern --help`\n"
    );
    assert_eq!(said.out, "");
}

#[test]
fn list_shows_every_key_with_value_source_and_meaning() {
    let place = Place::new().with_file("[memory]\nlimit = '2GiB'\n");
    let said = place.run_with("config list", &[("KVERN_THREADS_WORKERS", "3")]);
    assert_eq!(said.status, 0, "{said:?}");
    let line = |key: &str| {
        said.out
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("{key}: {said:?}"))
    };
    assert!(
        line("memory.limit").contains("= 2GiB") && line("memory.limit").ends_with("(kvern.toml:2)")
    );
    assert!(
        line("threads.workers").contains("= 3")
            && line("threads.workers").ends_with("(KVERN_THREADS_WORKERS)")
    );
    for key in [
        "array.chunk-size",
        "memory.spill",
        "progress",
        "scheduler",
        "spill.directory",
        "spill.limit",
    ] {
        assert!(line(key).ends_with("(default)"), "{key}");
    }
    let json = place.run("config list --json").json();
    let keys = json.as_array().unwrap();
    let limit = keys
        .iter()
        .find(|key| key["key"] == "memory.limit")
        .unwrap();
    assert_eq!(
        (&limit["value"], &limit["source"]),
        (&"2GiB".into(), &"kvern.toml:2".into())
    );
    assert!(
        keys.iter()
            .all(|key| !key["doc"].as_str().unwrap().is_empty())
    );
}

#[test]
fn get_prints_the_value_alone() {
    let place = Place::new();
    assert_eq!(place.run("config get memory.limit").out, "70%\n");
    assert_eq!(
        place
            .run_with(
                "config get memory.limit",
                &[("KVERN_MEMORY_LIMIT", "1024MiB")]
            )
            .out,
        "1GiB\n"
    );
    assert_eq!(
        place.run("config get memory.limit --json").json()["value"],
        "70%"
    );
    let said = place.run("config get memory.limt");
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("(did you mean \"memory.limit\"?)"),
        "{said:?}"
    );
}

#[test]
fn where_shows_every_layer() {
    let place = Place::new().with_file("[memory]\nlimit = '2GiB'\n");
    let variables = [("KVERN_MEMORY_LIMIT", "3GiB")];
    let said = place.run_with("config where memory.limit", &variables);
    let tail: Vec<&str> = said.out.lines().rev().take(3).map(str::trim).collect();
    assert_eq!(
        tail,
        [
            "-> 3GiB  environment variable KVERN_MEMORY_LIMIT",
            "2GiB  kvern.toml:2",
            "70%   default of kvern-store",
        ]
    );
    let json = place
        .run_with("config where memory.limit --json", &variables)
        .json();
    let layers: Vec<&str> = json["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["layer"].as_str().unwrap())
        .collect();
    assert_eq!(layers, ["default", "file", "environment"]);
    assert_eq!(json["layers"][1]["line"], 2);
}

#[test]
fn every_file_is_found_in_its_place() {
    let place = Place::new().with_file("array.chunk-size = '1MiB'");
    let user = place.path().join("x").join("kvern");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::write(
        user.join("config.toml"),
        "array.chunk-size = '2MiB'\nprogress = 'off'\n",
    )
    .unwrap();
    let other = place.path().join("other.toml");
    std::fs::write(&other, "scheduler = 'sync://'").unwrap();
    let xdg = (
        "XDG_CONFIG_HOME",
        place.path().join("x").display().to_string(),
    );
    let get = |key: &str, more: &[(&str, &str)]| {
        let mut variables = vec![(xdg.0, xdg.1.as_str())];
        variables.extend(more);
        place.run_with(&format!("config get {key}"), &variables).out
    };
    assert_eq!(get("array.chunk-size", &[]), "1MiB\n");
    assert_eq!(get("progress", &[]), "off\n");
    let named = other.display().to_string();
    let named = [("KVERN_CONFIG", named.as_str())];
    assert_eq!(get("scheduler", &named), "sync://\n");
    assert_eq!(get("progress", &named), "auto\n");
    assert_eq!(get("progress", &[("KVERN_CONFIG", "/dev/null")]), "auto\n");
}

#[test]
fn list_answers_while_the_configuration_is_wrong() {
    let said = Place::new().run_with("config list", &[("KVERN_MEMORY_LIMT", "1GB")]);
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("KVERN_MEMORY_LIMT") && said.err.contains("\"KVERN_MEMORY_LIMIT\"?"),
        "{said:?}"
    );
    assert!(said.out.contains("memory.limit = 70%"), "{said:?}");
}

#[test]
fn doctor_reports_on_this_machine() {
    let place = Place::new();
    let json = place.run("doctor --json").json();
    assert_eq!(json["kvern"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(json["machine"]["cores"]["usable"].as_u64().unwrap() >= 1);
    assert_eq!(json["spill"]["writable"], true);
    let backends = json["kvern"]["backends"].as_array().unwrap();
    assert_eq!(
        json["kvern"]["trial"]["done"],
        !backends.is_empty(),
        "{json:#}"
    );
    assert_eq!(json["configuration"]["state"]["good"], true);
    if cfg!(target_os = "linux") {
        let (usable, total) = (
            json["memory"]["usable"].as_u64().unwrap(),
            json["memory"]["total"].as_u64().unwrap(),
        );
        assert!(0 < usable && usable <= total);
        let limit = json["memory"]["kvern_limit"]["bytes"].as_u64().unwrap();
        assert!(
            limit.abs_diff(usable / 10 * 7) < 1 << 20,
            "{limit} of {usable}"
        );
    }
    let text = place.run("doctor").out;
    for part in [
        "processor",
        "vector units",
        "kvern's limit",
        "writable",
        "kvern.toml (not there)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn doctor_finds_and_removes_what_killed_writers_have_left() {
    let place = Place::new();
    let path = place.path().join("out.npy");
    let alive = kvern::core::unfinished::Unfinished::begin(&path).unwrap();
    let dead = place.path().join(".out.npy.4000000-7.tmp");
    std::fs::write(&dead, [0; 3000]).unwrap();
    let said = place.run("doctor");
    let line = format!("{} (2.93KiB, ", dead.display());
    assert!(
        said.out.contains(&line) && said.out.contains(" s old)"),
        "{said:?}"
    );
    assert!(
        said.out
            .contains("warning: Killed writers have left 1 unfinished file or folder (2.93KiB)"),
        "{said:?}"
    );
    assert!(dead.exists());
    let json = place.run("doctor --json --clean .").json();
    let left = &json["unfinished_files"]["left_by_the_dead"];
    assert_eq!(left[0]["bytes"], 3000, "{json:#}");
    assert_eq!(left[0]["removed"], true, "{json:#}");
    assert_eq!(left.as_array().unwrap().len(), 1, "{json:#}");
    assert!(!dead.exists());
    alive.finish().unwrap();
    assert!(path.exists(), "what is being written stays");
    let said = place.run("doctor --clean");
    assert!(said.out.contains("nothing"), "{said:?}");
    let said = place.run("doctor nowhere");
    assert_eq!(said.status, 1);
    assert!(
        said.out.contains("nowhere cannot be looked into"),
        "{said:?}"
    );
}

#[test]
fn doctor_names_what_is_in_the_way() {
    let place =
        Place::new().with_file("[memory]\nlimit = '9000TiB'\n[spill]\ndirectory = 'gone'\n");
    let said = place.run("doctor");
    assert_eq!(said.status, 1);
    let gone = place.path().join("gone").display().to_string();
    assert!(
        said.out.contains(&format!(
            "problem: The spill folder {gone} cannot be written to: "
        )),
        "{said:?}"
    );
    assert!(
        said.out
            .contains("warning: memory.limit is 8.79PiB, more than the "),
        "{said:?}"
    );

    let said = place.with_file("workers = 1").run("doctor");
    assert_eq!(said.status, 1);
    assert!(
        said.out
            .contains("problem: The configuration is wrong: kvern.toml:1: \"workers\""),
        "{said:?}"
    );
    assert!(said.out.contains("\"threads.workers\"?"), "{said:?}");
}

#[test]
fn doctor_tries_the_scheduler_that_is_configured() {
    let place = Place::new();
    let trial = |url: &str| {
        place
            .run_with("doctor --json", &[("KVERN_SCHEDULER", url)])
            .json()["kvern"]["trial"]
            .clone()
    };
    assert_eq!(trial("sync://")["scheme"], "sync");
    let said = trial("threads://?workers=3&memory=64MiB");
    assert_eq!(
        (&said["threads"], &said["memory_budget"]),
        (&3.into(), &(64 << 20).into()),
        "{said}"
    );
    for (url, part) in [
        ("thraeds://", "did you mean threads?"),
        ("threads://?wrokers=3", "\"workers\""),
        ("tpc://host:1", "tpc"),
    ] {
        let said = trial(url);
        assert!(
            said["done"] == false && said["error"].as_str().unwrap().contains(part),
            "{url}: {said}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn doctor_sees_the_limits_of_a_process() {
    let shell = Command::new("sh")
        .arg("-c")
        .arg("ulimit -v 4194304; ulimit -n 300; exec \"$0\" doctor --json")
        .arg(env!("CARGO_BIN_EXE_kvern"))
        .env_clear()
        .output()
        .unwrap();
    let json: Json = serde_json::from_slice(&shell.stdout).unwrap();
    assert!(json["memory"]["usable"].as_u64().unwrap() <= 4 << 30);
    let limits = json["memory"]["limits"].as_array().unwrap();
    assert!(
        limits
            .iter()
            .any(|l| l["bytes"] == 4_u64 << 30
                && l["source"].as_str().unwrap().contains("RLIMIT_AS"))
    );
    let findings = json["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|f| f["what"].as_str().unwrap().contains("may open 300 files")),
        "{findings:?}"
    );
}
