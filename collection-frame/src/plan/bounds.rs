//! Nothing is concluded from bounds of floats. A Parquet file's smallest and largest value of a column leave NaN out, so they say nothing of
//! a column in which one may be: `[1.0, NaN]` was read as `[1.0, 1.0]` (apache/datafusion#24804), its largest value was 1.0, and
//! `x > 5.0`, which NaN is, passed over it. Bounds of all other types are used.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, Statistics};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::{Column, IsNotNullExpr, IsNullExpr, lit};
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// Whether values of a type hold floats.
pub(crate) fn holds_floats(t: &DataType) -> bool {
    match t {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => true,
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::ListView(f)
        | DataType::LargeListView(f)
        | DataType::FixedSizeList(f, _)
        | DataType::Map(f, _) => holds_floats(f.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| holds_floats(f.data_type())),
        DataType::Dictionary(_, v) => holds_floats(v),
        DataType::RunEndEncoded(_, v) => holds_floats(v.data_type()),
        DataType::Union(fields, _) => fields.iter().any(|(_, f)| holds_floats(f.data_type())),
        _ => false,
    }
}

/// A scan without the bounds of columns that hold floats in the table, or in one of its files (`in_files`, by name).
pub(crate) fn unknown(
    plan: Arc<dyn ExecutionPlan>,
    in_files: &dyn Fn(&str) -> bool,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some((exec, scan)) = scan(&node) else {
            return Ok(Transformed::no(node));
        };
        let schema = scan.file_source().table_schema().table_schema().clone();
        let float: Vec<bool> = schema
            .fields()
            .iter()
            .map(|f| holds_floats(f.data_type()) || in_files(f.name()))
            .collect();
        if !float.contains(&true) {
            return Ok(Transformed::no(node));
        }
        let groups = scan.file_groups.iter().map(|group| {
            let files = group.files().iter().cloned().map(|mut file| {
                file.statistics = file.statistics.map(|s| Arc::new(without(&s, &float)));
                file
            });
            let new = FileGroup::new(files.collect());
            match group.file_statistics(None) {
                Some(s) => new.with_statistics(Arc::new(without(s, &float))),
                None => new,
            }
        });
        let groups: Vec<FileGroup> = groups.collect();
        let statistics = without(&scan.statistics(), &float);
        let scan = FileScanConfigBuilder::from(scan.clone())
            .with_file_groups(groups)
            .with_statistics(statistics)
            .build();
        let exec = exec.clone().with_data_source(Arc::new(scan));
        Ok(Transformed::yes(Arc::new(exec) as Arc<dyn ExecutionPlan>))
    })
    .data()
}

fn scan(node: &Arc<dyn ExecutionPlan>) -> Option<(&DataSourceExec, &FileScanConfig)> {
    let exec = node.downcast_ref::<DataSourceExec>()?;
    let scan = exec.data_source().downcast_ref::<FileScanConfig>()?;
    Some((exec, scan))
}

fn without(statistics: &Statistics, float: &[bool]) -> Statistics {
    let mut new = statistics.clone();
    for (column, _) in new
        .column_statistics
        .iter_mut()
        .zip(float)
        .filter(|(_, f)| **f)
    {
        column.min_value = Precision::Absent;
        column.max_value = Precision::Absent;
        column.sum_value = Precision::Absent;
        column.distinct_count = Precision::Absent;
    }
    new
}

/// The rule by which files, row groups and pages are not passed over for what a condition on floats says of their bounds. The condition
/// itself stays above the scan.
#[derive(Debug)]
pub(crate) struct NoFloatBounds;

impl PhysicalOptimizerRule for NoFloatBounds {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some((exec, scan)) = scan(&node) else {
                return Ok(Transformed::no(node));
            };
            let Some(source) = scan.file_source().downcast_ref::<ParquetSource>() else {
                return Ok(Transformed::no(node));
            };
            let Some(predicate) = source.filter() else {
                return Ok(Transformed::no(node));
            };
            let schema = scan.file_source().table_schema().table_schema().clone();
            let parts = split_conjunction(&predicate);
            let kept: Vec<Arc<dyn PhysicalExpr>> = parts
                .iter()
                .filter(|p| !looks_at_floats(p, &schema))
                .map(|p| Arc::clone(p))
                .collect();
            if kept.len() == parts.len() {
                return Ok(Transformed::no(node));
            }
            let predicate = match kept.is_empty() {
                true => lit(true),
                false => conjunction(kept),
            };
            let scan = FileScanConfigBuilder::from(scan.clone())
                .with_source(Arc::new(source.with_predicate(predicate)))
                .build();
            let exec = exec.clone().with_data_source(Arc::new(scan));
            Ok(Transformed::yes(Arc::new(exec) as Arc<dyn ExecutionPlan>))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "kvern_no_float_bounds"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether an expression reads a column that holds floats, but for whether it is null.
fn looks_at_floats(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let mut found = false;
    let visit = expr.apply(|e| {
        if e.is::<IsNullExpr>() || e.is::<IsNotNullExpr>() {
            let plain = e.children().iter().all(|c| c.is::<Column>());
            return Ok(match plain {
                true => TreeNodeRecursion::Jump,
                false => TreeNodeRecursion::Continue,
            });
        }
        if let Some(c) = e.downcast_ref::<Column>() {
            // A column that is not known is left alone, too.
            let float = |f: &arrow::datatypes::Field| holds_floats(f.data_type());
            if schema.field_with_name(c.name()).map_or(true, float) {
                found = true;
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found || visit.is_err()
}
