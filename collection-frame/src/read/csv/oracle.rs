//! The reader against Python's `csv` and pandas, over generated files: `tests/data/csv_oracle.py` makes them and says what these read.
//!
//! Where the two differ from ours, and why:
//!
//! | file | Python | here |
//! | --- | --- | --- |
//! | a quote is open at the end | `csv`: the rest is a value; pandas: an error | an error that names the line of the quote |
//! | rows of another number of fields | `csv`: as they are; pandas: missing ones are NaN, an error for more | an error that names the line |
//! | empty lines | `csv`: rows without fields | no rows, as in pandas |
//! | an empty field | `csv`: empty text | null, as in pandas |
//! | whole numbers with missing ones | pandas: floats | whole numbers with nulls |
//! | whole numbers beyond 63 bits with missing ones | pandas: text, `NA` too | whole numbers with nulls |
//! | `true` and `false` with missing ones | pandas: objects | booleans with nulls |
//! | `+47` alone | pandas: 47 | text, as it is written: a telephone number has a plus |
//! | whole numbers beyond 64 bits, or beyond 63 with negative ones | pandas: floats or objects | text, as it is written |
//! | whole numbers beside floats that are others as floats | pandas: rounded | an error that names one of each |
//! | dates and times | pandas: text, unless `parse_dates` | dates and timestamps |
//! | infinities with spaces around | pandas: text | floats, as other numbers with spaces are |
//! | `5` and `5.5` with spaces around, beside words | the same: text as it is written | |

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, UInt64Type};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::TableType;
use serde_json::Value;

use super::build::Columns;
use super::nulls::Nulls;
use super::options::Dialect;
use super::records::{Records, Rules};
use super::source::{Reading, moved};
use super::wrong::{Wrong, line};
use super::{CsvOptions, cuts, table};
use crate::read::Sources;

const RECORDED: &str = include_str!("../../../tests/data/csv-oracle.jsonl");

#[test]
fn what_python_recorded() {
    let mut seen = [0, 0];
    for case in RECORDED.lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        match case["kind"].as_str() {
            Some("records") => records(&case),
            _ => columns(&case),
        }
        seen[usize::from(case["kind"] == "columns")] += 1;
    }
    assert_eq!(seen, [120, 40]);
}

/// Needs a Python with pandas: its path in KVERN_ORACLE_PYTHON.
#[test]
fn what_python_says_now() {
    let Some(python) = std::env::var_os("KVERN_ORACLE_PYTHON") else {
        eprintln!("skipped: KVERN_ORACLE_PYTHON names no Python");
        return;
    };
    let var = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.into());
    let out = std::process::Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/csv_oracle.py"
        ))
        .args(["--from", &var("KVERN_ORACLE_FROM", "1000")])
        .args(["--seeds", &var("KVERN_ORACLE_SEEDS", "400")])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let mut different = Vec::new();
    let mut count = 0;
    for case in String::from_utf8(out.stdout).unwrap().lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        let held = std::panic::catch_unwind(|| match case["kind"].as_str() {
            Some("records") => records(&case),
            _ => columns(&case),
        });
        if held.is_err() {
            different.push(case["seed"].to_string());
        }
        count += 1;
    }
    assert!(different.is_empty(), "seeds {different:?}");
    eprintln!("{count} cases");
}

fn file(text: &str, mark: bool) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    if mark {
        file.write_all(super::text::MARK).unwrap();
    }
    file.write_all(text.as_bytes()).unwrap();
    file
}

type Rows = Vec<Vec<String>>;

/// A reader that gives so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl std::io::Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(self.0.len()).min(out.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// The records of a text, with the places of the first fields.
fn found(text: &str, rules: &Rules, step: usize, most: usize) -> (Rows, Vec<u64>, Option<Wrong>) {
    let mut records = Records::new(Slow(text.as_bytes(), step), rules.clone(), 0, None);
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    loop {
        match records.batch(most) {
            Ok(None) => return (rows, places, None),
            Err(e) => return (rows, places, Some(e)),
            Ok(Some(batch)) => {
                for row in 0..batch.rows() {
                    let fields = (0..batch.width()).map(|c| batch.field(row, c).into_owned());
                    rows.push(fields.collect());
                    places.push(batch.place(row, 0));
                }
            }
        }
    }
}

