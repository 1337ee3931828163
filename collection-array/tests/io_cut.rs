//! Array files cut at any byte, and files whose bytes say something else than what is there: always an error, never other numbers.

mod io_support;

use io_support::{Member, Packing, dictionary, fixture, member, npy, put, zip};
use kvern_array::Array;
use kvern_array::io::{NpyError, NpyReader, NpzArchive};
use ndarray::ArrayD;
use tempfile::TempDir;

fn bytes_of(values: impl Iterator<Item = i32>) -> Vec<u8> {
    values.flat_map(i32::to_le_bytes).collect()
}

/// A header as NumPy writes it, padded to 64 bytes, of format version `major`.
fn versioned(major: u8, dictionary: &str, data: &[u8]) -> Vec<u8> {
    let before = if major == 1 { 10 } else { 12 };
    let mut text = dictionary.to_owned();
    while !(before + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([major, 0]);
    match major {
        1 => out.extend((text.len() as u16).to_le_bytes()),
        _ => out.extend((text.len() as u32).to_le_bytes()),
    }
    out.extend(text.as_bytes());
    out.extend(data);
    out
}

fn plain() -> Vec<(&'static str, Vec<u8>)> {
    let data = bytes_of(0..6);
    let shape = dictionary("<i4", false, &[2, 3]);
    let turned = dictionary("<i4", true, &[2, 3]);
    let mut out = vec![
        ("version 1", versioned(1, &shape, &data)),
        ("version 2", versioned(2, &shape, &data)),
        ("version 3", versioned(3, &turned, &data)),
        ("unpadded", npy(&shape, &data)),
        ("no axes", npy(&dictionary("<i4", false, &[]), &data[..4])),
        (
            "one element",
            npy(&dictionary("<i4", false, &[1]), &data[..4]),
        ),
    ];
    for name in [
        "c_order.npy",
        "f_order.npy",
        "big_endian.npy",
        "version_2.npy",
        "version_3.npy",
        "scalar.npy",
    ] {
        out.push((name, std::fs::read(fixture(name)).unwrap()));
    }
    out
}

/// All elements as text, whatever their type.
fn everything(reader: &NpyReader) -> Result<String, NpyError> {
    let ranges: Vec<_> = reader.shape().iter().map(|&n| 0..n).collect();
    macro_rules! read { ($($t:ty)*) => { $(
        match reader.read_block::<$t>(&ranges) {
            Ok(a) => return Ok(format!("{:?} {:?}", a.shape(), a.iter().collect::<Vec<_>>())),
            Err(NpyError::TypeMismatch { .. }) => {}
            Err(e) => return Err(e),
        }
    )* } }
    read!(bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    panic!("no type fits {:?}", reader.dtype());
}

fn open_and_read(dir: &TempDir, bytes: &[u8]) -> Result<String, NpyError> {
    let path = put(dir, "a.npy", bytes);
    everything(&NpyReader::open(&path)?)
}

#[test]
fn npy_files_cut_at_any_byte() {
    let dir = tempfile::tempdir().unwrap();
    for (name, whole) in plain() {
        open_and_read(&dir, &whole).unwrap_or_else(|e| panic!("{name}: {e}"));
        for n in 0..whole.len() {
            let got = open_and_read(&dir, &whole[..n]);
            assert!(
                got.is_err(),
                "{name} cut at byte {n} of {} reads {got:?}",
                whole.len()
            );
        }
        // Nor does one that goes on behind its end pass.
        let more = [whole.as_slice(), b"\0"].concat();
        assert!(open_and_read(&dir, &more).is_err(), "{name} and a byte");
    }
}

#[test]
fn npy_files_that_are_cut_after_they_were_opened() {
    let dir = tempfile::tempdir().unwrap();
    for (name, whole) in plain() {
        let path = put(&dir, "a.npy", &whole);
        let data = whole.len()
            - NpyReader::open(&path)
                .unwrap()
                .shape()
                .iter()
                .product::<usize>()
                .max(1);
        for n in data..whole.len() {
            put(&dir, "a.npy", &whole);
            let reader = NpyReader::open(&path).unwrap();
            put(&dir, "a.npy", &whole[..n]);
            assert!(
                everything(&reader).is_err(),
                "{name} cut at byte {n} of {}",
                whole.len()
            );
        }
    }
}

/// Arrays of a few kinds in one archive.
fn archive(packing: Packing, wide: bool) -> Vec<u8> {
    let members = [
        member(
            "a.npy",
            &npy(&dictionary("<i4", false, &[2, 3]), &bytes_of(0..6)),
            packing,
        ),
        member(
            "b.npy",
            &npy(
                &dictionary("<i4", false, &[40]),
                &bytes_of((0..40).map(|i| i * i % 7)),
            ),
            packing,
        ),
    ];
    zip(&members, wide)
}

fn read_archive(dir: &TempDir, bytes: &[u8]) -> Result<String, NpyError> {
    let path = put(dir, "a.npz", bytes);
    let archive = NpzArchive::open(&path)?;
    let mut text = String::new();
    let names: Vec<String> = archive.members().into_iter().map(|m| m.name).collect();
    for name in names {
        text += &format!("{name} {}\n", everything(&archive.array(&name)?)?);
    }
    Ok(text)
}

#[test]
fn npz_files_cut_at_any_byte() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = ["stored.npz"].map(|n| std::fs::read(fixture(n)).unwrap());
    let built = [Packing::Stored, Packing::Deflated]
        .into_iter()
        .flat_map(|p| [archive(p, false), archive(p, true)]);
    for whole in built.chain(fixtures) {
        read_archive(&dir, &whole).unwrap();
        for n in 0..whole.len() {
            let got = read_archive(&dir, &whole[..n]);
            assert!(got.is_err(), "cut at byte {n} of {}: {got:?}", whole.len());
        }
    }
    // The large fixture at some of its bytes.
    let whole = std::fs::read(fixture("deflated.npz")).unwrap();
    for n in (0..whole.len())
        .step_by(97)
        .chain(whole.len() - 80..whole.len())
    {
        assert!(read_archive(&dir, &whole[..n]).is_err(), "cut at byte {n}");
    }
}

#[test]
fn a_deflated_stream_that_ends_early() {
    // The archive is whole; what it packs is not, at any byte, and says that it is.
    let dir = tempfile::tempdir().unwrap();
    let data = npy(
        &dictionary("<i4", false, &[40]),
        &bytes_of((0..40).map(|i| i * i % 7)),
    );
    let good = member("a.npy", &data, Packing::Deflated);
    for n in 0..good.packed.len() {
        let cut = Member {
            packed: good.packed[..n].to_vec(),
            ..good.clone()
        };
        let got = read_archive(&dir, &zip(&[cut], false));
        assert!(
            got.is_err(),
            "a stream cut at byte {n} of {}: {got:?}",
            good.packed.len()
        );
        // Or goes on with zeros.
        let mut packed = good.packed.clone();
        packed[n..].fill(0);
        if packed != good.packed {
            let cut = Member {
                packed,
                ..good.clone()
            };
            let got = read_archive(&dir, &zip(&[cut], false));
            assert!(got.is_err(), "a stream of zeros from byte {n} on: {got:?}");
        }
    }
    // And what it packs is an array file that was cut.
    for n in 0..data.len() {
        for packing in [Packing::Stored, Packing::Deflated] {
            let got = read_archive(&dir, &zip(&[member("a.npy", &data[..n], packing)], false));
            assert!(
                got.is_err(),
                "a member cut at byte {n} of {}: {got:?}",
                data.len()
            );
        }
    }
}

#[test]
fn members_that_lie_about_their_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let data = npy(&dictionary("<i4", false, &[2, 3]), &bytes_of(0..6));
    for packing in [Packing::Stored, Packing::Deflated] {
        let good = member("a.npy", &data, packing);
        read_archive(&dir, &zip(std::slice::from_ref(&good), false)).unwrap();
        for size in [
            0,
            1,
            good.size - 1,
            good.size + 1,
            2 * good.size,
            u64::from(u32::MAX) - 1,
        ] {
            let bad = Member {
                size,
                ..good.clone()
            };
            assert!(
                read_archive(&dir, &zip(std::slice::from_ref(&bad), false)).is_err(),
                "size {size} ({packing:?})"
            );
            assert!(
                read_archive(&dir, &zip(&[bad], true)).is_err(),
                "size {size} in 64 bits ({packing:?})"
            );
        }
        for size in [u64::MAX, 1 << 63, i64::MAX as u64] {
            let bad = Member {
                size,
                ..good.clone()
            };
            assert!(
                read_archive(&dir, &zip(&[bad], true)).is_err(),
                "size {size} ({packing:?})"
            );
        }
        let bad = Member {
            crc: good.crc ^ 1,
            ..good.clone()
        };
        assert!(
            read_archive(&dir, &zip(&[bad], false)).is_err(),
            "checksum ({packing:?})"
        );
    }
}

