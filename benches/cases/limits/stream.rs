//! Memory bandwidth: passes over data by two threads that do nothing else.

use std::thread;

/// Threads, as for every contestant.
const THREADS: usize = 2;

/// The sum of all elements: one read of the data.
pub(crate) fn read(data: &[f64]) -> f64 {
    let piece = data.len().div_ceil(THREADS).max(1);
    thread::scope(|scope| {
        let pieces: Vec<_> = data
            .chunks(piece)
            .map(|piece| scope.spawn(move || sum(piece)))
            .collect();
        pieces
            .into_iter()
            .map(|piece| piece.join().unwrap_or(f64::NAN))
            .sum()
    })
}

/// Fills a buffer of `len` with ones, adds 1 and sums it, `times` times shared by two threads.
pub(crate) fn ones_plus_one(len: usize, times: usize) -> f64 {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                scope.spawn(move || {
                    let mut buffer = vec![0.0; len];
                    let mut total = 0.0;
                    for _ in 0..(times + worker) / THREADS {
                        buffer.fill(1.0);
                        for value in std::hint::black_box(&mut buffer) {
                            *value += 1.0;
                        }
                        total += sum(std::hint::black_box(&buffer));
                    }
                    total
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(f64::NAN))
            .sum()
    })
}

/// Sixteen partial sums: no addition waits for the one before, and they fit the registers of the plainest CPU.
fn sum(data: &[f64]) -> f64 {
    let mut parts = [0.0; 16];
    let blocks = data.chunks_exact(16);
    let rest: f64 = blocks.remainder().iter().sum();
    for block in blocks {
        for (part, value) in parts.iter_mut().zip(block) {
            *part += value;
        }
    }
    rest + parts.iter().sum::<f64>()
}
