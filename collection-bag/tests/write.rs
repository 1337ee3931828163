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
            .write_text(&target, Compression::None, &session)
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
        .write_text(&target, Compression::None, &session)
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
            .write_text(&target, Compression::None, &session)
            .unwrap_err();
        assert!(e.to_string().contains("seven hundred"), "{e}");
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{name}");
        let panics = Bag::range(1000, 20).map(|x| {
            assert!(x != 300);
            x
        });
        let e = panics
            .write_jsonl(&target, Compression::Gzip, &session)
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
    bag.write_text(&target, Compression::None, &session)
        .unwrap();
    assert_eq!(names(&target).len(), 2);
    let e = bag
        .write_text(&target, Compression::None, &session)
        .unwrap_err();
    assert!(e.to_string().contains("is there already"), "{e}");
    let file = support::write(&folder, "file", "x");
    assert!(bag.write_text(&file, Compression::None, &session).is_err());
    let nowhere = folder.path().join("none/out");
    let e = bag
        .write_text(&nowhere, Compression::None, &session)
        .unwrap_err();
    assert!(
        e.kind() == ErrorKind::Io && e.to_string().contains("none"),
        "{e}"
    );
    let e = bag
        .write_text(folder.path().join("z"), Compression::Zstd, &session)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert_eq!(names(folder.path()), ["file", "out"]);
}
