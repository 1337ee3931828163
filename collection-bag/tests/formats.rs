//! Files as other programs write them: encodings, line ends, archives with padding; files that are cut, grow, or are no files.

mod support;

use std::io::Write as _;
use std::path::Path;

use kvern_bag::{
    Compression, Encoding, InvalidUtf8, LineEnd, OnBad, Text, TextOptions, read_json,
    read_json_with, read_text, read_text_with,
};
use kvern_core::{ErrorKind, Result};
use proptest::prelude::*;
use support::{folder, write};

fn options(size: u64) -> TextOptions {
    TextOptions::new().blocksize(size)
}

fn lines(text: Result<Text>) -> Result<Vec<String>> {
    text?.reference()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    z.write_all(bytes).unwrap();
    z.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A frame as RFC 8878 has it: its header, one raw block that is the last, and the checksum of what is in it.
fn frame_with_checksum() -> Vec<u8> {
    let mut all = vec![0x28, 0xB5, 0x2F, 0xFD, 0x24, 4, 0x21, 0, 0];
    all.extend(b"a b\n");
    all.extend(0xb2b1_de82u32.to_le_bytes());
    all
}

#[test]
fn archives_are_read_as_python_and_gzip_read_them() {
    let folder = folder();
    let zeros = |n| vec![0u8; n];
    let (a, b) = (gzip(b"a\n"), gzip(b"b\n"));
    let whole: [(&str, Vec<u8>, &[&str]); 7] = [
        ("empty", Vec::new(), &[]),
        ("padded", [a.clone(), zeros(512)].concat(), &["a"]),
        (
            "far",
            [a.clone(), zeros(200_000), b.clone()].concat(),
            &["a", "b"],
        ),
        ("two", [a.clone(), b.clone()].concat(), &["a", "b"]),
        (
            "between",
            [a.clone(), zeros(3), b.clone(), zeros(1)].concat(),
            &["a", "b"],
        ),
        ("none", [gzip(b""), a.clone(), gzip(b"")].concat(), &["a"]),
        ("one", [gzip(b""), zeros(7)].concat(), &[]),
    ];
    for (name, bytes, want) in whole {
        let path = write(&folder, &format!("{name}.gz"), bytes);
        assert_eq!(lines(read_text(&path)).unwrap(), want, "{name}");
        assert_eq!(
            read_text(&path).unwrap().count().reference().unwrap(),
            want.len() as u64
        );
    }
    for (name, bytes) in [
        ("garbage", [a.clone(), b"more".to_vec()].concat()),
        ("later", [a.clone(), zeros(4), b"more".to_vec()].concat()),
        ("zeros", zeros(20)),
        ("plain", b"a\nb\n".to_vec()),
    ] {
        let path = write(&folder, &format!("{name}.gz"), bytes);
        let e = lines(read_text(&path)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Io, "{name}: {e}");
        assert!(e.to_string().contains(&format!("{name}.gz")), "{e}");
    }
}

#[test]
fn names_that_say_another_compression_are_told() {
    let folder = folder();
    let said = |name: &str, bytes: &[u8]| {
        let path = write(&folder, name, bytes);
        let all = [
            read_text(&path).unwrap().count().reference().unwrap_err(),
            lines(read_text_with(
                &path,
                &options(3).invalid_utf8(InvalidUtf8::Lossy),
            ))
            .unwrap_err(),
            lines(read_text_with(
                &path,
                &TextOptions::new().encoding(Encoding::Latin1),
            ))
            .unwrap_err(),
            read_json::<u64>(&path).unwrap().reference().unwrap_err(),
        ];
        for e in &all {
            assert!(e.to_string().contains(&format!("{name}: ")), "{e}");
        }
        all[0].to_string()
    };
    for (name, bytes, what) in [
        (
            "log.txt",
            gzip(b"1\n"),
            ["gzip", ".gz, or say Compression::Gzip"],
        ),
        (
            "a.jsonl",
            gzip(b"1\n"),
            ["gzip", ".gz, or say Compression::Gzip"],
        ),
        (
            "b.txt",
            zstd(b"1\n"),
            ["Zstandard", "say Compression::Zstd"],
        ),
        ("c", b"PK\x03\x04rest".to_vec(), ["zip", "unpack it"]),
        ("d.txt", b"\xfd7zXZ\0rest".to_vec(), ["xz", "unpack it"]),
        (
            "plain.gz",
            b"1 and more\n".to_vec(),
            ["no gzip data", "begins with \"1 and mo\""],
        ),
        ("short.gz", b"1".to_vec(), ["no gzip data", "\"1\""]),
    ] {
        let words = said(name, &bytes);
        assert!(what.iter().all(|w| words.contains(w)), "{name}: {words}");
    }
    // What is said counts, and a name that says nothing of it may be read by saying it.
    let path = write(&folder, "said.txt", gzip(b"1\n2\n"));
    let read = |c| read_text_with(&path, &TextOptions::new().compression(c));
    assert_eq!(lines(read(Compression::Gzip)).unwrap(), ["1", "2"]);
    let raw = TextOptions::new()
        .compression(Compression::None)
        .invalid_utf8(InvalidUtf8::Lossy);
    assert!(lines(read_text_with(&path, &raw)).is_ok());
    let path = write(&folder, "said.gz", "1\n2\n");
    let raw = TextOptions::new().compression(Compression::None);
    assert_eq!(lines(read_text_with(&path, &raw)).unwrap(), ["1", "2"]);
}

/// Reads every beginning of a file. `whole`: lengths at which it is a whole file, too.
fn cuts(name: &str, bytes: &[u8], whole: &[usize]) {
    let folder = folder();
    for len in 0..=bytes.len() {
        let path = write(&folder, name, &bytes[..len]);
        let text = read_text(&path).unwrap();
        let is_whole = len == bytes.len() || whole.contains(&len);
        let count = text.words().count().reference();
        assert_eq!(count.is_ok(), is_whole, "{name} cut at {len}: {count:?}");
        assert_eq!(lines(Ok(text)).is_ok(), is_whole, "{name} cut at {len}");
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_is_an_error() {
    let text: String = (0..60).map(|i| format!("{i} {}\n", i * 7919)).collect();
    for (end, pack) in [
        ("gz", gzip as fn(&[u8]) -> Vec<u8>),
        ("zst", zstd as fn(&[u8]) -> Vec<u8>),
    ] {
        let one = pack(text.as_bytes());
        cuts(&format!("one.{end}"), &one, &[0]);
        // What is cut between two of them cannot be told from a file of one.
        let three = [one.clone(), pack(b""), one.clone()].concat();
        let second = one.len() + pack(b"").len();
        cuts(&format!("three.{end}"), &three, &[0, one.len(), second]);
    }
    let frame = frame_with_checksum();
    // A frame to be skipped, with three bytes in it.
    let skipped = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let all = [&frame[..], &skipped, &frame].concat();
    cuts(
        "checked.zst",
        &all,
        &[0, frame.len(), frame.len() + skipped.len()],
    );
}

#[test]
fn frames_may_begin_anywhere_in_the_buffer() {
    // The mark of a frame to be skipped lies across each border of the buffer of 64 KiB that it is read through.
    let folder = folder();
    for before in 0..6usize {
        let len = (1u32 << 16) - 8 - before as u32;
        let mut bytes = vec![0x50, 0x2A, 0x4D, 0x18];
        bytes.extend(len.to_le_bytes());
        bytes.resize(8 + len as usize, 7);
        bytes.extend([0x51, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9]);
        bytes.extend(frame_with_checksum());
        let path = write(&folder, "skipped.zst", bytes);
        assert_eq!(lines(read_text(&path)).unwrap(), ["a b"], "{before} before");
    }
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Record {
    name: String,
    n: Option<i64>,
    more: Vec<f64>,
}

#[test]
fn a_record_that_is_cut_is_an_error() {
    let folder = folder();
    let line = r#"{"name": "a \"b\" ü", "n": null, "more": [1.5, -2e300, 17]}"#;
    let text = format!("{line}\n{line}\n");
    let whole = [
        0,
        line.len(),
        line.len() + 1,
        2 * line.len() + 1,
        text.len(),
    ];
    for len in 0..=text.len() {
        let path = write(&folder, "cut.jsonl", &text.as_bytes()[..len]);
        let records = read_json::<Record>(&path).unwrap().reference();
        assert_eq!(
            records.is_ok(),
            whole.contains(&len),
            "cut at {len}: {records:?}"
        );
        let values = read_json::<serde_json::Value>(&path).unwrap().reference();
        assert_eq!(values.is_ok(), whole.contains(&len), "cut at {len}");
        if let Err(e) = values {
            let words = e.to_string();
            assert!(words.contains("cut.jsonl:"), "{words}");
        }
    }
    // A document over several lines, or an array of records, is told what it is.
    let path = write(&folder, "pretty.json", "{\n  \"name\": \"a\"\n}\n");
    let e = read_json::<Record>(&path).unwrap().reference().unwrap_err();
    assert!(e.to_string().contains("a record is one line"), "{e}");
    for text in [
        "[{\"name\": \"a\"},\n{\"name\": \"b\"}]\n",
        "{\"name\": \"a\"},\n",
    ] {
        let path = write(&folder, "list.json", text);
        let e = read_json::<Record>(&path).unwrap().reference();
        assert!(e.unwrap_err().to_string().contains("list.json:1"));
    }
    let path = write(
        &folder,
        "python.jsonl",
        "{\"name\": \"\", \"more\": [NaN]}\n",
    );
    let e = read_json::<Record>(&path).unwrap().reference().unwrap_err();
    assert!(
        e.to_string().contains("NaN and Infinity are not JSON"),
        "{e}"
    );
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let folder = folder();
    let path = write(&folder, "bom.txt", "\u{feff}the the\r\nthe\n");
    for size in [1, 2, 3, 4, 5, 1000] {
        for asked in [Encoding::Auto, Encoding::Utf8] {
            let text = read_text_with(&path, &options(size).encoding(asked)).unwrap();
            assert_eq!(text.reference().unwrap(), ["the the", "the"], "{size}");
            let counts = text.words().frequencies().reference().unwrap();
            assert_eq!(counts, [("the".to_owned(), 3)], "{size}");
        }
    }
    let path = write(&folder, "bom.jsonl", "\u{feff}1\n2\n3\n");
    let numbers = read_json_with::<i64>(&path, &options(2), OnBad::Skip).unwrap();
    let (items, skipped) = numbers.with_skipped().reference().unwrap();
    assert_eq!((items, skipped.records()), (vec![1, 2, 3], 0));
    let packed = write(&folder, "bom.gz", gzip("\u{feff}a\n\u{feff}b".as_bytes()));
    // Only the first is a mark.
    assert_eq!(lines(read_text(&packed)).unwrap(), ["a", "\u{feff}b"]);
    let path = write(&folder, "mark.txt", "\u{feff}");
    assert_eq!(lines(read_text(&path)).unwrap(), [""; 0]);
    let path = write(&folder, "first.txt", "\u{feff}\n\u{feff}\n");
    assert_eq!(lines(read_text(&path)).unwrap(), ["", "\u{feff}"]);
}

fn encoded(text: &str, encoding: Encoding, mark: bool) -> Vec<u8> {
    let units = if mark {
        format!("\u{feff}{text}")
    } else {
        text.to_owned()
    };
    match encoding {
        Encoding::Utf16Le => units.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16Be => units.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Latin1 => text.chars().map(|c| c as u8).collect(),
        _ => units.into_bytes(),
    }
}

/// The lines of a text, split by what ends them: the plain way.
fn split(text: &str, end: LineEnd) -> Vec<String> {
    let mark = match end {
        LineEnd::CrLf => "\r\n",
        LineEnd::Cr => "\r",
        _ => "\n",
    };
    let mut lines: Vec<&str> = text.split(mark).collect();
    let last = lines.pop().filter(|l| !l.is_empty());
    let strip = |l: &str| match end {
        LineEnd::Auto => l.strip_suffix('\r').unwrap_or(l).to_owned(),
        _ => l.to_owned(),
    };
    let ended = lines.into_iter().map(strip);
    ended.chain(last.map(str::to_owned)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn text_is_the_same_however_it_is_written(
        text in "[ab é\u{0a0d}\u{0d0a}\u{010a}𝄞\r\n]{0,40}",
        encoding in prop::sample::select(vec![Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Latin1]),
        end in prop::sample::select(vec![LineEnd::Auto, LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr]),
        (mark, said, packed) in any::<(bool, bool, bool)>(),
        size in 1u64..30,
    ) {
        let text: String = match encoding {
            Encoding::Latin1 => text.chars().filter(|&c| (c as u32) < 256).collect(),
            _ => text,
        };
        let folder = folder();
        let bytes = encoded(&text, encoding, mark);
        let path = match packed {
            true => write(&folder, "t.gz", gzip(&bytes)),
            false => write(&folder, "t.txt", &bytes),
        };
        // With a mark, nobody has to say.
        let asked = match encoding {
            Encoding::Latin1 => encoding,
            _ if mark && !said => Encoding::Auto,
            _ => encoding,
        };
        let read = read_text_with(&path, &options(size).encoding(asked).line_end(end)).unwrap();
        prop_assert_eq!(read.reference().unwrap(), split(&text, end), "{:?} {:?}", encoding, end);
        let words = read.words().count().reference().unwrap();
        prop_assert_eq!(words, text.split_whitespace().count() as u64);
    }
}

#[test]
fn what_is_wrong_in_a_text_is_told_by_its_line() {
    let folder = folder();
    // A half of a pair alone, and a byte alone at the end.
    let units: Vec<u16> = [&[0x61, 0x0a, 0x62, 0xd800, 0x63, 0x0a][..], &[0x64, 0x0a]].concat();
    let mut bytes: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
    bytes.push(0x65);
    let path = write(&folder, "u16.txt", &bytes);
    for size in [1, 4, 1000] {
        let with = options(size).encoding(Encoding::Utf16Le);
        let e = lines(read_text_with(&path, &with)).unwrap_err();
        let words = e.to_string();
        assert!(words.contains("u16.txt:2: not UTF-16"), "{words}");
        let lossy = with.clone().invalid_utf8(InvalidUtf8::Lossy);
        let lossy = lines(read_text_with(&path, &lossy)).unwrap();
        assert_eq!(lossy, ["a", "b\u{fffd}c", "d", "\u{fffd}"]);
        let skip = with.clone().invalid_utf8(InvalidUtf8::Skip);
        let text = read_text_with(&path, &skip).unwrap().strings();
        let (items, skipped) = text.with_skipped().reference().unwrap();
        assert_eq!((items.len(), skipped.records()), (2, 2));
        assert!(skipped.examples()[1].contains("u16.txt:4"), "{skipped}");
        // An error of a function names the line of its text.
        let d = read_text_with(&path, &skip)
            .unwrap()
            .try_map(|l| if l == "d" { Err("no d") } else { Ok(0u8) });
        let words = d.reference().unwrap_err().to_string();
        assert!(words.contains("u16.txt:3: no d"), "{words}");
    }
    let path = write(&folder, "be.txt", encoded("a\n", Encoding::Utf16Be, true));
    for asked in [Encoding::Utf16Le, Encoding::Utf8] {
        let e = lines(read_text_with(&path, &options(9).encoding(asked))).unwrap_err();
        assert!(
            e.to_string().contains("be.txt") && e.to_string().contains("Encoding::Auto"),
            "{e}"
        );
    }
    let path = write(&folder, "latin.txt", b"ok\ncaf\xe9\n");
    let e = lines(read_text(&path)).unwrap_err();
    assert!(
        e.to_string().contains("latin.txt:2") && e.to_string().contains("TextOptions::encoding"),
        "{e}"
    );
}

#[test]
fn a_file_that_grows_is_read_to_its_end() {
    let folder = folder();
    let path = write(&folder, "log.txt", "one\ntw");
    for size in [1, 4, 1000] {
        std::fs::write(&path, "one\ntw").unwrap();
        let text = read_text_with(&path, &options(size)).unwrap();
        let mut log = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        log.write_all(b"o\nthree\nfour\n").unwrap();
        assert_eq!(
            text.reference().unwrap(),
            ["one", "two", "three", "four"],
            "{size}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_whose_size_is_not_told_is_read_to_its_end() {
    for name in ["/proc/self/status", "/proc/cpuinfo"] {
        let really = std::fs::read_to_string(name).unwrap();
        assert_eq!(std::fs::metadata(name).unwrap().len(), 0);
        for size in [64, 1 << 20] {
            let text = read_text_with(name, &options(size)).unwrap();
            let got = text.count().reference().unwrap();
            assert_eq!(got, really.lines().count() as u64, "{name} in {size}");
        }
    }
    assert_eq!(lines(read_text("/dev/null")).unwrap(), [""; 0]);
}

#[cfg(unix)]
fn pipe(path: &Path, bytes: &'static [u8]) -> std::thread::JoinHandle<()> {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
    let path = path.to_owned();
    std::thread::spawn(move || {
        let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        // In drops, and late ones.
        for piece in bytes.chunks(7) {
            pipe.write_all(piece).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    })
}

#[test]
#[cfg(unix)]
fn a_pipe_is_read_to_its_end() {
    let folder = folder();
    let path = folder.path().join("pipe");
    let writer = pipe(&path, b"one\r\ntwo\nthree\n");
    let text = read_text_with(&path, &options(3)).unwrap();
    assert_eq!(text.npartitions(), 1);
    assert_eq!(text.reference().unwrap(), ["one", "two", "three"]);
    writer.join().unwrap();
    // An error in it does not wait for somebody to write it again.
    let path = folder.path().join("bad");
    let writer = pipe(&path, b"one\n\xff\n");
    let e = lines(read_text(&path)).unwrap_err();
    assert!(e.to_string().contains("bad, byte 4: not UTF-8"), "{e}");
    writer.join().unwrap();
}
