use kvern_macros::op;

#[op(name = "scale")]
fn no_namespace(x: &f64) -> f64 {
    *x
}

#[op(name = "demo..scale", version = 0)]
fn empty_part(x: &f64) -> f64 {
    *x
}

#[op(name = "demo.scale by two")]
fn blanks(x: &f64) -> f64 {
    *x
}

#[op(verison = 2)]
fn typo(x: &f64) -> f64 {
    *x
}

#[op(elementwise)]
fn unknown(x: &f64) -> f64 {
    *x
}

#[op(pure, pure = false)]
fn twice(x: &f64) -> f64 {
    *x
}

#[op(version = "1")]
fn wrong_kind(x: &f64) -> f64 {
    *x
}

// The functions are still there.
fn main() {
    no_namespace(&empty_part(&blanks(&typo(&unknown(&twice(&wrong_kind(&1.0)))))));
}
