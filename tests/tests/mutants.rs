//! The suite can fail: backends that are wrong in one way each are caught by the cases that are about it.

mod plain_backend;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use kvern_conformance::{CASES, Fixture};
use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Description, MemoryUse, Progress};
use kvern_core::{Error, ErrorKind, Handle, Key, Plan, Result, Run, Scheduler, Value};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};
use plain_backend::Plain;

/// One way of being wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    /// Nothing: the wrapper itself is right.
    Nothing,
    /// Output 0 is an error that no task made.
    LosesAResult,
    /// Outputs 0 and 1 are exchanged.
    SwapsOutputs,
    /// Callbacks are never called.
    NeverCallsBack,
    /// Results are never released.
    NeverReleases,
    /// A handle's want is not counted, its release is.
    ForgetsToWant,
    /// `cancel` does nothing.
    IgnoresCancel,
    /// Errors lose their task.
    HidesTheTask,
    /// All errors are of one kind.
    OneKind,
    /// Nobody is told anything.
    TellsNothing,
    /// `wait_all` always says that all is well.
    AlwaysWell,
    /// A closed backend takes work.
    NeverCloses,
    /// Memory is said to be free.
    CountsNothing,
    /// Progress is never complete.
    NeverDone,
    /// A bounded wait waits until the end.
    IgnoresLimits,
}

struct Mutant {
    inner: Arc<dyn Scheduler>,
    wrong: Wrong,
}

struct MutantRun {
    inner: Arc<dyn Run>,
    wrong: Wrong,
}

impl Scheduler for Mutant {
    fn describe(&self) -> Description {
        self.inner.describe()
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        let (inner, wrong) = (self.inner.submit(plan)?, self.wrong);
        Ok(Arc::new(MutantRun { inner, wrong }))
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.inner.scatter(values)
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        match self.wrong {
            Wrong::TellsNothing => Subscription::none(),
            _ => self.inner.subscribe(observer),
        }
    }

    fn memory(&self) -> MemoryUse {
        match self.wrong {
            Wrong::CountsNothing => MemoryUse::default(),
            _ => self.inner.memory(),
        }
    }

    fn stop(&self, why: &Error) {
        self.inner.stop(why);
    }

    fn close(&self) {
        if self.wrong != Wrong::NeverCloses {
            self.inner.close();
        }
    }
}

impl MutantRun {
    fn output(&self, output: u32) -> u32 {
        match (self.wrong, output) {
            (Wrong::SwapsOutputs, 0 | 1) if self.inner.outputs() > 1 => 1 - output,
            _ => output,
        }
    }

    fn answer(&self, output: u32, result: Result<Value>) -> Result<Value> {
        match (self.wrong, result) {
            (Wrong::LosesAResult, _) if output == 0 => Err(Error::new(ErrorKind::Lost, "lost")),
            (Wrong::HidesTheTask, Err(e)) => Err(Error::new(e.kind(), e.message())),
            (Wrong::OneKind, Err(e)) => {
                let one = Error::new(ErrorKind::Internal, e.message());
                Err(e.task().map_or(one.clone(), |t| one.at_task(t.clone())))
            }
            (_, result) => result,
        }
    }
}

impl Run for MutantRun {
    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn key(&self, output: u32) -> Key {
        self.inner.key(output)
    }

    fn try_get(&self, output: u32) -> Option<Result<Value>> {
        let got = self.inner.try_get(self.output(output))?;
        Some(self.answer(output, got))
    }

    fn wait(&self, output: u32, limit: Option<Duration>) -> Option<Result<Value>> {
        let limit = limit.filter(|_| self.wrong != Wrong::IgnoresLimits);
        let got = self.inner.wait(self.output(output), limit)?;
        Some(self.answer(output, got))
    }

    fn when_done(&self, output: u32, then: Box<dyn FnOnce(Result<Value>) + Send>) {
        if self.wrong != Wrong::NeverCallsBack {
            self.inner.when_done(self.output(output), then);
        }
    }

    fn wait_all(&self, limit: Option<Duration>) -> Option<Result<()>> {
        let end = self.inner.wait_all(limit)?;
        Some(if self.wrong == Wrong::AlwaysWell {
            Ok(())
        } else {
            end
        })
    }

    fn want(&self, output: u32) {
        if self.wrong != Wrong::ForgetsToWant {
            self.inner.want(output);
        }
    }

    fn release(&self, output: u32) {
        if self.wrong != Wrong::NeverReleases {
            self.inner.release(output);
        }
    }

    fn cancel(&self) {
        if self.wrong != Wrong::IgnoresCancel {
            self.inner.cancel();
        }
    }

