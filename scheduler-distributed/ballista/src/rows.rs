//! The rows of a query on their way from the cluster to who takes them. They end with a mark: rows that stop coming without one are an
//! error, since a part of a result must not pass for all of it.

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result as DfResult;
use futures::Stream;
use kvern_core::{Error, ErrorKind};
use kvern_frame::backend::error_into_datafusion;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Batches that wait for who takes them.
const AHEAD: usize = 4;

/// A batch, why there is none, or `None`: that was all.
type Message = Option<DfResult<RecordBatch>>;

/// Where rows go in.
pub(crate) struct Rows(Sender<Message>);

/// Where rows come out.
pub(crate) struct Taken(Receiver<Message>);

/// The two ends.
pub(crate) fn rows() -> (Rows, Taken) {
    let (to, from) = channel(AHEAD);
    (Rows(to), Taken(from))
}

impl Rows {
    /// Passes a batch on; false: nobody takes it any more.
    pub(crate) async fn pass(&self, batch: RecordBatch) -> bool {
        self.0.send(Some(Ok(batch))).await.is_ok()
    }

    /// Nobody takes rows any more.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }

    /// Says how it ended.
    pub(crate) async fn end(self, how: Result<(), Error>) {
        let last = how.err().map(|e| Err(error_into_datafusion(e)));
        // Who does not listen any more does not want to know.
        let _ = self.0.send(last).await;
    }
}

impl Taken {
    /// The rows as they come.
    pub(crate) fn stream(self) -> impl Stream<Item = DfResult<RecordBatch>> + Send + 'static {
        futures::stream::unfold(Some(self.0), |from| async move {
            let mut from = from?;
            match from.recv().await {
                Some(Some(Ok(batch))) => Some((Ok(batch), Some(from))),
                Some(Some(Err(e))) => Some((Err(e), None)),
                Some(None) => None,
                None => Some((Err(error_into_datafusion(broken_off())), None)),
            }
        })
    }
}

fn broken_off() -> Error {
    let words = "the rows of a query on Ballista stopped coming, and nobody said that these were all: its session was closed, or the thread \
                 that fetched them panicked";
    Error::new(ErrorKind::Lost, words)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use futures::StreamExt;

    use super::*;

    fn batch() -> RecordBatch {
        let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        RecordBatch::try_from_iter([("n", n)]).unwrap()
    }

    fn taken(end: Option<Result<(), Error>>) -> Vec<DfResult<RecordBatch>> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let (rows, taken) = rows();
        runtime.spawn(async move {
            for _ in 0..2 * AHEAD {
                assert!(rows.pass(batch()).await);
            }
            if let Some(how) = end {
                rows.end(how).await;
            }
        });
        runtime.block_on(taken.stream().collect())
    }

    #[test]
    fn rows_are_all_only_if_somebody_says_so() {
        let whole = taken(Some(Ok(())));
        assert_eq!(whole.len(), 2 * AHEAD);
        assert!(whole.iter().all(Result::is_ok));

        let words = "no more of them";
        let failed = taken(Some(Err(Error::new(ErrorKind::Io, words))));
        assert_eq!(failed.len(), 2 * AHEAD + 1);
        let e = failed.last().unwrap().as_ref().unwrap_err();
        assert!(e.to_string().contains(words), "{e}");

        // As if the thread that fetches them had panicked.
        let broken = taken(None);
        assert_eq!(broken.len(), 2 * AHEAD + 1);
        let e = broken.last().unwrap().as_ref().unwrap_err();
        assert!(
            e.to_string().contains("nobody said that these were all"),
            "{e}"
        );
    }
}
