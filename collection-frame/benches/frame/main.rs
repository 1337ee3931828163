//! The benchmark program behind `cargo xtask bench frame`: runs one case once, in a process of its own, and prints JSON lines.
//!
//! `frame --list` names all cases; `frame CASE WHO` runs one. It shares its clock and its lines with `benches/cases` and is a program of its
//! own, so that nothing else there links DataFusion.

#[allow(dead_code, reason = "shared with benches/cases, which uses more of it")]
#[path = "../../../benches/cases/machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with benches/cases, which uses more of it")]
#[path = "../../../benches/cases/measure.rs"]
mod measure;
#[allow(dead_code, reason = "shared with benches/cases, which uses more of it")]
#[path = "../../../benches/cases/options.rs"]
mod options;
#[allow(dead_code, reason = "shared with benches/cases, which uses more of it")]
#[path = "../../../benches/cases/record.rs"]
mod record;

mod cases;
mod catalog;
mod data;
#[path = "../../tests/common/mod.rs"]
mod tables;

use std::process::ExitCode;

use options::Request;

// What DataFusion does most beside computing is to allocate: it is about a tenth faster with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
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
            for entry in catalog::ENTRIES {
                println!("{}", entry.describe());
            }
        }
        Request::Run { case, who, options } => {
            let entry = catalog::find(&case, &who)?;
            let record = cases::run(entry, &options)?;
            println!("{}", record.json(entry));
        }
    }
    Ok(())
}
