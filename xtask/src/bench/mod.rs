//! `cargo xtask bench`: our figures, the limits of this machine and those of the peers, in one call.
//!
//! Every (case, contestant) runs in a process of its own, and all contestants of a case take turns: a machine that others
//! disturb disturbs all of them. Code map: [`request`] what was asked, [`program`] our benchmark program, [`peers`] the Python
//! scripts, [`row`] what one of them measured, [`verdict`] the ratios, [`against`] what changed since another checkout, [`table`] what a
//! person reads.

mod against;
mod peers;
mod program;
mod request;
mod row;
mod table;
mod verdict;

use std::io::Write as _;

use crate::command::{Command, Done, Failure};
use crate::workspace::Workspace;
use peers::Peers;
use program::{Entry, Program};
use request::Request;
use row::Row;

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    usage: "AREA [CASE ...] [--peers PYTHON] [--against CHECKOUT] [--json FILE]",
    about: "measure kvern, this machine's limits and, with --peers, Dask and others, by turns",
    details: "
AREA     tasks, array, bag, memory, cluster, plugin, or frame (which takes some 20 minutes to build)
CASE     beginnings of case names; none: all of the area

--peers PYTHON   run the peers too, with this interpreter (see bench/README.md for what it needs)
--peer NAME,…    only these of them
--against FOLDER build the program of another checkout too (`git worktree add FOLDER COMMIT`), let both take turns, and
                 fail if a case is slower here by more than 5 % and by more than its turns differ
--json FILE      write all rows and ratios to this file, one JSON object a line
--rounds N       how often the contestants of a case take turns (default 3)
--runs N         timed runs in each turn (default: what the case finds right)
--scale X        multiply problem sizes, for a smoke test (0.01); such figures mean nothing
--patience S     seconds to wait for a quiet machine before each turn, and to spend on repeating disturbed
                 runs in it (default 20)
--list           name the cases and contestants instead of running them

Figures are medians. `ratio_to_best_peer` is the best peer's seconds divided by ours: above 1 we are
ahead. `ratio_to_limit` is the limit's seconds divided by ours: 1 is the limit, 0.5 twice its time.
Contestants of different sizes are compared by the unit (a task, a chunk).",
    run,
};

/// What one case found.
struct Case {
    name: String,
    rows: Vec<Row>,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let request = request::parse(args)?;
    let program = Program::build(workspace, &request)?;
    let before = match &request.against {
        Some(root) => {
            let program = Program::build(&Workspace::at(root.clone()), &request)?;
            let entries = program.entries(&request)?;
            Some((program, entries))
        }
        None => None,
    };
    let entries = program.entries(&request)?;
    let peers = match &request.python {
        Some(python) => Some(Peers::find(workspace, python, &request)?),
        None => None,
    };
    let names = case_names(&entries);
    if request.list {
        list(&entries, peers.as_ref(), &names);
        return Ok(Done::Ran);
    }
    let mut json = match &request.json {
        Some(path) => Some(std::fs::File::create(path).map_err(|error| {
            Failure::new(format!("cannot write `{}`: {error}", path.display()))
        })?),
        None => None,
    };
    let mut failed = Vec::new();
    let mut changes = Vec::new();
    let contestants = Contestants {
        program: &program,
        before: before.as_ref(),
        peers: peers.as_ref(),
    };
    for name in names {
        let cases = turns(&contestants, &entries, &name, &request, &mut failed);
        for Case { name, rows } in cases {
            let verdict = verdict::of(&name, &rows);
            let changed = against::changes(&rows);
            print!("{}", table::case(&name, &rows, verdict.as_ref()));
            let _ = std::io::stdout().flush();
            if let Some(file) = &mut json {
                let lines = rows.iter().map(Row::json);
                let lines = lines.chain(verdict.iter().map(verdict::Verdict::json));
                let lines = lines.chain(changed.iter().map(against::Change::json));
                for line in lines {
                    writeln!(file, "{line}")
                        .map_err(|error| Failure::new(format!("cannot write --json: {error}")))?;
                }
            }
            changes.extend(changed);
        }
    }
    if before.is_some() {
        println!("\nagainst the other checkout");
        changes
            .iter()
            .for_each(|change| print!("{}", change.line()));
    }
    failed.extend(changes.iter().filter_map(against::Change::failure));
    match failed.is_empty() {
        true => Ok(Done::Ran),
        false => Err(Failure::list(
            "contestants that failed, or got slower",
            &failed,
        )),
    }
}

/// Who takes turns.
struct Contestants<'a> {
    program: &'a Program,
    before: Option<&'a (Program, Vec<Entry>)>,
    peers: Option<&'a Peers>,
}

/// The cases in the order of the program, each once.
fn case_names(entries: &[Entry]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        if !names.contains(&entry.case) {
            names.push(entry.case.clone());
        }
    }
    names
}

fn list(entries: &[Entry], peers: Option<&Peers>, names: &[String]) {
    for name in names {
        for entry in entries.iter().filter(|entry| entry.case == *name) {
            println!("{name:24} {:24} {}", entry.who, entry.about);
        }
        for peer in peers.into_iter().flat_map(|peers| peers.of(name)) {
            println!("{name:24} {peer:24} (peer)");
        }
    }
}

/// All contestants of one case, in turn, as often as asked.
fn turns(
    contestants: &Contestants<'_>,
    entries: &[Entry],
    name: &str,
    request: &Request,
    failed: &mut Vec<String>,
) -> Vec<Case> {
    let Contestants {
        program,
        before,
        peers,
    } = *contestants;
    let mut rows: Vec<Row> = Vec::new();
    let mut out: Vec<String> = Vec::new();
    for round in 1..=request.rounds {
        eprintln!("{name}: round {round} of {}", request.rounds);
        for entry in entries.iter().filter(|entry| entry.case == *name) {
            let mut both = vec![(program, entry.who.clone())];
            if let Some((program, _)) = before.filter(|before| entry.is_also_in(&before.1)) {
                both.push((program, format!("{}{}", entry.who, against::MARK)));
            }
            // Who comes second finds the machine warmer.
            if round % 2 == 0 {
                both.reverse();
            }
            for (program, who) in both {
                if out.contains(&who) {
                    continue;
                }
                let mut turn = program.run(entry, request);
                if who != entry.who {
                    turn = turn.map(|rows| rows.into_iter().map(against::before).collect());
                }
                take(turn, &who, &mut rows, &mut out, failed);
            }
        }
        for peer in peers.into_iter().flat_map(|peers| peers.of(name)) {
            if let Some(peers) = peers.filter(|_| !out.contains(peer)) {
                take(
                    peers.run(name, peer, request),
                    peer,
                    &mut rows,
                    &mut out,
                    failed,
                );
            }
        }
    }
    let mut cases: Vec<Case> = Vec::new();
    for row in row::merged(rows) {
        match cases.iter_mut().find(|case| case.name == row.case) {
            Some(case) => case.rows.push(row),
            None => cases.push(Case {
                name: row.case.clone(),
                rows: vec![row],
            }),
        }
    }
    cases
}

/// Keeps what a turn brought; a contestant that failed is out, and the others go on.
fn take(
    turn: Result<Vec<Row>, Failure>,
    who: &str,
    rows: &mut Vec<Row>,
    out: &mut Vec<String>,
    failed: &mut Vec<String>,
) {
    match turn {
        Ok(mut found) => rows.append(&mut found),
        Err(failure) => {
            eprintln!("{who}: {failure}");
            out.push(who.to_owned());
            failed.push(format!("{who}: {failure}"));
        }
    }
}
