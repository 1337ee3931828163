//! Random access, hand-over of the frontier and damage, with snapshots close together.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::positional::PositionalFile;
use super::*;
use proptest::prelude::*;

const SIZE: usize = 700_000;

/// Bytes with runs, literals and matches from afar.
fn data(seed: u64) -> Vec<u8> {
    let mut x = seed | 1;
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < SIZE {
        x = x
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let r = (x >> 33) as usize;
        match r % 3 {
            0 => bytes.extend(x.to_le_bytes()),
            1 => bytes.extend(vec![r as u8; (r >> 8) % 3000]),
            _ => {
                let from = bytes.len().saturating_sub(1 + (r >> 4) % 32768);
                let to = (from + (r >> 19) % 300).min(bytes.len());
                bytes.extend_from_within(from..to);
            }
        }
    }
    bytes.truncate(SIZE);
    bytes
}

struct World {
    member: Deflated,
    data: Vec<u8>,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

fn world(data: Vec<u8>, change: impl FnOnce(&mut Stream, &mut Vec<u8>)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream");
    let mut packed = miniz_oxide::deflate::compress_to_vec(&data, 6);
    let len = packed.len() as u64;
    std::fs::write(&path, b"").unwrap();
    let mut stream = Stream {
        file: Arc::new(PositionalFile::open(&path).unwrap()),
        origin: "stream".into(),
        start: 5,
        packed: len,
        size: data.len() as u64,
        crc: crc32fast::hash(&data),
    };
    change(&mut stream, &mut packed);
    std::fs::write(&path, [b"-----".as_slice(), &packed].concat()).unwrap();
    let member = Deflated::with_spacing(stream, 20_000);
    World {
        member,
        data,
        path,
        _dir: dir,
    }
}

impl World {
    fn read(&self, at: usize, len: usize) -> Result<Vec<u8>, NpyError> {
        let mut out = vec![0xAA; len];
        self.member
            .read_runs(at as u64, Runs::single(0, len), &mut out)?;
        Ok(out)
    }

    fn check(&self, at: usize, len: usize) {
        assert!(
            self.read(at, len).unwrap() == self.data[at..at + len],
            "{len} bytes at {at}"
        );
    }
}

#[test]
fn reading_in_order_decodes_once_and_verifies() {
    let w = world(data(1), |_, _| {});
    for at in (0..SIZE).step_by(7_000) {
        assert!(!w.member.stats().verified);
        w.check(at, 7_000);
    }
    let stats = w.member.stats();
    assert!(stats.verified);
    assert_eq!(
        (stats.first_pass_bytes, stats.replayed_bytes),
        (SIZE as u64, 0)
    );
    // One at every third read: the first distance of at least 3/4 of 20,000 bytes.
    assert_eq!(stats.snapshots, 1 + 99 / 3);
}

#[test]
fn later_reads_start_at_the_nearest_place() {
    let w = world(data(2), |_, _| {});
    w.check(SIZE - 1, 1);
    for at in [600_000, 300_000, 5, 450_123] {
        let before = w.member.stats().replayed_bytes;
        w.check(at, 100);
        let cost = w.member.stats().replayed_bytes - before;
        assert!(
            cost <= 3 << 15,
            "{cost} bytes decoded again for 100 at {at}"
        );
    }
    // A sequence keeps its cursor: nothing is decoded twice but what the first start cost.
    let before = w.member.stats().replayed_bytes;
    (200_000..300_000)
        .step_by(1000)
        .for_each(|at| w.check(at, 1000));
    let cost = w.member.stats().replayed_bytes - before;
    assert!(cost <= 100_000 + (3 << 15), "{cost}");
}

#[test]
fn blocks_as_in_the_first_pass_are_replayed_without_waste() {
    let w = world(data(8), |_, _| {});
    let blocks: Vec<usize> = (0..SIZE).step_by(28_000).collect();
    blocks.iter().for_each(|&at| w.check(at, 28_000));
    // Backwards, so that no idle cursor is of use; what is decoded goes up to the ring's end.
    for (i, &at) in blocks.iter().rev().enumerate() {
        w.check(at, 28_000);
        let cost = w.member.stats().replayed_bytes;
        assert!(
            cost <= (i as u64 + 1) * (1 << 15),
            "{cost} for {} blocks",
            i + 1
        );
    }
}

#[test]
fn a_wide_gap_between_runs_is_jumped() {
    let w = world(data(3), |_, _| {});
    w.check(SIZE - 1, 1);
    // Two columns of 50 bytes in rows of 300,000.
    let runs = Runs::new(&[2, 300_000], &[0..2, 10..60], false, 1);
    let mut out = vec![0; 100];
    w.member.read_runs(0, runs, &mut out).unwrap();
    assert_eq!(out, [&w.data[10..60], &w.data[300_010..300_060]].concat());
    assert!(
        w.member.stats().replayed_bytes <= 4 << 15,
        "{:?}",
        w.member.stats()
    );
}

#[test]
fn the_lowest_waiting_offset_goes_first() {
    let w = world(data(4), |_, _| {});
    let lead = w.member.take_frontier(0, 1, &mut None).unwrap().unwrap();
    let waiting = |n| {
        while w.member.lock().waiting.len() < n {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    std::thread::scope(|scope| {
        // The highest arrives first.
        for (i, k) in (0..7).rev().enumerate() {
            scope.spawn({
                let w = &w;
                move || w.check(k * 100_000, 100_000)
            });
            waiting(i + 1);
        }
        drop(lead);
    });
    let stats = w.member.stats();
    assert!(stats.verified);
    assert_eq!(stats.replayed_bytes, 0);
}

#[test]
fn whoever_skips_hands_over_to_a_lower_offset() {
    let w = world(data(5), |_, _| {});
    let mut ticket = None;
    let mut high = w
        .member
        .take_frontier(500_000, 500_100, &mut ticket)
        .unwrap()
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| w.check(1000, 1000));
        while w.member.lock().waiting.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!high.skip_to(500_000).unwrap());
        assert_eq!(high.frontier.cursor.position(), 0);
        drop(high);
    });
    assert_eq!(w.member.stats().replayed_bytes, 0);
    assert_eq!(w.member.stats().first_pass_bytes, 2000);
}

