//! Text files: cut at any size, compressed or not, with any line ends, broken or missing.

mod support;

use std::io::Write as _;

use kvern_bag::{Compression, InvalidUtf8, Text, TextOptions, read_text, read_text_with};
use kvern_core::ErrorKind;
use proptest::prelude::*;
use support::{everywhere, folder, sessions, write};

fn by(size: u64) -> TextOptions {
    TextOptions::new().blocksize(size)
}

fn all(text: &Text) -> Vec<String> {
    let mut results = everywhere(text).into_iter();
    let (_, first) = results.next().unwrap();
    let first = first.unwrap();
    for (name, other) in results {
        assert_eq!(other.unwrap(), first, "{name}");
    }
    first
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    z.write_all(bytes).unwrap();
    z.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_the_same_however_files_are_cut_and_packed(
        texts in prop::collection::vec("[ab äß漢😀\\r\\n]{0,30}", 1..4),
        size in 1u64..40,
        split in 0usize..30,
    ) {
        let folder = folder();
        let expected: Vec<String> = texts.iter().flat_map(|t| t.lines().map(str::to_owned)).collect();
        let words: Vec<&str> = texts.iter().flat_map(|t| t.split_whitespace()).collect();
        let mut paths = [Vec::new(), Vec::new(), Vec::new()];
        for (i, t) in texts.iter().enumerate() {
            let (bytes, mid) = (t.as_bytes(), split.min(t.len()));
            paths[0].push(write(&folder, &format!("{i}.txt"), bytes));
            // Several members and frames, borders inside of characters included.
            let members = [gzip(&bytes[..mid]), gzip(&bytes[mid..])].concat();
            paths[1].push(write(&folder, &format!("{i}.gz"), members));
            let skipped = [0x5au8, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
            let frames = [&zstd(&bytes[..mid])[..], &skipped, &zstd(&bytes[mid..])].concat();
            paths[2].push(write(&folder, &format!("{i}.zst"), frames));
        }
        for paths in &paths {
            let text = read_text_with(paths, &by(size)).unwrap();
            prop_assert_eq!(&all(&text), &expected);
            prop_assert_eq!(&all(&text.words())[..], &words[..]);
            prop_assert_eq!(text.count().reference().unwrap(), expected.len() as u64);
            prop_assert_eq!(&all(&text.flat_map(str::split_whitespace))[..], &words[..]);
        }
    }
}

#[test]
fn sizes_borders_and_lines_longer_than_a_block() {
    let folder = folder();
    // Long lines that begin and end around blocks, and around the buffer that is read at once.
    let mut text = String::new();
    for n in [0, 1, 5, 262_143, 262_144, 262_145, 700_000, 3] {
        text.push_str(&"x".repeat(n));
        text.push('\n');
    }
    text.push_str("end");
    let path = write(&folder, "long.txt", &text);
    let expected: Vec<&str> = text.lines().collect();
    for size in [1000, 100_000, 262_144, 262_145, 1 << 30] {
        let read = read_text_with(&path, &by(size)).unwrap();
        assert_eq!(
            read.npartitions() as u64,
            (text.len() as u64).div_ceil(size)
        );
        assert!(
            read.strings().reference().unwrap() == expected,
            "blocks of {size}"
        );
    }
}

#[test]
fn empty_files_are_empty_partitions() {
    let folder = folder();
    let paths = vec![
        write(&folder, "a.txt", ""),
        write(&folder, "b.txt", "one"),
        write(&folder, "c.gz", gzip(b"")),
        write(&folder, "d.zst", zstd(b"")),
    ];
    let text = read_text(&paths).unwrap();
    assert_eq!(
        (text.npartitions(), all(&text)),
        (4, vec!["one".to_owned()])
    );
    assert_eq!(all(&read_text(&paths[0]).unwrap()), Vec::<String>::new());
}

#[test]
fn what_is_not_there_is_told_with_what_is_near() {
    let folder = folder();
    write(&folder, "measures.txt", "x");
    let path = |name: &str| folder.path().join(name);
    let e = read_text(path("measure.txt")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    let words = e.to_string();
    assert!(
        words.contains("measure.txt") && words.contains("did you mean \"measures.txt\"?"),
        "{e}"
    );
    let e = read_text(path("*.csv")).unwrap_err().to_string();
    assert!(
        e.contains("no file matches") && e.contains("measures.txt"),
        "{e}"
    );
    let e = read_text(path("none/*.csv")).unwrap_err().to_string();
    assert!(e.contains("there is no folder"), "{e}");
    let e = read_text(folder.path()).unwrap_err().to_string();
    assert!(e.contains("is a folder"), "{e}");
    let e = read_text(Vec::<String>::new()).unwrap_err().to_string();
    assert!(e.contains("the list is empty"), "{e}");
    write(&folder, "old.bz2", "x");
    let e = read_text(path("old.bz2")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
}

#[test]
fn a_pattern_is_in_order_and_a_list_in_its_own() {
    let folder = folder();
    for name in ["b.txt", "a.txt", "c.txt", "[x].txt"] {
        write(&folder, name, name);
    }
    let path = |name: &str| folder.path().join(name);
    assert_eq!(
        all(&read_text(path("?.txt")).unwrap()),
        ["a.txt", "b.txt", "c.txt"]
    );
    let list = vec![path("c.txt"), path("[ab].txt")];
    assert_eq!(all(&read_text(list).unwrap()), ["c.txt", "a.txt", "b.txt"]);
    // A file that is named like a pattern.
    assert_eq!(all(&read_text(path("[x].txt")).unwrap()), ["[x].txt"]);
}

#[test]
fn invalid_utf8_is_an_error_left_out_or_replaced() {
    let folder = folder();
    let bytes = b"good\nb\xc3(d\nfine\n\xff\nlast";
    for (name, bytes) in [("bad.txt", bytes.to_vec()), ("bad.gz", gzip(bytes))] {
        let path = write(&folder, name, bytes);
        let read = |invalid| read_text_with(&path, &by(4).invalid_utf8(invalid)).unwrap();
        for (_, result) in everywhere(&read(InvalidUtf8::Error)) {
            let e = result.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::BadInput);
            let words = e.to_string();
            // On threads another piece of the file may be the first to fail.
            let second =
                words.contains(&format!("{name}:2: not UTF-8: byte 2 of the line is 0xc3"));
            let fourth =
                words.contains(&format!("{name}:4: not UTF-8: byte 1 of the line is 0xff"));
            assert!(second || fourth, "{words}");
        }
        let (items, skipped) = read(InvalidUtf8::Skip)
            .strings()
            .with_skipped()
            .reference()
            .unwrap();
        assert_eq!(items, ["good", "fine", "last"]);
        assert_eq!(skipped.records(), 2);
        assert!(
            skipped.examples()[1].contains(&format!("{name}:4: not UTF-8")),
            "{skipped}"
        );
        let lossy = all(&read(InvalidUtf8::Lossy));
        assert_eq!(lossy, ["good", "b\u{fffd}(d", "fine", "\u{fffd}", "last"]);
    }
}

#[test]
fn damaged_archives_are_errors() {
    let folder = folder();
    let text = "some words\n".repeat(5000);
    for (end, packed) in [
        ("gz", gzip(text.as_bytes())),
        ("zst", zstd(text.as_bytes())),
    ] {
        let mut flipped = packed.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x55;
        for (what, bytes) in [
            ("cut", packed[..packed.len() - 3].to_vec()),
            ("flipped", flipped),
            ("plain", text.clone().into_bytes()),
        ] {
            let path = write(&folder, &format!("{what}.{end}"), bytes);
            let e = read_text(&path).unwrap().count().reference().unwrap_err();
            assert!(
                e.kind() == ErrorKind::Io && e.to_string().contains(&format!("{what}.{end}")),
                "{e}"
            );
        }
    }
    // A frame as RFC 8878 has it: its header, one raw block that is the last, and the checksum of what is in it.
    let frame = |checksum: u32, text: &[u8; 4]| {
        let mut all = vec![0x28, 0xB5, 0x2F, 0xFD, 0x24, 4, 0x21, 0, 0];
        all.extend(text);
        all.extend(checksum.to_le_bytes());
        all
    };
    let path = write(&folder, "whole.zst", frame(0xb2b1_de82, b"a b\n"));
    assert_eq!(all(&read_text(&path).unwrap().words()), ["a", "b"]);
    let path = write(&folder, "other.zst", frame(0xb2b1_de82, b"a c\n"));
    let e = read_text(&path).unwrap().count().reference().unwrap_err();
    let words = e.to_string();
    assert!(
        words.contains("other.zst") && words.contains("its checksum is"),
        "{e}"
    );
    // A name that does not say how it is packed.
    let path = write(&folder, "unnamed", gzip(b"a b"));
    let text = read_text_with(&path, &by(1).compression(Compression::Gzip)).unwrap();
    assert_eq!(all(&text.words()), ["a", "b"]);
}

#[test]
fn a_file_that_changes_after_the_bag_was_made_is_an_error() {
    let folder = folder();
    for (what, now) in [
        ("shorter", "a\n"),
        ("replaced", "a\nb\nc\n"),
        ("other", "x\ny\n"),
    ] {
        let path = write(&folder, what, "a\nb\n");
        let bag = read_text(&path).unwrap();
        assert_eq!(all(&bag), ["a", "b"]);
        // Not within the clock's last step.
        std::thread::sleep(std::time::Duration::from_millis(20));
        match what {
            // As most programs write a file: under another name first. One that has only grown is another matter.
            "replaced" => {
                let new = write(&folder, "new", now);
                std::fs::rename(new, &path).unwrap();
            }
            _ => drop(write(&folder, what, now)),
        }
        let e = bag.strings().reference().unwrap_err();
        let words = e.to_string();
        assert!(
            words.contains(what) && words.contains("it has changed"),
            "{e}"
        );
        assert!(words.contains("it had 4 bytes"), "{e}");
    }
}

#[test]
fn text_passes_through_every_step() {
    let folder = folder();
    let path = write(&folder, "t.txt", "b a\nc a\n\na b c d\n");
    for size in [3, 1000] {
        let text = read_text_with(&path, &by(size)).unwrap();
        let words = text.words();
        let pairs = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
            list.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect()
        };
        let expected = pairs(&[("b", 2), ("a", 3), ("c", 2), ("d", 1)]);
        for (name, got) in everywhere(&words.frequencies()) {
            assert_eq!(got.unwrap(), expected, "{name}");
        }
        for (name, got) in everywhere(&words.strings().frequencies()) {
            assert_eq!(got.unwrap(), expected, "{name}");
        }
        assert_eq!(words.distinct().reference().unwrap(), ["b", "a", "c", "d"]);
        assert_eq!(words.filter(|w| w > "b").count().reference().unwrap(), 3);
        assert_eq!(text.map(str::len).sum().reference().unwrap(), 13);
        let padded = text.map_with(&10usize, |n: &usize, s: &str| format!("{s:>w$}", w = *n));
        assert_eq!(
            padded.map(|s| s.len() as u64).max().reference().unwrap(),
            Some(10)
        );
        let lengths = words.foldby(str::len, 0u64, |n, _| n + 1, |a, b| a + b);
        assert_eq!(lengths.reference().unwrap(), [(1, 8)]);
        let joined = words.fold(String::new(), |s, w| s + w, |a, b| a + &b);
        assert_eq!(joined.reference().unwrap(), "bacaabcd");
        for (_, session) in sessions() {
            assert_eq!(text.take_in(2, &session).unwrap(), ["b a", "c a"]);
            let held = session.persist(&words).unwrap();
            assert_eq!(held.frequencies().compute_in(&session).unwrap(), expected);
        }
    }
}

#[test]
fn errors_of_functions_name_file_and_line() {
    let folder = folder();
    let path = write(&folder, "n.txt", "1 2\n3 4\n5 x\n6\n");
    for size in [2, 1000] {
        let text = read_text_with(&path, &by(size)).unwrap();
        let numbers = text.words().try_map(|w| w.parse::<i64>());
        for (name, result) in everywhere(&numbers.sum()) {
            let e = result.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Task, "{name}");
            let words = e.to_string();
            assert!(
                words.contains("n.txt:3: invalid digit found in string"),
                "{words}"
            );
        }
        let panics = text.map(|line| assert!(!line.contains('x'), "no x please"));
        for (name, result) in everywhere(&panics.count()) {
            let e = result.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Panic, "{name}");
            let words = e.to_string();
            assert!(
                words.contains("near") && words.contains("n.txt:3: no x please"),
                "{words}"
            );
            // And where the function stands.
            let place = format!("(at {}:", file!());
            assert!(words.contains(&place), "{words}");
        }
        // Behind a function that pulls lines ahead, the line is not known so well.
        let ahead = text
            .strings()
            .map_partitions(|lines| lines.map(|l| l.len()));
        let e = ahead
            .try_map(|n| if n == 1 { Err("short") } else { Ok(n) })
            .sum();
        let words = e.reference().unwrap_err().to_string();
        assert!(
            words.contains("near ") && words.contains("n.txt:4: short"),
            "{words}"
        );
        // The session lives on.
        for (_, count) in everywhere(&text.count()) {
            assert_eq!(count.unwrap(), 4);
        }
    }
}