    fn progress(&self) -> Progress {
        let mut p = self.inner.progress();
        if self.wrong == Wrong::NeverDone && p.done > 0 {
            p.done -= 1;
        }
        p
    }
}

/// Quick cases of every family: enough to catch each mutant, without the large graphs.
const QUICK: &[&str] = &[
    "dags::an_output_wanted_twice",
    "errors::an_error_names_its_task",
    "errors::kinds_are_kept",
    "errors::wait_all_tells_the_failure",
    "handles::all_ways_agree",
    "handles::unfinished_results_are_not_there",
    "handles::callbacks_are_called_once",
    "handles::dropping_handles_frees",
    "handles::handles_outlive_the_run_handle",
    "cancel::nothing_starts_afterwards",
    "growth::scattered_values",
    "memory::bytes_are_counted",
    "events::runs_begin_and_end",
    "events::progress_grows",
    "concurrency::a_closed_backend_refuses",
];

/// The quick cases that fail.
fn red(
    wrong: Wrong,
    open: impl Fn() -> Arc<dyn Scheduler> + Send + Sync + 'static,
) -> BTreeSet<&'static str> {
    let mut fixture = Fixture::new(open);
    // A wrong backend is waited for in vain; a right one may be slow for once, on a machine that is busy with something else.
    if wrong != Wrong::Nothing {
        fixture = fixture
            .patience(Duration::from_millis(700))
            .bound(Duration::from_secs(3));
    }
    let cases = CASES.iter().filter(|c| QUICK.contains(&c.name));
    let fails = cases.filter(|c| catch_unwind(AssertUnwindSafe(|| c.check(&fixture))).is_err());
    fails.map(|c| c.name).collect()
}

fn over_plain(wrong: Wrong) -> BTreeSet<&'static str> {
    let inner = || Arc::new(Plain::default());
    red(wrong, move || {
        Arc::new(Mutant {
            inner: inner(),
            wrong,
        })
    })
}

fn over_threads(wrong: Wrong) -> BTreeSet<&'static str> {
    red(wrong, move || {
        let options = ThreadOptions {
            workers: Some(2),
            ..ThreadOptions::default()
        };
        let inner = ThreadScheduler::new(&options, kvern_conformance::ops::registry()).unwrap();
        Arc::new(Mutant {
            inner: Arc::new(inner),
            wrong,
        })
    })
}

#[test]
fn the_quick_cases_exist() {
    let names: BTreeSet<_> = CASES.iter().map(|c| c.name).collect();
    assert_eq!(names.len(), CASES.len(), "two cases of one name");
    assert!(QUICK.iter().all(|q| names.contains(q)));
}

#[test]
fn a_right_backend_is_green() {
    assert_eq!(over_plain(Wrong::Nothing), BTreeSet::new());
    assert_eq!(over_threads(Wrong::Nothing), BTreeSet::new());
}

/// Each mutant turns the case that is about it red.
macro_rules! caught {
    ($($test:ident: $wrong:ident over $backend:ident by $case:literal;)*) => {
        $(#[test]
        fn $test() {
            let red = $backend(Wrong::$wrong);
            println!("{:?}: {red:?}", Wrong::$wrong);
            assert!(red.contains($case), "{:?} was caught by {red:?} only", Wrong::$wrong);
        })*
    };
}

caught! {
    a_lost_result: LosesAResult over over_plain by "dags::an_output_wanted_twice";
    swapped_outputs: SwapsOutputs over over_plain by "dags::an_output_wanted_twice";
    callbacks_never_called: NeverCallsBack over over_plain by "handles::callbacks_are_called_once";
    results_never_released: NeverReleases over over_plain by "handles::dropping_handles_frees";
    wants_forgotten: ForgetsToWant over over_plain by "handles::handles_outlive_the_run_handle";
    cancel_ignored: IgnoresCancel over over_threads by "cancel::nothing_starts_afterwards";
    task_hidden: HidesTheTask over over_plain by "errors::an_error_names_its_task";
    one_kind: OneKind over over_plain by "errors::kinds_are_kept";
    events_not_told: TellsNothing over over_plain by "events::runs_begin_and_end";
    failure_not_told: AlwaysWell over over_plain by "errors::wait_all_tells_the_failure";
    never_closed: NeverCloses over over_plain by "concurrency::a_closed_backend_refuses";
    nothing_counted: CountsNothing over over_plain by "memory::bytes_are_counted";
    never_done: NeverDone over over_plain by "events::progress_grows";
    limits_ignored: IgnoresLimits over over_threads by "handles::unfinished_results_are_not_there";
}
