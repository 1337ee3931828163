//! Ctrl-C ends a program that asked for it: functions are told, `main` leaves, nothing is left. On every backend, sent to the program alone
//! and to its whole process group, as a terminal does.
//!
//! It is a program of its own and not a list of tests, because that is what is interrupted, and what its workers are: this program, begun
//! again.

#![cfg(unix)]

#[path = "ctrl_c/programs.rs"]
mod programs;
#[path = "ctrl_c/watch.rs"]
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    kvern::init();
    // What a runner of tests asks a program for.
    if std::env::args().any(|a| a == "--list") {
        if !std::env::args().any(|a| a == "--ignored") {
            println!("programs: test");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(program) = programs::asked_for() {
        return program.run();
    }
    watch::all();
    ExitCode::SUCCESS
}
