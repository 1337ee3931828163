//! Operators that a host must survive, and that its tests look through.

use std::time::{Duration, Instant};

use kvern_plugin::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: f64,
}

/// The tensor as it is, or a panic if an element is above the limit.
#[plugin_op(name = "sample.guarded", elementwise)]
fn guarded(x: TensorView<'_, f64>, #[params] p: &Limit) -> Tensor<f64> {
    x.map(|v| {
        assert!(v <= p.limit, "{v} is above the limit of {}", p.limit);
        v
    })
}

/// Waits until it is cancelled, at most ten seconds.
#[plugin_op(name = "sample.wait", pure = false)]
fn wait(x: TensorView<'_, f64>, ctx: &Ctx<'_>) -> Result<Tensor<f64>> {
    let begun = Instant::now();
    ctx.info("waiting");
    while begun.elapsed() < Duration::from_secs(10) {
        ctx.check_cancelled()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(x.map(|v| v))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    bytes: usize,
}

/// The tensor as it is, if the host has that much memory for it meanwhile.
#[plugin_op(name = "sample.hungry")]
fn hungry(x: TensorView<'_, f64>, #[params] p: &Amount, ctx: &Ctx<'_>) -> Result<Tensor<f64>> {
    let _held = ctx.reserve(p.bytes)?;
    Ok(x.map(|v| v))
}

/// How many results in memory of this plugin are alive.
#[plugin_op(name = "sample.live", pure = false)]
fn live() -> Tensor<i64> {
    Tensor::scalar(kvern_plugin::output::live_outputs())
}
