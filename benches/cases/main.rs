//! The benchmark program behind `cargo xtask bench`: runs one case once, in a process of its own, and prints JSON lines.
//!
//! `cases --list` names all cases; `cases CASE WHO` runs one. Code map: [`catalog`] which cases there are, [`measure`] how they
//! are timed, [`record`] what is printed; `tasks/`, `array/`, `bag/`, `memory/`, `cluster/` and `plugin/` the cases, with the limits that they are
//! held against.

mod alloc;
mod array;
mod bag;
mod catalog;
mod cluster;
mod limits;
mod machine;
mod measure;
mod memory;
mod options;
mod plugin;
mod record;
mod shapes;
mod tasks;

use std::process::ExitCode;

use options::Request;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> ExitCode {
    // The workers of the cluster cases are this program.
    kvern_scheduler_distributed::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match answer(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(args: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    match options::parse(args)? {
        Request::List => {
            for entry in catalog::all() {
                println!("{}", entry.describe());
            }
        }
        Request::Run { case, who, options } => {
            let entry = catalog::find(&case, &who)?;
            for record in (entry.run)(&options)? {
                println!("{}", record.json(entry));
            }
        }
    }
    Ok(())
}
