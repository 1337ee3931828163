//! The `kvern` command.
//!
//! `args` reads the command line, `config` and `doctor` do the work and return what to print, `output` prints it.

mod args;
mod config;
mod doctor;
mod help;
mod output;

use std::process::ExitCode;

use args::Request;
use output::Output;

fn main() -> ExitCode {
    let request = match args::read(lexopt::Parser::from_env()) {
        Ok(request) => request,
        Err(wrong) => {
            return Output::failure(output::WRONG_COMMAND_LINE, wrong.to_string()).print();
        }
    };
    let output = match request {
        Request::Text(text) => Output::success(text),
        Request::Doctor { json } => doctor::run(json),
        Request::ConfigList { json } => config::list(json),
        Request::ConfigGet { key, json } => config::get(&key, json),
        Request::ConfigWhere { key, json } => config::whence(&key, json),
    };
    output.print()
}
