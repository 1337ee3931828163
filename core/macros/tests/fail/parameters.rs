use kvern_macros::op;

struct P;

#[op]
fn by_value(x: Vec<f64>, y: &f64) -> f64 {
    x[0] + y
}

#[op]
fn params_by_value(#[params] p: P) -> f64 {
    let _ = p;
    1.0
}

#[op]
fn two_params(x: &f64, #[params] _p: &P, #[params] _q: &P) -> f64 {
    *x
}

#[op]
fn changed(x: &mut f64) {
    *x = 1.0;
}

#[op]
fn many_first(_rest: &[&f64], x: &f64) -> f64 {
    *x
}

#[op]
fn any_type(x: &impl Copy) -> f64 {
    let _ = x;
    1.0
}

#[op]
fn object(x: &dyn Send) -> f64 {
    let _ = x;
    1.0
}

fn main() {
    by_value(vec![params_by_value(P)], &two_params(&1.0, &P, &P));
    changed(&mut many_first(&[], &any_type(&object(&1))));
}
