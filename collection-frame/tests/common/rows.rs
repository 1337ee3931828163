//! Rows as text, to be compared.

use kvern_frame::RecordBatch;
use kvern_frame::arrow::util::display::{ArrayFormatter, FormatOptions};

/// The rows, a null as `-`; sorted unless their order is part of the answer.
pub(crate) fn rows(batches: &[RecordBatch], in_order: bool) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let mut all = Vec::new();
    for b in batches {
        let columns: Vec<_> = b
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
            .collect();
        for r in 0..b.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(r).to_string()).collect();
            all.push(cells.join(" "));
        }
    }
    if !in_order {
        all.sort();
    }
    all
}
