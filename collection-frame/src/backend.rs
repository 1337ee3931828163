//! The seam for backends that take whole queries: an engine that exists already, instead of tasks of kvern.
//!
//! A scheduler that has one offers an `Arc<dyn FrameEngine>` as its [extension](kvern_core::Scheduler::extension). A frame that is computed
//! there is planned for it, checked by it, and becomes one task, whose operator hands the plan over and takes the rows; everything else of
//! the scheduler protocol (handles, cancelling, errors, several collections at once) stays as it is.

use std::fmt;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::config::SessionConfig;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use kvern_core::{OpRef, Registry, Result, Session};

pub use crate::error::{from_df as error_from_datafusion, into_df as error_into_datafusion};

/// An engine that runs physical plans of DataFusion somewhere else.
///
/// Plans have no leaf of kvern's own: files are scans of DataFusion's (CSV with a source of this crate inside, which [`codec`] writes), rows
/// at hand are its tables in memory. They are made for partitions that run apart: no operator waits for what another one learns.
pub trait FrameEngine: Send + Sync + 'static {
    /// Into how many partitions scans and shuffles are cut, unless the frame says.
    fn partitions(&self) -> usize;

    /// The options that plans are made and run with, from those that kvern chose.
    fn configure(&self, config: SessionConfig) -> SessionConfig {
        config
    }

    /// Whether this engine computes the query rightly. Asked before anything is started; rows at hand are left out of it.
    ///
    /// # Errors
    /// What it cannot run, and what to do instead.
    fn check(&self, query: &Query) -> Result<()>;

    /// Starts the query, and returns at once. Dropping the stream cancels it.
    ///
    /// # Errors
    /// What is known to be wrong before it has run.
    fn start(&self, query: Query) -> Result<SendableRecordBatchStream>;
}

/// What an engine is given: a plan, and the options that it was made with.
#[derive(Clone)]
pub struct Query {
    /// The physical plan. Rows come partition by partition, in order.
    pub plan: Arc<dyn ExecutionPlan>,
    /// The options; they hold for whoever runs it, too.
    pub config: SessionConfig,
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({})", self.plan.name())
    }
}

/// How plans are written for an engine and read there: what DataFusion does not know by itself. Writing is strict: a function that would
/// not be found, or would be found as another one, is an error that names it. The operators behind functions are those linked into the
/// program.
///
/// # Errors
/// If two linked crates have one operator.
pub fn codec() -> Result<Arc<dyn PhysicalExtensionCodec>> {
    let linked = Arc::new(Registry::linked()?);
    Ok(Arc::new(crate::codec::Codec::strict(linked)))
}

/// Whether a function is computed by an operator of kvern, not by DataFusion.
pub fn is_operator(function: &ScalarUDF) -> bool {
    crate::function::is_operator(function)
}

/// The function of kvern that makes one NaN of all before floats are compared.
pub const ONE_NAN: &str = crate::plan::nan::NAME;

/// The names of the operators that hand a query to an engine: its backend runs them and no others.
pub(crate) const ENGINE: [&str; 2] = ["frame.engine_query", "frame.engine_query_to_parquet"];

/// Whether an operator is one by which a frame hands its query to an engine.
pub fn is_query(op: &OpRef) -> bool {
    ENGINE.contains(&op.name())
}

/// The engine of a session, if its backend has one.
pub(crate) fn engine_of(session: &Session) -> Option<Arc<dyn FrameEngine>> {
    let extension = session.scheduler().extension()?;
    extension.downcast_ref::<Arc<dyn FrameEngine>>().cloned()
}
