//! Writing: all files or none.

mod support;

use kvern_bag::{Bag, Compression, concat, read_text};
use kvern_core::ErrorKind;
use support::{folder, names, sessions};

#[test]
fn partitions_are_files_in_order() {
    for (_, session) in sessions() {
        let folder = folder();
        let target = folder.path().join("out");
        let both = concat(&[Bag::range(5, 3), Bag::range(2, 1)]);
        let paths = both
            .write_text_in(&target, Compression::None, &session)
            .unwrap();
        assert_eq!(names(folder.path()), ["out"]);
        assert_eq!(
            names(&target),
            ["part-0.txt", "part-1.txt", "part-2.txt", "part-3.txt"]
        );
        assert_eq!(std::fs::read_to_string(&paths[3]).unwrap(), "0\n1\n");
        let back = read_text(target.join("*")).unwrap();
        assert_eq!(
            back.compute_in(&session).unwrap(),
            ["0", "1", "2", "3", "4", "0", "1"]
        );
    }
}

#[test]
fn what_is_half_written_is_not_read() {
    let (_, session) = sessions().into_iter().next().unwrap();
    let folder = folder();
    let target = folder.path().join("out");
    Bag::range(5, 2)
        .write_text_in(&target, Compression::None, &session)
        .unwrap();
    // A folder of an earlier version, in which a task was killed.
    std::fs::write(target.join(".part-1.txt.77-0.tmp"), "3\n4").unwrap();
    let hidden = folder.path().join(".other.77-1.tmp");
    std::fs::create_dir(&hidden).unwrap();
    std::fs::write(hidden.join("part-0.txt"), "9\n").unwrap();
    for pattern in ["out/*", "*/*", "**/*", "**/*.t[xm][tp]"] {
        let back = read_text(folder.path().join(pattern)).unwrap();
        assert_eq!(
            back.compute_in(&session).unwrap(),
            ["0", "1", "2", "3", "4"],
            "{pattern}"
        );
    }
    let said = read_text(folder.path().join("out/.part*")).unwrap();
    assert_eq!(said.compute_in(&session).unwrap(), ["3", "4"]);
}

#[test]
fn a_failure_leaves_nothing() {
    for (name, session) in sessions() {
        let folder = folder();
        let target = folder.path().join("out");
        let bag = Bag::range(1000, 20).try_map(|x| match x {
            700 => Err("seven hundred"),
            x => Ok(x),
        });
        let e = bag
            .write_text_in(&target, Compression::None, &session)
            .unwrap_err();
        assert!(e.to_string().contains("seven hundred"), "{e}");
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{name}");
        let panics = Bag::range(1000, 20).map(|x| {
            assert!(x != 300);
            x
        });
        let e = panics
            .write_jsonl_in(&target, Compression::Gzip, &session)
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Panic);
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_is_there_is_not_touched() {
    let (_, session) = sessions().into_iter().next().unwrap();
    let folder = folder();
    let target = folder.path().join("out");
    std::fs::create_dir(&target).unwrap();
    let bag = Bag::range(4, 2);
    // Empty: it is as good as none.
    bag.write_text_in(&target, Compression::None, &session)
        .unwrap();
    assert_eq!(names(&target).len(), 2);
    let e = bag
        .write_text_in(&target, Compression::None, &session)
        .unwrap_err();
    assert!(e.to_string().contains("is there already"), "{e}");
    let file = support::write(&folder, "file", "x");
    assert!(
        bag.write_text_in(&file, Compression::None, &session)
            .is_err()
    );
    let nowhere = folder.path().join("none/out");
    let e = bag
        .write_text_in(&nowhere, Compression::None, &session)
        .unwrap_err();
    assert!(
        e.kind() == ErrorKind::Io && e.to_string().contains("none"),
        "{e}"
    );
    let e = bag
        .write_text_in(folder.path().join("z"), Compression::Zstd, &session)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert_eq!(names(folder.path()), ["file", "out"]);
}

const FOLDER: &str = "KVERN_TEST_FOLDER";

#[test]
fn child_writes_for_ever() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (_, session) = sessions().into_iter().next().unwrap();
    let slow = Bag::range(1000, 1000).map(|x| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        x
    });
    let target = std::path::Path::new(&folder).join("out");
    slow.write_text_in(target, Compression::None, &session)
        .unwrap();
}