fn records(case: &Value) {
    let text = case["text"].as_str().unwrap();
    let byte = |key: &str| case[key].as_str().unwrap().as_bytes()[0];
    let dialect = Dialect {
        delimiter: byte("delimiter"),
        quote: byte("quote"),
        header: false,
        comment: None,
        nulls: Vec::new(),
        tabs: false,
    };
    let rules = Rules::new(&dialect);
    let mut want: Rows = serde_json::from_value(case["rows"].clone()).unwrap();
    let lines: Vec<u64> = serde_json::from_value(case["lines"].clone()).unwrap();
    let width = want.first().map_or(0, Vec::len);
    let ragged = want.iter().position(|r| r.len() != width);
    let file = file(text, case["mark"] == true);
    let path = file.path();
    let ahead = if case["mark"] == true { 3 } else { 0 };
    want.truncate(ragged.unwrap_or(want.len()));
    // One row a batch, so that all before an error are seen; and bytes that come as they like.
    for step in [1, 3, 1 << 20] {
        let (rows, places, wrong) = found(text, &rules, step, 1);
        assert_eq!(rows, want, "{case}");
        for (place, line_there) in places.iter().zip(&lines) {
            assert_eq!(line(path, place + ahead), *line_there, "{case}");
        }
        match wrong {
            None => assert!(ragged.is_none() && case["open"] == false, "{case}"),
            Some(Wrong::Ragged { place, .. }) => {
                // The last row, whose end nobody wrote, is none for Python's csv.
                assert!(ragged.is_some() || case["open"] == true, "{case}");
                if let Some(i) = ragged {
                    assert_eq!(line(path, place + ahead), lines[i], "{case}");
                }
            }
            Some(Wrong::OpenQuote { place }) => {
                assert!(ragged.is_none() && case["open"] == true, "{case}");
                assert_eq!(text.as_bytes()[place as usize], dialect.quote);
            }
            Some(other) => panic!("{other:?}: {case}"),
        }
    }
    if ragged.is_some() || want.is_empty() {
        return;
    }
    pieces(path, &dialect, &want, case);
}

/// The same from pieces of all sizes for 1 to 16 workers.
fn pieces(path: &Path, dialect: &Dialect, want: &Rows, case: &Value) {
    let size = std::fs::metadata(path).unwrap().len();
    let rules = Rules::new(dialect);
    for piece in [1, 2, 3, 5, 8, 13, 40, 1 << 20] {
        let cuts = cuts::find(path, &rules, size, piece, 2);
        let cuts = match cuts {
            Ok(cuts) => cuts,
            Err(e) => {
                assert!(matches!(e, Wrong::OpenQuote { .. }), "{e:?}");
                assert!(case["open"] == true, "{case}");
                continue;
            }
        };
        assert!(case["open"] == false, "{case}");
        for workers in [1, 2, 3, 4, 7, 16] {
            let at = |i: u64| moved(&cuts, i * size / workers, size);
            let mut rows = Rows::new();
            for i in 0..workers {
                let (start, end) = (at(i), at(i + 1));
                if start < end {
                    rows.extend(text_rows(path, dialect, want[0].len(), (start, end)));
                }
            }
            assert_eq!(rows, *want, "{workers} workers, pieces of {piece}: {case}");
        }
    }
}

/// The rows of a range, as text.
fn text_rows(path: &Path, dialect: &Dialect, width: usize, range: (u64, u64)) -> Rows {
    let fields = (0..width).map(|c| Field::new(format!("c{c}"), DataType::Utf8, true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let picked: Vec<usize> = (0..width).collect();
    let reading = Reading {
        dialect: dialect.clone(),
        columns: Arc::new(Columns::new(&schema, &picked, &[], Nulls::new(&[]))),
        width,
        rows: 2,
    };
    let mut rows = Rows::new();
    for batch in reading.batches(path, Some(range)).unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let fields = batch.columns().iter().map(|c| {
                let c = c.as_string::<i32>();
                // An empty field is null.
                assert_eq!(c.is_null(row), c.value(row).is_empty());
                c.value(row).to_owned()
            });
            rows.push(fields.collect());
        }
    }
    rows
}

