//! Batches as the values of tasks: how they are measured, described, written and read again.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, GenericByteViewArray, RecordBatchOptions, make_array,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{ByteViewType, DataType, Field};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use kvern_core::bulk::{Bulk, Lent, Numbers, Room};
use kvern_core::{Error, ErrorKind, Key, TypeEntry, Value};

type Result<T, E = Error> = std::result::Result<T, E>;

/// What a partition is: batches of one schema, in order. An empty list is a partition without rows.
pub(crate) type Batches = Vec<RecordBatch>;

kvern_core::register_type!(TypeEntry {
    tag: "frame.batches@1",
    source: "kvern-frame",
    type_id: || TypeId::of::<Batches>(),
    nbytes: |v| v.downcast_ref::<Batches>().map_or(0, nbytes),
    describe: Some(|v| v
        .downcast_ref::<Batches>()
        .map_or_else(String::new, |b| describe(b))),
    encode,
    decode,
    bulk: Some(Bulk { lend, room }),
});

/// Memory that batches hold, in bytes: a buffer that several share (slices, dictionaries) counts once.
pub(crate) fn nbytes<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> u64 {
    let mut seen = HashSet::new();
    let mut total = 0u64;
    for batch in batches {
        for column in batch.columns() {
            add(&column.to_data(), &mut seen, &mut total);
        }
        total += (batch.num_columns() * size_of::<arrow::array::ArrayRef>()) as u64;
    }
    total
}

fn add(data: &ArrayData, seen: &mut HashSet<usize>, total: &mut u64) {
    let nulls = data.nulls().map(|n| n.buffer());
    for buffer in data.buffers().iter().chain(nulls) {
        if seen.insert(buffer.data_ptr().as_ptr() as usize) {
            *total += buffer.capacity() as u64;
        }
    }
    for child in data.child_data() {
        add(child, seen, total);
    }
}

/// The batch without the text of rows that are not in it: a view array of a few rows keeps all buffers of those that it was taken from.
pub(crate) fn own(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let shares = |f: &Arc<Field>| holds_views(f.data_type());
    if !batch.schema_ref().fields().iter().any(shares) {
        return Ok(batch.clone());
    }
    let columns = batch.columns().iter().map(own_column);
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &rows)
}

pub(crate) fn holds_views(t: &DataType) -> bool {
    match t {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::FixedSizeList(f, _)
        | DataType::Map(f, _) => holds_views(f.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| holds_views(f.data_type())),
        DataType::Dictionary(_, v) => holds_views(v),
        _ => false,
    }
}

fn own_column(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let Some(text) = column.as_string_view_opt() {
        return Ok(own_views(text, column));
    }
    if let Some(bytes) = column.as_binary_view_opt() {
        return Ok(own_views(bytes, column));
    }
    if !holds_views(column.data_type()) {
        return Ok(column.clone());
    }
    let data = column.to_data();
    let children = data.child_data().iter();
    let children = children.map(|c| Ok(own_column(&make_array(c.clone()))?.to_data()));
    let children = children.collect::<Result<Vec<_>, ArrowError>>()?;
    Ok(make_array(
        data.into_builder().child_data(children).build()?,
    ))
}

/// Copied where less than half of what it holds is its own.
fn own_views<T: ByteViewType + ?Sized>(
    views: &GenericByteViewArray<T>,
    column: &ArrayRef,
) -> ArrayRef {
    /// Longer text is not kept in the view itself.
    const INLINE: u32 = 12;
    let held: usize = views.data_buffers().iter().map(Buffer::capacity).sum();
    let lengths = views.lengths().filter(|&n| n > INLINE);
    let used: usize = lengths.map(|n| n as usize).sum();
    match held > 2 * used {
        true => Arc::new(views.gc()),
        false => column.clone(),
    }
}

fn describe(batches: &[RecordBatch]) -> String {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    match batches.first() {
        None => "batches[0 rows]".into(),
        Some(b) => format!("batches[{rows} rows, {} columns]", b.num_columns()),
    }
}

/// The batches inside a value.
pub(crate) fn batches_of(value: &Value) -> Result<&Batches> {
    value.downcast_ref::<Batches>().ok_or_else(|| {
        Error::bad_input(format!(
            "a partition of a frame was expected, got {}",
            value.describe()
        ))
    })
}

/// A checksum, then an Arrow IPC stream; nothing at all for no batch.
fn encode(value: &dyn Any, out: &mut Vec<u8>) -> Result<()> {
    let batches = value.downcast_ref::<Batches>().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "the codec of batches was given another type",
        )
    })?;
    let Some(first) = batches.first() else {
        return Ok(());
    };
    let wrong = |e: arrow::error::ArrowError| {
        Error::with_source(
            ErrorKind::NotPortable,
            format!("a partition cannot be written: {e}"),
            e,
        )
    };
    let start = out.len();
    out.extend_from_slice(&[0; CHECKSUM]);
    let mut writer = StreamWriter::try_new(&mut *out, &first.schema()).map_err(wrong)?;
    for batch in batches {
        writer.write(batch).map_err(wrong)?;
    }
    writer.finish().map_err(wrong)?;
    drop(writer);
    let sum = checksum(&out[start + CHECKSUM..]);
    out[start..start + CHECKSUM].copy_from_slice(&sum);
    Ok(())
}

/// Everything is checked while it is read: the bytes may come from anywhere. The checksum finds what a disk or a wire did to them; what
/// somebody made up on purpose is refused by Arrow's reader, or stops it where it is caught.
fn decode(bytes: &[u8]) -> Result<Value> {
    read(Buffer::from(bytes))
}

