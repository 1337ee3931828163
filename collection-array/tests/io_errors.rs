//! The message of every error: it names the file, the member, the value found and what is allowed.

mod io_support;

use io_support::{Member, Packing, dictionary, fixture, member, npy, put, zip};
use kvern_array::io::{NpyError, NpyReader, NpyWriter, NpzArchive};
use tempfile::TempDir;

const DTYPES: &str = "allowed are bool (b1), i1, i2, i4, i8, u1, u2, u4, u8, f4 and f8, with byte order '<', '>', '=' \
     or, for one byte, '|'";

/// The message of opening these bytes, behind the file's name.
fn opening(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir, "a.npy", bytes);
    let message = NpyReader::open(&path).unwrap_err().to_string();
    rest(&message, &path.display().to_string())
}

fn rest(message: &str, name: &str) -> String {
    let rest = message
        .strip_prefix(name)
        .and_then(|m| m.strip_prefix(": "));
    rest.unwrap_or_else(|| panic!("{message:?} does not start with {name:?}"))
        .to_owned()
}

#[test]
fn start_version_and_length() {
    assert_eq!(
        opening(b"PK\x03\x04 and so on"),
        r"not a .npy file: starts with [50, 4b, 03, 04, 20, 61], allowed is 93 4e 55 4d 50 59 (\x93NUMPY)"
    );
    assert!(opening(b"").starts_with("not a .npy file: starts with [], allowed"));
    assert_eq!(
        opening(b"\x93NUMPY\x04\x00\x10\x00"),
        ".npy format version 4.0; allowed are 1.0, 2.0 and 3.0"
    );
    assert_eq!(
        opening(b"\x93NUMPY\x01"),
        "truncated: 10 bytes wanted at offset 0, 7 are there"
    );
    assert_eq!(
        opening(b"\x93NUMPY\x02\x00\x10"),
        "truncated: 4 bytes wanted at offset 8, 1 are there"
    );
    assert_eq!(
        opening(b"\x93NUMPY\x01\x00\x10\x00{'des"),
        "truncated: 16 bytes wanted at offset 10, 5 are there"
    );
    assert_eq!(
        opening(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"),
        "bad .npy header: 4294967295 bytes long; allowed are at most 1048576"
    );
    assert!(
        opening(b"\x93NUMPY\x03\x00\x01\x00\x00\x00\xff")
            .starts_with("bad .npy header: not UTF-8: ")
    );
}

#[test]
fn data_of_another_length() {
    let header = dictionary("<i4", false, &[2, 3]);
    for n in [0, 23, 25, 48] {
        assert_eq!(
            opening(&npy(&header, &vec![0; n])),
            format!("{n} bytes of data follow the header; dtype and shape make it 24")
        );
    }
}

#[test]
fn hostile_shapes() {
    let max = isize::MAX;
    for shape in [
        vec![1 << 40, 1 << 40],
        vec![usize::MAX, 2],
        vec![0, 1 << 40, 1 << 40],
    ] {
        assert_eq!(
            opening(&npy(&dictionary("<f8", false, &shape), &[])),
            format!(
                "shape {shape:?} of 8-byte elements overflows; allowed are at most {max} bytes"
            )
        );
    }
    assert!(
        opening(&npy(&dictionary("|u1", false, &[1 << 62]), &[0])).starts_with("1 bytes of data")
    );
    assert_eq!(
        opening(&npy(&dictionary("|u1", false, &[1; 65]), &[0])),
        "bad .npy header: more than 64 axes; allowed are at most 64"
    );
    let dir = tempfile::tempdir().unwrap();
    let e = NpyWriter::<u8>::create(dir.path().join("w.npy"), &[1; 65])
        .unwrap_err()
        .to_string();
    assert!(
        e.ends_with("w.npy: bad .npy header: 65 axes; allowed are at most 64"),
        "{e}"
    );
}

#[test]
fn dictionaries() {
    let shape = "'shape': (2,)";
    let good = "'descr': '|u1', 'fortran_order': False";
    let cases = [
        (
            "[]".to_owned(),
            "expected a dictionary '{' at character 0, found \"[]\"",
        ),
        (format!("{{{good}}}"), "key shape is missing"),
        (
            format!("{{'fortran_order': False, {shape}}}"),
            "key descr is missing",
        ),
        (
            format!("{{'descr': '|u1', {shape}}}"),
            "key fortran_order is missing",
        ),
        (
            format!("{{{good}, {shape}, {shape}}}"),
            "key \"shape\" twice; allowed is once",
        ),
        (
            format!("{{{good}, 'colour': 1}}"),
            "key \"colour\"; allowed are descr, fortran_order and shape",
        ),
        (
            format!("{{{good}, {shape}}} x"),
            "expected the end of the header at character 56, found \"x\"",
        ),
        (
            format!("{{{good}, {shape}"),
            "expected ',' or '}' at character 54, found \"\"",
        ),
        (
            format!("{{{good} {shape}}}"),
            "expected ',' or '}' at character 40, found \"'shape': (2,)}\"",
        ),
        (
            "{'descr' '|u1'}".to_owned(),
            "expected ':' at character 9, found \"'|u1'}\"",
        ),
        (
            "{descr: 1}".to_owned(),
            "expected a quoted string at character 1, found \"descr: 1}\"",
        ),
        (
            "{'descr".to_owned(),
            "expected a string that ends at character 1, found \"'descr\"",
        ),
        (
            "{'descr': [('a'".to_owned(),
            "expected a list or tuple that ends at character 10, found \"[('a'\"",
        ),
        (
            "{'fortran_order': 0}".to_owned(),
            "expected True or False at character 18, found \"0}\"",
        ),
        (
            "{'shape': 3}".to_owned(),
            "expected a tuple '(' at character 10, found \"3}\"",
        ),
        (
            "{'shape': (-3,)}".to_owned(),
            "expected an axis length of 0 to 18446744073709551615 at character 11, found \"-3,)}\"",
        ),
        (
            "{'shape': (3 4)}".to_owned(),
            "expected ',' or ')' at character 13, found \"4)}\"",
        ),
    ];
    for (header, reason) in cases {
        assert_eq!(
            opening(&npy(&header, &[1, 2])),
            format!("bad .npy header: {reason}"),
            "{header}"
        );
    }
    // Other spellings that mean the same.
    let dir = tempfile::tempdir().unwrap();
    for header in [
        format!("{{{good}, {shape}}}"),
        " { \"shape\" :\n( 2L ,) ,'fortran_order':True,\t'descr':'u1',}  \n".to_owned(),
    ] {
        let reader = NpyReader::open(put(&dir, "a.npy", &npy(&header, &[1, 2]))).unwrap();
        assert_eq!(reader.read_rows::<u8>(1, 1).unwrap()[0], 2);
    }
}

#[test]
fn refused_dtypes() {
    let cases = [
        (
            "structured.npy",
            "[('lat', '<f8'), ('on', '|b1')] (structured)",
        ),
        ("complex.npy", "<c16 (complex)"),
        ("half.npy", "<f2 (float of another width)"),
        ("text.npy", "<U2 (text)"),
        ("dates.npy", "<M8[D] (date and time)"),
        ("objects.npy", "|O (Python objects)"),
    ];
    for (name, found) in cases {
        let path = fixture(name);
        let e = NpyReader::open(&path).unwrap_err().to_string();
        let expected = format!("dtype {found} is not supported; {DTYPES}");
        assert_eq!(rest(&e, &path.display().to_string()), expected);
    }
    for (descr, kind) in [
        ("|i4", "several bytes an element without byte order"),
        ("|S3", "byte strings"),
        ("|V8", "structured or raw bytes"),
        ("<m8[s]", "time difference"),
        ("<x4", "unknown"),
        ("<i16", "unknown"),
        ("", "unknown"),
        ("é", "unknown"),
    ] {
        // The header is Latin-1: a UTF-8 é is two characters of it.
        let shown = descr.replace('é', "Ã©");
        assert_eq!(
            opening(&npy(&dictionary(descr, false, &[1]), &[0; 4])),
            format!("dtype {shown} ({kind}) is not supported; {DTYPES}")
        );
    }
    let long = format!("[('a', '{}')]", "x".repeat(500));
    let header = format!("{{'descr': {long}, 'fortran_order': False, 'shape': ()}}");
    assert!(opening(&npy(&header, &[])).contains("xxx… (structured)"));
}

#[test]
fn requests_outside_the_array() {
    let path = fixture("c_order.npy");
    let reader = NpyReader::open(&path).unwrap();
    let name = path.display().to_string();
    let message = |e: NpyError| rest(&e.to_string(), &name);
    let block = |ranges: &[_]| message(reader.read_block::<f64>(ranges).unwrap_err());
    let four = block(&[0..1, 0..1, 0..1, 0..1]);
    assert_eq!(
        four,
        "4 ranges for an array of 3 axes; allowed is one an axis"
    );
    assert_eq!(
        block(&[0..1, 0..1]),
        "2 ranges for an array of 3 axes; allowed is one an axis"
    );
    assert_eq!(
        block(&[0..2, 0..4, 0..1]),
        "range 0..4 on axis 1; allowed is start <= end <= 3"
    );
    #[allow(clippy::reversed_empty_ranges, reason = "the case to refuse")]
    let backwards = block(&[0..2, 0..3, 3..2]);
    assert_eq!(
        backwards,
        "range 3..2 on axis 2; allowed is start <= end <= 4"
    );
    let e = message(reader.read_rows::<f64>(1, usize::MAX).unwrap_err());
    assert!(
        e.starts_with("range 1..18446744073709551615 on axis 0; allowed is start"),
        "{e}"
    );
    let e = message(reader.read_rows::<i64>(0, 1).unwrap_err());
    assert_eq!(e, "elements are f64, asked for as i64; allowed is f64");
    let path = fixture("scalar.npy");
    let e = NpyReader::open(&path)
        .unwrap()
        .read_rows::<u8>(0, 1)
        .unwrap_err()
        .to_string();
    assert!(
        e.ends_with("1 ranges for an array of 0 axes; allowed is one an axis"),
        "{e}"
    );
}

#[test]
fn a_byte_that_is_no_bool() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(
        &dir,
        "a.npy",
        &npy(&dictionary("|b1", false, &[4]), &[0, 1, 0, 2]),
    );
    let reader = NpyReader::open(&path).unwrap();
    assert_eq!(
        reader.read_rows::<bool>(0, 3).unwrap().as_slice().unwrap(),
        [false, true, false]
    );
    assert_eq!(
        rest(
            &reader.read_rows::<bool>(2, 2).unwrap_err().to_string(),
            &path.display().to_string()
        ),
        "byte 0x02 in a bool array (element 1 of the block); allowed are 0x00 and 0x01"
    );
}

