//! `cluster` alone: functions on worker processes, which are this program.

use kvern::prelude::*;

fn main() -> kvern::Result<()> {
    kvern::init();
    let session = Session::open("cluster://?workers=2")?;
    let here = std::process::id();
    let elsewhere = delayed(|_: &i64| i64::from(std::process::id()));
    assert_ne!(session.compute(&elsewhere.call((0,)))?, i64::from(here));
    println!("cluster: ok");
    Ok(())
}
