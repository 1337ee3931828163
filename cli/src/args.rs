//! The command line.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use kvern::core::text::{nearest, parse_byte_amount, parse_duration};
use lexopt::{Arg, Parser};

use crate::cluster::{SchedulerArguments, WorkerArguments};
use crate::doctor::Asked;
use crate::help;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// A text that is known already: help or version.
    Text(String),
    Doctor(Asked),
    ConfigList {
        json: bool,
    },
    ConfigGet {
        key: String,
        json: bool,
    },
    ConfigWhere {
        key: String,
        json: bool,
    },
    Scheduler(SchedulerArguments),
    Worker(WorkerArguments),
    BallistaScheduler {
        listen: String,
    },
    BallistaExecutor {
        scheduler: String,
        listen: String,
        slots: Option<usize>,
    },
}

/// Why a command line was not understood, and which command's help would tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongCommandLine {
    what: String,
    command: Option<&'static str>,
}

impl fmt::Display for WrongCommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self
            .command
            .map_or_else(String::new, |command| format!(" {command}"));
        write!(f, "{}\ntry `kvern{command} --help`", self.what)
    }
}

const COMMANDS: [&str; 6] = [
    "doctor",
    "config",
    "scheduler",
    "worker",
    "ballista",
    "help",
];
const CONFIG_COMMANDS: [&str; 3] = ["list", "get", "where"];
const BALLISTA_COMMANDS: [&str; 2] = ["scheduler", "executor"];
const OPTIONS: [&str; 14] = [
    "--json",
    "--clean",
    "--help",
    "--version",
    "--listen",
    "--threads",
    "--name",
    "--slots",
    "--worker-ttl",
    "--allowed-failures",
    "--no-workers-timeout",
    "--wait",
    "--memory",
    "--spill",
];

/// Where a scheduler listens when nothing is said: Dask's port.
const LISTEN: &str = "127.0.0.1:8786";

/// Where a scheduler of Ballista listens when nothing is said: Ballista's port.
const BALLISTA_LISTEN: &str = "127.0.0.1:50050";

/// Where an executor of Ballista listens when nothing is said.
const EXECUTOR_LISTEN: &str = "127.0.0.1";

/// Options that have a value, as they were given.
#[derive(Default)]
struct Given {
    listen: Option<String>,
    threads: Option<String>,
    name: Option<String>,
    slots: Option<String>,
    worker_ttl: Option<String>,
    allowed_failures: Option<String>,
    no_workers_timeout: Option<String>,
    wait: Option<String>,
    memory: Option<String>,
    spill: Option<String>,
}

impl Given {
    /// The place of an option that takes a value.
    fn place(&mut self, option: &str) -> Option<&mut Option<String>> {
        match option {
            "listen" => Some(&mut self.listen),
            "threads" => Some(&mut self.threads),
            "name" => Some(&mut self.name),
            "slots" => Some(&mut self.slots),
            "worker-ttl" => Some(&mut self.worker_ttl),
            "allowed-failures" => Some(&mut self.allowed_failures),
            "no-workers-timeout" => Some(&mut self.no_workers_timeout),
            "wait" => Some(&mut self.wait),
            "memory" => Some(&mut self.memory),
            "spill" => Some(&mut self.spill),
            _ => None,
        }
    }

