//! CSV files: rows in their order however a file is cut, dialects, and types that widen.

use std::io::Write as _;
use std::path::PathBuf;

use kvern_core::{ErrorKind, Session};
use kvern_frame::arrow::array::{Array, AsArray, Float64Array};
use kvern_frame::arrow::datatypes::Int64Type;
use kvern_frame::functions::{character_length, count, max, sum};
use kvern_frame::{CsvOptions, DataType, Frame, Way, col, lit};
use tempfile::TempDir;

use super::{both, fails, ints, put, session};

pub(super) fn gz(text: &str) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap()
}

pub(super) fn put_gz(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, gz(text)).unwrap();
    path
}

#[test]
fn csv_rows_come_in_the_order_of_the_file_however_it_is_cut() {
    let folder = TempDir::new().unwrap();
    // Larger than the size from which DataFusion cuts files, with lines of many lengths.
    let mut text = String::from("i,words\n");
    for i in 0..200_000 {
        text.push_str(&format!("{i},{}\n", "x".repeat(i % 17)));
    }
    // A packed file cannot be cut: DataFusion would deal its rows out to threads, if it were let.
    for path in [
        put(&folder, "big.csv", &text),
        put_gz(&folder, "big.csv.gz", &text),
    ] {
        let f = Frame::read_csv(&path).unwrap();
        for (partitions, way) in [1, 2, 5]
            .into_iter()
            .flat_map(|n| [(n, Way::Local), (n, Way::Tasks)])
        {
            let at = format!("{way:?} {partitions} {}", path.display());
            let f = f.via(way).repartition(partitions);
            let got = ints(&session().compute(&f).unwrap(), "i");
            let want: Vec<_> = (0..200_000).map(Some).collect();
            assert!(got == want, "{at}");
            let some = f.filter((col("i") % lit(1000)).eq(lit(7))).unwrap();
            let got = ints(&session().compute(&some).unwrap(), "i");
            let want: Vec<_> = (0..200).map(|i| Some(i * 1000 + 7)).collect();
            assert!(got == want, "{at}");
            let head = ints(&session().compute(&some.head(3).unwrap()).unwrap(), "i");
            assert_eq!(head, [Some(7), Some(1007), Some(2007)], "{at}");
        }
    }
    let e = put(&folder, "late.csv", &format!("{text}many,\n"));
    let f = Frame::read_csv(&e).unwrap();
    let e = fails(&f.agg([sum(col("i"))]).unwrap());
    let words = e.to_string();
    assert!(
        words.contains(
            "late.csv: line 200002: 'many' does not fit column \"i\", whose type is Int64"
        ),
        "{words}"
    );
    assert_eq!(e.kind(), ErrorKind::Decode);
}

#[test]
fn csv_dialects_nulls_and_gz() {
    let folder = TempDir::new().unwrap();
    let text = "day;n;x;name\n2013-01-01;1;1.5;a\n2013-01-02;NA;2;NA\n2013-01-03;3;NA;\"c;d\"\n";
    let options = CsvOptions::new().delimiter(b';').null_values(["NA"]);
    for path in [
        put(&folder, "a.csv", text),
        put_gz(&folder, "a.csv.gz", text),
    ] {
        let f = Frame::read_csv_with(&path, &options).unwrap();
        let types: Vec<DataType> = f
            .schema()
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        assert_eq!(
            types,
            [
                DataType::Date32,
                DataType::Int64,
                DataType::Float64,
                DataType::Utf8
            ]
        );
        let got = both(&f);
        assert_eq!(ints(&got, "n"), [Some(1), None, Some(3)]);
        assert_eq!(got[0].column(3).null_count(), 1);
        // With other ones it is text.
        let other = CsvOptions::new().delimiter(b';').null_values(["-"]);
        let f = Frame::read_csv_with(&path, &other).unwrap();
        assert_eq!(f.schema().field(1).data_type(), &DataType::Utf8);
    }
    let path = put(&folder, "bare.csv", "1,2\n3,4\n");
    let f = Frame::read_csv_with(&path, &CsvOptions::new().header(false)).unwrap();
    assert_eq!(f.columns(), ["column_1", "column_2"]);
    assert_eq!(ints(&both(&f), "column_2"), [Some(2), Some(4)]);
    let f = Frame::read_csv_with(
        &path,
        &CsvOptions::new()
            .header(false)
            .column_type("column_2", DataType::Float64),
    )
    .unwrap();
    assert_eq!(f.schema().field(1).data_type(), &DataType::Float64);
    let e = Frame::read_csv_with(
        &path,
        &CsvOptions::new()
            .header(false)
            .column_type("column_3", DataType::Int8),
    )
    .unwrap_err();
    assert!(
        e.message()
            .contains("there is no column \"column_3\"; did you mean"),
        "{e}"
    );
}