#[test]
fn headers_that_lie_about_their_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let data = bytes_of(0..6);
    for shape in [
        vec![2, 2],
        vec![2, 4],
        vec![7],
        vec![0],
        vec![0, 3],
        vec![usize::MAX],
        vec![1 << 62],
        vec![(1 << 62) + 3, 4],
        vec![6, 1 << 62, 4],
    ] {
        let got = open_and_read(&dir, &npy(&dictionary("<i4", false, &shape), &data));
        assert!(got.is_err(), "{shape:?}: {got:?}");
    }
    for descr in ["<i8", "<i2", "|i1", "<f8", "|b1"] {
        let got = open_and_read(&dir, &npy(&dictionary(descr, false, &[2, 3]), &data));
        assert!(got.is_err(), "{descr}: {got:?}");
    }
    // A length of the header that reaches into the data, or beyond the file.
    let whole = npy(&dictionary("<i4", false, &[2, 3]), &data);
    let length = u16::from_le_bytes([whole[8], whole[9]]);
    for lie in [
        0,
        1,
        length - 1,
        length + 1,
        length + 24,
        length + 25,
        u16::MAX,
    ] {
        let mut bytes = whole.clone();
        bytes[8..10].copy_from_slice(&lie.to_le_bytes());
        let got = open_and_read(&dir, &bytes);
        assert!(got.is_err(), "a header of {lie} bytes: {got:?}");
    }
}

