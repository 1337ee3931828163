//! Parquet files whose columns do not quite agree, that are cut, or that nobody finished.

use std::fs::File;
use std::sync::Arc;

use kvern_core::ErrorKind;
use kvern_frame::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, DictionaryArray, Float64Array, Int8Array,
    Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use kvern_frame::arrow::datatypes::{Field, Int32Type, Schema};
use kvern_frame::arrow::util::display::array_value_to_string;
use kvern_frame::{DataType, Frame, ParquetOptions, RecordBatch, col, lit};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use super::{both, ints, names, numbers, session};

fn write(folder: &TempDir, name: &str, column: ArrayRef) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn shown(f: &Frame) -> Vec<String> {
    both(f)
        .iter()
        .flat_map(|b| {
            let c = b.column(0);
            (0..c.len())
                .map(|i| array_value_to_string(c, i).unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn columns_of_files_that_do_not_quite_agree_keep_their_values() {
    let folder = TempDir::new().unwrap();
    let decimal = |v: i128, p| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(vec![v])
                .with_precision_and_scale(p, 2)
                .unwrap(),
        )
    };
    let utc = |zone: &str| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![3_600_000_000]).with_timezone(zone))
    };
    let small: DictionaryArray<Int32Type> = ["p", "q", "p"].into_iter().collect();
    let keys = Int8Array::from(vec![0, 1]);
    let tiny = DictionaryArray::try_new(keys, Arc::new(StringArray::from(vec!["r", "s"]))).unwrap();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["z"]));
    let cases: [(&str, ArrayRef, ArrayRef, &[&str]); 7] = [
        (
            "decimals",
            decimal(125, 10),
            decimal(1_234_567_890_125, 13),
            &["1.25", "12345678901.25"],
        ),
        (
            "decimal and whole",
            decimal(125, 10),
            Arc::new(Int32Array::from(vec![3])),
            &["1.25", "3.00"],
        ),
        (
            "dictionary and text",
            Arc::new(small.clone()),
            text,
            &["p", "q", "p", "z"],
        ),
        (
            "dictionaries",
            Arc::new(small),
            Arc::new(tiny),
            &["p", "q", "p", "r", "s"],
        ),
        (
            "zones",
            utc("UTC"),
            utc("+00:00"),
            &["1970-01-01T01:00:00Z", "1970-01-01T01:00:00Z"],
        ),
        (
            "unsigned and signed",
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            Arc::new(Int64Array::from(vec![-1])),
            &["18446744073709551615", "-1"],
        ),
        (
            "whole and float",
            Arc::new(Int64Array::from(vec![1 << 53])),
            Arc::new(Float64Array::from(vec![Some(0.5), None])),
            &["9007199254740992.0", "0.5", ""],
        ),
    ];
    for (name, a, b, want) in cases {
        write(&folder, &format!("{name}/a.parquet"), a);
        write(&folder, &format!("{name}/b.parquet"), b);
        let f = Frame::read_parquet(folder.path().join(name)).unwrap();
        assert_eq!(shown(&f), want, "{name}");
    }
}

#[test]
fn columns_that_no_type_holds_are_told_and_can_be_set() {
    let folder = TempDir::new().unwrap();
    let big: ArrayRef = Arc::new(Int64Array::from(vec![9_007_199_254_740_993]));
    write(&folder, "ids/a.parquet", big);
    write(
        &folder,
        "ids/b.parquet",
        Arc::new(Float64Array::from(vec![1.5])),
    );
    let ids = folder.path().join("ids");
    let e = Frame::read_parquet(&ids).unwrap_err();
    assert!(
        e.message()
            .contains("from 9007199254740993 to 9007199254740993"),
        "{e}"
    );
    let read =
        |dtype| Frame::read_parquet_with(&ids, &ParquetOptions::new().column_type("x", dtype));
    let f = read(DataType::Utf8).unwrap();
    assert_eq!(f.schema().field(0).data_type(), &DataType::Utf8);
    assert_eq!(shown(&f), ["9007199254740993", "1.5"]);
    assert_eq!(
        shown(&read(DataType::Float64).unwrap()),
        ["9007199254740992.0", "1.5"]
    );
    let e = read(DataType::Interval(
        kvern_frame::arrow::datatypes::IntervalUnit::DayTime,
    ))
    .unwrap_err();
    assert!(e.message().contains("cannot be read as Interval"), "{e}");
    let options = ParquetOptions::new().column_type("y", DataType::Utf8);
    let e = Frame::read_parquet_with(&ids, &options).unwrap_err();
    assert!(e.message().contains("there is no column \"y\""), "{e}");
    // Text is not in the order of the numbers that the file tells of.
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![9, 10]));
    write(&folder, "order/a.parquet", numbers);
    let options = ParquetOptions::new().column_type("x", DataType::Utf8);
    let text = Frame::read_parquet_with(folder.path().join("order"), &options).unwrap();
    let most = kvern_frame::functions::max(col("x")).alias("x");
    assert_eq!(shown(&text.agg([most]).unwrap()), ["9"]);
    assert_eq!(shown(&text.filter(col("x").gt(lit("2"))).unwrap()), ["9"]);
    assert_eq!(shown(&text.filter(col("x").lt(lit("2"))).unwrap()), ["10"]);
    // A text that is no number.
    write(
        &folder,
        "text/a.parquet",
        Arc::new(StringArray::from(vec!["1", "x"])),
    );
    let options = ParquetOptions::new().column_type("x", DataType::Int64);
    let f = Frame::read_parquet_with(folder.path().join("text"), &options).unwrap();
    let e = session().compute(&f).unwrap_err();
    assert!(e.message().contains("'x'"), "{e}");
}