#[test]
fn csv_types_widen_across_files_and_folders_are_read_in_order() {
    let folder = TempDir::new().unwrap();
    put(&folder, "d/1.csv", "a,b\n1,1\n2,2\n");
    put(&folder, "d/2.csv", "a,b\n2.5,\n");
    put(&folder, "d/3.csv", "a,b\n4,x\n");
    put(&folder, "d/_hidden.csv", "nothing\n");
    let f = Frame::read_csv(folder.path().join("d")).unwrap();
    let types: Vec<DataType> = f
        .schema()
        .fields()
        .iter()
        .map(|f| f.data_type().clone())
        .collect();
    assert_eq!(types, [DataType::Float64, DataType::Utf8]);
    let got = both(&f);
    let a: Vec<f64> = got
        .iter()
        .flat_map(|b| {
            b.column(0)
                .as_any()
                .downcast_ref::<Float64Array>()
                .unwrap()
                .values()
                .to_vec()
        })
        .collect();
    assert_eq!(a, [1.0, 2.0, 2.5, 4.0]);
    let f = Frame::read_csv(folder.path().join("d/[12].csv")).unwrap();
    assert_eq!(f.count().unwrap().compute_in(&session()).unwrap(), 3);
    let other = put(&folder, "other.csv", "a,c\n1,1\n");
    let e = Frame::read_csv(vec![folder.path().join("d/1.csv"), other]).unwrap_err();
    assert!(
        e.message()
            .contains("column 2 is \"b\" there and \"c\" here"),
        "{e}"
    );
}

/// How many rows there are, and what of their values shows that they are the right ones.
fn told(f: &Frame, session: &Session) -> Vec<i64> {
    let f = f
        .agg([
            count(lit(1)).alias("n"),
            max(col("id")).alias("max"),
            sum(col("id")).alias("sum"),
            sum(character_length(col("note"))).alias("chars"),
        ])
        .unwrap();
    let got = session.compute(&f).unwrap();
    let columns = got[0].columns().iter();
    columns
        .map(|c| c.as_primitive::<Int64Type>().value(0))
        .collect()
}

