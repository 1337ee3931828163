//! What building, lowering and running arrays costs: `cargo run --release -p kvern-array --example speed [CASE …]`.
//!
//! Cases: b1 b2 b3 b4 b10 b11 submit. Each is run several times; the least and the median are shown.

use std::time::Instant;

use kvern_array::{Array, where_};
use kvern_core::{Collection, Graph, Plan, Registry, Result, Session};
use kvern_scheduler_local as _;
use ndarray::{Array1, Array2};

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wants = |case: &str| asked.is_empty() || asked.iter().any(|a| a == case);
    let session = Session::open("threads://?workers=2&memory=12GiB")?;
    if wants("b1") {
        let n = 50_000_000;
        let (x, y) = (noise(n), noise(n));
        let x = Array::from_ndarray(x, 1_000_000)?;
        let y = Array::from_ndarray(y, 1_000_000)?;
        time("b1 sum(sin(x)^2 + cos(y)^2), 2 x 400 MB", 5, || {
            let s = x.sin().square() + y.cos().square();
            s.sum(())?.item_in(&session)
        })?;
    }
    if wants("b2") {
        let x = Array2::from_shape_vec((20_000, 2_000), noise(40_000_000).to_vec())
            .expect("40 million");
        let x = Array::from_ndarray(x, (1000, -1))?;
        time("b2 sum((x - mean) / std), 320 MB", 7, || {
            let y = (&x - x.mean(0)?) / x.std(0)?;
            y.sum(())?.item_in(&session)
        })?;
    }
    if wants("b3") {
        let n = 4_000;
        let x = Array2::from_shape_vec((n, n), noise(n * n).to_vec()).expect("n x n");
        let (x, y) = (
            Array::from_ndarray(x.clone(), 1000)?,
            Array::from_ndarray(x, 1000)?,
        );
        let flops = 2.0 * (n as f64).powi(3) / 1e9;
        println!("b3: {flops:.0} GFLOP in full");
        time("b3 x.t() times x, 4000 x 4000", 3, || {
            x.t().matmul(&x)?.sum(())?.item_in(&session)
        })?;
        time("b3' x.t() times another", 3, || {
            x.t().matmul(&y)?.sum(())?.item_in(&session)
        })?;
    }
    if wants("b4") {
        let x = Array2::from_shape_vec((10_000, 10_000), noise(100_000_000).to_vec())
            .expect("100 million");
        let x = Array::from_ndarray(x, (500, -1))?;
        time(
            "b4 sum of a rechunk from rows to columns, 800 MB",
            5,
            || x.rechunk((-1, 500))?.sum(())?.item_in(&session),
        )?;
        time("b4' the same, not fused", 3, || {
            x.rechunk((-1, 500))?
                .map_blocks(|c| c.to_owned())
                .sum(())?
                .item_in(&session)
        })?;
    }
    if wants("b10") {
        let x = Array::from_ndarray(noise(50_000_000), 1_000_000)?;
        time("b10 sum(where(x > 0.5, x, 0)), 400 MB", 5, || {
            where_(&x.greater(0.5)?, &x, 0.0)?
                .sum(())?
                .item_in(&session)
        })?;
    }
    if wants("b11") {
        let data = Array2::from_shape_vec((10_000, 10_000), noise(100_000_000).to_vec())
            .expect("100 million");
        let data = data.into_shared();
        let x = Array::from_ndarray(data.clone(), 100)?;
        time("b11 x + 1 summed over 10,000 chunks", 7, || {
            (&x + 1.0).sum(())?.item_in(&session)
        })?;
        time("b11 with from_ndarray", 7, || {
            (Array::from_ndarray(data.clone(), 100)? + 1.0)
                .sum(())?
                .item_in(&session)
        })?;
        time("b11 building and lowering only", 7, || {
            Ok(((&x + 1.0).sum(())?.roots()?.len()) as f64)
        })?;
        time("b11 plan and prepare", 7, || {
            let plan = session.plan(&(&x + 1.0).sum(())?.roots()?)?;
            Ok(plan.prepare()?.tasks.len() as f64)
        })?;
    }
    if wants("submit") {
        let registry = std::sync::Arc::new(Registry::linked()?);
        let mut bytes = 0;
        time("a million chunks: build, lower, check, encode", 7, || {
            let x = Array::<f64>::arange(0.0, 1e9, 1.0, 1000)?;
            let y = ((&x * 2.0).sqrt() + &x.sin()).sum(())?;
            let plan = Plan::new(
                Graph::new(&y.roots()?),
                registry.clone(),
                Default::default(),
            )?;
            bytes = plan.graph().encode()?.len();
            Ok(bytes as f64)
        })?;
        println!("    {bytes} bytes on the wire");
    }
    Ok(())
}

/// Numbers between 0 and 1 without a pattern that matters.
fn noise(n: usize) -> Array1<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    Array1::from_iter((0..n).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }))
}

fn time(what: &str, runs: usize, mut f: impl FnMut() -> Result<f64>) -> Result<()> {
    let mut seconds = Vec::with_capacity(runs);
    let mut answer = 0.0;
    for _ in 0..runs {
        let start = Instant::now();
        answer = f()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!(
        "{what}: least {:.2} ms, median {:.2} ms  ({answer})",
        seconds[0] * 1e3,
        seconds[runs / 2] * 1e3
    );
    Ok(())
}
