//! Files that are not quite what their names say: filled up, with the line ends of old machines, or no files at all.

use kvern_core::ErrorKind;
use kvern_frame::{Frame, RecordBatch, Way};
use tempfile::TempDir;

use super::csv::put_gz;
use super::{fails, ints, put, session};

/// As gzip unpacks it: tapes and some programs fill up blocks with zeros.
#[test]
fn zeros_behind_a_packed_file_are_passed_over() {
    let folder = TempDir::new().unwrap();
    let path = put_gz(&folder, "a.csv.gz", "n\n1\n2\n");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([0; 700]);
    bytes.extend(std::fs::read(put_gz(&folder, "b.csv.gz", "3\n")).unwrap());
    bytes.extend([0; 3]);
    std::fs::write(&path, &bytes).unwrap();
    let rows = ints(
        &session().compute(&Frame::read_csv(&path).unwrap()).unwrap(),
        "n",
    );
    assert_eq!(rows, [Some(1), Some(2), Some(3)]);
    // What is neither a member nor a filling is told.
    bytes.push(7);
    std::fs::write(&path, &bytes).unwrap();
    let told = match Frame::read_csv(&path) {
        Ok(frame) => fails(&frame),
        Err(e) => e,
    };
    assert!(told.to_string().contains("a.csv.gz"), "{told}");
}

/// Of old Macs. No place in such a file is known to be the end of a line for sure, so one task reads it.
#[test]
fn lines_that_end_with_a_carriage_return_alone() {
    let folder = TempDir::new().unwrap();
    let mut text = String::from("n,words\r");
    for n in 0..200_000 {
        text.push_str(&format!("{n},{}\r", "x".repeat(n % 17)));
    }
    let frame = Frame::read_csv(put(&folder, "old.csv", &text)).unwrap();
    for way in [Way::Local, Way::Tasks] {
        let rows = ints(&session().compute(&frame.via(way)).unwrap(), "n");
        let want: Vec<_> = (0..200_000).map(Some).collect();
        assert!(rows == want, "{way:?}: {} rows", rows.len());
    }
}

#[test]
#[cfg(unix)]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    // On a thread of its own, so that it is not this one that hangs.
    let (say, said) = std::sync::mpsc::channel();
    let path = pipe.clone();
    std::thread::spawn(move || say.send(Frame::read_csv(path).map(drop).unwrap_err()));
    let e = said
        .recv_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    assert_eq!(e.kind(), ErrorKind::Io);
    let words = e.to_string();
    assert!(words.contains("pipe.csv is no file but a pipe"), "{words}");
    let empty = TempDir::new().unwrap();
    let e = Frame::read_csv(empty.path()).unwrap_err().to_string();
    assert!(e.contains("holds no file that ends with"), "{e}");
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    let f = Frame::read_csv(put(&folder, "n.csv", "n\n1\n2\n")).unwrap();
    let target = folder.path().join("runs/out.parquet");
    for way in [Way::Local, Way::Tasks] {
        let e = f.via(way).write_parquet_in(&target, &session());
        let words = e.unwrap_err().to_string();
        let missing = folder.path().join("runs");
        assert!(
            words.contains(&format!("{}: it cannot be written", target.display()))
                && words.contains(&format!("there is no folder {};", missing.display()))
                && !words.contains(".out."),
            "{way:?}: {words}"
        );
    }
}

#[test]
fn any_number_of_partitions_is_taken_or_told() {
    let folder = TempDir::new().unwrap();
    let f = Frame::read_csv(put(&folder, "n.csv", "n\n1\n2\n")).unwrap();
    let sum = f.groupby("n").count().unwrap();
    for way in [Way::Local, Way::Tasks] {
        let rows = |n| {
            let got = session().compute(&sum.via(way).repartition(n));
            got.map(|b| b.iter().map(RecordBatch::num_rows).sum::<usize>())
        };
        for n in [0, 1, 100] {
            assert_eq!(rows(n).unwrap(), 2, "{way:?} {n}");
        }
        for n in [65_537, usize::MAX] {
            let e = rows(n).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::BadInput, "{e}");
            assert!(e.to_string().contains(&format!("{n} partitions")), "{e}");
        }
    }
}
