//! The static order where results differ in size: a large chunk is used for everything while it is there.

use kvern_core::order::{Dag, order, peak};

const CHUNK: u64 = 10_000_000;

/// `chunks` large loads, each read by `questions` small reducers together with a small weight of its own; one sum a question.
fn questions(chunks: u32, questions: u32) -> (Vec<u32>, Vec<u32>, Vec<u64>, Vec<u32>) {
    let (mut off, mut deps, mut bytes) = (vec![0u32], Vec::new(), Vec::new());
    let mut task = |reads: &[u32], size: u64| {
        deps.extend_from_slice(reads);
        off.push(deps.len() as u32);
        bytes.push(size);
        bytes.len() as u32 - 1
    };
    let loads: Vec<u32> = (0..chunks).map(|_| task(&[], CHUNK)).collect();
    let weights: Vec<u32> = (0..chunks).map(|_| task(&[], 1000)).collect();
    let mut outputs = Vec::new();
    for _ in 0..questions {
        let parts: Vec<u32> = (0..chunks as usize)
            .map(|i| task(&[loads[i], weights[i]], 8))
            .collect();
        outputs.push(task(&parts, 8));
    }
    (off, deps, bytes, outputs)
}

fn peak_of(chunks: u32, many: u32) -> u64 {
    let (off, deps, bytes, outputs) = questions(chunks, many);
    let dag = Dag {
        dep_off: &off,
        deps: &deps,
        bytes: &bytes,
        outputs: &outputs,
    };
    peak(&dag, &order(&dag), true).bytes
}

#[test]
fn several_questions_share_one_pass() {
    for (chunks, many) in [(2, 2), (90, 5), (90, 1), (2000, 3), (20_000, 4)] {
        let top = peak_of(chunks, many);
        assert!(
            top < 2 * CHUNK,
            "{many} questions over {chunks} chunks hold {top} bytes; one chunk at a time would do"
        );
    }
}
