use kvern_macros::op;

#[op]
fn generic<T: Copy>(x: &T) -> T {
    *x
}

#[op]
fn lifetime<'a>(x: &'a str) -> &'a str {
    x
}

#[op]
async fn later(x: &f64) -> f64 {
    *x
}

#[op]
unsafe fn dangerous(x: &f64) -> f64 {
    *x
}

#[op]
fn opaque(x: &f64) -> impl Copy {
    *x
}

struct S(f64);

impl S {
    #[op]
    fn method(&self, x: &f64) -> f64 {
        self.0 + *x
    }
}

#[op]
struct NotAFunction;

fn main() {
    S(generic(&1.0)).method(&1.0);
    lifetime("");
    later(&1.0);
    unsafe { dangerous(&1.0) };
    opaque(&1.0);
}
