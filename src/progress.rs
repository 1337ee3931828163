//! Progress for people: a bar with rate and remaining time on a terminal, a line now and then elsewhere. One for the session: what is
//! submitted bit by bit adds up. What counts are functions and chunks.
//!
//! ```
//! let session = kvern::Session::open("threads://?workers=2")?;
//! let _progress = kvern::progress::show(&session)?; // until it is dropped
//! # Ok::<(), kvern::Error>(())
//! ```

use std::collections::{HashMap, VecDeque};
use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kvern_core::events::{Event, Observer, Subscription};
use kvern_core::scheduler::Progress;
use kvern_core::text::format_bytes;
use kvern_core::{ErrorKind, Result, Session};

/// What is over sooner is not worth a bar.
const PATIENCE: Duration = Duration::from_millis(150);
/// Runs that follow each other that closely share a bar.
const TOGETHER: Duration = Duration::from_millis(400);
/// The first line where there is no terminal, and between two.
const FIRST_LINE: Duration = Duration::from_secs(1);
const BETWEEN_LINES: Duration = Duration::from_secs(5);
/// Between two looks.
const TICK: Duration = Duration::from_millis(100);
/// The rate is that of so long a time.
const RECENT: Duration = Duration::from_secs(15);

/// How progress is shown: the configuration key `progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A bar that moves, on a terminal's standard error.
    Bar,
    /// Lines on standard error: the first after a second, one every few seconds, and one at the end.
    Lines,
    /// Nothing.
    Off,
}

/// Shows the progress of a session's runs until the subscription is dropped, as the configuration key `progress` says (`auto`: a
/// bar on a terminal, else lines).
///
/// ```
/// use kvern::prelude::*;
/// let session = Session::open("threads://?workers=2")?;
/// let _progress = kvern::progress::show(&session)?; // a name, so that it is kept
/// assert_eq!(Array::<f64>::ones(1000, 100)?.sum(())?.item()?, 1000.0);
/// # Ok::<(), kvern::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Config`] if the key has a value that is not one of its own.
pub fn show(session: &Session) -> Result<Subscription> {
    let key = session.config().get::<String>("progress");
    let key =
        key.map_err(|e| kvern_core::Error::with_source(ErrorKind::Config, e.to_string(), e))?;
    let style = match key.as_str() {
        "bar" => Style::Bar,
        "lines" => Style::Lines,
        "off" => Style::Off,
        // Not on a terminal that cannot move its cursor (`TERM=dumb`).
        _ if std::io::stderr().is_terminal() && !ProgressDrawTarget::stderr().is_hidden() => {
            Style::Bar
        }
        _ => Style::Lines,
    };
    Ok(show_as(session, style))
}

/// [`show`] in a style of the caller's.
///
/// ```
/// use kvern::progress::{Style, show_as};
/// let session = kvern::Session::open("threads://?workers=2")?;
/// let _progress = show_as(&session, Style::Lines);
/// # Ok::<(), kvern::Error>(())
/// ```
pub fn show_as(session: &Session, style: Style) -> Subscription {
    if style == Style::Off {
        return Subscription::none();
    }
    let hidden = style == Style::Bar && ProgressDrawTarget::stderr().is_hidden();
    let print = |line: &str| eprintln!("{line}");
    session.subscribe(Arc::new(Watch::new(style, hidden, print)))
}

/// One bar, or one series of lines, for all runs of a session.
struct Watch(Arc<Shared>);

struct Shared {
    style: Style,
    /// There is no terminal to draw a bar on.
    hidden: bool,
    print: Box<dyn Fn(&str) + Send + Sync>,
    state: Mutex<State>,
    /// Something has begun, or nobody listens any more.
    bell: Condvar,
}

#[derive(Default)]
struct State {
    /// Runs that are not over.
    runs: HashMap<u64, Progress>,
    /// Runs that are, since the first of those that are shown together.
    over: Counts,
    /// When the first of them began; nothing is shown else.
    begun: Option<Instant>,
    /// Since when none is left.
    idle: Option<Instant>,
    /// What was over when.
    recent: VecDeque<(Instant, u64)>,
    retried: u64,
    stopped: bool,
    bar: Option<ProgressBar>,
    /// It has been drawn for this series.
    drawn: bool,
    /// When the last line was printed.
    told: Option<Instant>,
    closed: bool,
}

/// What people count: functions and chunks. Arguments and other values at hand are none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    total: u64,
    over: u64,
    failed: u64,
    bytes: u64,
}

