//! CSV files cut short, and read by any number of workers.

use std::fmt::Write as _;

use kvern_core::{ErrorKind, Session};
use kvern_frame::arrow::array::AsArray;
use kvern_frame::arrow::datatypes::Float64Type;
use kvern_frame::arrow::util::pretty::pretty_format_batches;
use kvern_frame::functions::{character_length, count, max, min, sum};
use kvern_frame::{CsvOptions, DataType, Frame, RecordBatch, Way, col, lit};
use tempfile::TempDir;

use super::csv::{gz, put_gz};
use super::put;

/// xorshift64*, by seed.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// A table whose fields have quotes, delimiters and line ends in them, missing values, and numbers of all kinds.
fn table(rng: &mut Rng, rows: usize) -> String {
    let end = rng.of(&["\n", "\r\n", "\r"]);
    let mut text = String::from(rng.of(&["", "\u{feff}"]));
    text += "id,note,x,flag";
    for id in 0..rows {
        text += end;
        write!(text, "{id},").unwrap();
        if rng.below(3) > 0 {
            text.push('"');
            for _ in 0..rng.below(9) {
                text += rng.of(&[
                    "a", "é", ",", "\n", "\r\n", "\r", "\"\"", " ", "7,8,9,\n", "日本",
                ]);
            }
            text.push('"');
        } else {
            text += rng.of(&["plain", "", "NA", "it's 5\" wide", "#"]);
        }
        text.push(',');
        text += rng.of(&["1.5", "-0.25", "INF", "-inf", "", "1e3", "7", "nan"]);
        text.push(',');
        text += rng.of(&["true", "FALSE", ""]);
    }
    text += rng.of(&["", end]);
    text
}

fn types() -> CsvOptions {
    let text = CsvOptions::new().column_type("note", DataType::Utf8);
    text.column_type("x", DataType::Float64)
        .column_type("flag", DataType::Boolean)
}

fn shown(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).unwrap().to_string()
}

#[test]
fn a_packed_file_that_is_cut_anywhere_is_an_error() {
    let folder = TempDir::new().unwrap();
    let session = Session::open("threads://?workers=2").unwrap();
    let text = table(&mut Rng(7), 12);
    let one = gz(&text);
    // What is cut between two members cannot be told from a file of one; here the first ends within a record.
    let (a, b) = text.split_at(text.find("\n5,").map_or(text.len() / 2, |i| i + 2));
    let two = [gz(a), gz(b)].concat();
    let two_at = gz(a).len();
    for (name, whole) in [("one", one), ("two", two)] {
        let path = folder.path().join(format!("{name}.csv.gz"));
        let put = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
        let read = |way| {
            let f = Frame::read_csv_with(&path, &types())?.via(way);
            session.compute(&f)
        };
        put(&whole);
        let rows = |way| read(way).map(|b| b.iter().map(RecordBatch::num_rows).sum::<usize>());
        assert_eq!([Way::Local, Way::Tasks].map(|w| rows(w).unwrap()), [12, 12]);
        let frame = Frame::read_csv_with(&path, &types()).unwrap();
        for n in 0..whole.len() {
            put(&whole[..n]);
            for got in [
                rows(Way::Local),
                rows(Way::Tasks),
                // A frame that was made before the file was cut.
                session.compute(&frame).map(|b| b.len()),
            ] {
                let e = match got {
                    Err(e) => e,
                    Ok(rows) => panic!("{name} cut at byte {n} of {}: {rows} rows", whole.len()),
                };
                let words = e.to_string();
                assert!(words.contains(&format!("{name}.csv.gz")), "{n}: {words}");
                let file = [ErrorKind::Io, ErrorKind::Decode];
                assert!(
                    file.contains(&e.kind()) || n == 0 || n == two_at,
                    "{n}: {e}"
                );
            }
        }
    }
}

#[test]
fn files_of_another_kind_than_their_name_says_are_told() {
    let folder = TempDir::new().unwrap();
    let text = "a,b\n1,2\n";
    let packed = gz(text);
    std::fs::write(folder.path().join("packed.csv"), &packed).unwrap();
    let e = Frame::read_csv(folder.path().join("packed.csv")).unwrap_err();
    let words = "packed.csv is packed with gzip: its name must end with .gz";
    assert!(e.to_string().contains(words), "{e}");
    let e = Frame::read_csv(put(&folder, "plain.csv.gz", text)).unwrap_err();
    let words = "plain.csv.gz is no gzip file, though its name ends with .gz: it begins with \"a,b\\n1,2\\n\"";
    assert!(e.to_string().contains(words), "{e}");
}

