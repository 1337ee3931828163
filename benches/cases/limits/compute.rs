//! Arithmetic: multiply-adds from registers, and vector sine and cosine in C where there is a C compiler.

use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::measure::clock;

/// Threads, as for every contestant.
const THREADS: usize = 2;

/// Seconds that two threads take for so many floating-point operations, all of them fused multiply-adds of `f64`, and what
/// instructions they used.
pub(crate) fn multiply_add(flop: f64) -> (f64, &'static str) {
    let (name, flop_a_round, run) = widest();
    let rounds = (flop / THREADS as f64 / flop_a_round) as u64;
    let (seconds, ()) = clock(|| {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(move || std::hint::black_box(run(rounds)));
            }
        });
    });
    (seconds, name)
}

type Rounds = fn(u64) -> f64;

/// The widest multiply-add that this CPU has: its name, operations a round, and the loop.
fn widest() -> (&'static str, f64, Rounds) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the instructions that the function uses were just found to be there.
            return ("AVX-512", 192.0, |rounds| unsafe { x86::wide512(rounds) });
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return ("AVX2", 96.0, |rounds| unsafe { x86::wide256(rounds) });
        }
    }
    ("mul_add", 96.0, portable)
}

/// What is multiplied and added: known only when it runs, or the compiler would find where the sums go and leave out the work.
fn factors() -> (f64, f64) {
    std::hint::black_box((0.999_999, 1e-6))
}

/// For CPUs whose plain instruction set has a multiply-add.
fn portable(rounds: u64) -> f64 {
    let mut sums = [1.0f64; 48];
    let (a, b) = factors();
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = sum.mul_add(a, b);
        }
    }
    sums.iter().sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Twelve chains of multiply-adds: more than two units of four cycles each need.

    use std::arch::x86_64::{
        _mm256_fmadd_pd, _mm256_set1_pd, _mm512_fmadd_pd, _mm512_reduce_add_pd, _mm512_set1_pd,
    };

    #[target_feature(enable = "avx512f")]
    pub(super) fn wide512(rounds: u64) -> f64 {
        let (a, b) = super::factors();
        let (a, b) = (_mm512_set1_pd(a), _mm512_set1_pd(b));
        let mut sums = [_mm512_set1_pd(1.0); 12];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_pd(*sum, a, b);
            }
        }
        sums.into_iter().map(|sum| _mm512_reduce_add_pd(sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn wide256(rounds: u64) -> f64 {
        let (a, b) = super::factors();
        let (a, b) = (_mm256_set1_pd(a), _mm256_set1_pd(b));
        let mut sums = [_mm256_set1_pd(1.0); 12];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_pd(*sum, a, b);
            }
        }
        sums.into_iter()
            .map(|sum| {
                let lanes: [f64; 4] = bytes_as_lanes(sum);
                lanes.iter().sum::<f64>()
            })
            .sum()
    }

    fn bytes_as_lanes(of: std::arch::x86_64::__m256d) -> [f64; 4] {
        // SAFETY: both are 32 bytes of four f64, and every bit pattern is a value of either.
        unsafe { std::mem::transmute(of) }
    }
}

/// What `limits.c` of the peers measures for a case; `None` without a C compiler.
pub(crate) fn in_c(case: &str) -> Option<Value> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers/limits.c");
    let folder = tempfile::tempdir().ok()?;
    let program = folder.path().join("limits");
    let built = Command::new("cc")
        .args(["-O3", "-march=native", "-ffast-math", "-fopenmp", "-o"])
        .args([&program, &source])
        .arg("-lm")
        .output()
        .ok()?;
    if !built.status.success() {
        return None;
    }
    let lines = Command::new(program).arg(case).output().ok()?.stdout;
    serde_json::from_slice(&lines).ok()
}