impl Counts {
    fn add(&mut self, p: &Progress) {
        let (total, over) = p.tasks();
        self.total += total;
        self.over += over;
        self.failed += p.failed.min(over);
        self.bytes += p.bytes;
    }
}

impl Watch {
    fn new(style: Style, hidden: bool, print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            style,
            hidden,
            print: Box::new(print),
            state: Mutex::default(),
            bell: Condvar::new(),
        });
        let theirs = shared.clone();
        let ticker = std::thread::Builder::new().name("kvern-progress".into());
        // Without a thread for it only the end is shown.
        let _ = ticker.spawn(move || theirs.tick());
        Self(shared)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        self.0.end(&mut state);
        self.0.bell.notify_all();
    }
}

impl Observer for Watch {
    fn event(&self, event: &Event) {
        let mut state = self.0.lock();
        match event {
            Event::RunStarted { run, .. } => {
                state.runs.insert(*run, Progress::default());
                state.idle = None;
                if state.begun.is_none() {
                    state.begun = Some(Instant::now());
                    self.0.bell.notify_all();
                }
                // It was taken away a moment ago, and is not to flicker.
                if state.drawn && state.bar.is_none() {
                    self.0.draw(&mut state);
                }
            }
            Event::Progress { run, progress } => {
                if let Some(p) = state.runs.get_mut(run) {
                    *p = *progress;
                }
            }
            Event::TaskFailed { retried: true, .. } => state.retried += 1,
            Event::RunFinished {
                run,
                progress,
                error,
                took,
            } if state.runs.remove(run).is_some() => {
                state.over.add(progress);
                let cancelled = |e: &kvern_core::Error| e.kind() == ErrorKind::Cancelled;
                state.stopped |= error.as_ref().is_some_and(cancelled);
                if state.runs.is_empty() {
                    state.idle = Some(Instant::now());
                    // At once: what the program prints next is not to stand behind it. Of many short runs one after the other it would flicker.
                    if *took >= TICK
                        && let Some(bar) = state.bar.take()
                    {
                        bar.finish_and_clear();
                    }
                }
            }
            _ => {}
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws now and then, as long as somebody listens.
    fn tick(&self) {
        let mut state = self.lock();
        while !state.closed {
            state = match state.begun {
                None => self.bell.wait(state),
                Some(_) => self.bell.wait_timeout(state, TICK).map(|(s, _)| s).map_err(
                    // The state is as good as before whatever another thread did with it.
                    |e| PoisonError::new(e.into_inner().0),
                ),
            }
            .unwrap_or_else(PoisonError::into_inner);
            if state.closed {
                return;
            }
            match state.idle {
                None => self.draw(&mut state),
                Some(since) if since.elapsed() >= TOGETHER => self.end(&mut state),
                Some(_) => {}
            }
        }
    }

    fn draw(&self, state: &mut State) {
        let Some(begun) = state.begun else { return };
        let (now, counts) = (Instant::now(), state.counts());
        state.recent.push_back((now, counts.over));
        while state.recent.len() > 2 && state.recent[1].0 + RECENT < now {
            state.recent.pop_front();
        }
        let took = begun.elapsed();
        if counts.total == 0 || took < PATIENCE {
            return;
        }
        if self.style == Style::Lines {
            let due = match state.told {
                None => took >= FIRST_LINE,
                Some(told) => told.elapsed() >= BETWEEN_LINES,
            };
            if due {
                state.told = Some(now);
                (self.print)(&line(counts, state.retried, state.rate(), took, true));
            }
        } else if !self.hidden {
            let words = words(counts, state.retried, state.rate());
            let bar = state.bar.get_or_insert_with(|| bar(begun));
            bar.set_message(words);
            state.drawn = true;
        }
    }

    /// The end of what is shown together.
    fn end(&self, state: &mut State) {
        let over = State {
            runs: std::mem::take(&mut state.runs),
            closed: state.closed,
            ..State::default()
        };
        let mut shown = std::mem::replace(state, over);
        // What is left runs on, and nobody looks any more.
        let unfinished = !state.runs.is_empty();
        shown.runs = state.runs.clone();
        let Some(begun) = shown.begun else { return };
        let until = shown.idle.unwrap_or_else(Instant::now);
        let took = until.saturating_duration_since(begun);
        if let Some(bar) = shown.bar.take() {
            bar.finish_and_clear();
        }
        let mut counts = shown.counts();
        // What failed or never ran counts as over while the rest runs, since nobody waits for it, but what is told at the end is what was done.
        counts.over -= counts.failed;
        let long = match self.style {
            Style::Lines => took >= BETWEEN_LINES || shown.told.is_some(),
            _ => took >= PATIENCE && !self.hidden,
        };
        if long && counts.total > 0 {
            let end = match (unfinished, shown.stopped) {
                (true, _) => "so far",
                (_, true) => "stopped",
                _ if counts.failed > 0 => "over",
                _ => "done",
            };
            let rate = (counts.over > 0).then(|| counts.over as f64 / took.as_secs_f64().max(1e-9));
            let line = line(counts, shown.retried, rate, took, unfinished);
            (self.print)(&format!("{end}: {line}"));
        }
    }
}

impl State {
    fn counts(&self) -> Counts {
        let mut counts = self.over;
        self.runs.values().for_each(|p| counts.add(p));
        counts
    }

    /// Tasks a second of late, once one is over.
    fn rate(&self) -> Option<f64> {
        let first = (self.begun?, 0);
        let from = self.recent.front().copied().unwrap_or(first);
        let from = if from.0.elapsed() < RECENT {
            first
        } else {
            from
        };
        let over = self.counts().over.saturating_sub(from.1);
        (over > 0).then(|| over as f64 / from.0.elapsed().as_secs_f64().max(1e-9))
    }
}

/// One line, however narrow the terminal is: the words are cut where it ends.
fn bar(begun: Instant) -> ProgressBar {
    let template = "{wide_msg}";
    // The template is a constant of ours; should it ever be wrong, the plain style still shows progress.
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())
        .with_style(style)
        .with_elapsed(begun.elapsed())
}

/// How much is over, in whole percent; all of it only if all is.
fn percent(c: Counts) -> u64 {
    (100 * c.over.min(c.total))
        .checked_div(c.total)
        .unwrap_or(100)
}

/// The bar, and what stands beside it, the most important first: `████████████░░░░░░░░  60% 312/520 tasks, about 0.8 s left, 260 tasks/s`.
fn words(c: Counts, retried: u64, rate: Option<f64>) -> String {
    let filled = (percent(c) / 5) as usize;
    format!(
        "{}{} {:>3}% {}/{} tasks, {}",
        "█".repeat(filled),
        "░".repeat(20 - filled),
        percent(c),
        c.over,
        c.total,
        pace(c, retried, rate, true)
    )
}

/// `about 0.8 s left, 2 failed or not run, 260 tasks/s, 1.2GiB made, 1 tried again`; what is left only of what goes on.
fn pace(c: Counts, retried: u64, rate: Option<f64>, goes_on: bool) -> String {
    let mut parts = Vec::new();
    if let Some(rate) = rate
        && goes_on
        && c.over < c.total
    {
        let left = (c.total - c.over) as f64 / rate;
        if left >= 0.05 {
            parts.push(format!("about {} left", short_time(left)));
        }
    }
    if c.failed > 0 {
        parts.push(format!("{} failed or not run", c.failed));
    }
    match rate {
        // A slow task is better told by how long it takes.
        Some(rate) if rate < 0.95 => parts.push(format!("{:.1} s a task", 1.0 / rate)),
        Some(rate) if rate < 9.95 => parts.push(format!("{rate:.1} tasks/s")),
        Some(rate) => parts.push(format!("{rate:.0} tasks/s")),
        None => parts.push("none is done yet".to_owned()),
    }
    if c.bytes > 0 {
        parts.push(format!("{} made", format_bytes(c.bytes)));
    }
    if retried > 0 {
        parts.push(format!("{retried} tried again"));
    }
    parts.join(", ")
}

/// `0.8 s`, `2 min 5 s`, `3 h 12 min`.
fn short_time(seconds: f64) -> String {
    let whole = seconds.round().min(9e15) as u64;
    match whole {
        0..=59 => format!("{seconds:.1} s"),
        60..=3599 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `312 of 520 tasks (60 %) in 1.2 s, about 0.8 s left, 260 tasks/s, 1.2GiB made`.
fn line(c: Counts, retried: u64, rate: Option<f64>, took: Duration, goes_on: bool) -> String {
    format!(
        "{} of {} tasks ({} %) in {}, {}",
        c.over,
        c.total,
        percent(c),
        short_time(took.as_secs_f64()),
        pace(c, retried, rate, goes_on)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let mut c = Counts::default();
        c.add(&Progress {
            total: 523,
            data: 3,
            done: 313,
            failed: 2,
            bytes: 3 << 20,
        });
        assert_eq!(
            line(c, 1, Some(156.0), Duration::from_secs(2), true),
            "312 of 520 tasks (60 %) in 2.0 s, about 1.3 s left, 2 failed or not run, 156 tasks/s, 3MiB made, 1 tried again"
        );
        let bar = words(c, 0, None);
        assert!(
            bar.starts_with("████████████░░░░░░░░  60% 312/520 tasks, "),
            "{bar}"
        );
        assert_eq!(
            line(Counts::default(), 0, None, Duration::from_secs(100), false),
            "0 of 0 tasks (100 %) in 1 min 40 s, none is done yet"
        );
        assert_eq!(
            pace(c, 0, Some(0.02), true).split(", ").nth(2),
            Some("50.0 s a task")
        );
        assert_eq!(short_time(11_530.0), "3 h 12 min");
    }

    /// What is printed of several runs of a session.
    fn printed(style: Style, play: impl FnOnce(&Watch)) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let theirs = lines.clone();
        let watch = Watch::new(style, true, move |line| {
            theirs.lock().unwrap().push(line.to_owned());
        });
        play(&watch);
        drop(watch);
        Arc::try_unwrap(lines).map_or_else(
            |shared| shared.lock().unwrap().clone(),
            |lines| lines.into_inner().unwrap(),
        )
    }

    fn begin(watch: &Watch, run: u64, total: u64) {
        watch.event(&Event::RunStarted {
            run,
            tasks: total,
            bytes: 0,
        });
        let progress = Progress {
            total,
            data: total / 2,
            done: total / 2,
            ..Progress::default()
        };
        watch.event(&Event::Progress { run, progress });
    }

    fn finish(watch: &Watch, run: u64, total: u64) {
        let progress = Progress {
            total,
            data: total / 2,
            done: total,
            ..Progress::default()
        };
        watch.event(&Event::RunFinished {
            run,
            progress,
            error: None,
            took: Duration::ZERO,
        });
    }

    #[test]
    fn several_runs_are_one_series_and_values_at_hand_do_not_count() {
        let lines = printed(Style::Lines, |watch| {
            (1..=10).for_each(|run| begin(watch, run, 2));
            (1..=4).for_each(|run| finish(watch, run, 2));
            std::thread::sleep(FIRST_LINE + Duration::from_millis(500));
            (5..=10).for_each(|run| finish(watch, run, 2));
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("4 of 10 tasks (40 %) in 1."),
            "{lines:?}"
        );
        assert!(lines[0].contains(" left"), "{lines:?}");
        assert!(
            lines[1].starts_with("done: 10 of 10 tasks (100 %)"),
            "{lines:?}"
        );
    }

    #[test]
    fn the_last_line_says_how_it_ended() {
        let ends = |failed: u64, error: Option<kvern_core::Error>| {
            let lines = printed(Style::Lines, |watch| {
                begin(watch, 1, 8);
                std::thread::sleep(FIRST_LINE + Duration::from_millis(500));
                let progress = Progress {
                    total: 8,
                    data: 4,
                    done: 8 - failed,
                    failed,
                    bytes: 0,
                };
                watch.event(&Event::RunFinished {
                    run: 1,
                    progress,
                    error,
                    took: Duration::ZERO,
                });
            });
            lines.last().cloned().unwrap_or_default()
        };
        let error = |kind| Some(kvern_core::Error::new(kind, "no"));
        assert!(ends(0, None).starts_with("done: 4 of 4 tasks"));
        let over = ends(1, error(ErrorKind::Task));
        assert!(over.starts_with("over: 3 of 4 tasks (75 %)"), "{over}");
        assert!(over.contains("1 failed or not run"), "{over}");
        let stopped = ends(3, error(ErrorKind::Cancelled));
        assert!(
            stopped.starts_with("stopped: 1 of 4 tasks (25 %)"),
            "{stopped}"
        );
        assert!(!stopped.contains("left"), "{stopped}");
    }

    #[test]
    fn what_is_over_soon_prints_nothing() {
        for style in [Style::Lines, Style::Bar] {
            let lines = printed(style, |watch| {
                begin(watch, 1, 2);
                finish(watch, 1, 2);
            });
            assert!(lines.is_empty(), "{lines:?}");
        }
    }

    #[test]
    fn what_is_left_when_nobody_looks_any_more_is_told_so() {
        let lines = printed(Style::Lines, |watch| {
            begin(watch, 1, 8);
            std::thread::sleep(FIRST_LINE + Duration::from_millis(500));
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].starts_with("so far: 0 of 4 tasks"), "{lines:?}");
        assert!(lines[1].ends_with(", none is done yet"), "{lines:?}");
    }
}
