//! The files of the bag cases, made once in the data folder and read by all contestants, the peers' scripts too.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::options::Options;

const VOCABULARY: usize = 100_000;
const TEXT_FILES: usize = 16;
const JSON_FILES: usize = 10;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Makes a folder once: under another name until all of it is there.
fn once(folder: PathBuf, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    if !folder.is_dir() {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = folder.with_file_name(name);
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(&part)?;
        make(&part)?;
        fs::rename(part, &folder)?;
    }
    Ok(folder)
}

/// 500 MB of words of 2 to 10 letters from a vocabulary of 1e5, Zipf with exponent 1, 12 a line, in 16 files.
pub(super) fn text(options: &Options) -> io::Result<PathBuf> {
    let folder = options.data_dir.join(format!("text-{}", options.scale));
    once(folder, |folder| {
        let mut random = Random(3);
        let letters = b"etaoinshrdlucmfwypvbgkjqxz";
        let words: Vec<Vec<u8>> = (0..VOCABULARY)
            .map(|_| {
                let len = 2 + random.below(9);
                (0..len)
                    .map(|_| letters[random.below(26) as usize])
                    .collect()
            })
            .collect();
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=VOCABULARY)
            .map(|i| {
                sum += 1.0 / i as f64;
                sum
            })
            .collect();
        for f in 0..TEXT_FILES {
            let file = fs::File::create(folder.join(format!("part-{f:02}.txt")))?;
            let mut out = BufWriter::new(file);
            let mut left = (500e6 / TEXT_FILES as f64 * options.scale) as i64;
            while left > 0 {
                for i in 0..12 {
                    let at = random.unit() * sum;
                    let word = &words[sums.partition_point(|s| *s < at).min(VOCABULARY - 1)];
                    out.write_all(word)?;
                    out.write_all(if i < 11 { b" " } else { b"\n" })?;
                    left -= word.len() as i64 + 1;
                }
            }
            out.flush()?;
        }
        Ok(())
    })
}

/// 1e6 records of JSON lines in 10 files.
pub(super) fn json(options: &Options) -> io::Result<PathBuf> {
    let folder = options.data_dir.join(format!("json-{}", options.scale));
    once(folder, |folder| {
        let mut random = Random(4);
        let each = options.size(1_000_000, 100) / JSON_FILES;
        let names = ["Alice", "Bob", "Carol", "Dan", "Eve"];
        let tags = ["[]", "[\"a\"]", "[\"a\", \"b\"]", "[\"a\", \"b\", \"c\"]"];
        for f in 0..JSON_FILES {
            let file = fs::File::create(folder.join(format!("part-{f:02}.jsonl")))?;
            let mut out = BufWriter::new(file);
            for id in 0..each {
                let name = names[random.below(5) as usize];
                let (city, age) = (random.below(1000), 18 + random.below(72));
                let cents = random.below(100_000);
                let tags = tags[random.below(4) as usize];
                writeln!(
                    out,
                    "{{\"id\": {id}, \"name\": \"{name}\", \"city\": \"city{city}\", \"age\": {age}, \"amount\": {}.{:02}, \"tags\": {tags}}}",
                    cents / 100,
                    cents % 100
                )?;
            }
            out.flush()?;
        }
        Ok(())
    })
}

/// The files of a folder, in order.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let mut files = entries
        .map(|e| Ok(e?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Their bytes together.
pub(super) fn bytes(files: &[PathBuf]) -> io::Result<usize> {
    let mut sum = 0;
    for f in files {
        sum += fs::metadata(f)?.len() as usize;
    }
    Ok(sum)
}