#[test]
fn what_a_killed_writer_has_left_goes_with_the_next() {
    let folder = folder();
    let spawn = || {
        let mut writer = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_writes_for_ever"])
            .env(FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let begun = || {
            let hidden = std::fs::read_dir(folder.path()).unwrap().flatten();
            let id = format!(".{}-", writer.id());
            hidden
                .filter(|h| h.file_name().to_string_lossy().contains(&id))
                .flat_map(|h| std::fs::read_dir(h.path().join("files")))
                .flatten()
                .count()
                > 2
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !begun() {
            if std::time::Instant::now() > end {
                writer.kill().unwrap();
                panic!("nothing is written");
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        writer
    };
    let (mut dead, mut alive) = (spawn(), spawn());
    dead.kill().unwrap();
    dead.wait().unwrap();
    assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
    let (_, session) = sessions().into_iter().next().unwrap();
    let bag = Bag::range(4, 2);
    let other = folder.path().join("other");
    bag.write_text_in(&other, Compression::None, &session)
        .unwrap();
    // That was another place.
    assert_eq!(names(folder.path()).len(), 3);
    let target = folder.path().join("out");
    bag.write_text_in(&target, Compression::None, &session)
        .unwrap();
    let left = names(folder.path());
    let of_alive = format!(".out.{}-0.tmp", alive.id());
    assert_eq!(left, [&of_alive, "other", "out"]);
    alive.kill().unwrap();
    alive.wait().unwrap();
}

#[test]
fn items_with_line_ends_are_told_and_come_back_from_json() {
    for (name, session) in sessions() {
        for bad in ["a\nb", "\n", "a\r", "\r\n", "one\ntwo\n", "\r"] {
            for compression in [Compression::None, Compression::Gzip] {
                let folder = folder();
                let target = folder.path().join("out");
                let items = ["first", "a\rb is one line", "", bad].map(String::from);
                let bag = Bag::from_sequence(items.clone(), 2);
                let e = bag.write_text_in(&target, compression, &session);
                let e = e.unwrap_err();
                assert_eq!(e.kind(), kvern_core::ErrorKind::BadInput, "{name}: {e}");
                let words = e.to_string();
                assert!(
                    words.contains("part-1.txt")
                        && words.contains(", item 2: ")
                        && words.contains("line end")
                        && words.contains("write_jsonl"),
                    "{name}: {words}"
                );
                assert_eq!(names(folder.path()), Vec::<String>::new(), "{name}");
                let files = bag.write_jsonl_in(&target, compression, &session).unwrap();
                let back = kvern_bag::read_json::<String>(files).unwrap();
                assert_eq!(back.compute_in(&session).unwrap(), items, "{name}");
                std::fs::remove_dir_all(&target).unwrap();
                let good = bag.filter(move |x| x != bad);
                let files = good.write_text_in(&target, compression, &session).unwrap();
                let back = read_text(files).unwrap().compute_in(&session).unwrap();
                assert_eq!(back, items[..3], "{name}");
            }
        }
    }
}

#[test]
fn a_folder_that_is_missing_is_named() {
    for (name, session) in sessions() {
        let folder = folder();
        let missing = folder.path().join("runs");
        let target = missing.join("out");
        let bag = Bag::range(4, 2);
        for e in [
            bag.write_text_in(&target, Compression::None, &session),
            bag.write_jsonl_in(&target, Compression::None, &session),
        ] {
            let words = e.unwrap_err().to_string();
            assert!(
                words.contains(&format!("{}: cannot", target.display()))
                    && words.contains(&format!("there is no folder {};", missing.display()))
                    && !words.contains(".out."),
                "{name}: {words}"
            );
        }
        std::fs::write(&missing, "a file").unwrap();
        let e = bag.write_text_in(&target, Compression::None, &session);
        let words = e.unwrap_err().to_string();
        assert!(words.contains("runs is not a folder"), "{name}: {words}");
    }
}

#[test]
fn numbers_that_json_does_not_know_are_errors() {
    use serde::Serialize;
    #[derive(Clone, Serialize)]
    struct Row {
        name: &'static str,
        speeds: Vec<f32>,
        more: Option<f64>,
    }
    for (name, session) in sessions() {
        let folder = folder();
        let target = folder.path().join("out");
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let bag = Bag::from_sequence([1.5, 2.5, bad, 3.5], 2);
            let e = bag.write_jsonl_in(&target, Compression::None, &session);
            let words = e.unwrap_err().to_string();
            assert!(
                words.contains("part-1.jsonl, item 1") && words.contains("has no form in JSON"),
                "{name}: {words}"
            );
            assert_eq!(names(folder.path()), Vec::<String>::new(), "{name}");
            let rows = bag.map(|x| Row {
                name: "a",
                speeds: vec![1.0, x as f32],
                more: None,
            });
            let e = rows.write_jsonl_in(&target, Compression::Gzip, &session);
            let words = e.unwrap_err().to_string();
            assert!(words.contains("in field \"speeds\""), "{words}");
            // As text it comes back, and as an Option it is null.
            let optional = bag.map(|x| Some(x).filter(|x| x.is_finite()));
            let files = optional
                .write_jsonl_in(&target, Compression::None, &session)
                .unwrap();
            let back = kvern_bag::read_json::<Option<f64>>(files).unwrap();
            let back = back.compute_in(&session).unwrap();
            assert_eq!(back, [Some(1.5), Some(2.5), None, Some(3.5)]);
            std::fs::remove_dir_all(&target).unwrap();
            let files = bag
                .write_text_in(&target, Compression::None, &session)
                .unwrap();
            let back = read_text(files).unwrap().map(|l| l.parse::<f64>().unwrap());
            let back = back.compute_in(&session).unwrap();
            assert!(back[2].to_bits() == bad.to_bits(), "{back:?}");
            std::fs::remove_dir_all(&target).unwrap();
        }
        let whole = Bag::from_sequence([0u8], 1).map(|_| Row {
            name: "b",
            speeds: vec![0.1],
            more: Some(1e300),
        });
        let files = whole
            .write_jsonl_in(&target, Compression::None, &session)
            .unwrap();
        let text = std::fs::read_to_string(&files[0]).unwrap();
        assert_eq!(text, "{\"name\":\"b\",\"speeds\":[0.1],\"more\":1e+300}\n");
    }
}
