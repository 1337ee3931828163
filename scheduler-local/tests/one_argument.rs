//! A function of one argument is called with it; a tuple of one means the same.

use kvern_core::{Result, Session, delayed};
use kvern_scheduler_local as _;

#[test]
fn the_only_argument_needs_no_tuple() -> Result<()> {
    let s = Session::builder().url("sync://").current(false).build()?;
    let squares = s.map(|x: &u64| x * x, 0..4u64)?;
    assert_eq!(s.gather(&squares)?, [0, 1, 4, 9]);
    let tupled = s.map(|x: &i64| x + 1, (0..3).map(|x| (x,)))?;
    assert_eq!(s.gather(&tupled)?, [1, 2, 3]);
    let handles = s.map(|x: &u64| x + 1, &squares)?;
    assert_eq!(s.gather(&handles)?, [1, 2, 5, 10]);
    let two = s.map(|x: &i64, y: &i64| x * y, [(1, 2), (3, 4)])?;
    assert_eq!(s.gather(&two)?, [2, 12]);
    let pairs = s.map(|p: &(i64, i64)| p.0 - p.1, [(1, 2), (3, 4)])?;
    assert_eq!(s.gather(&pairs)?, [-1, -1]);
    let lists = s.map(|v: &Vec<u64>| v.len(), [vec![7u64], vec![]])?;
    assert_eq!(s.gather(&lists)?, [1, 0]);
    let odd = s.try_map(
        |x: &u64| if x % 2 == 1 { Ok(*x) } else { Err("even") },
        [1, 2],
    )?;
    assert_eq!(odd[0].wait()?, 1);
    assert!(odd[1].wait().unwrap_err().to_string().contains("even"));

    let three = s.submit(|x: &u64| x + 1, 2u64)?;
    let seven = s.submit(|x: &u64, y: &u64| x * 2 + y, (&three, 1))?;
    assert_eq!(s.submit(|x: &u64| x + 1, &seven)?.wait()?, 8);
    assert_eq!(s.submit(|| 5u64, ())?.wait()?, 5);

    let double = delayed(|x: &i64| x * 2);
    let four = double.call(2);
    assert_eq!(s.compute(&double.call(&four))?, 8);
    assert_eq!(s.compute(&double.call((&four,)))?, 8);
    Ok(())
}
