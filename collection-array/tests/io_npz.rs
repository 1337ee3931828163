//! `.npz` archives: listing, both ways of packing, archives beyond 32 bits, many threads, mutations.

mod io_support;

use std::path::Path;

use io_support::{Member, Packing, dictionary, fixture, member, mixed_bytes, npy, put, zip};
use kvern_array::io::{NpyError, NpyReader, NpzArchive};
use proptest::prelude::*;

fn bytes_array(data: &[u8], columns: usize) -> Vec<u8> {
    npy(
        &dictionary("|u1", false, &[data.len() / columns, columns]),
        data,
    )
}

#[test]
fn lists_its_members() {
    let archive = NpzArchive::open(fixture("deflated.npz")).unwrap();
    let members = archive.members();
    let shown: Vec<_> = members
        .iter()
        .map(|m| (m.name.as_str(), m.deflated, m.bytes))
        .collect();
    assert_eq!(shown, [("grid", true, 48_128), ("lat", true, 1_728)]);
    assert!(members.iter().all(|m| m.packed_bytes < m.bytes));
    let archive = NpzArchive::open(fixture("stored.npz")).unwrap();
    assert!(
        archive
            .members()
            .iter()
            .all(|m| !m.deflated && m.packed_bytes == m.bytes)
    );
    assert!(archive.array("small").unwrap().inflate_stats().is_none());
}

#[test]
fn reads_archives_with_the_64_bit_extension() {
    let dir = tempfile::tempdir().unwrap();
    let data = mixed_bytes(5_000, 3);
    let bytes = bytes_array(&data, 50);
    for wide in [false, true] {
        let members = [
            member("a.npy", &bytes, Packing::Stored),
            member("ü/b.npy", &bytes, Packing::Deflated),
        ];
        let path = put(&dir, "a.npz", &zip(&members, wide));
        for name in ["a", "ü/b", "ü/b.npy"] {
            let reader = NpyReader::open_member(&path, name).unwrap();
            let rows = reader.read_rows::<u8>(0, 100).unwrap();
            assert_eq!(rows.into_raw_vec_and_offset().0, data);
        }
    }
}

#[test]
fn a_second_pass_runs_on_many_threads() {
    let dir = tempfile::tempdir().unwrap();
    let data = mixed_bytes(24 << 20, 7);
    let columns = 1 << 14;
    let bytes = bytes_array(&data, columns);
    let path = put(
        &dir,
        "a.npz",
        &zip(&[member("a.npy", &bytes, Packing::Deflated)], false),
    );
    let reader = NpyReader::open_member(path, "a").unwrap();
    let rows = data.len() / columns;
    for pass in 0..2 {
        std::thread::scope(|scope| {
            for t in 0..4 {
                let (reader, data) = (&reader, &data);
                scope.spawn(move || {
                    let quarter = rows / 4;
                    for row in (t * quarter..(t + 1) * quarter).step_by(32) {
                        let block = reader.read_rows::<u8>(row, 32).unwrap();
                        let expected = &data[row * columns..(row + 32) * columns];
                        assert!(block.as_slice().unwrap() == expected, "row {row}");
                    }
                });
            }
        });
        let stats = reader.inflate_stats().unwrap();
        assert!(stats.verified, "pass {pass}");
        // At 0 and about every 4 MiB, or 3 MiB where a read begins.
        assert!((4..=8).contains(&stats.snapshots), "{stats:?}");
    }
}

