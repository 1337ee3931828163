//! Damaged plugins never take the host down. The table that this prints (`-- --nocapture`) has a line for each file: what was done to it, what
//! the host says that trusts hashes, and what one says that trusts the folder.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use kvern_core::Registry;
use kvern_plugin_host::manifest::Entry;
use kvern_plugin_host::{Loader, Manifest, PluginError, Trust, inspect, op_ref};
use serde_json::json;
use support::{chunk, fixture, loader, numbers, run};

/// One damaged file.
struct Mutation {
    name: String,
    bytes: Vec<u8>,
    /// Whether a host that trusts the folder must see it: all but bytes inside of code and data that nothing checks.
    visible: bool,
}

/// xorshift64* (Vigna 2016), so that a seed always damages the same bytes.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, with: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&with);
}

fn u64_at(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Where a run of bytes is; it must be there once.
fn find(bytes: &[u8], what: &[u8]) -> usize {
    let mut places = bytes
        .windows(what.len())
        .enumerate()
        .filter(|w| w.1 == what)
        .map(|w| w.0);
    let first = places.next().unwrap();
    assert_eq!(places.next(), None, "{what:?} is there twice");
    first
}

fn mutations(good: &[u8]) -> Vec<Mutation> {
    let mut all = Vec::new();
    let mut add = |name: &str, visible: bool, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec();
        edit(&mut bytes);
        assert_ne!(bytes, good, "{name} changes nothing");
        all.push(Mutation {
            name: name.to_owned(),
            bytes,
            visible,
        });
    };
    let len = good.len();
    for (name, keep) in [
        ("empty", 0),
        ("6 bytes", 6),
        ("100 bytes", 100),
        ("a quarter", len / 4),
        ("half", len / 2),
        ("85 %", len * 85 / 100),
        ("without the last 4 KiB", len - 4096),
        ("without the last byte", len - 1),
    ] {
        add(name, true, &|b| b.truncate(keep));
    }
    add("text", true, &|b| {
        *b = b"#!/bin/sh\necho this is a plugin\n".to_vec();
    });
    add("zeros", true, &|b| b.fill(0));
    add("random bytes", true, &|b| {
        let mut r = Rng(7);
        b.iter_mut().for_each(|x| *x = r.next() as u8);
    });
    // The header: its fields are at fixed places of an ELF file of 64 bits.
    add("32-bit class", true, &|b| b[4] = 1);
    add("big-endian", true, &|b| b[5] = 2);
    add("an object file (e_type 1)", true, &|b| {
        put(b, 16, 1u16.to_le_bytes());
    });
    add("a program (e_type 2)", true, &|b| {
        put(b, 16, 2u16.to_le_bytes());
    });
    let other = if cfg!(target_arch = "aarch64") {
        62u16
    } else {
        183
    };
    add("another machine (e_machine)", true, &|b| {
        put(b, 18, other.to_le_bytes());
    });
    add("an unknown machine", true, &|b| {
        put(b, 18, 0xfeedu16.to_le_bytes());
    });
    add("segments beyond the end (e_phoff)", true, &|b| {
        put(b, 32, u64::MAX.to_le_bytes());
    });
    add("no segments (e_phnum)", true, &|b| {
        put(b, 56, 0u16.to_le_bytes());
    });
    add("sections beyond the end (e_shoff)", true, &|b| {
        put(b, 40, (1u64 << 40).to_le_bytes());
    });
    add("no sections (e_shnum)", true, &|b| {
        put(b, 60, 0u16.to_le_bytes());
    });
    add("names of sections elsewhere (e_shstrndx)", true, &|b| {
        put(b, 62, 1u16.to_le_bytes());
    });
    let first = u64_at(good, 32);
    let load = (0..)
        .map(|n| first + 56 * n)
        .find(|&at| good[at..at + 4] == 1u32.to_le_bytes())
        .unwrap();
    add("a segment that begins beyond the end", true, &|b| {
        put(b, load + 8, (1u64 << 33).to_le_bytes());
    });
    add("a segment longer than the file", true, &|b| {
        put(b, load + 32, (1u64 << 33).to_le_bytes());
    });
    // What it says of itself.
    let meta = find(good, b"KVERNPLG");
    add("the descriptor's magic", true, &|b| b[meta] ^= 0x20);
    add("the descriptor's size", true, &|b| {
        put(b, meta + 8, 8u32.to_le_bytes());
    });
    add("the major version", true, &|b| {
        put(b, meta + 12, 7u16.to_le_bytes());
    });
    add("the fingerprint", true, &|b| b[meta + 16] ^= 1);
    add("that it catches panics", true, &|b| b[meta + 24] &= !1);
    add("a name that is not UTF-8", true, &|b| b[meta + 32] = 0xff);
    add("a name with a slash", true, &|b| b[meta + 33] = b'/');
    add("no name", true, &|b| b[meta + 32..meta + 96].fill(0));
    add("another name than it says when it runs", true, &|b| {
        b[meta + 32] = b'c';
    });
    add("the name of its section", true, &|b| {
        let at = find(b, b".kvernmeta\0");
        b[at + 1] = b'K';
    });
    add("the name of its root", true, &|b| {
        // In the table of names for others, and in that for debuggers.
        while let Some(at) = b.windows(20).position(|w| w == b"kvern_plugin_root_v1") {
            b[at + 19] = b'9';
        }
    });
    for seed in 1..=6u64 {
        add(&format!("20,000 flipped bits, seed {seed}"), true, &|b| {
            flip(b, 20_000, seed);
        });
    }
    for seed in 1..=6u64 {
        add(&format!("100 flipped bits, seed {seed}"), false, &|b| {
            flip(b, 100, seed);
        });
    }
    for seed in 1..=6u64 {
        add(&format!("1 flipped bit, seed {seed}"), false, &|b| {
            flip(b, 1, seed);
        });
    }
    all
}

