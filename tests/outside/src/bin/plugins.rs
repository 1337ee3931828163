//! `plugins` alone: a file that is not there is told.

fn main() {
    let error = kvern::plugins::load(["no-such-plugin.so"]).unwrap_err().to_string();
    assert!(error.contains("no-such-plugin.so"), "{error}");
    println!("plugins: ok");
}
