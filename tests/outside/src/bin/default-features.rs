//! The default features: arrays, bags and functions in one session.

use kvern::prelude::*;

fn main() -> kvern::Result<()> {
    kvern::init();
    let session = Session::open("threads://?workers=2")?;
    let _bar = kvern::progress::show(&session)?;
    let mean = Array::<f64>::arange(0.0, 10.0, 1.0, 3)?.mean(())?;
    let lines = Bag::from_sequence(["a b", "c"].map(String::from), 2);
    let words = lines.map(|line: String| line.split(' ').count() as u64).sum();
    let (mean, words) = session.compute((&mean, &words))?;
    assert_eq!((mean[[]], words), (4.5, 3));
    println!("default-features: ok");
    Ok(())
}
