//! The slots of executors, with those given back that Ballista 55.0.0 loses. When an executor is lost, stages that read from it are rolled
//! back, and their tasks on other executors are cancelled; what these tasks took is looked up in a stage that has forgotten them, so
//! nothing is given back, and an executor with one slot is never offered a task again: the query would wait for ever.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::error::Result;
use ballista_core::serde::protobuf::ExecutorHeartbeat;
use ballista_core::serde::scheduler::{ExecutorData, ExecutorMetadata};
use ballista_scheduler::cluster::{BoundTask, ClusterState, ClusterStateEventStream, ExecutorSlot};
use ballista_scheduler::config::TaskDistributionPolicy;
use ballista_scheduler::state::task_manager::JobInfoCache;

/// Ballista's own state of a cluster, with a count of what each executor's tasks have taken.
pub(crate) struct Slots {
    inner: Arc<dyn ClusterState>,
    taken: Mutex<HashMap<String, u32>>,
}

impl Slots {
    pub(crate) fn over(inner: Arc<dyn ClusterState>) -> Self {
        Self {
            inner,
            taken: Mutex::default(),
        }
    }

    /// What is to be given back: a report of tasks that nobody knows any more is worth one slot, which is what a task of ours takes; and
    /// never more than was taken.
    fn refund(&self, slots: Vec<ExecutorSlot>) -> Vec<ExecutorSlot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        slots
            .into_iter()
            .map(|(executor, said)| {
                let taken = taken.entry(executor.clone()).or_default();
                let back = said.max(1).min(*taken);
                *taken -= back;
                (executor, back)
            })
            .collect()
    }
}

#[async_trait]
impl ClusterState for Slots {
    async fn init(&self) -> Result<()> {
        self.inner.init().await
    }

    async fn bind_schedulable_tasks(
        &self,
        distribution: TaskDistributionPolicy,
        active_jobs: Arc<HashMap<JobId, JobInfoCache>>,
        executors: Option<HashSet<String>>,
    ) -> Result<Vec<BoundTask>> {
        let bound = self
            .inner
            .bind_schedulable_tasks(distribution, active_jobs, executors)
            .await?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for (executor, task) in &bound {
            *taken.entry(executor.clone()).or_default() += task.vcores_consumed;
        }
        Ok(bound)
    }

    async fn unbind_tasks(&self, slots: Vec<ExecutorSlot>) -> Result<()> {
        let slots = self.refund(slots);
        self.inner.unbind_tasks(slots).await
    }

    async fn register_executor(
        &self,
        metadata: ExecutorMetadata,
        spec: ExecutorData,
    ) -> Result<()> {
        let id = metadata.id.clone();
        self.inner.register_executor(metadata, spec).await?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&id);
        Ok(())
    }

    async fn save_executor_metadata(&self, metadata: ExecutorMetadata) -> Result<()> {
        self.inner.save_executor_metadata(metadata).await
    }

    async fn get_executor_metadata(&self, executor_id: &str) -> Result<ExecutorMetadata> {
        self.inner.get_executor_metadata(executor_id).await
    }

    async fn registered_executor_metadata(&self) -> Vec<ExecutorMetadata> {
        self.inner.registered_executor_metadata().await
    }

    async fn save_executor_heartbeat(&self, heartbeat: ExecutorHeartbeat) -> Result<()> {
        self.inner.save_executor_heartbeat(heartbeat).await
    }

    async fn remove_executor(&self, executor_id: &str) -> Result<()> {
        self.inner.remove_executor(executor_id).await
    }

    fn executor_heartbeats(&self) -> HashMap<String, ExecutorHeartbeat> {
        self.inner.executor_heartbeats()
    }

    fn get_executor_heartbeat(&self, executor_id: &str) -> Option<ExecutorHeartbeat> {
        self.inner.get_executor_heartbeat(executor_id)
    }

    async fn cluster_state_events(&self) -> Result<ClusterStateEventStream> {
        self.inner.cluster_state_events().await
    }
}
