//! Reading blocks of `.npy` arrays and writing them.

mod io_support;

use std::ops::Range;

use io_support::{Packing, dictionary, fixture, member, npy, put, zip};
use kvern_array::io::{
    NpyByteOrder, NpyDtype, NpyElement, NpyError, NpyReader, NpyWriter, save_npy,
};
use ndarray::{Array, ArrayD, Axis, IxDyn, SliceInfoElem, array};
use proptest::prelude::*;

fn whole<T: NpyElement>(reader: &NpyReader) -> ArrayD<T> {
    let ranges: Vec<_> = reader.shape().iter().map(|&n| 0..n).collect();
    reader.read_block(&ranges).unwrap()
}

fn small() -> ArrayD<i64> {
    Array::from_iter(0..24)
        .into_shape_with_order(IxDyn(&[2, 3, 4]))
        .unwrap()
}

#[test]
fn reads_what_numpy_wrote() {
    let open = |name: &str| NpyReader::open(fixture(name)).unwrap();

    let c = open("c_order.npy");
    assert_eq!(c.dtype(), NpyDtype::F64);
    assert_eq!(whole::<f64>(&c), small().mapv(|x| x as f64 / 4.0));

    let f = open("f_order.npy");
    assert!(f.header().fortran_order);
    assert_eq!(whole::<f32>(&f), small().mapv(|x| x as f32));
    assert_eq!(
        f.read_rows::<f32>(1, 1).unwrap(),
        small()
            .mapv(|x| x as f32)
            .slice_axis(Axis(0), (1..2).into())
    );

    let big = open("big_endian.npy");
    assert_eq!(big.header().byte_order, NpyByteOrder::Big);
    assert_eq!(whole::<i64>(&big), small() - 12);

    let scalar = open("scalar.npy");
    assert_eq!(
        scalar
            .read_block::<u8>(&[])
            .unwrap()
            .into_raw_vec_and_offset()
            .0,
        [42]
    );

    let empty = open("empty.npy");
    assert!(empty.header().is_empty());
    assert_eq!(whole::<u16>(&empty).shape(), [3, 0, 2]);

    for name in ["version_2.npy", "version_3.npy"] {
        let expected = small().index_axis(Axis(0), 0).mapv(|x| x as u32);
        assert_eq!(whole::<u32>(&open(name)), expected);
    }

    let member = |name| NpyReader::open_member(fixture("stored.npz"), name).unwrap();
    assert_eq!(whole::<i16>(&member("small")), small().mapv(|x| x as i16));
    assert_eq!(
        whole::<bool>(&member("flags.npy")),
        small().index_axis(Axis(0), 0).mapv(|x| x % 5 == 0)
    );
    let lat = whole::<f64>(&NpyReader::open_member(fixture("deflated.npz"), "lat").unwrap());
    assert_eq!((lat[0], lat[199], lat.len()), (-90.0, 90.0, 200));
}

#[test]
fn writes_the_bytes_that_numpy_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    save_npy(&path, &small().mapv(|x| x as f64 / 4.0)).unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(fixture("c_order.npy")).unwrap()
    );
    save_npy(&path, &Array::from_elem(IxDyn(&[]), 42u8)).unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(fixture("scalar.npy")).unwrap()
    );
    save_npy(&path, &Array::<u16, _>::zeros((3, 0, 2))).unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(fixture("empty.npy")).unwrap()
    );
}

