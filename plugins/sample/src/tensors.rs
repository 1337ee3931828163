//! Operators over tensors.

use kvern_plugin::prelude::*;
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
