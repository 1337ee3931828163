//! Uniform numbers in [0, 1), as the peers draw them; made before the clock starts.

use std::thread;

use ndarray::ArrayD;

/// `len` numbers that only the seed decides.
pub(super) fn uniform(len: usize, seed: u64) -> Vec<f64> {
    let mut data = vec![0.0; len];
    let half = len.div_ceil(2).max(1);
    thread::scope(|scope| {
        for (i, piece) in data.chunks_mut(half).enumerate() {
            scope.spawn(move || {
                let start = (i * half) as u64;
                for (value, at) in piece.iter_mut().zip(start..) {
                    *value = (mix(at, seed) >> 11) as f64 / (1u64 << 53) as f64;
                }
            });
        }
    });
    data
}

/// The same as an array.
pub(super) fn uniform_array(
    shape: &[usize],
    seed: u64,
) -> Result<ArrayD<f64>, ndarray::ShapeError> {
    ArrayD::from_shape_vec(shape, uniform(shape.iter().product(), seed))
}

/// SplitMix64 (Steele, Lea, Flood 2014), of a counter: any position without the ones before it.
fn mix(at: u64, seed: u64) -> u64 {
    let mut z = at
        .wrapping_add(seed << 40)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
