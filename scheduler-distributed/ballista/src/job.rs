//! One query as a job of the cluster: submitted, watched, its rows fetched from the executors that have them, its files removed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ballista_core::BALLISTA_VERSION;
use ballista_core::client::BallistaClient;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::job_status::Status;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, CleanJobDataParams, CreateUpdateSessionParams, ExecuteQueryParams,
    KeyValuePair, PartitionLocation,
};
use ballista_core::version::{check_compatibility, insert_version_header, version_from_metadata};
use futures::StreamExt;
use kvern_core::{Error, ErrorKind, Result};
use tonic::transport::{Channel, Endpoint};

use crate::error::{chain, failed, refused, unreachable};
use crate::rows::Rows;

/// Bytes of one message, a whole plan with its rows at hand or a piece of a shuffle: Ballista's own 16 MiB are soon too few.
pub(crate) const MESSAGE: usize = 256 << 20;

/// How long a connection may take to be made, name and all.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the scheduler may take to answer what costs it nothing.
const ANSWER: Duration = Duration::from_secs(10);

/// How long an executor may take for the next rows of a result, which lie in a file of its own.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a query is begun again because an executor took rows of its result with it.
const ATTEMPTS: usize = 3;

type Client = SchedulerGrpcClient<Channel>;

/// A cluster by the address of its scheduler.
pub(crate) struct Cluster {
    address: String,
    session: String,
    operations: AtomicU64,
}

/// What is submitted.
pub(crate) struct Job {
    pub(crate) plan: Vec<u8>,
    pub(crate) settings: Vec<KeyValuePair>,
}

/// What happened to a job so far, for who cancels it and for who cleans up.
#[derive(Default)]
struct Trace {
    job: Mutex<Option<String>>,
    /// Batches that have been passed on: a query is not begun again after the first.
    passed: AtomicU64,
}

