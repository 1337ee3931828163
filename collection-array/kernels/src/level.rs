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

/// What a loop takes, and what it returns.
pub(crate) trait Call {
    type Args<'a>;
    type Out;
}

/// A loop that can be compiled for every level. `FMA` tells whether `mul_add` is one instruction.
///
/// All that [`run`](Self::run) calls must be inlined into it: only then is it compiled for the level, too.
pub(crate) trait Body<C: Call> {
    fn run<const FMA: bool>(args: C::Args<'_>) -> C::Out;
}

fn base<C: Call, B: Body<C>>(args: C::Args<'_>) -> C::Out {
    B::run::<BASE_FMA>(args)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
fn avx2<C: Call, B: Body<C>>(args: C::Args<'_>) -> C::Out {
    B::run::<true>(args)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt"
)]
fn avx512<C: Call, B: Body<C>>(args: C::Args<'_>) -> C::Out {
    B::run::<true>(args)
}

/// A loop, compiled for an instruction set that this machine has.
pub(crate) struct Loop<C: Call>(for<'a> unsafe fn(C::Args<'a>) -> C::Out);

impl<C: Call> Clone for Loop<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Call> Copy for Loop<C> {}

impl<C: Call> Loop<C> {
    /// The loop `B` for `level`, or for the best one below it that this machine has.
    pub(crate) fn of<B: Body<C>>(level: Level) -> Self {
        #[cfg(target_arch = "x86_64")]
        match level.min(Level::best()) {
            Level::Avx512 => return Self(avx512::<C, B>),
            Level::Avx2 => return Self(avx2::<C, B>),
            Level::Base => {}
        }
        let _ = level;
        Self(base::<C, B>)
    }

    /// The loop `B` for the baseline: for loops that vector instructions do not help.
    pub(crate) fn scalar_only<B: Body<C>>() -> Self {
        Self(base::<C, B>)
    }

    /// A function that is written for one level, with its instructions.
    ///
    /// # Panics
    /// When this machine does not have the level.
    ///
    /// # Safety
    /// The function needs nothing but the instructions of the level.
    #[cfg(target_arch = "x86_64")]
    pub(crate) unsafe fn for_level(
        level: Level,
        function: for<'a> unsafe fn(C::Args<'a>) -> C::Out,
    ) -> Self {
        assert!(level <= Level::best(), "this machine has no {level:?}");
        Self(function)
    }

    #[inline(always)]
    pub(crate) fn call(self, args: C::Args<'_>) -> C::Out {
        // SAFETY: all functions that are put in here are safe on a machine with the instructions of their level, which this
        // one has: `of` and `for_level` see to it.
        unsafe { (self.0)(args) }
    }
}
