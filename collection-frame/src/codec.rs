//! How the nodes of ours in a physical plan are written and read again; DataFusion writes its own.

mod known;
mod same;

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::{DataFusionError, internal_err, not_impl_err};
use datafusion::datasource::physical_plan::FileScanConfigBuilder;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::execution::config::SessionConfig;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::physical_plan::from_proto::{
    parse_protobuf_file_scan_config, parse_table_schema_from_proto,
};
use datafusion_proto::physical_plan::to_proto::serialize_file_scan_config;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::FileScanExecConf;
use kvern_core::operator::Operators;
use kvern_core::{Error, ErrorKind, Registry, Result};
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::error::{from_df, into_df};
use crate::function;
use crate::parts::{InputExec, InputSpec};
use crate::plan::windows;
use crate::read::csv::source as csv_source;
use known::Known;

type DfResult<T> = std::result::Result<T, DataFusionError>;

/// A plan as bytes that any process with this crate can read, and what they are when they are read: the same plan, or it is an error.
/// What DataFusion's form leaves out would else be left out without a word.
///
/// `config`: what the plan was made with. A function is another one under other options.
pub(crate) fn encode(
    plan: &Arc<dyn ExecutionPlan>,
    config: &SessionConfig,
) -> Result<(Vec<u8>, Arc<dyn ExecutionPlan>)> {
    let bytes = physical_plan_to_bytes_with_extension_codec(plan.clone(), &Codec::of(None))
        .map(|b| b.to_vec())
        .map_err(|e| {
            let e = from_df(e);
            // DataFusion tells the whole plan; what counts is which node it is about.
            let why = e
                .message()
                .split_once("failed with [This feature is not implemented: ")
                .and_then(|(_, rest)| rest.split_once(']'))
                .map_or_else(|| e.message().to_owned(), |(node, _)| node.to_owned());
            let words = format!("the plan cannot be written: {why}; compute it by Way::Local");
            Error::new(ErrorKind::NotPortable, words)
        })?;
    let context = TaskContext::from(crate::plan::base()).with_session_config(config.clone());
    let read = decode_in(&bytes, None, &context)?;
    same::plans(&read, plan).map_err(|why| {
        let words = format!("the plan cannot be written: {why}; compute it by Way::Local");
        Error::new(ErrorKind::NotPortable, words)
    })?;
    Ok((bytes, read))
}

/// Whether a plan is the same where an engine reads it that is given it by [`backend::codec`](crate::backend::codec).
///
/// # Errors
/// [`ErrorKind::NotPortable`] naming what would be lost.
pub(crate) fn check_travels(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let codec = Codec::strict(Arc::new(Registry::linked()?));
    let bytes =
        physical_plan_to_bytes_with_extension_codec(plan.clone(), &codec).map_err(from_df)?;
    let context = crate::plan::base().task_ctx();
    let read =
        physical_plan_from_bytes_with_extension_codec(&bytes, &context, &codec).map_err(from_df)?;
    same::plans(&read, plan).map_err(|why| {
        let words = format!("the plan cannot be written: {why}; compute the frame on threads://");
        Error::new(ErrorKind::NotPortable, words)
    })
}

/// Reads what [`encode`] wrote; the operators behind functions of columns are found there, or else among the functions that this
/// process made.
pub(crate) fn decode(
    bytes: &[u8],
    operators: Option<&dyn Operators>,
) -> Result<Arc<dyn ExecutionPlan>> {
    decode_in(bytes, operators, &crate::plan::base().task_ctx())
}

fn decode_in(
    bytes: &[u8],
    operators: Option<&dyn Operators>,
    context: &TaskContext,
) -> Result<Arc<dyn ExecutionPlan>> {
    // DataFusion wants a codec that borrows nothing.
    let codec = Codec::of(operators.map(Operators::shared));
    physical_plan_from_bytes_with_extension_codec(bytes, context, &codec).map_err(|e| {
        let words = format!("a plan of {} bytes cannot be read: {e}", bytes.len());
        Error::with_source(ErrorKind::Decode, words, from_df(e))
    })
}

/// Reads and writes what is ours.
#[derive(Debug)]
pub(crate) struct Codec {
    operators: Option<Arc<dyn Operators>>,
    /// Refuses functions that would not be found where the plan is read.
    strict: bool,
}

impl Codec {
    fn of(operators: Option<Arc<dyn Operators>>) -> Self {
        Self {
            operators,
            strict: false,
        }
    }

    /// Whether a function is the one that others find by its name.
    fn check_known<F: PartialEq>(
        &self,
        name: &str,
        known: Option<&F>,
        function: &F,
    ) -> DfResult<()> {
        if self.strict && known != Some(function) {
            return Err(into_df(function::by_name_only(name)));
        }
        Ok(())
    }