/// What pandas takes for infinite is, whether the type is found or said, and by both ways.
#[test]
fn infinities_in_any_case_and_with_any_sign() {
    let folder = TempDir::new().unwrap();
    let mut rng = Rng(5);
    let (mut text, mut want) = (String::from("x\n"), Vec::new());
    for _ in 0..300 {
        let (sign, word) = (rng.of(&["", "+", "-"]), rng.of(&["inf", "infinity"]));
        let letters = word.chars().map(|c| match rng.below(2) {
            0 => c,
            _ => c.to_ascii_uppercase(),
        });
        let word: String = letters.collect();
        writeln!(text, "{sign}{word}").unwrap();
        let negative = sign == "-";
        want.push(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    let path = put(&folder, "inf.csv", &text);
    for options in [
        CsvOptions::new(),
        CsvOptions::new().column_type("x", DataType::Float64),
    ] {
        let f = Frame::read_csv_with(&path, &options).unwrap();
        assert_eq!(f.schema().field(0).data_type(), &DataType::Float64);
        let got: Vec<f64> = super::both(&f)
            .iter()
            .flat_map(|b| b.column(0).as_primitive::<Float64Type>().values().to_vec())
            .collect();
        assert_eq!(got, want);
    }
}

#[test]
fn any_number_of_workers_reads_the_same() {
    let folder = TempDir::new().unwrap();
    let sessions: Vec<Session> = (1..=16)
        .map(|n| Session::open(&format!("threads://?workers={n}")).unwrap())
        .collect();
    for seed in 1..=4u64 {
        let mut rng = Rng(seed);
        let mut paths = Vec::new();
        for i in 0..5 {
            let rows = rng.below(400);
            let (name, text) = (format!("{seed}-{i}.csv"), table(&mut rng, rows));
            paths.push(match i {
                3 => put_gz(&folder, &format!("{name}.gz"), &text),
                _ => put(&folder, &name, &text),
            });
        }
        let f = Frame::read_csv_with(&paths, &types()).unwrap();
        let some = f
            .filter(col("id").gt(lit(3)).and(col("flag").is_true()))
            .unwrap();
        let want = [&f, &some].map(|f| shown(&f.reference().unwrap()));
        for (n, session) in sessions.iter().enumerate() {
            for way in [Way::Local, Way::Tasks] {
                let got = [&f, &some].map(|f| shown(&session.compute(&f.via(way)).unwrap()));
                assert!(got == want, "seed {seed}, {} workers, {way:?}", n + 1);
            }
        }
    }
    // One that is large enough to be cut within.
    let mut rng = Rng(99);
    let (mut text, mut id) = (String::from("id,note,x,flag"), 0);
    let (end, long) = ("\r\n", "x,\"\"".repeat(60));
    while text.len() < (10 << 20) + 4321 {
        let note = format!("{long}{}", rng.of(&["\n", "\r\n9,\"\"", ",", "\r"]));
        write!(text, "{end}{id},\"{note}\",{},true", id % 7).unwrap();
        id += 1;
    }
    let f = Frame::read_csv_with(put(&folder, "large.csv", &text), &types()).unwrap();
    let told = f
        .agg([
            count(lit(1)).alias("n"),
            min(col("id")).alias("min"),
            max(col("id")).alias("max"),
            sum(col("id")).alias("ids"),
            sum(character_length(col("note"))).alias("chars"),
            max(col("note")).alias("last"),
        ])
        .unwrap();
    let want = shown(&told.reference().unwrap());
    assert!(want.contains(&format!(" {id} ")), "{id}: {}", &want[..400]);
    for (n, session) in sessions.iter().enumerate() {
        for way in [Way::Local, Way::Tasks] {
            let got = shown(&session.compute(&told.via(way)).unwrap());
            assert!(got == want, "{} workers, {way:?}", n + 1);
        }
    }
}