/// The batches look into the buffer and do not copy it.
fn read(buffer: Buffer) -> Result<Value> {
    if buffer.is_empty() {
        return Ok(Value::new(Batches::new()));
    }
    let wrong = |why: &dyn std::fmt::Display| {
        let words = format!(
            "a partition of {} bytes cannot be read: {why}",
            buffer.len()
        );
        Error::new(ErrorKind::Decode, words)
    };
    let (sum, body) = buffer
        .split_at_checked(CHECKSUM)
        .ok_or_else(|| wrong(&"it is too short"))?;
    if sum != checksum(body) {
        return Err(wrong(&"its checksum is wrong"));
    }
    match std::panic::catch_unwind(|| stream(buffer.slice(CHECKSUM))) {
        Ok(batches) => Ok(Value::new(batches.map_err(|e| wrong(&e))?)),
        Err(_) => Err(wrong(&"it is malformed")),
    }
}

/// The batches of a stream. The decoder looks into a buffer that is there, so no length in it makes it ask for memory.
fn stream(mut buffer: Buffer) -> Result<Batches, arrow::error::ArrowError> {
    let mut decoder = StreamDecoder::new();
    let mut batches = Batches::new();
    while !buffer.is_empty() {
        match decoder.decode(&mut buffer)? {
            Some(batch) => batches.push(batch),
            None => break,
        }
    }
    decoder.finish()?;
    Ok(batches)
}

/// A stream has to be written to be sent: the body is made, and has no head.
fn lend(value: &dyn Any) -> Result<Lent<'_>> {
    let bytes = value.downcast_ref::<Batches>().map_or(0, nbytes);
    let mut body = Vec::with_capacity(bytes.min(1 << 30) as usize + 1024);
    encode(value, &mut body)?;
    Ok(Lent {
        head: Vec::new(),
        body: Cow::Owned(body),
    })
}

/// Where a partition arrives: in the buffer that its batches will look into.
struct Arriving(Numbers<u8>);

fn room(head: &[u8], length: usize) -> Result<Box<dyn Room>> {
    if !head.is_empty() {
        let words = "a partition of a frame has no head";
        return Err(Error::new(ErrorKind::Decode, words));
    }
    Ok(Box::new(Arriving(Numbers::of_bytes(length)?)))
}

impl Room for Arriving {
    fn next(&mut self) -> &mut [u8] {
        self.0.next_part()
    }

    fn fill(self: Box<Self>) -> Result<Value> {
        read(Buffer::from_vec(self.0.into_list()?))
    }
}

const CHECKSUM: usize = 16;

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let [a, b] = Key::builder("frame.batches").bytes(body).finish().words();
    let mut sum = [0; CHECKSUM];
    sum[..8].copy_from_slice(&a.to_le_bytes());
    sum[8..].copy_from_slice(&b.to_le_bytes());
    sum
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, StringViewArray};
    use kvern_core::Registry;

    use super::*;

    fn batch(n: i64) -> RecordBatch {
        let ints: ArrayRef = Arc::new(Int64Array::from_iter(
            (0..n).map(|i| (i % 3 != 0).then_some(i)),
        ));
        let text: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..n).map(|i| format!("row {i}")),
        ));
        let view: ArrayRef = Arc::new(StringViewArray::from_iter_values(
            (0..n).map(|i| format!("a string that is not held in place {i}")),
        ));
        RecordBatch::try_from_iter([("i", ints), ("s", text), ("v", view)]).unwrap()
    }

    #[test]
    fn batches_come_back_and_cut_ones_are_refused() {
        let r = Registry::linked().unwrap();
        for batches in [vec![], vec![batch(0)], vec![batch(10), batch(3)]] {
            let mut bytes = Vec::new();
            r.encode(&Value::new(batches.clone()), &mut bytes).unwrap();
            let back = r.decode(&bytes).unwrap();
            assert_eq!(batches_of(&back).unwrap(), &batches);
            let value = Value::new(batches.clone());
            let lent = r.lend(&value).unwrap();
            let mut room = r.room(&lent.head, lent.body.len()).unwrap();
            let part = room.next();
            part.copy_from_slice(&lent.body);
            assert_eq!(batches_of(&room.fill().unwrap()).unwrap(), &batches);
            let tag = 1 + "frame.batches@1".len();
            for n in tag + 1..bytes.len() {
                assert!(
                    r.decode(&bytes[..n]).is_err(),
                    "cut to {n} of {}",
                    bytes.len()
                );
            }
        }
    }

    #[test]
    fn any_byte_may_be_wrong() {
        let mut bytes = Vec::new();
        encode(&vec![batch(20)], &mut bytes).unwrap();
        for i in 0..bytes.len() {
            for x in [1u8, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[i] ^= x;
                assert!(decode(&bad).is_err(), "byte {i}");
                // With a checksum that fits, as somebody could make it: refused or read as something else, and no panic gets out.
                if i >= CHECKSUM && i % 7 == 0 {
                    let sum = checksum(&bad[CHECKSUM..]);
                    bad[..CHECKSUM].copy_from_slice(&sum);
                    let _ = std::hint::black_box(decode(&bad));
                }
            }
        }
    }

    #[test]
    fn shared_buffers_count_once() {
        let whole = batch(1000);
        let slices: Batches = (0..10).map(|i| whole.slice(i * 100, 100)).collect();
        let (one, ten) = (nbytes([&whole]), nbytes(&slices));
        assert!(ten < one + 1000, "{one} {ten}");
        assert!(nbytes([&batch(1000), &batch(1000)]) > 2 * one - 1000);
    }
}