fn columns(case: &Value) {
    let file = file(case["text"].as_str().unwrap(), false);
    let want = case["columns"].as_array().unwrap();
    let options = CsvOptions::new();
    let sources = Sources::from(file.path());
    let table = match table::csv_table(&sources, &options) {
        Ok(table) => table,
        Err(e) => {
            assert!(
                e.message().contains("which is another number as a float"),
                "{e}: {case}"
            );
            return;
        }
    };
    assert_eq!(table.table_type(), TableType::Base);
    let schema = table.schema();
    let picked: Vec<usize> = (0..schema.fields().len()).collect();
    let dialect = options.dialect().unwrap();
    let nulls = Nulls::new(&dialect.nulls);
    let reading_nulls = nulls.clone();
    let reading = Reading {
        dialect,
        columns: Arc::new(Columns::new(&schema, &picked, &[], nulls)),
        width: picked.len(),
        rows: 1000,
    };
    let batches: Vec<RecordBatch> = reading
        .batches(file.path(), None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (c, want) in want.iter().enumerate() {
        let want = want.as_array().unwrap();
        let got: Vec<Option<(String, String)>> = batches
            .iter()
            .flat_map(|b| {
                (0..b.num_rows())
                    .map(|r| value(b.column(c), r))
                    .collect::<Vec<_>>()
            })
            .collect();
        // A record of one empty field is an empty line: `csv` writes it so, and nobody reads it.
        assert_eq!(got.len(), want.len(), "{case}");
        for (got, want) in got.iter().zip(want) {
            let same = match got {
                // Text of pandas' where whole numbers beyond 63 bits have missing ones.
                None => want.is_null() || want[1].as_str().is_some_and(|w| reading_nulls.has(w)),
                Some((kind, text)) => same(kind, text, want),
            };
            assert!(same, "column {c}: {got:?} is {want}: {case}");
        }
    }
}

fn value(column: &dyn Array, row: usize) -> Option<(String, String)> {
    if column.is_null(row) {
        return None;
    }
    let (kind, text) = match column.data_type() {
        DataType::Boolean => ("bool", column.as_boolean().value(row).to_string()),
        DataType::Int64 => (
            "whole",
            column.as_primitive::<Int64Type>().value(row).to_string(),
        ),
        DataType::UInt64 => (
            "whole",
            column.as_primitive::<UInt64Type>().value(row).to_string(),
        ),
        DataType::Float64 => (
            "float",
            format!("{:?}", column.as_primitive::<Float64Type>().value(row)),
        ),
        _ => ("text", column.as_string::<i32>().value(row).to_owned()),
    };
    Some((kind.into(), text))
}

/// Whether a value is pandas', but for what the table above says.
fn same(kind: &str, text: &str, want: &Value) -> bool {
    let Some([theirs, value]) = want.as_array().map(Vec::as_slice) else {
        return false;
    };
    let (theirs, value) = (theirs.as_str().unwrap(), value.as_str().unwrap());
    match (kind, theirs) {
        ("float", "float") => text.parse::<f64>().unwrap().to_bits() == hex(value).to_bits(),
        // Missing ones made floats of them.
        ("whole", "float") => text.parse::<f64>().unwrap() == hex(value),
        // One that has a plus, or no type.
        ("text", "whole") => text.trim().trim_start_matches('+') == value,
        ("text", "float") => text.trim().parse::<f64>() == Ok(hex(value)),
        // Objects of pandas: text beside missing ones.
        ("whole", "text") => text == value && text.parse::<i64>().is_err(),
        ("bool", "text") => text.eq_ignore_ascii_case(value),
        _ => kind == theirs && text == value,
    }
}

/// A float as Python's `float.hex` writes it.
fn hex(text: &str) -> f64 {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    if text == "inf" {
        return sign * f64::INFINITY;
    }
    let text = text.strip_prefix("0x").unwrap();
    let (mantissa, exponent) = text.split_once('p').unwrap();
    let (whole, parts) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let bits = u64::from_str_radix(whole, 16).unwrap() << 52
        | u64::from_str_radix(&format!("{parts:0<13}"), 16).unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    // In steps that are exact: powers below the smallest normal number are not.
    let half = exponent / 2;
    sign * (bits as f64 * 2f64.powi(-52)) * 2f64.powi(half) * 2f64.powi(exponent - half)
}