#[test]
fn many_threads_read_anything_at_once() {
    for seed in 10..14 {
        let w = world(data(seed), |_, _| {});
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for t in 0..6usize {
                let (w, next) = (&w, &next);
                scope.spawn(move || {
                    // Half of the threads share a pass in order, half read anywhere.
                    let mut x = seed ^ (t as u64) << 32 | 1;
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        if i >= 140 {
                            break;
                        }
                        x = x.wrapping_mul(6364136223846793005).wrapping_add(99);
                        let at = if t % 2 == 0 {
                            i * 5000
                        } else {
                            (x >> 33) as usize % SIZE
                        };
                        w.check(at, (SIZE - at).min(1 + (x >> 40) as usize % 60_000));
                    }
                });
            }
        });
        w.check(0, SIZE);
        assert!(w.member.stats().verified);
        assert!(w.member.stats().resident_bytes < 40 * Snapshot::BYTES + 9 * Cursor::BYTES);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_sequence_of_reads_gives_the_data(
        seed in any::<u64>(),
        reads in prop::collection::vec((0..SIZE, 0..90_000usize), 1..12),
    ) {
        let w = world(data(seed), |_, _| {});
        for (at, len) in reads {
            w.check(at, len.min(SIZE - at));
        }
    }

    #[test]
    fn any_block_gives_its_runs(
        seed in any::<u64>(),
        first in 0..SIZE,
        (rows, columns) in (0..700usize, 0..1000usize),
        (row, column) in (0..700usize, 0..1000usize),
    ) {
        let w = world(data(seed), |_, _| {});
        // The frontier in the middle of the block, often.
        w.check(first, 1);
        let ranges = [rows.min(row)..rows.max(row), columns.min(column)..columns.max(column)];
        let runs = Runs::new(&[700, 1000], &ranges, false, 1);
        let expected: Vec<u8> = ranges[0].clone()
            .flat_map(|r| w.data[r * 1000..][ranges[1].clone()].to_vec()).collect();
        let mut out = vec![0; expected.len()];
        w.member.read_runs(0, runs, &mut out).unwrap();
        prop_assert!(out == expected);
    }
}

