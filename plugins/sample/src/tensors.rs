//! Operators over tensors.

use kvern_plugin::input::{Inputs, read};
use kvern_plugin::prelude::*;
use kvern_plugin::{IntoOutput, NoParams, PluginOperator, abi};
use serde::Deserialize;

/// A factor, which must be finite.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, try_from = "Written")]
struct Scale {
    factor: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    factor: f64,
}

impl TryFrom<Written> for Scale {
    type Error = String;

    fn try_from(w: Written) -> std::result::Result<Self, String> {
        if w.factor.abs() <= 1e100 {
            return Ok(Self { factor: w.factor });
        }
        Err(format!("factor {} is not within -1e100 to 1e100", w.factor))
    }
}

/// Each element times `factor`.
#[plugin_op(name = "sample.scale", version = 1, elementwise)]
fn scale(x: TensorView<'_, f64>, #[params] p: &Scale) -> Tensor<f64> {
    x.map(|v| v * p.factor)
}

/// As the first version, and -0.0 becomes 0.0: another result, so another version.
#[plugin_op(name = "sample.scale", version = 2, elementwise)]
fn scale_2(x: TensorView<'_, f64>, #[params] p: &Scale) -> Tensor<f64> {
    x.map(|v| v * p.factor + 0.0)
}

/// The sum of two tensors of one shape.
#[plugin_op(name = "sample.add", elementwise)]
fn add(x: TensorView<'_, f64>, y: TensorView<'_, f64>) -> Result<Tensor<f64>> {
    x.zip_map(&y, |a, b| a + b)
}

/// Each element less the mean of its chunk, by ndarray: its result is in memory of the plugin.
#[plugin_op(name = "sample.center")]
fn center(x: ArrayViewD<'_, f64>) -> Result<ArrayD<f64>> {
    let mean = x
        .mean()
        .ok_or_else(|| Error::bad_input("the mean of no elements"))?;
    Ok(x.mapv(|v| v - mean))
}

/// Where an element is above 0, from whole numbers: another element type comes out.
#[plugin_op(name = "sample.positive", elementwise)]
fn positive(x: TensorView<'_, i64>) -> Tensor<bool> {
    x.map(|v| v > 0)
}

/// The greatest less the least along the last axis, which is left out. By hand: the shape of its result is known, and not that of its input.
struct Span;

impl PluginOperator for Span {
    const NAME: &'static str = "sample.span";
    const VERSION: u32 = 1;
    const FLAGS: u64 = abi::op::flags::DETERMINISTIC;
    type Params = NoParams;

    fn signature() -> String {
        r#"{"inputs": [{"name": "x", "takes": "tensor float64"}], "output": "tensor float64"}"#
            .into()
    }

    fn run(_: &NoParams, inputs: Inputs<'_>, _: &Ctx<'_>) -> Result<abi::Value> {
        inputs.expect(1)?;
        let x: TensorView<'_, f64> = read(&inputs, 0, "x")?;
        let Some((&last, rest)) = x.shape().split_last() else {
            return Err(Error::bad_input("input x has no axis to reduce"));
        };
        let Some(row) = usize::try_from(last).ok().filter(|&n| n > 0) else {
            return Err(Error::bad_input("no elements have no span"));
        };
        let all = x.to_vec();
        let spans = all.chunks(row).map(|row| {
            let (low, high) = row
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| {
                    (low.min(v), high.max(v))
                });
            high - low
        });
        Tensor::from_vec(rest, spans.collect())?.into_output()
    }

    fn infer(_: &NoParams, inputs: &[abi::Meta]) -> Result<abi::Meta> {
        let [x] = inputs else {
            let words = format!("1 input is taken, got {}", inputs.len());
            return Err(Error::bad_input(words));
        };
        // The lengths are those of the input, so far as they are read.
        Ok(abi::Meta {
            ndim: x.ndim.saturating_sub(1),
            nbytes: -1,
            ..*x
        })
    }
}

kvern_plugin::register_operator!(Span);
