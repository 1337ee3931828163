//! Numbers, decimals and times that are written as text and read again: none is another one.

use std::path::Path;
use std::sync::Arc;

use kvern_frame::arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use kvern_frame::arrow::csv::WriterBuilder;
use kvern_frame::arrow::datatypes::{
    Decimal128Type, Float32Type, Float64Type, TimestampMicrosecondType, TimestampNanosecondType,
};
use kvern_frame::{CsvOptions, DataType, Frame, RecordBatch};
use tempfile::TempDir;

use super::session;

/// splitmix64
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn write(path: &Path, batch: &RecordBatch) {
    let mut file = WriterBuilder::new().build(std::fs::File::create(path).unwrap());
    file.write(batch).unwrap();
}

#[test]
fn what_is_written_as_text_comes_back_to_the_last_bit() {
    let n = 100_000;
    let mut rng = Rng(20_26);
    let mut floats: Vec<f64> = (0..n).map(|_| f64::from_bits(rng.next())).collect();
    // What is missing for pandas is missing here; infinities are read.
    floats
        .iter_mut()
        .filter(|x| x.is_nan())
        .for_each(|x| *x = f64::INFINITY);
    floats[..6].copy_from_slice(&[
        -0.0,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        9_007_199_254_740_993.0,
        1e22,
    ]);
    let mut small: Vec<f32> = (0..n).map(|_| f32::from_bits(rng.next() as u32)).collect();
    small
        .iter_mut()
        .filter(|x| x.is_nan())
        .for_each(|x| *x = f32::NEG_INFINITY);
    let decimals: Vec<i128> = (0..n)
        .map(|_| {
            let x = i128::from(rng.next()) << 64 | i128::from(rng.next());
            x % 10i128.pow(38)
        })
        .collect();
    let micros: Vec<i64> = (0..n)
        .map(|_| (rng.next() % (2 * 62_135_596_800_000_000)) as i64 - 62_135_596_800_000_000)
        .collect();
    let nanos: Vec<i64> = (0..n).map(|_| rng.next() as i64).collect();
    let decimal = Decimal128Array::from(decimals.clone())
        .with_precision_and_scale(38, 9)
        .unwrap();
    let columns: [(&str, ArrayRef); 5] = [
        ("f64", Arc::new(Float64Array::from(floats.clone()))),
        ("f32", Arc::new(Float32Array::from(small.clone()))),
        ("decimal", Arc::new(decimal)),
        (
            "micros",
            Arc::new(TimestampMicrosecondArray::from(micros.clone())),
        ),
        (
            "nanos",
            Arc::new(TimestampNanosecondArray::from(nanos.clone())),
        ),
    ];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("all.csv");
    write(&path, &RecordBatch::try_from_iter(columns).unwrap());
    let options = CsvOptions::new()
        .column_type("f32", DataType::Float32)
        .column_type("decimal", DataType::Decimal128(38, 9));
    let f = Frame::read_csv_with(&path, &options).unwrap();
    let types: Vec<String> = f
        .schema()
        .fields()
        .iter()
        .map(|f| f.data_type().to_string())
        .collect();
    assert_eq!(
        types,
        [
            "Float64",
            "Float32",
            "Decimal128(38, 9)",
            "Timestamp(\u{b5}s)",
            "Timestamp(ns)"
        ]
    );
    let mut at = 0;
    for batch in session().compute(&f).unwrap() {
        let rows = at..at + batch.num_rows();
        let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let c = batch.column(0).as_primitive::<Float64Type>();
        assert!(bits(c.values()) == bits(&floats[rows.clone()]));
        let c = batch.column(1).as_primitive::<Float32Type>();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(c.values()) == bits(&small[rows.clone()]));
        let c = batch.column(2).as_primitive::<Decimal128Type>();
        assert!(c.values()[..] == decimals[rows.clone()]);
        let c = batch.column(3).as_primitive::<TimestampMicrosecondType>();
        assert!(c.values()[..] == micros[rows.clone()]);
        let c = batch.column(4).as_primitive::<TimestampNanosecondType>();
        assert!(c.values()[..] == nanos[rows.clone()]);
        at = rows.end;
    }
    assert_eq!(at, n);
}

#[test]
fn floats_in_the_words_of_rust_come_back_too() {
    let mut rng = Rng(7);
    // Written in full, however large: whole numbers without a point among others.
    let floats: Vec<f64> = (0..20_000)
        .map(|_| f64::from_bits(rng.next()))
        .filter(|x| x.is_finite())
        .chain([1e22, 12_345_678_901_234_567_000.0, 0.5])
        .collect();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rust.csv");
    let lines: Vec<String> = floats.iter().map(f64::to_string).collect();
    std::fs::write(&path, format!("x\n{}\n", lines.join("\n"))).unwrap();
    let f = Frame::read_csv(&path).unwrap();
    let got: Vec<u64> = session()
        .compute(&f)
        .unwrap()
        .iter()
        .flat_map(|b| b.column(0).as_primitive::<Float64Type>().values().to_vec())
        .map(f64::to_bits)
        .collect();
    let want: Vec<u64> = floats.iter().map(|x| x.to_bits()).collect();
    assert!(got == want);
}
