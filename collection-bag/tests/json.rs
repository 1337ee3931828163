//! JSON lines: typed and untyped records, bad ones told or skipped.

mod support;

use kvern_bag::{Bag, OnBad, TextOptions, read_json, read_json_with};
use kvern_core::ErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{everywhere, folder, sessions, write};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    age: u32,
}

#[test]
fn records_are_typed_or_not() {
    let folder = folder();
    let text =
        "{\"name\": \"Ann\", \"age\": 30}\r\n\n{\"age\": 4, \"name\": \"Bo\", \"more\": [1]}\n  ";
    let path = write(&folder, "p.jsonl", text);
    for size in [5, 1000] {
        let options = TextOptions::new().blocksize(size);
        let people = read_json_with::<Person>(&path, &options, OnBad::Error).unwrap();
        let expected = [("Ann", 30), ("Bo", 4)].map(|(n, age)| Person {
            name: n.into(),
            age,
        });
        for (name, got) in everywhere(&people) {
            assert_eq!(got.unwrap(), expected, "{name}");
        }
        let values = read_json_with::<Value>(&path, &options, OnBad::Error).unwrap();
        for (_, session) in sessions() {
            let kept = values.persist_in(&session).unwrap();
            assert_eq!(
                kept.pluck("name").compute_in(&session).unwrap(),
                [json!("Ann"), json!("Bo")]
            );
        }
        let more = values.pluck_or("more", &json!("none"));
        assert_eq!(more.reference().unwrap(), [json!("none"), json!([1])]);
        let ages = people.foldby(|p| p.age > 20, 0u64, |n, _| n + 1, |a, b| a + b);
        assert_eq!(ages.reference().unwrap(), [(true, 1), (false, 1)]);
    }
}

#[test]
fn a_bad_record_is_told_with_file_line_and_column() {
    let folder = folder();
    let path = write(
        &folder,
        "bad.jsonl",
        "{\"name\": \"Ann\", \"age\": 30}\n{\"name\": \"Bo\", \"age\": \"four\"}\n",
    );
    for size in [7, 1000] {
        let options = TextOptions::new().blocksize(size);
        let people = read_json_with::<Person>(&path, &options, OnBad::Error).unwrap();
        for (name, result) in everywhere(&people.count()) {
            let e = result.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::BadInput, "{name}");
            let words = e.to_string();
            for part in [
                "bad.jsonl:2: column 28",
                "not a record of type Person",
                "invalid type: string \"four\", expected u32",
                "{\\\"name\\\": \\\"Bo\\\"",
            ] {
                assert!(words.contains(part), "{part} in {words}");
            }
        }
    }
}

#[test]
fn skipped_records_are_counted_through_every_kind_of_result() {
    let folder = folder();
    let lines: Vec<String> = (0..50)
        .map(|i| {
            if i % 7 == 3 {
                format!("bad {i}")
            } else {
                i.to_string()
            }
        })
        .collect();
    let path = write(&folder, "n.jsonl", lines.join("\n"));
    let good: Vec<i64> = (0..50).filter(|i| i % 7 != 3).collect();
    for size in [10, 1000] {
        let options = TextOptions::new().blocksize(size);
        let numbers = read_json_with::<i64>(&path, &options, OnBad::Skip).unwrap();
        for (_, got) in everywhere(&numbers.with_skipped()) {
            let (items, skipped) = got.unwrap();
            assert_eq!((&items, skipped.records()), (&good, 7));
            assert_eq!(skipped.examples().len(), 5);
            assert!(
                skipped.examples()[1].contains("n.jsonl:11: column 1"),
                "{skipped}"
            );
            assert!(skipped.to_string().ends_with("… 2 more"), "{skipped}");
        }
        // Each once, however many pieces are made of a partition.
        for parts in [1, 2, 4, 50] {
            for (_, got) in everywhere(&numbers.repartition(parts).with_skipped()) {
                let (items, skipped) = got.unwrap();
                assert_eq!((&items, skipped.records()), (&good, 7), "{parts} pieces");
            }
        }
        for (_, got) in everywhere(&numbers.map(|x| x + 1).sum().with_skipped()) {
            let (sum, skipped) = got.unwrap();
            assert_eq!(
                (sum, skipped.records()),
                (good.iter().sum::<i64>() + good.len() as i64, 7)
            );
        }
        // Through a reduction to a bag, what follows it, and the backend's keeping.
        for (_, session) in sessions() {
            let kept = numbers.frequencies().persist_in(&session).unwrap();
            let top = kept
                .topk_by_key(1, |p| p.0)
                .with_skipped()
                .compute_in(&session)
                .unwrap();
            assert_eq!((top.0, top.1.records()), (vec![(49, 1)], 7));
        }
    }
}

#[test]
fn a_missing_field_is_told_with_the_nearest() {
    let records = Bag::from_sequence([json!({"name": "a", "aged": 3}), json!(4)], 1);
    let e = records
        .filter(|r| r.is_object())
        .pluck("age")
        .reference()
        .unwrap_err();
    assert!(e.to_string().contains("did you mean \"aged\"?"), "{e}");
    let e = records
        .filter(|r| !r.is_object())
        .pluck("age")
        .reference()
        .unwrap_err();
    assert!(e.to_string().contains("no object: 4"), "{e}");
}

#[test]
fn what_was_written_is_read_again() {
    let folder = folder();
    let people: Vec<Person> = (0..100)
        .map(|i| Person {
            name: format!("p\n\"{i}\""),
            age: i,
        })
        .collect();
    for (_, session) in sessions() {
        let bag = Bag::from_sequence(people.clone(), 12);
        for (name, packed) in [
            ("plain", kvern_bag::Compression::None),
            ("gz", kvern_bag::Compression::Gzip),
        ] {
            let target = folder.path().join(name);
            let paths = bag.write_jsonl_in(&target, packed, &session).unwrap();
            assert_eq!(paths.len(), 12);
            assert!(
                paths[3]
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with("part-03.jsonl")
            );
            let back = read_json::<Person>(target.join("part-*")).unwrap();
            assert_eq!(back.compute_in(&session).unwrap(), people);
            std::fs::remove_dir_all(target).unwrap();
        }
    }
}