#[test]
fn damage_is_an_error_and_stays_one() {
    let message = |w: &World| w.read(0, SIZE).unwrap_err().to_string();

    let w = world(data(6), |stream, _| stream.crc ^= 0x10);
    w.check(0, SIZE - 40_000);
    let crc = crc32fast::hash(&w.data);
    let expected = format!(
        "stream: CRC-32 is {crc:08x}; the archive says {:08x}",
        crc ^ 0x10
    );
    assert_eq!(w.read(SIZE - 1, 1).unwrap_err().to_string(), expected);
    assert_eq!(w.read(5, 1).unwrap_err().to_string(), expected);
    assert!(!w.member.stats().verified);

    let w = world(data(6), |stream, _| stream.size -= 1);
    let e = message(&w);
    assert!(
        e.starts_with("stream: damaged deflate stream: it goes on after its 699999 bytes"),
        "{e}"
    );

    let w = world(data(6), |stream, _| stream.size += 1);
    let e = w.read(0, SIZE + 1).unwrap_err().to_string();
    assert!(
        e.contains("it ends early; allowed is at 700001 (compressed byte "),
        "{e}"
    );

    let w = world(data(6), |stream, packed| {
        stream.packed += 9;
        packed.extend([0; 9]);
    });
    let e = message(&w);
    assert!(e.contains(" bytes after its end; allowed are 0 "), "{e}");

    let w = world(data(6), |stream, _| stream.packed /= 2);
    let e = message(&w);
    assert!(e.contains("compressed bytes end before it does"), "{e}");

    let w = world(data(6), |_, packed| packed[0] |= 0b110);
    assert_eq!(
        message(&w),
        "stream: damaged deflate stream: invalid code (compressed byte 1, data byte 0)"
    );
}

#[test]
fn a_file_cut_after_opening_is_an_error_until_it_is_whole_again() {
    // Noise: its compressed bytes do not fit in one piece of input.
    let noise =
        (0..SIZE as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8 ^ i as u8);
    let w = world(noise.map(|b| b.wrapping_mul(b | 1)).collect(), |_, _| {});
    let all = std::fs::read(&w.path).unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&w.path)
        .unwrap();
    file.set_len(40_000).unwrap();
    let e = w.read(SIZE - 1, 1).unwrap_err().to_string();
    let wanted = (all.len() - 5 - (1 << 15)).min(1 << 15);
    let left = 40_000 - (1 << 15) - 5;
    assert_eq!(
        e,
        format!("stream: truncated: {wanted} bytes wanted at offset 32773, {left} are there")
    );
    std::fs::write(&w.path, &all).unwrap();
    w.check(0, SIZE);
    assert!(w.member.stats().verified);
}

#[test]
fn a_cut_between_the_data_and_the_streams_end_is_checked_again() {
    // One stored block that ends 3 bytes before the first piece of input does, and an empty last one.
    let data = vec![9; 32_760];
    let w = world(data.clone(), |stream, packed| {
        *packed = [
            &[0, 0xF8, 0x7F, 0x07, 0x80],
            &data[..],
            &[1, 0, 0, 0xFF, 0xFF],
        ]
        .concat();
        stream.packed = packed.len() as u64;
    });
    let all = std::fs::read(&w.path).unwrap();
    std::fs::write(&w.path, &all[..all.len() - 2]).unwrap();
    let e = w.read(0, 10).unwrap_err().to_string();
    assert_eq!(
        e,
        "stream: truncated: 2 bytes wanted at offset 32773, 0 are there"
    );
    std::fs::write(&w.path, &all).unwrap();
    w.check(0, 32_760);
    assert!(w.member.stats().verified);
}

#[test]
fn damage_that_comes_later_stays_as_well() {
    let w = world(data(9), |_, _| {});
    w.check(0, SIZE);
    let all = std::fs::read(&w.path).unwrap();
    std::fs::write(&w.path, vec![0xFF; all.len()]).unwrap();
    let e = w.read(0, SIZE).unwrap_err().to_string();
    assert!(e.contains("invalid code"), "{e}");
    std::fs::write(&w.path, &all).unwrap();
    assert_eq!(w.read(SIZE - 1, 1).unwrap_err().to_string(), e);
}
