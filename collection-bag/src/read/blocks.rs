//! The bytes of a file, or of a piece of it, in blocks of whole lines.
//!
//! A piece `[start, end)` has the lines that *begin* in it, so each piece finds its own borders and no file is read twice to cut it:
//! it begins after the first line break that ends at `start` or later, and ends with the first one that ends at `end` or later.

use std::io::{self, Read};

use super::encoding::Break;

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
    /// What ends a line.
    line_break: Break,
    /// Whether the first line break has yet to be found.
    searching: bool,
    ended: bool,
}

impl Blocks {
    /// The lines that begin in `[start, end)`, from a reader that stands at [`Blocks::begin`].
    pub(crate) fn new(from: Box<dyn Read>, start: u64, end: u64, line_break: Break) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            filled: 0..0,
            at: Self::begin(start, line_break),
            end,
            line_break,
            searching: start > 0,
            ended: false,
        }
    }

    /// Where the reader of a piece must stand: a line break that ends at `start` begins there.
    pub(crate) fn begin(start: u64, line_break: Break) -> u64 {
        start.saturating_sub(line_break.len as u64)
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

    /// How many bytes of `have` are whole lines of ours. No line break ends in the first `looked`.
    fn whole_lines(&self, have: &[u8], looked: usize) -> Option<usize> {
        let len = self.line_break.len;
        // A line break that begins here or later ends at `end` or later.
        let own = self.end.saturating_sub(self.at).saturating_sub(len as u64);
        let looked = (looked + 1).saturating_sub(len);
        // The first of those ends the last line.
        if let Some(from) = usize::try_from(own).ok().filter(|&n| n < have.len()) {
            let from = from.max(looked);
            if let Some(i) = self.line_break.find(&have[from..], self.at + from as u64) {
                return Some(from + i + len);
            }
        }
        let until = usize::try_from(own).unwrap_or(usize::MAX);
        let until = have.len().min(until.saturating_add(len - 1));
        let at = self.at + looked as u64;
        let i = self.line_break.rfind(have.get(looked..until)?, at)?;
        Some(looked + i + len)
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
        let len = self.line_break.len;
        loop {
            let have = &self.buffer[self.filled.clone()];
            if let Some(i) = self.line_break.find(have, self.at) {
                self.filled.start += i + len;
                self.at += (i + len) as u64;
                return Ok(self.at < self.end);
            }
            let beyond = self.at + have.len() as u64 >= self.end;
            // One may have begun at the end.
            let done = (have.len() + 1).saturating_sub(len);
            self.filled.start += done;
            self.at += done as u64;
            if beyond || !self.fill()? {
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

/// The lines of a block, which begins at `at` in the file, with their first bytes, without their breaks. Whether there was a break is told,
/// too.
pub(crate) fn lines(
    block: &[u8],
    at: u64,
    line_break: Break,
) -> impl Iterator<Item = (usize, &[u8], bool)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = block.get(start..).filter(|r| !r.is_empty())?;
        let begin = start;
        match line_break.find(rest, at + start as u64) {
            Some(i) => {
                start += i + line_break.len;
                Some((begin, &rest[..i], true))
            }
            None => {
                start = block.len();
                Some((begin, rest, false))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::encoding::{Form, LineEnd, Written};
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

    fn written(form: Form, ends: LineEnd) -> Break {
        Written {
            form,
            mark: 0,
            ends,
        }
        .line_break()
    }

    fn piece(
        text: &[u8],
        start: u64,
        end: u64,
        step: usize,
        line_break: Break,
    ) -> Vec<(u64, Vec<u8>)> {
        let skip = Blocks::begin(start, line_break) as usize;
        let from = Dribble(text[skip.min(text.len())..].to_vec(), 0, step);
        let mut blocks = Blocks::new(Box::new(from), start, end, line_break);
        let mut out = Vec::new();
        while let Some((at, block)) = blocks.next().unwrap() {
            out.extend(lines(block, at, line_break).map(|(i, l, _)| (at + i as u64, l.to_vec())));
        }
        assert!(blocks.next().unwrap().is_none(), "stays ended");
        out
    }

    proptest! {
        #[test]
        fn every_line_belongs_to_one_piece(
            text in prop::collection::vec(prop::sample::select(b"ab\n\r\0\xc3\xa4".to_vec()), 0..60),
            size in 1u64..20,
            step in 1usize..9,
            form in prop::sample::select(vec![Form::Utf8, Form::Utf16Le, Form::Utf16Be]),
            ends in prop::sample::select(vec![LineEnd::Auto, LineEnd::CrLf, LineEnd::Cr]),
        ) {
            let line_break = written(form, ends);
            let whole: Vec<_> = lines(&text, 0, line_break).map(|(i, l, _)| (i as u64, l.to_vec())).collect();
            let mut cut = Vec::new();
            let mut start = 0;
            while start < text.len() as u64 {
                let end = line_break.aligned(start + size);
                let here = piece(&text, start, end, step, line_break);
                prop_assert!(here.iter().all(|l| (start..end).contains(&l.0)), "{here:?} in {start}..{end}");
                cut.extend(here);
                start = end;
            }
            prop_assert_eq!(&cut, &whole);
            // The last piece of a file may have been cut for another size.
            let mut both = piece(&text, 0, line_break.aligned(size), step, line_break);
            both.extend(piece(&text, line_break.aligned(size), u64::MAX, step, line_break));
            prop_assert_eq!(&both, &whole);
            let breaks = lines(&text, 0, line_break).filter(|l| l.2).count() as u64;
            prop_assert_eq!(line_break.count(&mut Dribble(text, 0, step)).unwrap(), breaks);
        }
    }

    #[test]
    fn lines_are_those_of_the_standard_library() {
        let line_break = written(Form::Utf8, LineEnd::Auto);
        for text in [
            "", "\n", "a", "a\n", "a\r\nb", "\r\n\r\n", "a\n\nb\r", "a\rb\n",
        ] {
            let ours = lines(text.as_bytes(), 0, line_break);
            let ours: Vec<&[u8]> = ours
                .map(|(_, l, ended)| l.strip_suffix(b"\r").filter(|_| ended).unwrap_or(l))
                .collect();
            let theirs: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
            assert_eq!(ours, theirs, "{text:?}");
        }
    }
}
