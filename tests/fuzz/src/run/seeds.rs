//! Runs seeds, judges what comes, and reports what fails.

use std::collections::BTreeMap;
use std::time::Instant;

use kvern_fuzz::compare::{Answer, difference, row};
use kvern_fuzz::dialect;
use kvern_fuzz::make::Case;
use kvern_fuzz::ops::Dialect;
use kvern_fuzz::prove::{MISTAKES, planted};
use kvern_fuzz::shrink::shrink;
use kvern_fuzz::sql::query;

use super::duck::{Duck, Said};
use super::ways::{Form, Framed, How, Ways};

/// Seeds that go to DuckDB at once.
const BATCH: u64 = 32;

/// What became of many seeds.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    /// Answers that were right, by way and form.
    pub(crate) right: BTreeMap<String, u64>,
    /// Seeds that said nothing, by reason.
    pub(crate) passed: BTreeMap<String, u64>,
    /// Rows in the right answers.
    pub(crate) rows: u64,
    /// Seeds that failed.
    pub(crate) failed: Vec<u64>,
    /// Seeds that were looked at.
    pub(crate) seen: u64,
}

/// Which seeds, and how long.
pub(crate) struct Task {
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    /// Failing seeds after which it ends.
    pub(crate) failures: usize,
    /// When it ends, however far it is.
    pub(crate) end: Option<Instant>,
    /// Whether small cases are looked for.
    pub(crate) shrinking: bool,
}

/// What a case showed in one way.
enum Verdict {
    Right,
    /// It cannot be said by calls.
    Nothing,
    /// A refusal that is known.
    Refused(&'static str),
    Wrong(String),
}

/// Runs seeds.
pub(crate) fn run(task: &Task, duck: &mut Duck, ways: &Ways) -> Result<Sum, String> {
    let (from, seeds) = (task.from, task.seeds);
    let mut sum = Sum::default();
    let cases = |at: u64| -> Vec<Case> {
        (at..(at + BATCH).min(from + seeds))
            .map(Case::new)
            .collect()
    };
    let mut next = cases(from);
    let mut asked = duck.ask(&next);
    let mut at = from;
    while !next.is_empty() {
        let now = next;
        let answers = match asked.and_then(|()| duck.answers()) {
            Ok(answers) => answers,
            // One of them ended the process: find out which.
            Err(_) => {
                duck.again()?;
                now.iter().map(|case| duck.one(case)).collect()
            }
        };
        at += now.len() as u64;
        next = cases(at);
        asked = if next.is_empty() {
            Ok(())
        } else {
            duck.ask(&next)
        };
        let mut wrong = Vec::new();
        for (case, said) in now.iter().zip(answers) {
            if let Some(what) = judge(case, &said, ways, &mut sum) {
                wrong.push((case, what));
            }
        }
        for (case, (how, form, why)) in wrong {
            sum.failed.push(case.seed);
            println!("seed {} {}: {why}", case.seed, called(how, form));
            if task.shrinking {
                // The next batch is on its way: its answers are taken first, so that one question has one answer.
                let waiting = asked.and_then(|()| {
                    if next.is_empty() {
                        Ok(Vec::new())
                    } else {
                        duck.answers()
                    }
                });
                report(case, how, form, &why, duck, ways);
                drop(waiting);
                asked = if next.is_empty() {
                    Ok(())
                } else {
                    duck.ask(&next)
                };
            }
            if sum.failed.len() >= task.failures {
                return Ok(sum);
            }
        }
        sum.seen = at - from;
        if task.end.is_some_and(|end| Instant::now() >= end) {
            return Ok(sum);
        }
        if (at - from) % 1024 == 0 {
            eprintln!("{} seeds, {} failed", at - from, sum.failed.len());
        }
    }
    Ok(sum)
}

fn called(how: How, form: Form<'_>) -> String {
    let by_calls = form == Form::Calls;
    format!("{}{}", how.name(), if by_calls { " by calls" } else { "" })
}

/// Has the tables of most seeds come in batches of a few rows, so that operators meet the end of a batch: not in other processes, which have theirs.
fn in_batches(seed: u64) {
    kvern::frame::batch_rows([0, 1, 2, 3, 7][(seed % 5) as usize]);
}

/// The first way in which a case fails.
fn judge(
    case: &Case,
    said: &Said,
    ways: &Ways,
    sum: &mut Sum,
) -> Option<(How, Form<'static>, String)> {
    in_batches(case.seed);
    let want = match said {
        Ok(answer) => answer,
        Err(error) => {
            return match dialect::duck_cannot(error) {
                Some(why) => {
                    *sum.passed.entry(format!("DuckDB: {why}")).or_default() += 1;
                    None
                }
                None => {
                    let how = ways.all().next()?;
                    Some((how, Form::Sql, format!("DuckDB says: {error}")))
                }
            };
        }
    };
    let framed = Framed::of(case);
    for how in ways.all() {
        for form in [Form::Sql, Form::Calls] {
            match try_one(case, &framed, want, how, form, ways) {
                Verdict::Right => {
                    *sum.right.entry(called(how, form)).or_default() += 1;
                    sum.rows += want.rows.len() as u64;
                }
                Verdict::Nothing => {}
                Verdict::Refused(why) => {
                    let why = format!("{} refuses: {why}", how.name());
                    *sum.passed.entry(why).or_default() += 1;
                }
                Verdict::Wrong(why) => return Some((how, form, why)),
            }
        }
    }
    None
}

fn try_one(
    case: &Case,
    framed: &Framed<'_>,
    want: &Answer,
    how: How,
    form: Form<'_>,
    ways: &Ways,
) -> Verdict {
    match ways.answer(how, framed, form) {
        None => Verdict::Nothing,
        Some(Err(error)) => match dialect::refused(&error, &case.query) {
            Some(why) => Verdict::Refused(why),
            None => Verdict::Wrong(format!("error: {error}")),
        },
        Some(Ok(got)) => match difference(&case.query, want, &got) {
            None => Verdict::Right,
            Some(why) => Verdict::Wrong(why),
        },
    }
}

/// What a failure is like: two of one kind are taken for the same.
fn kind(why: &str) -> String {
    let Some(error) = why.strip_prefix("error: ") else {
        return match why.starts_with("DuckDB says") {
            true => why.chars().take(40).collect(),
            false => "wrong rows".into(),
        };
    };
    let letters = error.chars().filter(|c| c.is_alphabetic() || *c == ' ');
    letters.take(30).collect()
}

/// Makes a failing case small, and prints it.
fn report(case: &Case, how: How, form: Form<'_>, why: &str, duck: &mut Duck, ways: &Ways) {
    in_batches(case.seed);
    let of = kind(why);
    let mut last = why.to_owned();
    let small = shrink(case, &mut |small| {
        let why = match duck.one(small) {
            Ok(want) => match try_one(small, &Framed::of(small), &want, how, form, ways) {
                Verdict::Wrong(why) => why,
                _ => return false,
            },
            Err(error) => format!("DuckDB says: {error}"),
        };
        let same = kind(&why) == of;
        if same {
            last = why;
        }
        same
    });
    println!(
        "  repeat with: cargo xtask fuzz --from {} --seeds 1 --way {}",
        case.seed,
        how.name()
    );
    println!(
        "  a small case of it, by {} partitions: {last}",
        small.partitions
    );
    for table in &small.tables {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|c| format!("{} {:?}", c.name, c.ty))
            .collect();
        println!(
            "    {} ({}), {:?}, cut {:?}",
            table.name,
            columns.join(", "),
            table.source,
            table.cuts
        );
        for cells in &table.rows {
            println!("      {}", row(cells));
        }
    }
    let names = small.names();
    println!(
        "    kvern:  {}",
        query(&small.query, &names, Dialect::Kvern)
    );
    println!("    DuckDB: {}", query(&small.query, &names, Dialect::Duck));
    let rows = |answer: &Answer| {
        let rows: Vec<String> = answer.rows.iter().take(20).map(|r| row(r)).collect();
        rows.join(" ")
    };
    if let Ok(answer) = duck.one(&small) {
        println!("    expected: {}", rows(&answer));
    }
    match ways.answer(how, &Framed::of(&small), form) {
        Some(Ok(answer)) => println!("    got:      {}", rows(&answer)),
        Some(Err(error)) => println!("    got:      {error}"),
        None => {}
    }
}

