//! The whole Earth through a few megabytes: the 933 MB mask of the example data, read in blocks by two threads.
//!
//! The number of land cells is NumPy's: `np.count_nonzero(np.load("globe-land-mask.npz")["mask"])`, NumPy 2.4.6.
//! With `--nocapture` the passes' speeds are shown (`--release` for figures that mean something).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kvern_array::io::NpyReader;

const LAND: usize = 623_551_288;
const ROWS: usize = 40;

/// Highest resident set of this process so far, in bytes; `None` where the system does not tell.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

#[test]
fn the_globe_needs_a_few_megabytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/globe-land-mask.npz");
    if !path.exists() {
        // The packaged crate comes without the workspace's example data.
        eprintln!("skipped: no {}", path.display());
        return;
    }
    let before = peak();
    let mask = NpyReader::open_member(&path, "mask").unwrap();
    assert_eq!(mask.shape(), [21_600, 43_200]);
    for pass in ["first", "second"] {
        let start = Instant::now();
        let (next, land) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut block = vec![0; ROWS * mask.shape()[1]];
                    loop {
                        let row = next.fetch_add(ROWS, Ordering::Relaxed);
                        if row >= mask.shape()[0] {
                            break;
                        }
                        mask.read_block_bytes(&[row..row + ROWS, 0..43_200], &mut block)
                            .unwrap();
                        // Eight cells at a time: each byte is 0 or 1.
                        let (words, rest) = block.as_chunks();
                        assert!(rest.is_empty());
                        let count = words
                            .iter()
                            .map(|&w| u64::from_ne_bytes(w).count_ones() as usize)
                            .sum();
                        land.fetch_add(count, Ordering::Relaxed);
                    }
                });
            }
        });
        let speed = mask.header().data_bytes() as f64 / start.elapsed().as_secs_f64() / 1e9;
        eprintln!("{pass} pass: {speed:.2} GB/s, counting included");
        assert_eq!(land.into_inner(), LAND);
    }
    let stats = mask.inflate_stats().unwrap();
    eprintln!("{stats:?}");
    assert!(stats.verified);
    assert!(stats.resident_bytes <= 4 << 20, "{stats:?}");
    if let (Some(before), Some(after)) = (before, peak()) {
        eprintln!(
            "peak resident set: {} KiB before, {} KiB after",
            before >> 10,
            after >> 10
        );
        // Snapshots, cursors and two blocks of 1.7 MB, with an allocator's slack.
        assert!(after - before < 24 << 20, "{before} {after}");
    }
}
