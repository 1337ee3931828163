//! `array` alone: on the reference executor.

use kvern::prelude::*;

fn main() -> kvern::Result<()> {
    let x = Array::<f64>::arange(0.0, 10.0, 1.0, 3)?;
    assert_eq!((&x * 2.0).sum(())?.reference()?[[]], 90.0);
    println!("array: ok");
    Ok(())
}