#[test]
fn files_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.npy");
    let e = NpyReader::open(&missing).unwrap_err().to_string();
    assert!(
        rest(&e, &missing.display().to_string()).starts_with("cannot open it: "),
        "{e}"
    );
    let e = NpzArchive::open(dir.path()).unwrap_err().to_string();
    assert!(
        rest(&e, &dir.path().display().to_string()).starts_with("cannot open it: "),
        "{e}"
    );
}

fn array() -> Vec<u8> {
    npy(&dictionary("|u1", false, &[40]), &[7; 40])
}

/// The message of opening and reading member `a` of this archive, behind the file's name.
fn archive(dir: &TempDir, bytes: &[u8]) -> String {
    let path = put(dir, "a.npz", bytes);
    let read = || NpyReader::open_member(&path, "a")?.read_rows::<u8>(0, 40);
    let message = read().unwrap_err().to_string();
    message
        .strip_prefix(&path.display().to_string())
        .unwrap()
        .to_owned()
}

#[test]
fn archives() {
    let dir = tempfile::tempdir().unwrap();
    let deflated = member("a.npy", &array(), Packing::Deflated);
    let stored = member("a.npy", &array(), Packing::Stored);
    let good = zip(
        &[deflated.clone(), member("b.npy", &array(), Packing::Stored)],
        false,
    );
    let path = put(&dir, "good.npz", &good);
    assert_eq!(
        rest(
            &NpyReader::open_member(&path, "c").unwrap_err().to_string(),
            &path.display().to_string()
        ),
        r#"no member "c"; the archive holds ["a", "b"]"#
    );
    let half = &good[..good.len() / 2];
    assert_eq!(
        archive(&dir, half),
        format!(
            ": bad zip archive: no end record in its last bytes ({} bytes in all); it may be cut off",
            half.len()
        )
    );

    let with = |base: &Member, change: &dyn Fn(&mut Member)| {
        let mut m = base.clone();
        change(&mut m);
        archive(&dir, &zip(&[m], false))
    };
    let allowed =
        "is not supported; allowed are stored (0) and deflated (8) members, not encrypted";
    for (method, name) in [
        (9, "deflate64 (9)"),
        (12, "bzip2 (12)"),
        (14, "LZMA (14)"),
        (93, "zstd (93)"),
        (77, "(77)"),
    ] {
        assert_eq!(
            with(&deflated, &|m| m.method = method),
            format!(", member a.npy: compression method {name} {allowed}")
        );
    }
    assert_eq!(
        with(&deflated, &|m| m.flags = 1),
        format!(", member a.npy: an encrypted member (flags 0x0001) {allowed}")
    );
    let packed = deflated.packed.len();
    assert_eq!(
        with(&deflated, &|m| m.size = 1 << 31),
        format!(
            ", member a.npy: bad zip archive: 2147483648 bytes packed to {packed} by method 8 is impossible"
        )
    );
    assert!(with(&stored, &|m| m.size -= 1).ends_with("by method 0 is impossible"));
    let crc = stored.crc;
    for base in [&stored, &deflated] {
        assert_eq!(
            with(base, &|m| m.crc ^= 1),
            format!(
                ", member a.npy: CRC-32 is {crc:08x}; the archive says {:08x}",
                crc ^ 1
            )
        );
    }

    let twice = zip(&[stored.clone(), stored.clone()], false);
    assert_eq!(
        archive(&dir, &twice),
        ": bad zip archive: member \"a.npy\" twice; allowed is once"
    );
}

