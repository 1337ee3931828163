//! `frame.write_parquet`: partitions into one file that appears when it is complete.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use kvern_core::operator::decode_params;
use kvern_core::unfinished::{Leftover, Leftovers, Unfinished};
use kvern_core::{
    Error, ErrorKind, Kernel, OpRef, OpTraits, Operator, Result, TaskContext, Value,
    register_operator,
};
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::error::{from_df, io};
use crate::value::batches_of;

const NAME: &str = "frame.write_parquet";

/// It has an effect: running it again writes again.
const WRITES: OpTraits = OpTraits {
    pure: false,
    uses_block: false,
    inline: false,
};

#[derive(Serialize, Deserialize)]
struct Params {
    path: PathBuf,
    schema: Vec<u8>,
}

/// The operator that writes all its inputs, in order, to that file.
pub(crate) fn write_op(path: &Path, schema: &SchemaRef) -> Result<OpRef> {
    let schema: datafusion_proto::protobuf::Schema = schema
        .as_ref()
        .try_into()
        .map_err(|e| Error::bad_input(format!("the columns cannot be written down: {e}")))?;
    let params = Params {
        path: path.to_owned(),
        schema: schema.encode_to_vec(),
    };
    OpRef::of(&Write, &params)
}

struct Write;

impl Operator for Write {
    fn name(&self) -> &'static str {
        NAME
    }

    fn traits(&self, _: &[u8]) -> Result<OpTraits> {
        Ok(WRITES)
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        let p: Params = decode_params(NAME, params)?;
        let malformed = |e: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Decode,
                format!("the schema of {NAME} is malformed: {e}"),
            )
        };
        let schema = datafusion_proto::protobuf::Schema::decode(p.schema.as_slice())
            .map_err(|e| malformed(&e))?;
        let schema: Schema = (&schema)
            .try_into()
            .map_err(|e: datafusion_proto::protobuf::FromProtoError| malformed(&e))?;
        let schema = Arc::new(schema);
        Ok(Arc::new(
            move |inputs: &mut [Value], ctx: &TaskContext<'_>| {
                let mut file = ParquetFile::create(&p.path, &schema, &ctx.leftovers())?;
                for input in inputs.iter() {
                    for batch in batches_of(input)? {
                        ctx.check_cancelled()?;
                        file.write(batch)?;
                    }
                }
                Ok(Value::new(file.finish()?))
            },
        ))
    }
}
register_operator!(Write);

/// Rows of a group, which is what a file can be cut into when it is read: few enough that a file of a million rows serves several
/// threads and small memories.
const ROW_GROUP: usize = 1 << 17;

/// A Parquet file that is being written, under another name in the same folder until it is complete. Dropped before that, it leaves
/// nothing behind; what a killed process leaves, the next write to that name removes.
pub(super) struct ParquetFile {
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    new: Unfinished,
    /// Goes last.
    leftover: Leftover,
    rows: u64,
}

impl ParquetFile {
    pub(super) fn create(path: &Path, schema: &SchemaRef, leftovers: &Leftovers) -> Result<Self> {
        let wrong = |e: std::io::Error| io(path, "it cannot be written", e);
        let new = Unfinished::begin(path).map_err(wrong)?;
        let file = new.file().try_clone().map_err(wrong)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))
            .map_err(|e| parquet(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            schema: schema.clone(),
            writer,
            leftover: leftovers.add(new.hidden().to_owned()),
            new,
            rows: 0,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = crate::parts::renamed(batch.clone(), &self.schema).map_err(from_df)?;
        self.rows += batch.num_rows() as u64;
        self.writer
            .write(&batch)
            .map_err(|e| parquet(&self.path, e))
    }

    /// Ends the file, waits until it is on disk, and gives it its name. Says how many rows it has.
    pub(super) fn finish(self) -> Result<u64> {
        let path = self.path;
        let wrong = |e: std::io::Error| io(&path, "it cannot be written", e);
        self.writer.into_inner().map_err(|e| parquet(&path, e))?;
        self.new.finish().map_err(wrong)?;
        drop(self.leftover);
        Ok(self.rows)
    }
}

fn parquet(path: &Path, e: datafusion::parquet::errors::ParquetError) -> Error {
    let words = format!("{}: it cannot be written: {e}", path.display());
    Error::with_source(ErrorKind::Io, words, e)
}