#[test]
fn any_byte_of_an_archive_changed_is_an_error_or_changes_nothing_that_is_read() {
    let dir = tempfile::tempdir().unwrap();
    for packing in [Packing::Stored, Packing::Deflated] {
        let whole = archive(packing, false);
        let right = read_archive(&dir, &whole).unwrap();
        for at in 0..whole.len() {
            for flip in [1u8, 0x80] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                if let Ok(got) = read_archive(&dir, &bytes) {
                    // A name, a time or a version may be another; the numbers are not.
                    let numbers = |t: &str| -> Vec<String> {
                        t.lines()
                            .map(|l| l.split_once(' ').map_or(String::new(), |p| p.1.to_owned()))
                            .collect()
                    };
                    assert_eq!(
                        numbers(&got),
                        numbers(&right),
                        "byte {at} of a {packing:?} archive"
                    );
                }
            }
        }
    }
}

#[test]
fn a_lazy_array_of_a_file_that_is_cut_is_an_error_when_it_is_computed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    let a = ArrayD::from_shape_fn(vec![100, 3], |i| (i[0] * 3 + i[1]) as i32);
    kvern_array::io::save_npy(&path, &a).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let x = Array::<i32>::open_npy(&path, (10, -1)).unwrap();
    assert_eq!(x.reference().unwrap(), a);
    for n in [whole.len() - 1, whole.len() / 2, 60, 0] {
        std::fs::write(&path, &whole[..n]).unwrap();
        let e = x.reference().map(|_| ()).unwrap_err().to_string();
        assert!(e.contains("x.npy"), "{e}");
    }
}