fn flip(bytes: &mut [u8], count: usize, seed: u64) {
    let mut r = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for _ in 0..count {
        let at = (r.next() % bytes.len() as u64) as usize;
        bytes[at] ^= 1 << (r.next() % 8);
    }
}

/// The name of the error, for the table.
fn variant(e: &PluginError) -> String {
    let text = format!("{e:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// In a child: loads the file that it was given and runs its operator.
#[test]
fn in_a_child() {
    let Some(path) = support::asked() else { return };
    let path = Path::new(&path);
    let folder = path.parent().unwrap();
    let mut registry = Registry::empty();
    // The registry and the thread must be fit for more after any of it.
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        match loader(folder, &folder.join("cache")).load(path, &mut registry) {
            Err(e) => format!("{}|{e}", variant(&e)),
            Ok(_) => {
                let good = op_ref(&registry, "old.scale", &json!(2))
                    .and_then(|op| run(&registry, &op, vec![chunk(&[1.0, 2.5])]))
                    .map(|v| numbers(&v) == [2.0, 5.0]);
                match good {
                    Ok(true) => "works|".to_owned(),
                    Ok(false) => "wrong answer|".to_owned(),
                    Err(e) => format!("task error|{e}"),
                }
            }
        }
    }));
    println!(
        "VERDICT {}",
        verdict.unwrap_or_else(|_| "host panicked|".to_owned())
    );
}

#[test]
fn damaged_files_never_take_the_host_down() {
    if support::asked().is_some() {
        return;
    }
    let good = fixture("old");
    let bytes = std::fs::read(&good).unwrap();
    let inspection = inspect(&good).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusting = Manifest::of(
        Path::new("plugins.toml"),
        vec![Entry {
            name: inspection.name,
            version: inspection.version,
            file: "damaged.so".into(),
            sha256: inspection.sha256,
        }],
    );
    let by_hash = Loader::new(Trust::Manifest(trusting)).cache(folder.path().join("cache"));
    let file = folder.path().join("damaged.so");
    // The good one first: both hosts take it.
    std::fs::write(&file, &bytes).unwrap();
    let verdict = in_child(&file);
    assert_eq!(verdict.0, "works", "{}", verdict.1);

    let all = mutations(&bytes);
    assert!(all.len() >= 50, "{}", all.len());
    let mut wrong = Vec::new();
    println!(
        "{:<45} {:<12} {:<16} why",
        "what was done", "by hash", "by folder"
    );
    for m in &all {
        std::fs::write(&file, &m.bytes).unwrap();
        // In this very process: nothing of it is looked at but its hash.
        let mut registry = Registry::empty();
        let by_hash = by_hash.load(&file, &mut registry).unwrap_err();
        let (verdict, why) = in_child(&file);
        let shown: String = why
            .replace(&file.display().to_string(), "…")
            .chars()
            .take(90)
            .collect();
        println!(
            "{:<45} {:<12} {verdict:<16} {shown}",
            m.name,
            variant(&by_hash)
        );
        if !matches!(by_hash, PluginError::Changed { .. }) {
            wrong.push(format!("{}: by hash: {by_hash}", m.name));
        }
        let refused = verdict.starts_with(|c: char| c.is_ascii_uppercase());
        if m.visible && !refused {
            wrong.push(format!("{}: {verdict}: {why}", m.name));
        }
        if verdict == "host panicked" {
            wrong.push(format!("{}: the host panicked", m.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The verdict of a child that trusts the folder, and its words.
fn in_child(file: &Path) -> (String, String) {
    let out = support::child("in_a_child", &file.display().to_string());
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    match text.lines().find_map(|l| l.split_once("VERDICT ")) {
        Some((_, verdict)) => {
            let (verdict, why) = verdict.split_once('|').unwrap_or((verdict, ""));
            (verdict.to_owned(), why.to_owned())
        }
        None => (format!("child: {}", out.status), String::new()),
    }
}