    /// The first option that was given and is not one of these.
    fn beside(&self, known: &[&'static str]) -> Option<&'static str> {
        let all = [
            ("listen", &self.listen),
            ("threads", &self.threads),
            ("name", &self.name),
            ("slots", &self.slots),
            ("worker-ttl", &self.worker_ttl),
            ("allowed-failures", &self.allowed_failures),
            ("no-workers-timeout", &self.no_workers_timeout),
            ("wait", &self.wait),
            ("memory", &self.memory),
            ("spill", &self.spill),
        ];
        all.iter()
            .find(|(name, value)| value.is_some() && !known.contains(name))
            .map(|(name, _)| *name)
    }
}

pub(crate) fn read(mut parser: Parser) -> Result<Request, WrongCommandLine> {
    let mut words: Vec<String> = Vec::new();
    let (mut json, mut help, mut version, mut clean) = (false, false, false, false);
    let mut given = Given::default();
    loop {
        let wrong = |what: String| wrong(what, words.first());
        match parser.next().map_err(|error| wrong(error.to_string()))? {
            None => break,
            Some(Arg::Long("json")) => json = true,
            Some(Arg::Long("clean")) => clean = true,
            Some(Arg::Short('h') | Arg::Long("help")) => help = true,
            Some(Arg::Short('V') | Arg::Long("version")) => version = true,
            Some(Arg::Value(word)) => words.push(readable(word).map_err(wrong)?),
            Some(Arg::Short(option)) => return Err(wrong(format!("there is no option -{option}"))),
            Some(Arg::Long(option)) if Given::default().place(option).is_some() => {
                let option = option.to_owned();
                let value = parser.value().map_err(|error| wrong(error.to_string()))?;
                let value = readable(value).map_err(wrong)?;
                if let Some(place) = given.place(&option) {
                    *place = Some(value);
                }
            }
            Some(Arg::Long(option)) => {
                let option = format!("--{option}");
                let hint = hint(nearest(&option, OPTIONS));
                return Err(wrong(format!("there is no option {option}{hint}")));
            }
        }
    }
    if version {
        return Ok(Request::Text(format!(
            "kvern {}\n",
            env!("CARGO_PKG_VERSION")
        )));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help"] => Ok(Request::Text(help::MAIN.to_owned())),
        ["help", command, ..] => help_of(command),
        [command, ..] if help => help_of(command),
        [command, ..] if clean && *command != "doctor" => {
            Err(wrong(format!("{command} takes no --clean"), Some(command)))
        }
        ["scheduler", rest @ ..] => {
            scheduler(rest, given).map_err(|what| wrong(what, Some("scheduler")))
        }
        ["worker", rest @ ..] => worker(rest, given).map_err(|what| wrong(what, Some("worker"))),
        ["ballista", rest @ ..] => {
            ballista(rest, given).map_err(|what| wrong(what, Some("ballista")))
        }
        [command, ..] if given.beside(&[]).is_some() => {
            let option = given.beside(&[]).unwrap_or_default();
            Err(wrong(
                format!("{command} takes no --{option}"),
                Some(command),
            ))
        }
        ["doctor", folders @ ..] => Ok(Request::Doctor(Asked {
            json,
            clean,
            folders: match folders {
                [] => vec![".".into()],
                some => some.iter().map(Into::into).collect(),
            },
        })),
        ["config", rest @ ..] => config(rest, json).map_err(|what| wrong(what, Some("config"))),
        [command, ..] => Err(unknown(command)),
    }
}

fn scheduler(words: &[&str], given: Given) -> Result<Request, String> {
    if let Some(more) = words.first() {
        return Err(format!(
            "scheduler takes nothing more, and {more:?} stands there"
        ));
    }
    let known = [
        "listen",
        "worker-ttl",
        "allowed-failures",
        "no-workers-timeout",
    ];
    if let Some(option) = given.beside(&known) {
        return Err(format!("scheduler takes no --{option}"));
    }
    let most = number("allowed-failures", given.allowed_failures)?;
    Ok(Request::Scheduler(SchedulerArguments {
        listen: given.listen.unwrap_or_else(|| LISTEN.to_owned()),
        worker_ttl: time("worker-ttl", given.worker_ttl)?,
        allowed_failures: most.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        no_workers_timeout: time("no-workers-timeout", given.no_workers_timeout)?,
    }))
}

/// How long something takes, if it was said.
fn time(option: &str, given: Option<String>) -> Result<Option<Duration>, String> {
    let time = given.as_deref().map(parse_duration).transpose();
    time.map_err(|e| format!("--{option}: {e}"))
}

fn worker(words: &[&str], given: Given) -> Result<Request, String> {
    if let Some(option) = given.beside(&["threads", "name", "listen", "wait", "memory", "spill"]) {
        return Err(format!("worker takes no --{option}"));
    }
    let scheduler = match words {
        [address] => (*address).to_owned(),
        [] => {
            return Err(format!(
                "worker needs the address of its scheduler, such as `kvern worker {LISTEN}`"
            ));
        }
        [_, more, ..] => {
            return Err(format!(
                "worker takes one address, and {more:?} stands there too"
            ));
        }
    };
    Ok(Request::Worker(WorkerArguments {
        scheduler,
        threads: number("threads", given.threads)?,
        name: given.name,
        listen: given.listen,
        wait: time("wait", given.wait)?,
        memory: (given.memory.as_deref().map(parse_byte_amount).transpose())
            .map_err(|e| format!("--memory: {e}"))?,
        spill: given.spill,
    }))
}

/// How many of something, if it was said.
fn number(option: &str, given: Option<String>) -> Result<Option<usize>, String> {
    let Some(text) = given else { return Ok(None) };
    match text.parse() {
        Ok(n) if n > 0 => Ok(Some(n)),
        _ => Err(format!(
            "--{option}={text} is no number of {option}: at least 1 is needed"
        )),
    }
}

fn ballista(words: &[&str], given: Given) -> Result<Request, String> {
    let allowed: &[&str] = match words {
        ["scheduler", ..] => &["listen"],
        ["executor", ..] => &["listen", "slots"],
        _ => &["listen", "slots", "threads", "name"],
    };
    if let Some(option) = given.beside(allowed) {
        return Err(format!("ballista {} takes no --{option}", words[0]));
    }
    match words {
        ["scheduler"] => Ok(Request::BallistaScheduler {
            listen: given.listen.unwrap_or_else(|| BALLISTA_LISTEN.to_owned()),
        }),
        ["executor", scheduler] => Ok(Request::BallistaExecutor {
            scheduler: (*scheduler).to_owned(),
            listen: given.listen.unwrap_or_else(|| EXECUTOR_LISTEN.to_owned()),
            slots: number("slots", given.slots)?,
        }),
        [] => Err("ballista needs to know what to run: scheduler or executor ADDRESS".to_owned()),
        ["executor"] => Err(format!(
            "ballista executor needs the address of its scheduler, such as `kvern ballista executor {BALLISTA_LISTEN}`"
        )),
        ["scheduler", more, ..] | ["executor", _, more, ..] => Err(format!(
            "ballista {} takes nothing more, and {more:?} stands there",
            words[0]
        )),
        [command, ..] => {
            let hint = hint(nearest(command, BALLISTA_COMMANDS));
            Err(format!(
                "ballista has no command {command:?}{hint}; it has scheduler and executor"
            ))
        }
    }
}

fn config(words: &[&str], json: bool) -> Result<Request, String> {
    match words {
        [] => Err("config needs to know what to do: list, get KEY or where KEY".to_owned()),
        ["list"] => Ok(Request::ConfigList { json }),
        ["list", more, ..] => Err(format!(
            "config list takes nothing more, and {more:?} stands there"
        )),
        [command @ ("get" | "where")] => Err(format!(
            "config {command} needs a key, such as `kvern config {command} memory.limit`; `kvern config list` shows every key"
        )),
        ["get", key] => Ok(Request::ConfigGet {
            key: (*key).to_owned(),
            json,
        }),
        ["where", key] => Ok(Request::ConfigWhere {
            key: (*key).to_owned(),
            json,
        }),
        [command @ ("get" | "where"), _, more, ..] => Err(format!(
            "config {command} takes one key, and {more:?} stands there too"
        )),
        ["set", ..] => Err(
            "config has no set: write the key into kvern.toml, or set its environment variable; \
                            `kvern config where KEY` shows both"
                .to_owned(),
        ),
        [command, ..] => {
            let hint = hint(nearest(command, CONFIG_COMMANDS));
            Err(format!(
                "config has no command {command:?}{hint}; it has list, get and where"
            ))
        }
    }
}

fn help_of(command: &str) -> Result<Request, WrongCommandLine> {
    let text = match command {
        "doctor" => help::DOCTOR,
        "config" => help::CONFIG,
        "scheduler" => help::SCHEDULER,
        "worker" => help::WORKER,
        "ballista" => help::BALLISTA,
        "help" => help::MAIN,
        _ => return Err(unknown(command)),
    };
    Ok(Request::Text(text.to_owned()))
}

fn unknown(command: &str) -> WrongCommandLine {
    let hint = hint(nearest(command, COMMANDS));
    wrong(
        format!("there is no command {command:?}{hint}"),
        None::<&str>,
    )
}

fn wrong(what: String, command: Option<impl AsRef<str>>) -> WrongCommandLine {
    let command = command.and_then(|word| {
        COMMANDS
            .into_iter()
            .find(|name| *name == word.as_ref() && *name != "help")
    });
    WrongCommandLine { what, command }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

fn readable(word: OsString) -> Result<String, String> {
    word.into_string()
        .map_err(|word| format!("{word:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use kvern::core::text::ByteAmount;

    use super::*;

    fn doctor(json: bool, clean: bool, folders: &[&str]) -> Request {
        let folders = folders.iter().map(Into::into).collect();
        Request::Doctor(Asked {
            json,
            clean,
            folders,
        })
    }

    fn parse(line: &str) -> Result<Request, String> {
        read(Parser::from_iter(
            std::iter::once("kvern").chain(line.split_whitespace()),
        ))
        .map_err(|e| e.to_string())
    }

    #[test]
    fn commands_and_options_stand_in_any_order() {
        assert_eq!(parse("doctor --json"), Ok(doctor(true, false, &["."])));
        assert_eq!(
            parse("doctor --clean out /data"),
            Ok(doctor(false, true, &["out", "/data"]))
        );
        assert_eq!(parse("--json doctor"), Ok(doctor(true, false, &["."])));
        let key = || "memory.limit".to_owned();
        assert_eq!(
            parse("config get memory.limit"),
            Ok(Request::ConfigGet {
                key: key(),
                json: false
            })
        );
        assert_eq!(
            parse("config --json where memory.limit"),
            Ok(Request::ConfigWhere {
                key: key(),
                json: true
            })
        );
        for line in ["", "help", "--help", "-h", "help help"] {
            assert_eq!(
                parse(line),
                Ok(Request::Text(help::MAIN.to_owned())),
                "{line}"
            );
        }
        for line in ["help config", "config --help", "config get -h"] {
            assert_eq!(
                parse(line),
                Ok(Request::Text(help::CONFIG.to_owned())),
                "{line}"
            );
        }
    }

    #[test]
    fn roles_are_read_with_their_options() {
        assert_eq!(
            parse("scheduler"),
            Ok(Request::Scheduler(SchedulerArguments {
                listen: LISTEN.to_owned(),
                worker_ttl: None,
                allowed_failures: None,
                no_workers_timeout: None,
            }))
        );
        assert_eq!(
            parse(
                "scheduler --listen 127.0.0.1:1 --worker-ttl 2min --allowed-failures=5 --no-workers-timeout 0s"
            ),
            Ok(Request::Scheduler(SchedulerArguments {
                listen: "127.0.0.1:1".to_owned(),
                worker_ttl: Some(Duration::from_secs(120)),
                allowed_failures: Some(5),
                no_workers_timeout: Some(Duration::ZERO),
            }))
        );
        assert_eq!(
            parse(
                "worker 127.0.0.1:1 --threads=3 --name left --listen [::1]:7 --wait 1h --memory 8GiB --spill /scratch"
            ),
            Ok(Request::Worker(WorkerArguments {
                scheduler: "127.0.0.1:1".to_owned(),
                threads: Some(3),
                name: Some("left".to_owned()),
                listen: Some("[::1]:7".to_owned()),
                wait: Some(Duration::from_secs(3600)),
                memory: Some(ByteAmount::Exact(8 << 30)),
                spill: Some("/scratch".to_owned()),
            }))
        );
    }

    #[test]
    fn roles_of_ballista_are_read_with_their_options() {
        assert_eq!(
            parse("ballista scheduler --listen 127.0.0.1:1"),
            Ok(Request::BallistaScheduler {
                listen: "127.0.0.1:1".to_owned()
            })
        );
        assert_eq!(
            parse("ballista executor 127.0.0.1:1 --slots 3"),
            Ok(Request::BallistaExecutor {
                scheduler: "127.0.0.1:1".to_owned(),
                listen: EXECUTOR_LISTEN.to_owned(),
                slots: Some(3),
            })
        );
        let cases = [
            ("ballista", "scheduler or executor ADDRESS"),
            ("ballista exceutor", "did you mean \"executor\"?"),
            ("ballista executor", "needs the address of its scheduler"),
            ("ballista executor a b", "\"b\" stands there"),
            (
                "ballista executor a --slots 0",
                "--slots=0 is no number of slots",
            ),
            (
                "ballista scheduler --slots 1",
                "ballista scheduler takes no --slots",
            ),
            ("worker a --slots 1", "worker takes no --slots"),
        ];
        for (line, part) in cases {
            let error = parse(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_nearest_name_and_the_right_help() {
        let cases = [
            (
                "docter",
                "there is no command \"docter\" (did you mean \"doctor\"?)\ntry `kvern --help`",
            ),
            ("help cofnig", "did you mean \"config\"?"),
            (
                "config lsit",
                "(did you mean \"list\"?); it has list, get and where\ntry `kvern config --help`",
            ),
            ("config", "config needs to know what to do"),
            ("config get", "config get needs a key"),
            ("config get a b", "\"b\" stands there too"),
            ("config set a b", "config has no set"),
            ("config list a", "\"a\" stands there"),
            ("config list --clean", "config takes no --clean"),
            (
                "doctor --jsn",
                "there is no option --jsn (did you mean \"--json\"?)\ntry `kvern doctor --help`",
            ),
            ("doctor --threads 3", "doctor takes no --threads"),
            ("scheduler --name x", "scheduler takes no --name"),
            ("scheduler now", "\"now\" stands there"),
            (
                "scheduler --worker-ttl 60",
                "\"60\" is not a duration: it has no unit",
            ),
            ("worker a --worker-ttl 60s", "worker takes no --worker-ttl"),
            ("worker", "needs the address of its scheduler"),
            ("worker a b", "\"b\" stands there too"),
            (
                "worker a --threads 0",
                "--threads=0 is no number of threads",
            ),
            ("worker a --memory much", "--memory: "),
            ("scheduler --memory 1GiB", "scheduler takes no --memory"),
            ("worker a --thread 2", "did you mean \"--threads\"?"),
            ("worker a --clean", "worker takes no --clean"),
            ("-x", "there is no option -x"),
            ("--json=yes doctor", "--json"),
            ("zebra", "there is no command \"zebra\"\n"),
        ];
        for (line, part) in cases {
            let error = parse(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        for line in [
            help::MAIN,
            help::CONFIG,
            help::DOCTOR,
            help::SCHEDULER,
            help::WORKER,
            help::BALLISTA,
        ]
        .iter()
        .flat_map(|text| text.lines())
        {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