#[test]
fn every_dtype_survives_a_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    fn check<T: NpyElement + PartialEq + std::fmt::Debug>(dir: &tempfile::TempDir, values: [T; 4]) {
        let path = dir.path().join(T::DTYPE.name());
        let array = ArrayD::from_shape_vec(IxDyn(&[2, 2]), values.to_vec()).unwrap();
        save_npy(&path, &array).unwrap();
        let reader = NpyReader::open(&path).unwrap();
        assert_eq!(reader.dtype(), T::DTYPE);
        assert_eq!(whole::<T>(&reader), array);
        // A layout that is not C order, and one row.
        save_npy(&path, &array.t()).unwrap();
        assert_eq!(whole::<T>(&NpyReader::open(&path).unwrap()), array.t());
        save_npy(&path, &array.index_axis(Axis(1), 0)).unwrap();
        assert_eq!(
            whole::<T>(&NpyReader::open(&path).unwrap()),
            array.index_axis(Axis(1), 0)
        );
    }
    check(&dir, [true, false, false, true]);
    check(&dir, [i8::MIN, -1, 0, i8::MAX]);
    check(&dir, [i16::MIN, -1, 258, i16::MAX]);
    check(&dir, [i32::MIN, -1, 66051, i32::MAX]);
    check(&dir, [i64::MIN, -1, 1 << 40, i64::MAX]);
    check(&dir, [0, 1, 2, u8::MAX]);
    check(&dir, [0, 1, 258, u16::MAX]);
    check(&dir, [0, 1, 66051, u32::MAX]);
    check(&dir, [0, 1, 1 << 40, u64::MAX]);
    check(&dir, [0.0f32, -1.5, f32::MIN_POSITIVE, f32::INFINITY]);
    check(&dir, [0.0f64, -1.5, f64::MIN_POSITIVE, f64::NEG_INFINITY]);
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    save_npy(&path, &array![1u8, 2]).unwrap();
    let old = std::fs::read(&path).unwrap();
    let alone = || {
        assert_eq!(std::fs::read(&path).unwrap(), old);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    };

    let mut dropped = NpyWriter::<u8>::create(&path, &[3]).unwrap();
    dropped.write(&[1, 2, 3]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), old);
    drop(dropped);
    alone();

    let mut short = NpyWriter::<u8>::create(&path, &[3]).unwrap();
    short.write(&[1, 2]).unwrap();
    let e = short.finish().unwrap_err().to_string();
    assert_eq!(
        e,
        format!("{}: 2 elements written; shape [3] has 3", path.display())
    );
    alone();

    let mut long = NpyWriter::<u8>::create(&path, &[3]).unwrap();
    assert!(matches!(
        long.write(&[0; 4]),
        Err(NpyError::ElementCount { written: 4, .. })
    ));
    long.write(&[7, 8]).unwrap();
    long.write(&[9]).unwrap();
    long.finish().unwrap();
    assert_eq!(
        whole::<u8>(&NpyReader::open(&path).unwrap()),
        array![7u8, 8, 9].into_dyn()
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    let nowhere = dir.path().join("no/such/folder/a.npy");
    let e = save_npy(&nowhere, &array![1u8]).unwrap_err().to_string();
    assert!(
        e.contains("a.npy: cannot create a temporary file beside it: there is no folder ")
            && e.contains("no/such/folder; make it first"),
        "{e}"
    );
}

/// A shape, and ranges inside it.
fn blocks() -> impl Strategy<Value = (Vec<usize>, Vec<Range<usize>>)> {
    prop::collection::vec(0usize..7, 0..5).prop_flat_map(|shape| {
        let ranges: Vec<_> = shape
            .iter()
            .map(|&n| (0..=n, 0..=n).prop_map(|(a, b)| a.min(b)..a.max(b)))
            .collect();
        (Just(shape), ranges)
    })
}

