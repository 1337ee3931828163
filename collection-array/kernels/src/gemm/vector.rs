//! Tiles of floats that are held in vector registers, as the instructions of one level.

use std::arch::x86_64::*;

use super::tile::{Tile, Tiling};
use crate::any_slice::prefetch;
use crate::level::{Level, Loop};

/// How many steps ahead the wide sliver is asked for. It comes from the second-level cache, once for every tile.
const AHEAD: usize = 8;

macro_rules! in_registers {
    ($($name:ident: $level:ident $features:literal, $t:ty, $mr:literal x $nv:literal of $lanes:literal,
        $zero:ident, $load:ident, $store:ident, $set1:ident, $fmadd:ident, $add:ident;)*) => { $(
        /// The loop for a tile of so many rows, and of so many registers a row. All of it stays in registers while the slivers
        /// go by.
        pub(super) fn $name() -> Loop<Tiling<$t>> {
            const MR: usize = $mr;
            const LANES: usize = $lanes;
            const NR: usize = $nv * LANES;

            #[target_feature(enable = $features)]
            fn tile(tile: Tile<'_, $t>) {
                // The rows of the result are far apart in memory: ask for them now, they are needed at the end.
                for i in 0..MR {
                    let row = tile.out.row_start(i);
                    for j in 0..$nv {
                        prefetch(row.wrapping_add(j * LANES));
                    }
                    prefetch(row.wrapping_add(NR - 1));
                }
                let (left, _) = tile.left.as_chunks::<MR>();
                let (right, _) = tile.right.as_chunks::<NR>();
                let mut acc = [[$zero(); $nv]; MR];
                for (x, w) in left.iter().zip(right) {
                    let mut wide = [$zero(); $nv];
                    for (v, w) in wide.iter_mut().zip(w.as_chunks::<LANES>().0) {
                        prefetch(w.as_ptr().wrapping_add(AHEAD * NR));
                        // SAFETY: there are LANES elements.
                        *v = unsafe { $load(w.as_ptr()) };
                    }
                    for (sums, &x) in acc.iter_mut().zip(x) {
                        let x = $set1(x);
                        for (sum, w) in sums.iter_mut().zip(wide) {
                            *sum = $fmadd(x, w, *sum);
                        }
                    }
                }
                let mut rows = tile.out.rows_of::<MR, NR>();
                for (sums, row) in acc.iter().zip(&mut rows) {
                    for (&sum, to) in sums.iter().zip(row.as_chunks_mut::<LANES>().0) {
                        // SAFETY: there are LANES elements.
                        unsafe {
                            let sum = if tile.overwrite { sum } else { $add($load(to.as_ptr()), sum) };
                            $store(to.as_mut_ptr(), sum);
                        }
                    }
                }
            }

            // SAFETY: the function is safe where its instructions are, which are among those of the level.
            unsafe { Loop::<Tiling<$t>>::for_level(Level::$level, tile) }
        }
    )* };
}

in_registers! {
    f64_avx512: Avx512 "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt", f64, 8 x 3 of 8,
        _mm512_setzero_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_add_pd;
    f32_avx512: Avx512 "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt", f32, 8 x 3 of 16,
        _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps;
    f64_avx2: Avx2 "avx2,fma,bmi1,bmi2,lzcnt,popcnt", f64, 4 x 3 of 4,
        _mm256_setzero_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_add_pd;
    f32_avx2: Avx2 "avx2,fma,bmi1,bmi2,lzcnt,popcnt", f32, 4 x 3 of 8,
        _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps;
}
