//! What a frame hands its query to: planned for Ballista, looked through, written, and run as a job.

use std::sync::{Arc, Mutex, PoisonError};

use ballista_core::config::{
    BALLISTA_CLIENT_GRPC_MAX_MESSAGE_SIZE, BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK,
    BALLISTA_SHUFFLE_READER_REMOTE_PREFER_FLIGHT,
};
use ballista_core::extension::{SessionConfigExt, SessionConfigHelperExt};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use datafusion_proto::bytes::physical_plan_to_bytes_with_extension_codec;
use kvern_core::text::format_bytes;
use kvern_core::{Error, ErrorKind, Result};
use kvern_frame::backend::{FrameEngine, Query, error_from_datafusion};
use tokio::runtime::Runtime;

use crate::codec::Codec;
use crate::job::{Cluster, Job, MESSAGE};
use crate::plan;
use crate::rows::rows;

/// A cluster as the engine of frames.
pub(crate) struct Engine {
    cluster: Arc<Cluster>,
    partitions: usize,
    codec: Codec,
    /// Sockets and timers of the client; gone when the session is closed.
    runtime: Mutex<Option<Runtime>>,
}

impl Engine {
    pub(crate) fn new(cluster: Cluster, partitions: usize, runtime: Runtime) -> Result<Self> {
        Ok(Self {
            cluster: Arc::new(cluster),
            partitions,
            codec: Codec::new()?,
            runtime: Mutex::new(Some(runtime)),
        })
    }

    /// Ends what is under way.
    pub(crate) fn close(&self) {
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(runtime) = runtime {
            // Does not wait: a name that is being looked up cannot be interrupted.
            runtime.shutdown_background();
        }
    }

    /// The plan as it travels.
    fn encode(&self, query: &Query) -> Result<Vec<u8>> {
        let plan = plan::gathered(query.plan.clone())?;
        let bytes = physical_plan_to_bytes_with_extension_codec(plan, &self.codec)
            .map_err(error_from_datafusion)?;
        // Some room for what goes along with it.
        let most = MESSAGE - (1 << 20);
        if bytes.len() > most {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the query with its rows at hand takes {}, and at most {} go to Ballista with a query: write the rows to Parquet \
                     first (Frame::write_parquet on threads://) and read them from there",
                    format_bytes(bytes.len() as u64),
                    format_bytes(most as u64)
                ),
            ));
        }
        Ok(bytes.to_vec())
    }
}

impl FrameEngine for Engine {
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn configure(&self, config: SessionConfig) -> SessionConfig {
        config
            .upgrade_for_ballista()
            // Shuffle files are read by the reader that checks what it reads.
            .set_bool(BALLISTA_SHUFFLE_READER_REMOTE_PREFER_FLIGHT, true)
            .set_usize(BALLISTA_CLIENT_GRPC_MAX_MESSAGE_SIZE, MESSAGE)
            // A task that fails or is lost takes one partition with it, not all that an executor had room for.
            .set_usize(BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK, 1)
    }

    fn check(&self, query: &Query) -> Result<()> {
        plan::check(&query.plan)?;
        self.encode(query).map(|_| ())
    }

    fn start(&self, query: Query) -> Result<SendableRecordBatchStream> {
        plan::check(&query.plan)?;
        let job = Job {
            plan: self.encode(&query)?,
            settings: query.config.to_key_value_pairs(),
        };
        let (rows, taken) = rows();
        let cluster = self.cluster.clone();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = runtime.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Cancelled, "the session of this query is closed")
        })?;
        runtime.spawn(async move { cluster.run(job, rows).await });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            query.plan.schema(),
            taken.stream(),
        )))
    }
}
