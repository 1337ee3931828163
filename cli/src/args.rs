//! The command line.

use std::ffi::OsString;
use std::fmt;

use kvern::core::text::nearest;
use lexopt::{Arg, Parser};

use crate::help;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A text that is known already: help or version.
    Text(String),
    Doctor {
        json: bool,
    },
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

const COMMANDS: [&str; 3] = ["doctor", "config", "help"];
const CONFIG_COMMANDS: [&str; 3] = ["list", "get", "where"];
const OPTIONS: [&str; 3] = ["--json", "--help", "--version"];

pub(crate) fn read(mut parser: Parser) -> Result<Request, WrongCommandLine> {
    let mut words: Vec<String> = Vec::new();
    let (mut json, mut help, mut version) = (false, false, false);
    loop {
        let wrong = |what: String| wrong(what, words.first());
        match parser.next().map_err(|error| wrong(error.to_string()))? {
            None => break,
            Some(Arg::Long("json")) => json = true,
            Some(Arg::Short('h') | Arg::Long("help")) => help = true,
            Some(Arg::Short('V') | Arg::Long("version")) => version = true,
            Some(Arg::Value(word)) => words.push(readable(word).map_err(wrong)?),
            Some(Arg::Short(option)) => return Err(wrong(format!("there is no option -{option}"))),
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
        ["doctor"] => Ok(Request::Doctor { json }),
        ["doctor", more, ..] => Err(wrong(
            format!("doctor takes nothing more, and {more:?} stands there"),
            Some("doctor"),
        )),
        ["config", rest @ ..] => config(rest, json).map_err(|what| wrong(what, Some("config"))),
        [command, ..] => Err(unknown(command)),
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
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        read(Parser::from_iter(
            std::iter::once("kvern").chain(line.split_whitespace()),
        ))
        .map_err(|e| e.to_string())
    }

    #[test]
    fn commands_and_options_stand_in_any_order() {
        assert_eq!(parse("doctor --json"), Ok(Request::Doctor { json: true }));
        assert_eq!(parse("--json doctor"), Ok(Request::Doctor { json: true }));
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
            (
                "doctor who",
                "\"who\" stands there\ntry `kvern doctor --help`",
            ),
            (
                "doctor --jsn",
                "there is no option --jsn (did you mean \"--json\"?)\ntry `kvern doctor --help`",
            ),
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
        for line in [help::MAIN, help::CONFIG, help::DOCTOR]
            .iter()
            .flat_map(|text| text.lines())
        {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