impl Trace {
    fn job(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// Connects once, to see that a Ballista scheduler is there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the address if nobody answers there; [`ErrorKind::Unsupported`] if something else does.
    pub(crate) async fn find(address: String) -> Result<Self> {
        static SESSIONS: AtomicU64 = AtomicU64::new(0);
        let n = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let cluster = Self {
            address,
            session: format!("kvern-{}-{n}", std::process::id()),
            operations: AtomicU64::new(0),
        };
        let hello = CreateUpdateSessionParams {
            session_id: cluster.session.clone(),
            settings: Vec::new(),
        };
        let mut client = cluster.connect().await?;
        let answer = tokio::time::timeout(ANSWER, client.create_update_session(hello)).await;
        let strange = |why: &str| {
            let address = &cluster.address;
            Error::new(
                ErrorKind::Unsupported,
                format!("what answers at ballista://{address} is no Ballista scheduler: {why}"),
            )
        };
        match answer {
            Err(_) => Err(strange(&format!("no answer in {ANSWER:?}"))),
            Ok(Err(status)) => Err(strange(status.message())),
            Ok(Ok(_)) => Ok(cluster),
        }
    }

    async fn connect(&self) -> Result<Client> {
        let lost = |why: String| unreachable(&self.address, &why);
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))
            .map_err(|e| lost(chain(&e)))?
            .connect_timeout(CONNECT)
            // A query may say nothing for hours; a scheduler that does not even answer a ping is gone.
            .http2_keep_alive_interval(CONNECT)
            .keep_alive_timeout(2 * CONNECT)
            .tcp_nodelay(true);
        // The time limit of the endpoint does not count the looking up of a name.
        let channel = tokio::time::timeout(CONNECT, endpoint.connect())
            .await
            .map_err(|_| lost(format!("no connection in {CONNECT:?}")))?
            .map_err(|e| lost(chain(&e)))?;
        Ok(SchedulerGrpcClient::new(channel)
            .max_encoding_message_size(MESSAGE)
            .max_decoding_message_size(MESSAGE))
    }

    /// Has a job computed and passes its rows on. If nobody takes them any more, the job is cancelled.
    pub(crate) async fn run(self: Arc<Self>, job: Job, rows: Rows) {
        let trace = Trace::default();
        let ended = tokio::select! {
            () = rows.closed() => None,
            result = self.attempts(&job, &rows, &trace) => Some(result),
        };
        let dropped = ended.is_none();
        if let Some(how) = ended {
            rows.end(how).await;
        }
        // Nobody waits for this.
        self.forget(&trace, dropped).await;
    }

    async fn attempts(&self, job: &Job, rows: &Rows, trace: &Trace) -> Result<()> {
        let mut attempt = 1;
        loop {
            match self.once(job, rows, trace).await {
                Err(e)
                    if e.kind() == ErrorKind::Lost
                        && attempt < ATTEMPTS
                        && trace.passed.load(Ordering::Relaxed) == 0 =>
                {
                    attempt += 1;
                    self.forget(trace, false).await;
                }
                result => return result,
            }
        }
    }

    async fn once(&self, job: &Job, rows: &Rows, trace: &Trace) -> Result<()> {
        let mut places = self.compute(job, trace).await?;
        // Rows come in the order of the partitions.
        places.sort_by_key(|p| {
            let partition = p.partition_id.as_ref().map_or(0, |id| id.partition_id);
            (partition, p.map_partition_id, p.file_id)
        });
        for place in places {
            self.fetch(place, rows, trace).await?;
        }
        Ok(())
    }

    /// Submits the job and waits for it: where its rows are.
    async fn compute(&self, job: &Job, trace: &Trace) -> Result<Vec<PartitionLocation>> {
        let n = self.operations.fetch_add(1, Ordering::Relaxed);
        let mut request = tonic::Request::new(ExecuteQueryParams {
            query: Some(Query::PhysicalPlan(job.plan.clone())),
            settings: job.settings.clone(),
            session_id: self.session.clone(),
            operation_id: format!("{}-{n}", self.session),
        });
        insert_version_header(request.metadata_mut());
        let mut client = self.connect().await?;
        let answer = client
            .execute_query_push(request)
            .await
            .map_err(|status| refused(&self.address, &status))?;
        check_compatibility(
            Some(BALLISTA_VERSION),
            version_from_metadata(answer.metadata()),
        )
        .map_err(|words| Error::new(ErrorKind::Unsupported, words))?;
        let mut states = answer.into_inner();
        loop {
            let state = states
                .message()
                .await
                .map_err(|status| refused(&self.address, &status))?
                .ok_or_else(|| {
                    let words = format!(
                        "the scheduler at ballista://{} ended before the query did",
                        self.address
                    );
                    Error::new(ErrorKind::Lost, words)
                })?;
            let Some(state) = state.status else { continue };
            *trace.job() = Some(state.job_id);
            match state.status {
                Some(Status::Failed(why)) => return Err(failed(&self.address, &why.error)),
                Some(Status::Successful(done)) => return Ok(done.partition_location),
                None | Some(Status::Queued(_) | Status::Running(_)) => {}
            }
        }
    }

    /// Passes on the rows of one partition of the result.
    async fn fetch(&self, place: PartitionLocation, rows: &Rows, trace: &Trace) -> Result<()> {
        let layout = place.layout();
        let (Some(executor), Some(partition)) = (place.executor_meta, place.partition_id) else {
            let words = format!(
                "the scheduler at ballista://{} does not say where rows of the result are",
                self.address
            );
            return Err(Error::new(ErrorKind::Internal, words));
        };
        let lost = |why: String| {
            Error::new(
                ErrorKind::Lost,
                format!(
                    "the executor at {}:{} has rows of the result, and they cannot be had from it: {why}",
                    executor.host, executor.port
                ),
            )
        };
        let port = u16::try_from(executor.port).map_err(|_| lost("it has no such port".into()))?;
        let client = BallistaClient::try_new(
            &executor.host,
            port,
            MESSAGE,
            false,
            None,
            // So often, and so many milliseconds apart, when the executor is busy.
            3,
            250,
            0,
            0,
        );
        let mut client = tokio::time::timeout(CONNECT, client)
            .await
            .map_err(|_| lost(format!("no connection in {CONNECT:?}")))?
            .map_err(|e| lost(chain(&e)))?;
        let late = |_| lost(format!("it has sent nothing for {PATIENCE:?}"));
        let partition = partition.into();
        let batches = client.fetch_partition(&executor.id, &partition, place.file_id, layout, true);
        let mut batches = tokio::time::timeout(PATIENCE, batches)
            .await
            .map_err(late)?
            .map_err(|e| lost(chain(&e)))?;
        while let Some(batch) = tokio::time::timeout(PATIENCE, batches.next())
            .await
            .map_err(late)?
        {
            let batch = batch.map_err(|e| lost(chain(&e)))?;
            trace.passed.fetch_add(1, Ordering::Relaxed);
            if !rows.pass(batch).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Cancels the job if it may still run, and has its files removed. Whether that works out is not waited for long: the scheduler
    /// removes what is left in time.
    async fn forget(&self, trace: &Trace, cancel: bool) {
        let Some(job_id) = trace.job().take() else {
            return;
        };
        let all = async {
            let mut client = self.connect().await.ok()?;
            if cancel {
                let job_id = job_id.clone();
                client.cancel_job(CancelJobParams { job_id }).await.ok()?;
            }
            let files = CleanJobDataParams {
                job_id,
                remove_stage_ids: Vec::new(),
            };
            client.clean_job_data(files).await.ok()
        };
        let _ = tokio::time::timeout(ANSWER, all).await;
    }
}