/// Changes the bytes at `at` of a fresh archive of one stored member.
fn patched(dir: &TempDir, wide: bool, at: impl Fn(&[u8]) -> usize, to: &[u8]) -> String {
    let mut bytes = zip(&[member("a.npy", &array(), Packing::Stored)], wide);
    let at = at(&bytes);
    bytes[at..at + to.len()].copy_from_slice(to);
    archive(dir, &bytes)
}

#[test]
fn archives_that_contradict_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let find = |magic: &'static [u8]| {
        move |bytes: &[u8]| bytes.windows(4).rposition(|w| w == magic).unwrap()
    };
    let (end, central) = (find(b"PK\x05\x06"), find(b"PK\x01\x02"));
    let (record, locator) = (find(b"PK\x06\x06"), find(b"PK\x06\x07"));
    let bytes = zip(&[member("a.npy", &array(), Packing::Stored)], false);
    let (at, len) = (central(&bytes), end(&bytes) - central(&bytes));
    let bad = |message: String| format!(": bad zip archive: {message}");

    assert_eq!(
        patched(&dir, false, |b| end(b) + 4, &[1]),
        bad("it spans disks (1, 0); allowed is one".into())
    );
    assert_eq!(
        patched(&dir, false, |b| end(b) + 10, &[2]),
        bad("1 directory entries; its end record says 2".into())
    );
    assert_eq!(
        patched(&dir, false, |b| end(b) + 12, &[0, 9]),
        bad(format!(
            "directory of 2304 bytes at {at}; allowed is before {}",
            end(&bytes)
        ))
    );
    assert_eq!(
        patched(&dir, false, central, b"XX"),
        bad(format!("no directory entry at {at}"))
    );
    assert_eq!(
        patched(&dir, false, |b| central(b) + 28, &[200]),
        bad(format!(
            "directory entry of 246 bytes at {at}; allowed are {len}"
        ))
    );
    assert_eq!(
        patched(&dir, false, |b| central(b) + 42, &[0, 9]),
        bad(format!("member \"a.npy\" at 2304; allowed is before {at}"))
    );
    assert_eq!(
        patched(&dir, false, |_| 0, b"XX"),
        ", member a.npy: bad zip archive: no member header at 0"
    );
    assert_eq!(
        patched(&dir, false, |_| 30, b"z"),
        ", member a.npy: bad zip archive: member header at 0 is of \"z.npy\", method 0; the directory says \
         \"a.npy\", method 0"
    );
    assert!(patched(&dir, false, |_| 28, &[255, 255]).starts_with(", member a.npy: truncated: "));

    let wide = zip(&[member("a.npy", &array(), Packing::Stored)], true);
    assert_eq!(
        patched(&dir, true, |b| locator(b) + 8, &[255; 8]),
        bad(format!(
            "64-bit end record at {}; allowed is before {}",
            u64::MAX,
            end(&wide)
        ))
    );
    assert_eq!(
        patched(&dir, true, record, b"XX"),
        bad(format!("no 64-bit end record at {}", record(&wide)))
    );
    assert!(
        patched(&dir, true, |b| record(b) + 40, &[255; 8])
            .contains("directory of 18446744073709551615 bytes")
    );
    assert!(
        patched(&dir, true, |b| central(b) + 46 + 5 + 6 + 4, &[255; 8]).ends_with("is impossible")
    );
}

#[test]
#[cfg(unix)]
fn a_pipe_or_a_folder_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.npy");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for (path, part) in [
        (pipe, "pipe.npy: cannot open it: it is no file but a pipe"),
        (folder.path().to_owned(), "it is a folder"),
    ] {
        // On a thread of its own, so that it is not this one that hangs.
        let (say, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let [one, two] = [
                NpyReader::open(&path).map(drop),
                NpzArchive::open(&path).map(drop),
            ];
            say.send([one.unwrap_err().to_string(), two.unwrap_err().to_string()])
        });
        let words = said
            .recv_timeout(std::time::Duration::from_secs(60))
            .unwrap();
        assert!(words.iter().all(|w| w.contains(part)), "{words:?}");
    }
}
