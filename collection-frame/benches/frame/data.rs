//! The table of the h2o.ai db-benchmark's groupby questions, made once and kept: the peers read the same files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvern_frame::RecordBatch;
use kvern_frame::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use kvern_frame::arrow::csv::WriterBuilder;
use parquet::arrow::ArrowWriter;

/// Keys of the small columns.
const K: u64 = 100;
/// Rows of a batch.
const BATCH: usize = 1 << 16;

/// The files `h2o-N.parquet` and `h2o-N.csv`.
pub(crate) fn h2o(
    folder: &Path,
    rows: usize,
) -> Result<(PathBuf, PathBuf), Box<dyn std::error::Error>> {
    let parquet = folder.join(format!("h2o-{rows}.parquet"));
    let csv = folder.join(format!("h2o-{rows}.csv"));
    if parquet.exists() && csv.exists() {
        return Ok((parquet, csv));
    }
    std::fs::create_dir_all(folder)?;
    let half = (
        parquet.with_extension("half"),
        csv.with_extension("half-csv"),
    );
    let options = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_max_row_group_row_count(Some(rows.div_ceil(10)))
        .build();
    let mut rng = Rng(108);
    let first = batch(&mut rng, 0, rows);
    let mut file = ArrowWriter::try_new(File::create(&half.0)?, first.schema(), Some(options))?;
    let mut text = WriterBuilder::new()
        .with_header(true)
        .build(std::io::BufWriter::with_capacity(
            1 << 20,
            File::create(&half.1)?,
        ));
    let mut left = rows;
    while left > 0 {
        let n = left.min(BATCH);
        let b = batch(&mut rng, n, rows);
        file.write(&b)?;
        text.write(&b)?;
        left -= n;
    }
    file.close()?;
    drop(text);
    std::fs::rename(&half.0, &parquet)?;
    std::fs::rename(&half.1, &csv)?;
    Ok((parquet, csv))
}

fn batch(rng: &mut Rng, n: usize, rows: usize) -> RecordBatch {
    let many = (rows as u64 / K).max(1);
    let small = |rng: &mut Rng| -> ArrayRef {
        let ids = (0..n).map(|_| format!("id{:03}", 1 + rng.below(K)));
        Arc::new(StringArray::from_iter_values(ids))
    };
    let ints = |rng: &mut Rng, of: u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            (0..n).map(|_| 1 + rng.below(of) as i64),
        ))
    };
    let id1 = small(rng);
    let id2 = small(rng);
    let id3 = (0..n).map(|_| format!("id{:010}", 1 + rng.below(many)));
    let id3: ArrayRef = Arc::new(StringArray::from_iter_values(id3));
    let v3 = (0..n).map(|_| rng.below(100_000_000) as f64 / 1e6);
    let v3: ArrayRef = Arc::new(Float64Array::from_iter_values(v3));
    let columns = [
        ("id1", id1),
        ("id2", id2),
        ("id3", id3),
        ("id4", ints(rng, K)),
        ("id5", ints(rng, K)),
        ("id6", ints(rng, many)),
        ("v1", ints(rng, 5)),
        ("v2", ints(rng, 15)),
        ("v3", v3),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// splitmix64
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * u128::from(n)) >> 64) as u64
    }
}
