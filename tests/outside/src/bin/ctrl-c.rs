//! `ctrl-c` alone: there is nothing to cancel, and the error says why.

use kvern::prelude::*;

fn main() {
    let error = Session::open("threads://").unwrap_err().to_string();
    assert!(error.contains("local"), "{error}");
    println!("ctrl-c: ok");
}
