//! The `kvern` command.
//!
//! `args` reads the command line, `config` and `doctor` do the work and return what to print, `output` prints it; `cluster` and
//! `ballista` have the commands that go on until they are ended.

mod args;
#[cfg_attr(not(feature = "ballista"), path = "no_ballista.rs")]
mod ballista;
mod cluster;
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
        Request::Doctor(asked) => doctor::run(&asked),
        Request::ConfigList { json } => config::list(json),
        Request::ConfigGet { key, json } => config::get(&key, json),
        Request::ConfigWhere { key, json } => config::whence(&key, json),
        Request::Scheduler(asked) => cluster::scheduler(asked),
        Request::Worker(asked) => cluster::worker(asked),
        Request::BallistaScheduler { listen } => ballista::scheduler(listen),
        Request::BallistaExecutor {
            scheduler,
            listen,
            slots,
        } => ballista::executor(scheduler, listen, slots),
    };
    output.print()
}
