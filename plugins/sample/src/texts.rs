//! An operator over text and JSON.

use kvern_plugin::prelude::*;

/// How often each word is in a text, as JSON.
#[plugin_op(name = "sample.words")]
fn words(text: &str) -> Json<std::collections::BTreeMap<String, u64>> {
    let mut counts = std::collections::BTreeMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    Json(counts)
}
