//! Files of a scan in the order in which they were given. DataFusion (55.2) puts them in the order of their names before it deals them out, and
//! a LIMIT chooses among them in any order; a file that is given twice it reads once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result as DfResult, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use super::sources::object_path;
use crate::error::into_df;

/// At most so many groups of neighbours.
pub(super) fn groups(files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
    let each = files.len().div_ceil(partitions.max(1)).max(1);
    let chunks = files.chunks(each);
    chunks.map(|files| FileGroup::new(files.to_vec())).collect()
}

/// The scan of all of these files, in this order, for the first rows.
///
/// # Errors
/// If a file is not among those that the scan has.
pub(super) fn in_order(
    plan: &Arc<dyn ExecutionPlan>,
    files: &[PathBuf],
    limit: Option<usize>,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let scan = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|exec| Some((exec, exec.data_source().downcast_ref::<FileScanConfig>()?)));
    let Some((exec, scan)) = scan else {
        return Ok(plan.clone());
    };
    let mut builder = FileScanConfigBuilder::from(scan.clone()).with_limit(limit);
    let listed: Vec<&PartitionedFile> = scan.file_groups.iter().flat_map(FileGroup::iter).collect();
    let given = given(&listed, files)?;
    if given.len() != listed.len() {
        // DataFusion reads a file that is given twice once, and counts so.
        let schema = scan.file_source().table_schema().table_schema();
        builder = builder.with_statistics(Statistics::new_unknown(schema));
    }
    let same = |(a, b): (&&PartitionedFile, &PartitionedFile)| a.path() == b.path();
    if given.len() != listed.len() || !listed.iter().zip(&given).all(same) {
        builder = builder.with_file_groups(groups(given, scan.file_groups.len()));
    }
    let exec = exec.clone().with_data_source(Arc::new(builder.build()));
    Ok(Arc::new(exec))
}

/// The files as they were given.
fn given(listed: &[&PartitionedFile], files: &[PathBuf]) -> DfResult<Vec<PartitionedFile>> {
    let by_path: HashMap<_, _> = listed.iter().map(|file| (file.path(), *file)).collect();
    let given = files.iter().map(|path| {
        let path = object_path(path).map_err(into_df)?;
        let file = by_path.get(&path).copied();
        file.cloned().ok_or_else(|| {
            DataFusionError::Internal(format!("{path} is not among the files of its scan"))
        })
    });
    given.collect()
}
