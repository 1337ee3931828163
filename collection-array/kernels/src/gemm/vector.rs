//! The vector registers that the tiles of a product are held in.

use std::arch::x86_64::*;

/// A register of several floats.
///
/// # Safety
/// The functions need a machine with the instruction set of the register; the pointers must be valid for `LANES` elements
/// (for [`splat`](Self::splat), for one). No alignment is asked for.
pub(super) trait Vector: Copy {
    type T: Copy;
    const LANES: usize;

    unsafe fn zero() -> Self;
    unsafe fn load(from: *const Self::T) -> Self;
    unsafe fn store(self, to: *mut Self::T);
    /// The element at `from` in every lane.
    unsafe fn splat(from: *const Self::T) -> Self;
    /// `self * b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn plus(self, b: Self) -> Self;
}

macro_rules! vectors {
    ($($v:ty: $t:ty, $lanes:literal, $zero:ident, $load:ident, $store:ident, $set1:ident, $fmadd:ident, $add:ident;)*) => { $(
        impl Vector for $v {
            type T = $t;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller has the instruction set.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: the caller has the instruction set and `LANES` elements at `from`.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: the caller has the instruction set and room for `LANES` elements at `to`.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn splat(from: *const $t) -> Self {
                // SAFETY: the caller has the instruction set and an element at `from`.
                unsafe { $set1(*from) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: the caller has the instruction set.
                unsafe { $fmadd(self, b, c) }
            }
            #[inline(always)]
            unsafe fn plus(self, b: Self) -> Self {
                // SAFETY: the caller has the instruction set.
                unsafe { $add(self, b) }
            }
        }
    )* };
}

vectors! {
    __m512d: f64, 8, _mm512_setzero_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_add_pd;
    __m512: f32, 16, _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps;
    __m256d: f64, 4, _mm256_setzero_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_add_pd;
    __m256: f32, 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps;
}

/// Asks for the cache line at `address`, which may be any address.
#[inline(always)]
pub(super) fn prefetch<T>(address: *const T) {
    // SAFETY: a hint, which reads nothing and cannot fault; SSE is in the baseline of x86-64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}
