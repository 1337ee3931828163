//! Prints the public interface of a crate, a line an item: `kvern-public-api FILE.json`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("give the file that rustdoc wrote in JSON");
        return ExitCode::FAILURE;
    };
    let api = public_api::Builder::from_rustdoc_json(&path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build();
    match api {
        Ok(api) => {
            api.items().for_each(|item| println!("{item}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot read `{}`: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
