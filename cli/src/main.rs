//! The `kvern` command.
fn main() {}
