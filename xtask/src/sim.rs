//! `cargo xtask sim`: worlds by seed in which the cluster's machines are broken on purpose.

use crate::command::{Command, Done, Failure};
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "sim",
    usage: "[--from SEED] [--seeds N]",
    about: "runs the cluster's machines in simulated worlds, by seed",
    details: "
Builds the simulator with optimisation and lets it run N worlds (200 if nothing is said), one for each seed from SEED (0). A
world that fails prints what went wrong, the command that repeats it, the fewest faults with which
it still fails, and the last things that happened. The first 200 seeds also run in `cargo xtask test sim`.

--from SEED  the first seed
--seeds N    how many",
    run,
};

/// The same with fixed seeds, as a step of `ci`.
pub(crate) const STEP: Command = Command {
    name: "sim",
    usage: "",
    about: "the cluster's machines in simulated worlds: fixed seeds",
    details: "",
    run: |workspace, _| run(workspace, &["--seeds".to_owned(), "2000".to_owned()]),
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    check(args)?;
    let mut command = process::cargo(workspace);
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "kvern-sim",
        "--",
    ]);
    process::run(command.args(args))?;
    Ok(Done::Ran)
}

/// Tells a slip before anything is built.
fn check(args: &[String]) -> Result<(), Failure> {
    let mut args = args.iter();
    while let Some(name) = args.next() {
        if !matches!(name.as_str(), "--from" | "--seeds") {
            return Err(Failure::new(format!(
                "`sim` knows `--from SEED` and `--seeds N`, not `{name}`"
            )));
        }
        let number = args.next().map(String::as_str).unwrap_or_default();
        if number.parse::<u64>().is_err() {
            return Err(Failure::new(format!(
                "`sim {name}` wants a number, and got `{number}`"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn slips_are_told_before_anything_is_built() {
        assert!(check(&words("--from 7 --seeds 20")).is_ok());
        assert!(check(&[]).is_ok());
        let sentence = check(&words("--form 7")).unwrap_err().to_string();
        assert!(sentence.contains("`--form`"), "{sentence}");
        let sentence = check(&words("--seeds many")).unwrap_err().to_string();
        assert!(sentence.contains("`many`"), "{sentence}");
        assert!(check(&words("--seeds")).is_err());
    }
}