fn slice(array: &ArrayD<i32>, ranges: &[Range<usize>]) -> ArrayD<i32> {
    let info: Vec<SliceInfoElem> = ranges
        .iter()
        .map(|r| SliceInfoElem::from(r.clone()))
        .collect();
    array.slice(info.as_slice()).to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_block_is_the_slice_of_the_whole(
        (shape, ranges) in blocks(),
        fortran in any::<bool>(),
        big in any::<bool>(),
        place in 0..3,
    ) {
        let len: usize = shape.iter().product();
        let array = ArrayD::from_shape_vec(IxDyn(&shape), (0..len as i32).map(|x| x * 77 - 5).collect()).unwrap();
        let in_file: Vec<i32> = if fortran { array.t().iter().copied().collect() } else { array.iter().copied().collect() };
        let data: Vec<u8> = in_file.iter().flat_map(|x| if big { x.to_be_bytes() } else { x.to_le_bytes() }).collect();
        let bytes = npy(&dictionary(if big { ">i4" } else { "<i4" }, fortran, &shape), &data);
        let dir = tempfile::tempdir().unwrap();
        let archive = |packing| zip(&[member("a.npy", &bytes, packing)], false);
        let reader = match place {
            0 => NpyReader::open(put(&dir, "a.npy", &bytes)),
            1 => NpyReader::open_member(put(&dir, "a.npz", &archive(Packing::Stored)), "a"),
            _ => NpyReader::open_member(put(&dir, "a.npz", &archive(Packing::Deflated)), "a"),
        }.unwrap();
        prop_assert_eq!(reader.read_block::<i32>(&ranges).unwrap(), slice(&array, &ranges));
        prop_assert_eq!(reader.read_block::<i32>(&ranges).unwrap(), slice(&array, &ranges));
        if let Some(rows) = ranges.first() {
            let all: Vec<_> = std::iter::once(rows.clone()).chain(shape[1..].iter().map(|&n| 0..n)).collect();
            prop_assert_eq!(reader.read_rows::<i32>(rows.start, rows.len()).unwrap(), slice(&array, &all));
        }
    }
}

#[test]
fn near_runs_are_bridged_and_far_ones_are_not_mixed_up() {
    let shape = [40, 30_000];
    let data: Vec<u8> = (0..shape[0] * shape[1])
        .map(|i| (i * 31 % 251) as u8)
        .collect();
    let array = ArrayD::from_shape_vec(IxDyn(&shape), data.iter().map(|&b| i32::from(b)).collect())
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let bytes = npy(&dictionary("|u1", false, &shape), &data);
    let stored = zip(&[member("a.npy", &bytes, Packing::Stored)], true);
    for reader in [
        NpyReader::open(put(&dir, "a.npy", &bytes)).unwrap(),
        NpyReader::open_member(put(&dir, "a.npz", &stored), "a").unwrap(),
    ] {
        // Gaps of 29,000, of 4,096, of 4,095 and of 1 bytes; runs of several sizes.
        for columns in [7..1007, 0..25_904, 10..25_915, 1..30_000, 29_999..30_000] {
            let ranges = [3..39, columns];
            let block = reader.read_block::<u8>(&ranges).unwrap().mapv(i32::from);
            assert_eq!(block, slice(&array, &ranges));
        }
    }
}

#[test]
fn bytes_come_as_the_file_has_them() {
    let reader = NpyReader::open(fixture("big_endian.npy")).unwrap();
    let mut raw = [0; 16];
    reader
        .read_block_bytes(&[1..2, 0..1, 2..4], &mut raw)
        .unwrap();
    assert_eq!(raw, [2i64.to_be_bytes(), 3i64.to_be_bytes()].concat()[..]);
    reader.read_at(14 * 8, &mut raw).unwrap();
    assert_eq!(raw, [2i64.to_be_bytes(), 3i64.to_be_bytes()].concat()[..]);
    let name = fixture("big_endian.npy").display().to_string();
    let e = reader.read_at(185, &mut raw).unwrap_err().to_string();
    assert_eq!(
        e,
        format!("{name}: buffer of 16 bytes at data byte 185; allowed is up to byte 192")
    );
    let e = reader
        .read_block_bytes(&[0..1, 0..1, 0..1], &mut raw)
        .unwrap_err()
        .to_string();
    assert_eq!(
        e,
        format!(
            "{name}: buffer of 16 bytes at data byte 0; allowed is 8 bytes for block [1, 1, 1]"
        )
    );
}
