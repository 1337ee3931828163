//! `cargo xtask`: every developer command of kvern, one file each.
//!
//! Start reading at [`COMMANDS`]; what a command is, is in [`command`].

use std::process::ExitCode;

mod api;
mod bench;
mod ci;
mod command;
mod deny;
mod docs;
mod examples;
mod failure;
mod features;
mod fixtures;
mod fmt;
mod fuzz;
mod layers;
mod lint;
mod metadata;
mod minimal;
mod msrv;
mod outside;
mod parts;
mod process;
mod python;
mod scratch;
mod sim;
mod spell;
mod stress;
mod test;
mod text;
mod tidy;
mod wasm;
mod workspace;

use command::{Command, Done, Failure};
use workspace::Workspace;

/// All commands, in the order in which `help` lists them.
const COMMANDS: &[Command] = &[
    test::COMMAND,
    ci::COMMAND,
    fmt::COMMAND,
    tidy::COMMAND,
    layers::COMMAND,
    spell::COMMAND,
    deny::COMMAND,
    lint::COMMAND,
    docs::COMMAND,
    api::COMMAND,
    features::COMMAND,
    minimal::COMMAND,
    wasm::COMMAND,
    bench::COMMAND,
    sim::COMMAND,
    stress::COMMAND,
    fuzz::COMMAND,
    examples::COMMAND,
    outside::COMMAND,
    fixtures::COMMAND,
    msrv::COMMAND,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(Done::Ran) => ExitCode::SUCCESS,
        Ok(Done::Skipped(why)) => {
            println!("skipped: {why}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<Done, Failure> {
    let (name, rest) = match args {
        [] => ("help", args),
        [name, rest @ ..] => (name.as_str(), rest),
    };
    if matches!(name, "help" | "--help" | "-h") {
        return match rest {
            [] => {
                print!("{}", command::overview(COMMANDS));
                Ok(Done::Ran)
            }
            [of, ..] => explain(of),
        };
    }
    let command = command::find(COMMANDS, name)?;
    let own = rest.iter().take_while(|arg| *arg != "--");
    if own.into_iter().any(|arg| arg == "--help" || arg == "-h") {
        return explain(name);
    }
    (command.run)(&Workspace::locate()?, rest)
}

fn explain(name: &str) -> Result<Done, Failure> {
    print!("{}", command::help(command::find(COMMANDS, name)?));
    Ok(Done::Ran)
}
