//! `local` alone: functions on threads.

use kvern::prelude::*;

fn main() -> kvern::Result<()> {
    // A user's setting for a part that this program leaves out.
    // SAFETY: there is no other thread.
    unsafe { std::env::set_var("KVERN_PLUGINS_TRUST", "deny") };
    let square = delayed(|x: &i64| x * x);
    for url in ["threads://?workers=2", "sync://"] {
        let session = Session::open(url)?;
        assert_eq!(session.compute(&square.call((5,)))?, 25);
        let handles = session.map(|x: &i64| x + 1, (0..10i64).map(|x| (x,)))?;
        assert_eq!(session.gather(handles)?.iter().sum::<i64>(), 55);
    }
    println!("local: ok");
    Ok(())
}
