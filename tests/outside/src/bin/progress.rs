//! `progress` alone: there is nothing to watch, and the error says why.

use kvern::prelude::*;

fn main() {
    let error = Session::open("threads://").unwrap_err().to_string();
    assert!(error.contains("local"), "{error}");
    println!("progress: ok");
}
