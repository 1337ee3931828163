//! What plans are made with and for: the state that knows DataFusion's functions and the rules that every plan goes through, and the options
//! that differ from plan to plan.

use std::sync::{Arc, OnceLock};

use datafusion::execution::config::SessionConfig;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::analyzer::{Analyzer, AnalyzerRule};

use super::{nan, push, skip};
use crate::compare::TextOrNumber;

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Knobs {
    /// Into how many partitions DataFusion cuts scans and shuffles.
    pub(crate) partitions: usize,
    /// Each partition is run by itself, by somebody who never sees the others.
    pub(crate) alone: bool,
    /// Rows come out in the order of the files, so nothing may deal them out.
    pub(crate) ordered: bool,
}

/// The state that every frame is built with: DataFusion's functions and defaults, no table.
pub(crate) fn base() -> &'static SessionState {
    static BASE: OnceLock<SessionState> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(TextOrNumber)];
        rules.extend(Analyzer::new().rules);
        let mut builder = SessionStateBuilder::new()
            .with_default_features()
            .with_analyzer_rules(rules)
            .with_optimizer_rules(push::rules())
            .with_physical_optimizer_rules(skip::rules())
            .with_config(SessionConfig::new().with_target_partitions(1));
        let functions = builder.scalar_functions().get_or_insert_default();
        functions.push(nan::one_nan().clone());
        builder.build()
    })
}