    /// For other programs with these operators.
    pub(crate) fn strict(operators: Arc<dyn Operators>) -> Self {
        Self {
            operators: Some(operators),
            strict: true,
        }
    }
}

/// Our nodes on the wire.
#[derive(Serialize, Deserialize)]
enum Node {
    Input {
        spec: InputSpec,
        /// A protobuf schema.
        schema: Vec<u8>,
        known: Known,
    },
    Csv {
        source: csv_source::Wire,
        /// DataFusion's protobuf of a file scan.
        scan: Vec<u8>,
    },
}

impl PhysicalExtensionCodec for Codec {
    fn try_encode_udf(&self, udf: &ScalarUDF, buf: &mut Vec<u8>) -> DfResult<()> {
        if let (true, Some(operators)) = (self.strict, &self.operators) {
            function::check_portable(udf, operators.as_ref()).map_err(into_df)?;
        }
        function::encode(udf, buf)
    }

    fn try_encode_udaf(&self, udaf: &AggregateUDF, _buf: &mut Vec<u8>) -> DfResult<()> {
        let known = crate::plan::base().aggregate_functions();
        let known = known.get(udaf.name()).map(AsRef::as_ref);
        // One that was told in which order its rows come is not equal to the one that is known, and computes the same.
        let kind = |f: &AggregateUDF| (f.inner().as_ref() as &dyn Any).type_id();
        if known.map(kind) == Some(kind(udaf)) {
            return Ok(());
        }
        self.check_known(udaf.name(), known, udaf)
    }

    fn try_encode_udwf(&self, udwf: &WindowUDF, buf: &mut Vec<u8>) -> DfResult<()> {
        if windows::encode(udwf, buf) {
            return Ok(());
        }
        let known = crate::plan::base().window_functions();
        self.check_known(udwf.name(), known.get(udwf.name()).map(AsRef::as_ref), udwf)
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> DfResult<Arc<WindowUDF>> {
        windows::decode(name, buf)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> DfResult<Arc<ScalarUDF>> {
        function::decode(name, buf, self.operators.as_deref())
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DfResult<()> {
        let wire = if let Some(input) = node.downcast_ref::<InputExec>() {
            let schema: datafusion_proto::protobuf::Schema = input.schema().as_ref().try_into()?;
            Node::Input {
                spec: input.spec.clone(),
                schema: schema.encode_to_vec(),
                known: Known::of(input.equivalence(), self, converter)?,
            }
        } else if let Some((scan, source)) = csv_scan(node.as_ref()) {
            Node::Csv {
                source: source.wire(),
                scan: serialize_file_scan_config(scan, self, converter)?.encode_to_vec(),
            }
        } else {
            return not_impl_err!("{} cannot leave this process", node.name());
        };
        match postcard::to_allocvec(&wire) {
            Ok(bytes) => buf.extend_from_slice(&bytes),
            Err(e) => return internal_err!("{} cannot be written: {e}", node.name()),
        }
        Ok(())
    }

    fn try_decode(
        &self,
        buf: &[u8],
        _inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let malformed = |e: &dyn std::fmt::Display| {
            DataFusionError::Execution(format!("a node of {} bytes is malformed: {e}", buf.len()))
        };
        let context = PhysicalPlanDecodeContext::new(context, self);
        match postcard::from_bytes(buf).map_err(|e| malformed(&e))? {
            Node::Input {
                spec,
                schema,
                known,
            } => {
                let schema = datafusion_proto::protobuf::Schema::decode(schema.as_slice())
                    .map_err(|e| malformed(&e))?;
                let schema: Schema = (&schema).try_into()?;
                let equivalence = known.read(Arc::new(schema), &context, converter)?;
                Ok(Arc::new(InputExec::new(spec, equivalence)))
            }
            Node::Csv { source, scan } => {
                let scan = FileScanExecConf::decode(scan.as_slice()).map_err(|e| malformed(&e))?;
                let source = Arc::new(source.source(parse_table_schema_from_proto(&scan)?));
                let scan = parse_protobuf_file_scan_config(&scan, &context, converter, source)?;
                Ok(DataSourceExec::from_data_source(
                    FileScanConfigBuilder::from(scan).build(),
                ))
            }
        }
    }
}

/// The scan and the source of a node that reads CSV files.
fn csv_scan(
    node: &dyn ExecutionPlan,
) -> Option<(
    &datafusion::datasource::physical_plan::FileScanConfig,
    &csv_source::CsvSource,
)> {
    let exec = node.downcast_ref::<DataSourceExec>()?;
    let scan = exec
        .data_source()
        .downcast_ref::<datafusion::datasource::physical_plan::FileScanConfig>()?;
    let source = scan.file_source().downcast_ref::<csv_source::CsvSource>()?;
    Some((scan, source))
}
