//! A longer first program: an array that is never whole in memory, and a plain function on top of it.
//!
//! Run with `cargo run --release --example first`.

use kvern::prelude::*;

fn main() -> kvern::Result<()> {
    // 3.2 GB of numbers in 100 chunks of 32 MB; results may take 256 MiB of memory.
    let session = Session::open("threads://?memory=256MiB")?;
    let n = 20_000;
    let row = Array::<f64>::linspace(0.0, 1.0, n, 2000)?.expand_dims(0)?;
    let column = Array::<f64>::linspace(0.0, 1.0, n, 2000)?.expand_dims(1)?;
    let waves = (&row * 40.0).sin() * (&column * 30.0).cos() + &row * &column;

    // Nothing has run so far. `explain` says what would.
    let mean = waves.mean(())?;
    println!("{}\n", mean.explain()?);

    // Two results in one run; the waves go through the cache and are never in memory.
    let highest = waves.max(())?;
    let (mean, highest) = session.compute((&mean, &highest))?;
    println!(
        "mean {:.6}, highest {:.6}, of {} x {n} numbers",
        mean[[]],
        highest[[]],
        n
    );

    // Any function can be a task; a wrong argument would not compile.
    let verdict = delayed(|mean: &f64, highest: &f64| {
        if highest > mean {
            "as it should be".to_owned()
        } else {
            "strange".to_owned()
        }
    });
    println!(
        "{}",
        session.compute(&verdict.call((mean[[]], highest[[]])))?
    );
    println!("{:?}", session.memory());
    Ok(())
}
