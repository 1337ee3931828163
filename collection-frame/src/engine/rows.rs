//! The rows of a plan, as those who take them see them.

use arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use futures::stream::BoxStream;

/// The batches of a stream, with a pause before each in which a query that nobody wants any more can be stopped: many operators never pause
/// by themselves, and who takes their rows may never wait for anything else.
pub(crate) fn stoppable(
    rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<RecordBatch, DataFusionError>> {
    let pause = |batch| async {
        tokio::task::yield_now().await;
        batch
    };
    rows.then(pause).boxed()
}