#[test]
fn line_ends_within_quotes_are_no_ends_of_rows_for_any_number_of_workers() {
    let folder = TempDir::new().unwrap();
    // Lines of the notes look like rows, and the file is large enough to be cut.
    let rows = 22_000;
    let mut text = String::from("id,note,v\n");
    let mut chars = 0;
    for k in 0..rows {
        let lines: Vec<String> = (0..24)
            .map(|j| format!("{k}{j},it's \"\"x\"\",{j}"))
            .collect();
        let note = lines.join("\n");
        chars += note.replace("\"\"", "\"").len() as i64;
        text.push_str(&format!("{k},\"{note}\",5\" disk\n"));
    }
    assert!(text.len() > 10 << 20, "{}", text.len());
    let f = Frame::read_csv(put(&folder, "notes.csv", &text)).unwrap();
    let want = [rows, rows - 1, (rows - 1) * rows / 2, chars];
    for (workers, way) in [
        (1, Way::Local),
        (2, Way::Local),
        (3, Way::Tasks),
        (8, Way::Local),
        (16, Way::Tasks),
    ] {
        let session = Session::open(&format!("threads://?workers={workers}")).unwrap();
        assert_eq!(told(&f.via(way), &session), want, "{workers} {way:?}");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    // Far behind the rows that types are found from; small, and large enough to be looked through before it is cut.
    for (name, rows, stray) in [
        ("small.csv", 12_000, 11_000),
        ("large.csv", 900_000, 890_000),
    ] {
        let mut text = String::from("id,name\n");
        for k in 0..rows {
            let quote = if k == stray { "\"" } else { "" };
            text.push_str(&format!("{k},{quote}n{k}\n"));
        }
        let path = put(&folder, name, &text);
        let f = Frame::read_csv(&path).unwrap();
        let e = fails(&f.agg([count(lit(1)).alias("n")]).unwrap());
        assert_eq!(e.kind(), ErrorKind::Decode);
        let words = format!(
            "{name}: line {}: a quote is opened and never closed",
            stray + 2
        );
        assert!(e.message().contains(&words), "{e}");
        // Who wants the first rows gets them, where nothing is cut.
        let head = f.head(2).unwrap().via(Way::Local);
        let head = session().compute(&head).unwrap();
        assert_eq!(ints(&head, "id"), [Some(0), Some(1)]);
    }
    let packed = put_gz(&folder, "open.csv.gz", "a,b\n1,\"x\n2,y\n");
    let e = Frame::read_csv(&packed).unwrap_err();
    assert!(
        e.message()
            .contains("open.csv.gz: line 2: a quote is opened"),
        "{e}"
    );
    // Rows whose last fields are missing, or that have more; lines within quotes and empty ones count.
    for (text, line, words) in [
        ("a,b\n\n1,\"x\ny\"\n2\n", 5, "incorrect number of fields: 1"),
        (
            "a,b\r\n1,2\r\n3,4,5\r\n",
            3,
            "incorrect number of fields: 3",
        ),
        ("a,b\r1,2\r3\r", 3, "incorrect number of fields: 1"),
    ] {
        let path = put(&folder, "ragged.csv", text);
        let e = Frame::read_csv(&path).unwrap_err();
        let words = format!("ragged.csv: line {line}: {words}");
        assert!(e.message().contains(&words), "{e}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_never_cut() {
    let folder = TempDir::new().unwrap();
    let one = CsvOptions::new().infer_rows(Some(1));
    for (first, later, words) in [
        (
            "2024-01-01",
            "2024-02-01 13:45:00",
            "it has a time of day, which would be cut",
        ),
        (
            "2024-01-01",
            "2024-02-01T00:00:00Z",
            "it has a zone, which would be dropped",
        ),
        (
            "2024-01-01 10:00:00",
            "2024-01-01 10:00:00.1234567",
            "it has smaller parts of a second",
        ),
        (
            "2024-01-01 10:00:00",
            "2024-02-01 13:45:00+02:00",
            "it has a zone, which would be dropped",
        ),
        (
            "2024-01-01 10:00:00+02:00",
            "2024-02-01 13:45:00",
            "it has no zone",
        ),
        (
            "2024-01-01 10:00:00",
            "2024-01-01 10:00:00 (estimated)",
            "look at more rows",
        ),
        (
            "2024-01-01 10:00:00",
            "2024-01-01 10:00:00 Europe/Oslo",
            "look at more rows",
        ),
        ("1", "1.5", "look at more rows"),
        (
            "1.5",
            "9007199254740993",
            "the nearest float is another number",
        ),
        ("true", "yes", "look at more rows"),
    ] {
        let path = put(
            &folder,
            "late.csv",
            &format!("t,i\n{first},1\n\"{later}\",2\n"),
        );
        let f = Frame::read_csv_with(&path, &one).unwrap();
        let e = fails(&f);
        let at = format!("late.csv: line 3: '{later}' does not fit column \"t\"");
        assert!(
            e.message().contains(&at) && e.message().contains(words),
            "{e}"
        );
        // With all rows looked at it is a type that holds both, or text as it is written.
        match Frame::read_csv(&path) {
            Ok(f) => assert_eq!(both(&f)[0].num_rows(), 2),
            Err(e) => assert!(
                e.message().contains("which is another number as a float"),
                "{e}"
            ),
        }
    }
    // The same for types that are set.
    for (dtype, text) in [
        (DataType::Date32, "2024-02-01 13:45:00"),
        (DataType::Decimal128(10, 2), "1.255"),
        (DataType::Decimal128(4, 2), "123.4"),
        (DataType::Int8, "128"),
        (DataType::UInt16, "-1"),
    ] {
        let path = put(&folder, "set.csv", &format!("t\n{text}\n"));
        let options = CsvOptions::new().column_type("t", dtype.clone());
        let e = fails(&Frame::read_csv_with(&path, &options).unwrap());
        let at = format!("set.csv: line 2: '{text}' does not fit");
        assert!(e.message().contains(&at), "{dtype}: {e}");
    }
    let zoned = put(
        &folder,
        "zoned.csv",
        "t\n2024-01-01T10:00:00+02:00\n2024-07-01T10:00:00-05:00\n",
    );
    let got = both(&Frame::read_csv(&zoned).unwrap());
    let shown = kvern_frame::arrow::util::display::array_value_to_string(got[0].column(0), 0);
    assert_eq!(shown.unwrap(), "2024-01-01T08:00:00Z");
}

#[test]
fn a_file_with_other_columns_than_when_the_frame_was_made_is_told() {
    let folder = TempDir::new().unwrap();
    let path = put(&folder, "changes.csv", "a,b\n1,2\n");
    let f = Frame::read_csv(&path).unwrap();
    for (text, words) in [
        ("b,a\n2,1\n", "column 1 is \"a\" there and \"b\" here"),
        ("a,b,c\n1,2,3\n", "2 columns there and 3 here"),
        ("", "is empty"),
    ] {
        std::fs::write(&path, text).unwrap();
        let e = fails(&f);
        assert!(e.message().contains("changes.csv"), "{e}");
        assert!(e.message().contains(words), "{e}");
    }
    // Other rows are fine.
    std::fs::write(&path, "a,b\n3,4\n5,6\n").unwrap();
    assert_eq!(ints(&both(&f), "b"), [Some(4), Some(6)]);
}

#[test]
fn names_that_come_twice_or_are_empty() {
    let folder = TempDir::new().unwrap();
    let f = Frame::read_csv(put(&folder, "twice.csv", "a,a,b\n1,2,3\n")).unwrap();
    assert_eq!(f.columns(), ["a", "a_1", "b"]);
    let got = both(&f);
    let values = ["a", "a_1", "b"].map(|c| ints(&got, c)[0]);
    assert_eq!(values, [Some(1), Some(2), Some(3)]);
    let f = Frame::read_csv(put(&folder, "none.csv", "a,b,,\n1,2,,\n3,4,,\n")).unwrap();
    assert_eq!(f.columns(), ["a", "b", "column_3", "column_4"]);
    assert_eq!(
        ints(&both(&f.select(["b"]).unwrap()), "b"),
        [Some(2), Some(4)]
    );
    let wide: Vec<String> = (0..20_000).map(|i| format!("c{i}")).collect();
    let row: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
    let text = format!("{}\n{}\n", wide.join(","), row.join(","));
    let f = Frame::read_csv(put(&folder, "wide.csv", &text)).unwrap();
    let f = f.select(["c0", "c19999"]).unwrap();
    let got = session().compute(&f).unwrap();
    assert_eq!(ints(&got, "c19999"), [Some(19_999)]);
}

#[test]
fn types_that_are_set_count_before_files_are_compared() {
    let folder = TempDir::new().unwrap();
    put(&folder, "mix/a.csv", "id,flag\n1,0\n2,1\n");
    put(&folder, "mix/b.csv", "id,flag\n3,true\n4,false\n");
    let mix = folder.path().join("mix");
    let e = Frame::read_csv(&mix).unwrap_err();
    assert!(
        e.message()
            .contains("no type holds both: set one (column_type)"),
        "{e}"
    );
    let options = CsvOptions::new().column_type("flag", DataType::Utf8);
    let got = both(&Frame::read_csv_with(&mix, &options).unwrap());
    let flags: Vec<String> = got
        .iter()
        .flat_map(|b| {
            b.column(1)
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(flags, ["0", "1", "true", "false"]);
    // Whole numbers that are others as floats.
    put(
        &folder,
        "big/a.csv",
        "id,v\n9007199254740993,1\n9007199254740995,2\n",
    );
    put(&folder, "big/b.csv", "id,v\n1.5,3\n");
    let big = folder.path().join("big");
    let e = Frame::read_csv(&big).unwrap_err();
    assert!(
        e.message().contains("has whole numbers in") && e.message().contains("9007199254740993"),
        "{e}"
    );
    for dtype in [DataType::Utf8, DataType::Decimal128(20, 1)] {
        let options = CsvOptions::new().column_type("id", dtype);
        let got = both(&Frame::read_csv_with(&big, &options).unwrap());
        let first = kvern_frame::arrow::util::display::array_value_to_string(got[0].column(0), 0);
        assert!(first.unwrap().starts_with("9007199254740993"));
    }
}

#[test]
fn what_pandas_takes_for_missing_is_null() {
    let folder = TempDir::new().unwrap();
    let text = "x,y\n1,a\nNaN,b\nnull,NA\nN/A,d\n<NA>,\n5,e\n";
    let path = put(&folder, "nas.csv", text);
    let f = Frame::read_csv(&path).unwrap();
    let got = both(&f);
    assert_eq!(ints(&got, "x"), [Some(1), None, None, None, None, Some(5)]);
    assert_eq!(got[0].column(1).null_count(), 2);
    // The value that makes a column text is named, if others are numbers.
    let text = put(&folder, "dash.csv", "x,y\n1,a\n\n-,b\n3,c\n");
    let f = Frame::read_csv(&text).unwrap();
    let f = f.filter(col("y").not_eq(lit("c"))).unwrap();
    let f = f.rename([("x", "z")]).unwrap();
    let shown = f
        .describe_in(&session())
        .unwrap()
        .table_in(10, 200, &session());
    let shown = shown.unwrap();
    assert!(shown.contains("Utf8 ('-' in dash.csv:4)"), "{shown}");
    assert!(!shown.contains("'a'"), "{shown}");
    let mean = kvern_frame::functions::avg(col("z"));
    let e = f.groupby("y").agg([mean]).unwrap_err();
    let words = "\"z\" is text for '-' in dash.csv:4";
    assert!(e.message().contains(words), "{e}");
    // In place of these.
    let f = Frame::read_csv_with(&path, &CsvOptions::new().null_values(["null"])).unwrap();
    assert_eq!(f.schema().field(0).data_type(), &DataType::Utf8);
}

#[test]
fn files_of_a_folder_are_known_by_their_endings_and_folders_name_columns() {
    let folder = TempDir::new().unwrap();
    put(&folder, "readme/a.csv", "a\n1\n");
    put(
        &folder,
        "readme/README.txt",
        "this is about the data, which are numbers\n",
    );
    put(&folder, "readme/b.tsv", "a\n2\n");
    let f = Frame::read_csv(folder.path().join("readme")).unwrap();
    assert_eq!(ints(&both(&f), "a"), [Some(1), Some(2)]);
    let f = Frame::read_csv(put(&folder, "t.tsv", "a\tb\n1\t2\n")).unwrap();
    assert_eq!(f.columns(), ["a", "b"]);
    for text in ["", "\n\n"] {
        let e = Frame::read_csv(put(&folder, "empty.csv", text)).unwrap_err();
        assert!(e.message().contains("empty.csv is empty"), "{e}");
    }
    for (y, m) in [(2023, 1), (2023, 2), (2024, 1)] {
        let text = format!("v\n{}\n", y * 10 + m);
        put(
            &folder,
            &format!("hive/year={y}/k=m%20{m}/part-0.csv"),
            &text,
        );
    }
    for source in ["hive", "hive/year=*/*/*.csv"] {
        let f = Frame::read_csv(folder.path().join(source)).unwrap();
        assert_eq!(f.columns(), ["v", "year", "k"], "{source}");
        assert_eq!(ints(&both(&f), "year"), [2023, 2023, 2024].map(Some));
        let some = f
            .filter(col("year").eq(lit(2024)).and(col("k").eq(lit("m 1"))))
            .unwrap();
        assert_eq!(ints(&both(&some), "v"), [Some(20_241)]);
        let only = f.select(["year"]).unwrap();
        assert_eq!(ints(&both(&only), "year"), [2023, 2023, 2024].map(Some));
    }
}

#[test]
fn what_is_no_utf8_text_is_told() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (name, bytes, words) in [
        (
            "latin1.csv",
            &b"id,city\n1,Malm\xf6\n"[..],
            "line 2: the byte 0xf6 is no UTF-8 text",
        ),
        ("utf16.csv", b"\xff\xfei\0d\0", "is UTF-16 text"),
        (
            "x.csv",
            b"\x1f\x8b\x08\0",
            "packed with gzip: its name must end with .gz",
        ),
        ("x.csv.zst", b"\x28\xb5\x2f\xfd\x04", "packed with zstd"),
        ("y.csv", b"PAR1\x15", "a Parquet file"),
    ] {
        let e = Frame::read_csv(put(name, bytes)).unwrap_err();
        assert!(
            e.message().contains(name) && e.message().contains(words),
            "{e}"
        );
        assert_eq!(e.kind(), ErrorKind::Decode);
    }
    let f = Frame::read_csv(put("bom.csv", b"\xef\xbb\xbf\"id\",name\n1,a\n")).unwrap();
    assert_eq!(f.columns(), ["id", "name"]);
    let e = CsvOptions::new().delimiter(b'"');
    let e = Frame::read_csv_with(put("z.csv", b"a\n"), &e).unwrap_err();
    assert!(
        e.message().contains("the quote and the delimiter are both"),
        "{e}"
    );
}

#[test]
fn text_is_not_compared_with_numbers() {
    let folder = TempDir::new().unwrap();
    let zip = CsvOptions::new().column_type("zip", DataType::Utf8);
    let path = put(&folder, "zip.csv", "zip,n\n00501,1\n501,2\nabc,3\n");
    let f = Frame::read_csv_with(&path, &zip).unwrap();
    let n = f.select([col("n").alias("zip"), col("n")]).unwrap();
    let e = |f: kvern_core::Result<Frame>| f.and_then(|f| session().compute(&f)).unwrap_err();
    let sql = |query: &str| kvern_frame::sql(query, [("t", &f), ("u", &n)]);
    for e in [
        e(f.filter(col("zip").eq(lit(501)))),
        e(f.filter(lit(501.5).lt(col("zip")))),
        e(f.filter(col("zip").in_list(vec![lit(501), lit(7)], false))),
        e(f.with_column("same", col("zip").not_eq(col("n")))),
        e(f.join(&n, "zip", kvern_frame::JoinHow::Inner)),
        e(sql("SELECT n FROM t WHERE zip = 501")),
        e(sql("SELECT n FROM t WHERE zip IN (SELECT n FROM u)")),
        e(sql("SELECT CASE zip WHEN 501 THEN 1 END AS x FROM t")),
        e(sql("SELECT n FROM t WHERE zip BETWEEN 1 AND 2")),
    ] {
        assert_eq!(e.kind(), ErrorKind::BadInput, "{e}");
        assert!(e.message().contains("they cannot be compared"), "{e}");
    }
    for (some, want) in [
        (f.filter(col("zip").eq(lit("501"))), 2),
        (
            f.filter(col("zip").eq(kvern_frame::cast(lit(501), DataType::Utf8))),
            2,
        ),
        (sql("SELECT n FROM t WHERE n = '3'"), 3),
    ] {
        assert_eq!(ints(&both(&some.unwrap()), "n"), [Some(want)]);
    }
}