#[test]
fn two_columns_of_one_name_are_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("twice.parquet");
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let field = Field::new("ra", DataType::Int64, false);
    let schema = Arc::new(Schema::new(vec![field.clone(), field]));
    let batch = RecordBatch::try_new(schema.clone(), vec![column.clone(), column]).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let e = Frame::read_parquet(&path).unwrap_err();
    assert!(
        e.message()
            .contains("twice.parquet: two columns are named \"ra\""),
        "{e}"
    );
}

#[test]
fn folders_name_columns() {
    let folder = TempDir::new().unwrap();
    for (y, m) in [(2023, 1), (2023, 2), (2024, 1)] {
        let v: ArrayRef = Arc::new(Int64Array::from(vec![y * 10 + m]));
        write(
            &folder,
            &format!("hive/year={y}/month={m:02}/part-0.parquet"),
            v,
        );
    }
    for source in ["hive", "hive/*/*/*.parquet"] {
        let f = Frame::read_parquet(folder.path().join(source)).unwrap();
        assert_eq!(f.columns(), ["x", "year", "month"], "{source}");
        let got = both(&f);
        assert_eq!(ints(&got, "year"), [2023, 2023, 2024].map(Some));
        assert_eq!(ints(&got, "month"), [1, 2, 1].map(Some));
        let some = f
            .filter(col("year").eq(lit(2024)).or(col("month").eq(lit(2))))
            .unwrap();
        assert_eq!(ints(&both(&some), "x"), [Some(20_232), Some(20_241)]);
        let count = f.groupby("year").count().unwrap().sort("year").unwrap();
        assert_eq!(ints(&both(&count), "count"), [Some(2), Some(1)]);
    }
    // One file of them is just that file.
    let one = folder.path().join("hive/year=2023/month=01/part-0.parquet");
    assert_eq!(Frame::read_parquet(one).unwrap().columns(), ["x"]);
    let other: ArrayRef = Arc::new(Int64Array::from(vec![0]));
    write(&folder, "hive/day=1/part.parquet", other);
    let e = Frame::read_parquet(folder.path().join("hive")).unwrap_err();
    assert!(e.message().contains("name the columns"), "{e}");
}

#[test]
fn a_parquet_file_cut_at_any_byte_is_an_error() {
    let folder = TempDir::new().unwrap();
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..40).map(|i| format!("v{}", i % 7)),
    ));
    write(&folder, "whole.parquet", text);
    let bytes = std::fs::read(folder.path().join("whole.parquet")).unwrap();
    let cut = folder.path().join("cut.parquet");
    for len in 0..bytes.len() {
        std::fs::write(&cut, &bytes[..len]).unwrap();
        let e = Frame::read_parquet(&cut).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Decode, "{len}");
        assert!(
            e.message()
                .contains("cut.parquet: not a whole Parquet file"),
            "{len}: {e}"
        );
    }
}

#[test]
fn what_killed_writers_have_left_the_next_one_removes() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "half").unwrap();
        path
    };
    put(".out.parquet.4000000-7.tmp");
    let alive = put(".out.parquet.4000000-8.tmp");
    let lock = File::options().write(true).open(&alive).unwrap();
    lock.lock().unwrap();
    for other in [
        ".out.parquet.aB3dE6.tmp",
        ".other.parquet.4000000-7.tmp",
        "out.parquet.4000000-7.tmp",
    ] {
        put(other);
    }
    let before = names(folder.path());
    let path = folder.path().join("out.parquet");
    numbers(3).write_parquet_in(&path, &session()).unwrap();
    let mut want: Vec<String> = before
        .into_iter()
        .filter(|n| !n.starts_with(".out.parquet.4000000-7"))
        .collect();
    want.push("out.parquet".into());
    want.sort();
    assert_eq!(names(folder.path()), want);
    // Its writer ends, and the next one sees it.
    drop(lock);
    numbers(3).write_parquet_in(&path, &session()).unwrap();
    assert!(!alive.exists());
    let text = both(&Frame::read_parquet(&path).unwrap());
    assert_eq!(
        text[0]
            .column(0)
            .as_primitive_opt::<kvern_frame::arrow::datatypes::Int64Type>()
            .unwrap()
            .len(),
        3
    );
}