/// Plants a mistake of each kind into queries, until it is seen. The mistakes that were not, if there are any.
pub(crate) fn prove(task: &Task, duck: &mut Duck, ways: &Ways) -> Result<Vec<String>, String> {
    let how = ways.all().next().ok_or("no way is open")?;
    let mut missed = Vec::new();
    for mistake in MISTAKES {
        let mut tried = 0;
        let seen = (task.from..task.from + task.seeds).find(|seed| {
            let case = Case::new(*seed);
            let Some(text) = planted(&case, mistake) else {
                return false;
            };
            let Ok(want) = duck.one(&case) else {
                return false;
            };
            tried += 1;
            let framed = Framed::of(&case);
            // That the right text is right is said by the seeds themselves.
            let wrong = |form| matches!(try_one(&case, &framed, &want, how, form, ways), Verdict::Wrong(why) if !why.starts_with("error"));
            wrong(Form::Text(&text)) && !wrong(Form::Sql)
        });
        match seen {
            Some(seed) => println!(
                "seen in seed {seed}, the {tried}. that it is in: {}",
                mistake.what
            ),
            None => missed.push(format!("{}, planted into {tried} queries", mistake.what)),
        }
    }
    Ok(missed)
}

/// Prints what a seed is.
pub(crate) fn show(seed: u64) {
    let case = Case::new(seed);
    let names = case.names();
    println!("seed {seed}, {} partitions", case.partitions);
    for table in &case.tables {
        let rows = table.rows.len();
        println!(
            "  {} {:?} {rows} rows {:?}",
            table.name, table.source, table.cuts
        );
    }
    println!("  {}", query(&case.query, &names, Dialect::Kvern));
}
