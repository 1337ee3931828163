//! The bytes of a file, or of a piece of it, in blocks of whole lines.
//!
//! A piece `[start, end)` has the lines that *begin* in it, so each piece finds its own borders and no file is read twice to cut it:
//! it begins after the first line break at or after `start - 1`, and ends with the line that holds the byte before `end`.

use std::io::{self, Read};

/// Bytes read at once. Small enough that a block stays in the cache of a core while its lines are worked on.
const READ: usize = 1 << 18;

/// Reads a piece in blocks of whole lines.
pub(crate) struct Blocks {
    from: Box<dyn Read>,
    buffer: Vec<u8>,
    /// What of the buffer has been read and not given out.
    filled: std::ops::Range<usize>,
    /// Where the first of those bytes is in the text.
    at: u64,
    /// Lines that begin here or later belong to others.
    end: u64,
    /// Whether the first line break has yet to be found.
    searching: bool,
    ended: bool,
}

impl Blocks {
    /// The lines that begin in `[start, end)`, from a reader that stands at `start - 1` (or at 0).
    pub(crate) fn new(from: Box<dyn Read>, start: u64, end: u64) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            filled: 0..0,
            at: start.saturating_sub(1),
            end,
            searching: start > 0,
            ended: false,
        }
    }

    /// The next lines and where they begin in the text; the last one may lack its line break.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        if self.searching && !self.find_start()? {
            self.ended = true;
        }
        // What has been looked at for a line break already.
        let mut looked = 0;
        while !self.ended {
            let have = &self.buffer[self.filled.clone()];
            if let Some(take) = self.whole_lines(have, looked) {
                let last = self.at + take as u64 >= self.end;
                return Ok(Some(self.give(take, last)));
            }
            looked = have.len();
            if !self.fill()? {
                let rest = self.filled.len();
                if rest > 0 && self.at < self.end {
                    return Ok(Some(self.give(rest, true)));
                }
                self.ended = true;
            }
        }
        Ok(None)
    }

    /// How many bytes of `have` are whole lines of ours. The first `looked` hold no line break.
    fn whole_lines(&self, have: &[u8], looked: usize) -> Option<usize> {
        let own = self.end.saturating_sub(self.at).saturating_sub(1);
        // The line that holds the byte before `end` is the last.
        if let Some(from) = usize::try_from(own).ok().filter(|&n| n < have.len())
            && let Some(i) = memchr::memchr(b'\n', &have[from.max(looked)..])
        {
            return Some(from.max(looked) + i + 1);
        }
        let until = have.len().min(usize::try_from(own).unwrap_or(usize::MAX));
        let i = memchr::memrchr(b'\n', have.get(looked..until)?)?;
        Some(looked + i + 1)
    }

    fn give(&mut self, take: usize, last: bool) -> (u64, &[u8]) {
        let (at, start) = (self.at, self.filled.start);
        self.filled.start += take;
        self.at += take as u64;
        self.ended = last;
        (at, &self.buffer[start..start + take])
    }

    /// Drops bytes up to and including the first line break; `false`: there is none before `end`, so no line begins here.
    fn find_start(&mut self) -> io::Result<bool> {
        self.searching = false;
        loop {
            let have = &self.buffer[self.filled.clone()];
            if let Some(i) = memchr::memchr(b'\n', have) {
                self.filled.start += i + 1;
                self.at += i as u64 + 1;
                return Ok(self.at < self.end);
            }
            self.at += have.len() as u64;
            self.filled = 0..0;
            if self.at >= self.end || !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Reads more behind what is there; `false`: there is no more.
    fn fill(&mut self) -> io::Result<bool> {
        if self.filled.start > 0 {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        if self.buffer.len() < self.filled.end + READ {
            // A line longer than that needs a larger buffer: doubled, so that reading it stays linear.
            let len = (self.filled.end + READ).max(self.filled.end * 2);
            self.buffer.resize(len, 0);
        }
        loop {
            match self.from.read(&mut self.buffer[self.filled.end..]) {
                Ok(n) => {
                    self.filled.end += n;
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// The lines of a block with their first bytes, without their breaks (`\n` or `\r\n`).
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = block.get(at..).filter(|r| !r.is_empty())?;
        let start = at;
        let line = match memchr::memchr(b'\n', rest) {
            Some(i) => {
                at += i + 1;
                let line = &rest[..i];
                line.strip_suffix(b"\r").unwrap_or(line)
            }
            None => {
                at = block.len();
                rest
            }
        };
        Some((start, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time, as pipes and sockets do.
    struct Dribble(Vec<u8>, usize, usize);

    impl Read for Dribble {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = self.2.min(buf.len()).min(self.0.len() - self.1);
            buf[..n].copy_from_slice(&self.0[self.1..self.1 + n]);
            self.1 += n;
            Ok(n)
        }
    }

    fn piece(text: &[u8], start: u64, end: u64, step: usize) -> Vec<(u64, Vec<u8>)> {
        let skip = start.saturating_sub(1) as usize;
        let from = Dribble(text[skip.min(text.len())..].to_vec(), 0, step);
        let mut blocks = Blocks::new(Box::new(from), start, end);
        let mut out = Vec::new();
        while let Some((at, block)) = blocks.next().unwrap() {
            out.extend(lines(block).map(|(i, l)| (at + i as u64, l.to_vec())));
        }
        assert!(blocks.next().unwrap().is_none(), "stays ended");
        out
    }

    proptest! {
        #[test]
        fn every_line_belongs_to_one_piece(
            text in prop::collection::vec(prop::sample::select(b"ab\n\r\xc3\xa4".to_vec()), 0..60),
            size in 1u64..20,
            step in 1usize..9,
        ) {
            let whole: Vec<_> = lines(&text).map(|(i, l)| (i as u64, l.to_vec())).collect();
            let mut cut = Vec::new();
            let mut start = 0;
            while start < text.len() as u64 {
                let end = start + size;
                let here = piece(&text, start, end, step);
                prop_assert!(here.iter().all(|l| (start..end).contains(&l.0)), "{here:?} in {start}..{end}");
                cut.extend(here);
                start = end;
            }
            prop_assert_eq!(cut, whole);
        }
    }

    #[test]
    fn lines_are_those_of_the_standard_library() {
        for text in [
            "", "\n", "a", "a\n", "a\r\nb", "\r\n\r\n", "a\n\nb\r", "a\rb\n",
        ] {
            let ours: Vec<&[u8]> = lines(text.as_bytes()).map(|l| l.1).collect();
            let theirs: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
            assert_eq!(ours, theirs, "{text:?}");
        }
    }
}