#[test]
fn a_file_that_goes_away_is_an_error_when_it_is_read() {
    let folder = folder();
    let path = write(&folder, "gone.txt", "a\n");
    let text = read_text(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let e = text.count().reference().unwrap_err();
    assert!(
        e.kind() == ErrorKind::Io && e.to_string().contains("gone.txt"),
        "{e}"
    );
}

#[test]
fn reading_does_not_hold_the_file() {
    // 40 MB in one partition, of which the budget would hold a tenth: lines pass, and only the count is kept.
    let folder = folder();
    let line = "0123456789 ".repeat(100);
    let path = write(&folder, "big.txt", format!("{line}\n").repeat(36_000));
    let session = kvern_core::Session::open("threads://?workers=1&memory=4MiB").unwrap();
    let text = read_text_with(&path, &by(1 << 30)).unwrap();
    assert_eq!(
        text.words().count().compute_in(&session).unwrap(),
        3_600_000
    );
}

#[test]
fn urls_are_paths_or_are_refused() {
    let folder = folder();
    let path = write(&folder, "a b.txt", "x\n");
    let text = read_text(format!("file://{}", path.display()).replace(' ', "%20")).unwrap();
    assert_eq!(all(&text), ["x"]);
    let pattern = format!("file://{}/*.txt", folder.path().display());
    assert_eq!(all(&read_text(pattern).unwrap()), ["x"]);
    for url in ["s3://bucket/2020/*.json", "https://example.com/x.txt"] {
        let e = read_text(url).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        assert!(e.to_string().contains(url), "{e}");
        let e = kvern_bag::Bag::range(3, 1)
            .write_text(url, Compression::None)
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
    }
    let e = read_text("~/no-such-file-of-kvern.txt").unwrap_err();
    let home = std::env::home_dir().unwrap();
    assert!(e.to_string().contains(&*home.to_string_lossy()), "{e}");
}
