//! Floats through text and back: every one is what it was, to the bit.

mod support;

use kvern_bag::{Bag, Compression, read_json, read_text};
use serde::{Deserialize, Serialize};
use support::{folder, sessions, write};

/// Random bits, and numbers as people have them.
fn numbers(n: usize) -> Vec<f64> {
    let mut seed = 0x2026_1201_9e37_79b9u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut all = vec![
        0.0,
        -0.0,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        0.9999999999999999,
        117.63331139400017,
        1.577_777_777_777_000_1,
        9007199254740993.0,
    ];
    while all.len() < n {
        let bits = next();
        let x = match bits % 4 {
            0 => (bits >> 11) as f64 / (1u64 << 53) as f64,
            1 => (bits >> 40) as f64 / 1000.0,
            _ => f64::from_bits(next()),
        };
        all.extend(Some(x).filter(|x| x.is_finite()));
    }
    all
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    x: f64,
    y: f32,
    more: Vec<Option<f64>>,
}

fn bits(xs: &[f64]) -> Vec<u64> {
    xs.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn floats_come_back_from_json_and_text() {
    let xs = numbers(100_000);
    let (_, session) = sessions().into_iter().next().unwrap();
    let bag = Bag::from_sequence(xs.clone(), 3);
    let folder = folder();
    let target = folder.path().join("out");
    for packed in [Compression::None, Compression::Gzip] {
        let files = bag.write_jsonl_in(&target, packed, &session).unwrap();
        let back = read_json::<f64>(files.clone()).unwrap();
        assert_eq!(bits(&back.compute_in(&session).unwrap()), bits(&xs));
        let values = read_json::<serde_json::Value>(files).unwrap();
        let back = values.map(|v| v.as_f64().unwrap());
        assert_eq!(bits(&back.compute_in(&session).unwrap()), bits(&xs));
        std::fs::remove_dir_all(&target).unwrap();
        let files = bag.write_text_in(&target, packed, &session).unwrap();
        let back = read_text(files).unwrap().try_map(str::parse::<f64>);
        assert_eq!(bits(&back.compute_in(&session).unwrap()), bits(&xs));
        std::fs::remove_dir_all(&target).unwrap();
    }
    let narrow = bag.map(|x| f32::from_bits((x.to_bits() >> 32) as u32));
    let narrow = narrow.filter(|y| y.is_finite());
    let want = narrow.compute_in(&session).unwrap();
    let files = narrow
        .write_jsonl_in(&target, Compression::None, &session)
        .unwrap();
    let back = read_json::<f32>(files).unwrap();
    let back = back.compute_in(&session).unwrap();
    let same = want
        .iter()
        .zip(&back)
        .all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same && want.len() == back.len());
    std::fs::remove_dir_all(&target).unwrap();
    let rows = bag.map(|x| Row {
        x,
        y: 0.1,
        more: vec![None, Some(x)],
    });
    let files = rows
        .write_jsonl_in(&target, Compression::None, &session)
        .unwrap();
    let back = read_json::<Row>(files).unwrap();
    let back = back.compute_in(&session).unwrap();
    assert!(back.iter().zip(&xs).all(|(row, x)| {
        let more = row.more[1].unwrap();
        row.y == 0.1 && row.x.to_bits() == x.to_bits() && more.to_bits() == x.to_bits()
    }));
}

/// What other programs write: as many digits as they like.
#[test]
fn texts_are_read_as_the_nearest_floats() {
    let folder = folder();
    let mut texts: Vec<String> = numbers(20_000)
        .iter()
        .flat_map(|x| [format!("{x:.17e}"), format!("{x:.20e}"), format!("{x:e}")])
        .collect();
    texts.extend(
        [
            "0.9999999999999999",
            "98.88339545701953",
            "122.416294033786585",
            "2.2250738585072011e-308",
            "1.00000000000000011102230246251565404236316680908203125",
            "1.00000000000000011102230246251565404236316680908203126",
            "9007199254740993",
            "123456789012345678901234567890",
        ]
        .map(str::to_owned),
    );
    let path = write(&folder, "x.jsonl", texts.join("\n"));
    let got = read_json::<f64>(&path).unwrap().reference().unwrap();
    for (text, got) in texts.iter().zip(got) {
        let want: f64 = text.parse().unwrap();
        assert_eq!(got.to_bits(), want.to_bits(), "{text}");
    }
}
