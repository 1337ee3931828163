//! Progress for people: a bar with rate and remaining time on a terminal, a line now and then elsewhere.
//!
//! ```
//! let session = kvern::Session::open("threads://?workers=2")?;
//! let _progress = kvern::progress::show(&session)?; // until it is dropped
//! # Ok::<(), kvern::Error>(())
//! ```

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kvern_core::events::{Event, Observer, Subscription};
use kvern_core::scheduler::Progress;
use kvern_core::{ErrorKind, Result, Session};

/// Runs that are over sooner are not worth a bar.
const PATIENCE: Duration = Duration::from_millis(150);
/// Between two lines of one run where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// How progress is shown: the configuration key `progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A bar that moves, on a terminal's standard error.
    Bar,
    /// Lines on standard error: one every few seconds, one at the end of runs that took that long.
    Lines,
    /// Nothing.
    Off,
}

/// Shows the progress of a session's runs until the subscription is dropped, as the configuration key `progress` says (`auto`: a
/// bar on a terminal, else lines).
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
        _ if std::io::stderr().is_terminal() => Style::Bar,
        _ => Style::Lines,
    };
    Ok(show_as(session, style))
}

/// [`show`] in a style of the caller's.
pub fn show_as(session: &Session, style: Style) -> Subscription {
    match style {
        Style::Off => Subscription::none(),
        Style::Bar => session.subscribe(Arc::new(Watch::new(ProgressDrawTarget::stderr(), false))),
        Style::Lines => session.subscribe(Arc::new(Watch::new(ProgressDrawTarget::hidden(), true))),
    }
}

struct Watch {
    /// Taken by the first bar; others draw to standard error themselves.
    lines: bool,
    hidden: bool,
    runs: Mutex<HashMap<u64, Shown>>,
}

struct Shown {
    begun: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Watch {
    fn new(target: ProgressDrawTarget, lines: bool) -> Self {
        Self {
            lines,
            hidden: target.is_hidden(),
            runs: Mutex::new(HashMap::new()),
        }
    }

    fn advance(&self, run: u64, p: Progress) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shown) = runs.get_mut(&run) else {
            return;
        };
        if shown.begun.elapsed() < PATIENCE {
            return;
        }
        if self.lines {
            if shown.told.elapsed() >= BETWEEN_LINES {
                shown.told = Instant::now();
                eprintln!("{}", line(p, shown.begun.elapsed()));
            }
            return;
        }
        if self.hidden {
            return;
        }
        let bar = shown.bar.get_or_insert_with(|| bar(p.total, shown.begun));
        bar.set_position(p.done + p.failed);
        bar.set_message(pace(p, shown.begun.elapsed()));
    }

    fn finish(&self, run: u64, p: Progress, error: Option<&kvern_core::Error>) {
        let shown = self
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&run);
        let Some(shown) = shown else { return };
        let took = shown.begun.elapsed();
        if let Some(bar) = shown.bar {
            bar.set_position(p.done + p.failed);
            bar.finish_and_clear();
        }
        if took >= PATIENCE && (!self.hidden || took >= BETWEEN_LINES) {
            let end = if error.is_some() { "stopped" } else { "done" };
            eprintln!("{end}: {}", line(p, took));
        }
    }
}

impl Observer for Watch {
    fn event(&self, event: &Event) {
        match event {
            Event::RunStarted { run, .. } => {
                let now = Instant::now();
                let shown = Shown {
                    begun: now,
                    told: now,
                    bar: None,
                };
                self.runs
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(*run, shown);
            }
            Event::Progress { run, progress } => self.advance(*run, *progress),
            Event::RunFinished {
                run,
                progress,
                error,
                ..
            } => self.finish(*run, *progress, error.as_ref()),
            _ => {}
        }
    }
}

fn bar(total: u64, begun: Instant) -> ProgressBar {
    let template = "{bar:40} {percent:>3}% {human_pos}/{human_len} tasks, {msg}";
    // The template is a constant of ours; should it ever be wrong, the plain style still shows progress.
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
        .with_style(style)
        .with_elapsed(begun.elapsed())
}

/// `260 tasks/s, about 0.8 s left`, over the whole run: the bar appears late, so its own estimate would begin with a leap.
fn pace(p: Progress, took: Duration) -> String {
    let over = p.done + p.failed;
    let rate = over as f64 / took.as_secs_f64().max(1e-9);
    let mut text = format!("{rate:.0} tasks/s");
    if over < p.total && rate > 0.0 {
        text += &format!(", about {:.1} s left", (p.total - over) as f64 / rate);
    }
    text
}

/// `312 of 520 tasks (60 %) in 1.2 s, 260 tasks/s, about 0.8 s left`.
fn line(p: Progress, took: Duration) -> String {
    let over = p.done + p.failed;
    let percent = (100 * over).checked_div(p.total).unwrap_or(100);
    let mut text = format!(
        "{over} of {} tasks ({percent} %) in {:.1} s",
        p.total,
        took.as_secs_f64()
    );
    if p.failed > 0 {
        text += &format!(", {} failed or not run", p.failed);
    }
    format!("{text}, {}", pace(p, took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let p = Progress {
            total: 520,
            done: 310,
            failed: 2,
        };
        assert_eq!(
            line(p, Duration::from_secs(2)),
            "312 of 520 tasks (60 %) in 2.0 s, 2 failed or not run, 156 tasks/s, about 1.3 s left"
        );
        assert_eq!(
            line(Progress::default(), Duration::ZERO),
            "0 of 0 tasks (100 %) in 0.0 s, 0 tasks/s"
        );
    }
}
