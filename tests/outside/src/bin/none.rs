//! No feature: functions, on the reference executor.

use kvern::prelude::*;

fn main() -> kvern::Result<()> {
    let square = delayed(|x: &i64| x * x);
    let add = delayed(|a: &i64, b: &i64| a + b);
    let sum = add.call((&square.call((3,)), &square.call((4,))));
    assert_eq!(sum.reference()?, 25);
    // No backend is linked: the error says what brings one.
    let error = Session::open("threads://").unwrap_err().to_string();
    assert!(error.contains("local"), "{error}");
    // Settings for parts that are not here do no harm.
    // SAFETY: there is no other thread.
    unsafe { std::env::set_var("KVERN_PLUGINS_TRUST", "deny") };
    unsafe { std::env::set_var("KVERN_MEMORY_LIMIT", "1GiB") };
    kvern::core::config::Config::load(&kvern::core::Registry::linked()?).map(|_| ()).unwrap();
    println!("none: ok");
    Ok(())
}
