//! What is said of Ballista where this program was built without it.

use crate::output::{FAILED, Output};

pub(crate) fn scheduler(_listen: String) -> Output {
    missing()
}

pub(crate) fn executor(_scheduler: String, _listen: String, _slots: Option<usize>) -> Output {
    missing()
}

fn missing() -> Output {
    let words = "this kvern was built without Ballista: build it with `--features ballista`";
    Output::failure(FAILED, words)
}
