//! `conformance!`, and the list of cases that it and [`CASES`](crate::CASES) are made from.

/// The whole suite over one backend: one `#[test]` a case, `family::name`, in a module of that name.
///
/// - `open` makes the backend: `Fn() -> Arc<dyn Scheduler>`.
/// - `limited`, if given, makes one with a memory budget and a spill folder: `Fn(Limits) -> Arc<dyn Scheduler>`. Without it the
///   cases that need a budget are skipped.
///
/// `fixture` in their place takes a whole [`Fixture`](crate::Fixture), where there is more to say.
///
/// Cases that need what the backend says it lacks ([`Capabilities`](kvern_core::scheduler::Capabilities)) are skipped and say so.
///
/// ```no_run
/// # struct Mine;
/// # impl Mine { fn open(_: u32) -> std::sync::Arc<dyn kvern_core::Scheduler> { unimplemented!() } }
/// kvern_conformance::conformance!(mine, open = || Mine::open(2));
/// kvern_conformance::conformance!(
///     mine_with_budget,
///     open = || Mine::open(2),
///     limited = |limits: kvern_conformance::Limits<'_>| Mine::open(limits.memory as u32),
/// );
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($name:ident, open = $open:expr $(, limited = $limited:expr)? $(,)?) => {
        $crate::conformance!($name, fixture = $crate::Fixture::new($open)$(.limited($limited))?);
    };
    ($name:ident, fixture = $fixture:expr $(,)?) => {
        mod $name {
            #[allow(unused_imports, reason = "the expressions may name what stands around the macro")]
            use super::*;

            fn fixture() -> $crate::Fixture {
                $fixture
            }

            $crate::__kvern_cases!([$crate::__kvern_tests]);
        }
    };
    (open = $open:expr $(, limited = $limited:expr)? $(,)?) => {
        $crate::conformance!(conformance, open = $open $(, limited = $limited)?);
    };
}

/// One test a case.
#[doc(hidden)]
#[macro_export]
macro_rules! __kvern_tests {
    ($($family:ident { $($case:ident [$($need:ident)*];)* })*) => {
        $(mod $family {
            $(#[test]
            fn $case() {
                $crate::test(concat!(stringify!($family), "::", stringify!($case)), &super::fixture());
            })*
        })*
    };
}

/// The list: family, case, what it needs ([`Need`](crate::Need)).
#[doc(hidden)]
#[macro_export]
macro_rules! __kvern_cases {
    ([$($callback:tt)*]) => {
        $($callback)*! {
            dags {
                random_graphs_equal_the_reference [];
                random_graphs_optimised [];
                the_same_graph_twice [];
                every_task_runs_once [];
                only_what_is_wanted_runs [];
                an_output_wanted_twice [];
                nothing_wanted [];
                values_at_hand [];
                keys_are_those_of_the_graph [];
                equal_tasks [];
                a_long_chain [];
                a_wide_graph [];
                wide_fans [];
                a_binary_tree [];
                a_stencil [];
                a_long_chain_of_layers [];
                closures_run [Closures];
                unregistered_values [Closures];
            }
            errors {
                an_error_names_its_task [];
                kinds_are_kept [];
                readers_fail_with_the_task_to_blame [];
                independent_results_arrive [];
                wait_all_tells_the_failure [];
                gather_cancels_the_rest [Concurrent];
                a_panic_is_an_error [];
                a_panic_without_words [];
                a_panic_that_panics_when_dropped [];
                a_hundred_panics [];
                retries_are_made [];
                retries_are_counted [];
                a_time_limit_is_told_at_once [Concurrent];
                a_time_limit_is_told_to_the_task [];
                what_was_given_up_is_tried_again [Concurrent];
                a_retry_waits [];
                a_cancel_does_not_wait_for_a_retry [Concurrent];
                progress_counts_failures [];
            }
            handles {
                all_ways_agree [];
                unfinished_results_are_not_there [Concurrent];
                futures_wake [Concurrent];
                futures_tell_errors [];
                callbacks_are_called_once [];
                callbacks_hear_of_failure [];
                callbacks_hear_of_cancel [Concurrent];
                many_threads_wait [];
                handles_outlive_the_run_handle [];
                dropping_handles_frees [];
                wants_are_counted [];
                results_released_early [];
                an_output_in_two_places [];
            }
            cancel {
                nothing_starts_afterwards [Concurrent];
                at_once [];
                afterwards [];
                a_running_task_is_told [Concurrent];
                results_that_are_there_stay [Concurrent];
                only_that_run [Concurrent];
                after_a_failure [Concurrent];
                dropping_cancels [Concurrent];
                a_storm [];
            }
            growth {
                results_of_a_finished_run [];
                results_of_an_unfinished_run [Concurrent];
                a_hundred_runs_in_a_row [];
                errors_flow_on [];
                cancels_flow_on [Concurrent];
                scattered_values [];
                results_of_another_backend [];
                errors_of_another_backend [Concurrent];
                tasks_submit_tasks [Nested];
                a_hundred_deep [Nested];
                a_thousand_deep [Nested];
                waiting_under_a_lock [Nested];
            }
            memory {
                bytes_are_counted [];
                lone_inputs_can_be_taken [];
                the_last_reader_frees [Closures];
                nothing_is_left [];
                results_beyond_the_budget [Budget Spill];
                a_graph_of_ten_budgets [Budget Spill];
                order_before_spill [Budget Ordered];
                a_task_over_the_budget_is_refused [Budget];
                reservations_are_limited [Budget];
                no_files_after_close [Budget Spill];
                spilled_results_are_shared [Budget Spill];
                what_is_alive_is_under_the_budget [Budget Spill Closures];
                reading_a_spilled_run_stays_under_the_budget [Budget Spill Closures];
                pieces_are_spilled_alone [Budget Spill];
                small_pieces_are_spilled_too [Budget Spill];
            }
            events {
                runs_begin_and_end [];
                an_empty_run_ends [];
                tasks_begin_and_end [];
                failures_are_told [];
                an_observer_that_panics [];
                unsubscribing [];
                progress_grows [];
                progress_tells_values_apart [];
                progress_is_told_while_it_runs [Concurrent];
                logs_are_told [];
                spills_are_told [Budget Spill];
            }
            priority {
                higher_first [Serial Ordered];
                inputs_inherit [Serial Ordered];
                beside_other_runs [Serial Ordered Concurrent];
            }
            concurrency {
                many_threads_submit [];
                tasks_run_at_once [Concurrent Parallel];
                a_stuck_run_holds_nobody [Concurrent Parallel];
                a_small_run_behind_a_huge_one [Concurrent];
                closing_while_running [Concurrent];
                stopping_waits_for_nobody [Concurrent];
                a_closed_backend_refuses [];
                dropping_closes [Concurrent];
                two_backends [];
            }
            determinism {
                the_same_order_each_time [Deterministic];
            }
        }
    };
}
