//! How plans travel: what kvern's frames have of their own beside what Ballista has of its own, told apart by a mark.

use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use kvern_core::Result;

/// What stands before a node of kvern's. Ballista's own nodes are protobuf messages, none of which begins so.
const MARK: &[u8] = b"kvern\0";

/// Both codecs as one, which is what Ballista takes.
#[derive(Debug)]
pub(crate) struct Codec {
    frames: Arc<dyn PhysicalExtensionCodec>,
    ballista: BallistaPhysicalExtensionCodec,
}

impl Codec {
    /// With the operators that are linked into this program.
    ///
    /// # Errors
    /// If two linked crates have one operator.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            frames: kvern_frame::backend::codec()?,
            ballista: BallistaPhysicalExtensionCodec::default(),
        })
    }
}

impl PhysicalExtensionCodec for Codec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DfResult<()> {
        let mut ours = MARK.to_vec();
        match self.frames.try_encode(node.clone(), &mut ours, converter) {
            Ok(()) => buf.append(&mut ours),
            Err(DataFusionError::NotImplemented(_)) => {
                self.ballista.try_encode(node, buf, converter)?;
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        match buf.strip_prefix(MARK) {
            Some(ours) => self.frames.try_decode(ours, inputs, context, converter),
            None => self.ballista.try_decode(buf, inputs, context, converter),
        }
    }

    fn try_encode_udf(&self, udf: &ScalarUDF, buf: &mut Vec<u8>) -> DfResult<()> {
        self.frames.try_encode_udf(udf, buf)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> DfResult<Arc<ScalarUDF>> {
        self.frames.try_decode_udf(name, buf)
    }

    fn try_encode_udaf(&self, udaf: &AggregateUDF, buf: &mut Vec<u8>) -> DfResult<()> {
        self.frames.try_encode_udaf(udaf, buf)
    }

    fn try_encode_udwf(&self, udwf: &WindowUDF, buf: &mut Vec<u8>) -> DfResult<()> {
        self.frames.try_encode_udwf(udwf, buf)
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> DfResult<Arc<WindowUDF>> {
        self.frames.try_decode_udwf(name, buf)
    }
}
