//! What a developer command is, and the help that the table of commands writes by itself.

use std::fmt::Write as _;

pub(crate) use crate::failure::Failure;
use crate::text;
use crate::workspace::Workspace;

/// One developer command. Each lives in a file of its own as `pub(crate) const COMMAND`.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What may follow the name, for example `[PART] [-- ARGS]`; empty where nothing may.
    pub(crate) usage: &'static str,
    /// One line for the list.
    pub(crate) about: &'static str,
    /// The rest of the story, for `help NAME`.
    pub(crate) details: &'static str,
    /// Does the work. The slice holds what followed the name.
    pub(crate) run: fn(&Workspace, &[String]) -> Result<Done, Failure>,
}

/// How a command ended when it did not fail.
#[derive(Debug)]
pub(crate) enum Done {
    /// It did its work.
    Ran,
    /// A tool or a target that only some machines have is missing: the sentence says which, and how to get it.
    Skipped(String),
}

/// The command of that name, or a failure that names the nearest one.
pub(crate) fn find<'a>(commands: &'a [Command], name: &str) -> Result<&'a Command, Failure> {
    commands
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| {
            let names = commands.iter().map(|command| command.name);
            Failure::new(text::unknown("command", name, names))
        })
}

/// The list of all commands.
pub(crate) fn overview(commands: &[Command]) -> String {
    let mut out = String::from(
        "Developer commands of kvern.\n\nUsage: cargo xtask COMMAND [ARGS]\n\nCommands:\n",
    );
    let width = commands.iter().map(|c| c.name.len()).max().unwrap_or(0);
    for command in commands {
        let _ = writeln!(out, "  {:width$}  {}", command.name, command.about);
    }
    out.push_str("\nMore about one of them: cargo xtask help COMMAND\n");
    out
}

/// All about one command.
pub(crate) fn help(command: &Command) -> String {
    let usage = format!("cargo xtask {} {}", command.name, command.usage);
    format!(
        "{}\n\nUsage: {}\n\n{}\n",
        command.about,
        usage.trim_end(),
        command.details.trim()
    )
}

/// Refuses arguments where a command takes none.
pub(crate) fn no_arguments(command: &str, args: &[String]) -> Result<(), Failure> {
    match args {
        [] => Ok(()),
        [first, ..] => Err(Failure::new(format!(
            "`{command}` takes no arguments, but got `{first}`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::COMMANDS;

    #[test]
    fn the_list_names_every_command_once() {
        let list = overview(COMMANDS);
        for command in COMMANDS {
            let line = format!("  {} ", command.name);
            assert_eq!(
                list.matches(&line).count(),
                1,
                "{} in\n{list}",
                command.name
            );
            assert!(!command.about.is_empty() && !command.details.trim().is_empty());
        }
    }

    #[test]
    fn an_unknown_command_is_told_the_nearest_one() {
        let Err(failure) = find(COMMANDS, "layer") else {
            panic!("`layer` is no command");
        };
        let sentence = failure.to_string();
        assert!(sentence.contains("did you mean `layers`?"), "{sentence}");
        assert!(sentence.contains("tidy"), "lists what there is: {sentence}");
    }
}
