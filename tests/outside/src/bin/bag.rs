//! `bag` alone: on the reference executor.

use kvern::prelude::*;

fn main() -> kvern::Result<()> {
    let words = ["one", "two", "one"].map(String::from);
    let mut counts = Bag::from_sequence(words, 2).frequencies().reference()?;
    counts.sort();
    assert_eq!(counts, [("one".to_owned(), 2), ("two".to_owned(), 1)]);
    println!("bag: ok");
    Ok(())
}
