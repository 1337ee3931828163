//! Which instruction set this machine runs, chosen once, and the loops that are compiled for each.
//!
//! A kernel is one generic loop that LLVM vectorises three times: for the baseline of the target, for AVX2 with FMA, and
//! for AVX-512. The one that fits is looked up when a program is bound, so a plain build is fast everywhere.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that the loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the target has at least.
    Base,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, CD, DQ and VL.
    Avx512,
}

impl Level {
    /// The best one that this machine has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: AtomicU8 = AtomicU8::new(u8::MAX);
        match BEST.load(Ordering::Relaxed) {
            0 => Self::Base,
            1 => Self::Avx2,
            2 => Self::Avx512,
            _ => {
                let level = Self::detect();
                BEST.store(level as u8, Ordering::Relaxed);
                level
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            _ => Self::Base,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Self {
        Self::Base
    }

    /// Those that this machine has, the baseline first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let best = Self::best();
        [Self::Base, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|l| *l <= best)
            .collect()
    }
}

/// True where the baseline of the target multiplies and adds in one instruction.
pub(crate) const BASE_FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Where a kernel finds its operands: pointers to the first element of each, and how many elements there are.
///
/// Operands that a kernel does not have are dangling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args {
    pub(crate) a: *const u8,
    pub(crate) b: *const u8,
    pub(crate) c: *const u8,
    pub(crate) out: *mut u8,
    pub(crate) n: usize,
}

/// A loop over the elements of its operands.
///
/// # Safety
/// Every operand that the kernel reads is valid for `n` initialised elements of its type, `out` is valid for writes of `n`
/// elements of the result's type, all are aligned, `out` overlaps no operand, and the machine has the level that the
/// kernel was compiled for.
pub(crate) type Kernel = unsafe fn(Args);

/// A loop that can be compiled for every level. `FMA` tells whether `mul_add` is one instruction.
pub(crate) trait Body {
    /// What it works on.
    type Args: Copy;

    /// # Safety
    /// The arguments are what the loop says it needs (for [`Args`], what [`Kernel`] says).
    unsafe fn run<const FMA: bool>(args: Self::Args);
}

unsafe fn base<B: Body>(args: B::Args) {
    // SAFETY: the caller's promise is that of `Body::run`.
    unsafe { B::run::<BASE_FMA>(args) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn avx2<B: Body>(args: B::Args) {
    // SAFETY: the caller's promise is that of `Body::run`.
    unsafe { B::run::<true>(args) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt"
)]
unsafe fn avx512<B: Body>(args: B::Args) {
    // SAFETY: the caller's promise is that of `Body::run`.
    unsafe { B::run::<true>(args) }
}

/// The clone of `B` for `level`. Calling it needs a machine that has the level.
pub(crate) fn clone_for<B: Body>(level: Level) -> unsafe fn(B::Args) {
    #[cfg(target_arch = "x86_64")]
    match level {
        Level::Avx512 => return avx512::<B>,
        Level::Avx2 => return avx2::<B>,
        Level::Base => {}
    }
    let _ = level;
    base::<B>
}

/// The clone of `B` for the baseline: for loops that vector instructions do not help.
pub(crate) fn scalar_only<B: Body>() -> unsafe fn(B::Args) {
    base::<B>
}