#[test]
fn the_crc_of_a_stored_member_is_checked_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let data = mixed_bytes(40 * 8192, 11);
    let mut bytes = bytes_array(&data, 8192);
    let mut m = member("a.npy", &bytes, Packing::Stored);
    let order = [3, 1, 2, 0, 7, 9, 8, 6, 4, 5];
    let right =
        NpyReader::open_member(put(&dir, "right.npz", &zip(&[m.clone()], false)), "a").unwrap();
    for k in order {
        right.read_rows::<u8>(k * 4, 4).unwrap();
    }
    right.read_rows::<u8>(0, 40).unwrap();

    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    m.packed = bytes;
    let wrong = NpyReader::open_member(put(&dir, "wrong.npz", &zip(&[m], false)), "a").unwrap();
    for k in &order[..9] {
        wrong.read_rows::<u8>(k * 4, 4).unwrap();
    }
    assert!(matches!(
        wrong.read_rows::<u8>(20, 4),
        Err(NpyError::Checksum { .. })
    ));
    assert!(matches!(
        wrong.read_rows::<u8>(0, 1),
        Err(NpyError::Checksum { .. })
    ));
}

/// Every array of an archive as bytes, read in blocks of two rows; one error makes the whole an error.
fn read_all(path: &Path, names: &[&str]) -> Result<Vec<Vec<u8>>, NpyError> {
    let archive = NpzArchive::open(path)?;
    names
        .iter()
        .map(|name| {
            let reader = archive.array(name)?;
            let all = reader.header().data_bytes();
            let mut out = vec![0; all as usize];
            for (i, piece) in out.chunks_mut(64).enumerate() {
                reader.read_at(i as u64 * 64, piece)?;
            }
            Ok(out)
        })
        .collect()
}

fn archive_to_damage() -> (Vec<u8>, Vec<Vec<u8>>) {
    let (a, b) = (mixed_bytes(300, 1), mixed_bytes(400, 2));
    let members: [Member; 2] = [
        member("a.npy", &bytes_array(&a, 3), Packing::Deflated),
        member("b.npy", &bytes_array(&b, 4), Packing::Stored),
    ];
    (zip(&members, false), vec![a, b])
}

#[test]
fn no_flipped_bit_or_cut_gives_wrong_data() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, right) = archive_to_damage();
    let names = ["a", "b"];
    assert_eq!(
        read_all(&put(&dir, "a.npz", &bytes), &names).unwrap(),
        right
    );
    let mut found = 0;
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match read_all(&put(&dir, "a.npz", &damaged), &names) {
            Ok(data) => assert_eq!(data, right, "bit {bit}"),
            Err(e) => {
                found += 1;
                assert!(e.to_string().contains("a.npz"), "{e}");
            }
        }
    }
    // All of the data and most of the rest; what is left are times, versions and such.
    assert!(
        found > bytes.len() * 8 * 3 / 4,
        "{found} of {}",
        bytes.len() * 8
    );
    for len in 0..bytes.len() {
        assert!(
            read_all(&put(&dir, "a.npz", &bytes[..len]), &names).is_err(),
            "cut at {len}"
        );
    }
}

#[test]
fn no_flipped_bit_or_cut_of_an_npy_file_is_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixture("f_order.npy")).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(reader) = NpyReader::open(put(&dir, "a.npy", &damaged)) {
            let all = reader.header().data_bytes();
            assert_eq!(all + reader.header().data_offset, bytes.len() as u64);
            reader.read_at(0, &mut vec![0; all as usize]).unwrap();
            if let Ok(block) = reader.read_rows::<f32>(0, 1) {
                assert_eq!(block.shape()[1..], reader.shape()[1..]);
            }
        }
    }
    for len in 0..bytes.len() {
        assert!(
            NpyReader::open(put(&dir, "a.npy", &bytes[..len])).is_err(),
            "cut at {len}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_mutation_gives_wrong_data(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (bytes, right) = archive_to_damage();
        let mut damaged = bytes;
        for (at, value) in changes {
            let at = at.index(damaged.len());
            damaged[at] = value;
        }
        if let Some(cut) = cut {
            damaged.truncate(cut.index(damaged.len()));
        }
        if let Ok(data) = read_all(&put(&dir, "a.npz", &damaged), &["a", "b"]) {
            prop_assert_eq!(data, right);
        }
    }
}
