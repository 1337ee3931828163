//! Splitting text at whitespace, as [`str::split_whitespace`] does, faster where the text is mostly ASCII.
//!
//! 64 bytes at a time are turned into two bit masks, by loops that compilers make vector code of: where whitespace is, and where bytes
//! are that are not ASCII. Words are then found from bit to bit; a loop from byte to byte would mispredict the end of each word.
//! (The idea is that of simdjson: Langdale, Lemire 2019.) Where something is not ASCII, characters are looked at one by one.

/// Bytes looked at together.
const LANES: usize = 64;

/// Calls `each` with the words of a text, in order, until it fails.
#[inline]
pub(crate) fn each_word<'a, E>(
    text: &'a str,
    mut each: impl FnMut(&'a str) -> Result<(), E>,
) -> Result<(), E> {
    let bytes = text.as_bytes();
    // Where the word that is not yet ended begins.
    let mut begun: Option<usize> = None;
    let mut at = 0;
    while at < bytes.len() {
        let mut lanes = [b' '; LANES];
        let here = &bytes[at..bytes.len().min(at + LANES)];
        // The last ones are filled up with spaces, which end the last word.
        match <&[u8; LANES]>::try_from(here) {
            Ok(full) => lanes = *full,
            Err(_) => lanes[..here.len()].copy_from_slice(here),
        }
        let (space, wide) = masks(&lanes);
        if wide != 0 {
            at = by_characters(text, at, &mut begun, &mut each)?;
            continue;
        }
        // Bits where a byte is space and the one before is not, or the other way round.
        let mut turns = space ^ (space << 1 | u64::from(begun.is_none()));
        while turns != 0 {
            let i = at + turns.trailing_zeros() as usize;
            turns &= turns - 1;
            match begun.take() {
                None => begun = Some(i),
                Some(start) => each(&text[start..i])?,
            }
        }
        at += LANES;
    }
    match begun {
        Some(start) => each(&text[start..]),
        None => Ok(()),
    }
}

/// Which bytes are ASCII whitespace (with the vertical tab, as Unicode has it), and which are not ASCII.
#[inline(always)]
fn masks(lanes: &[u8; LANES]) -> (u64, u64) {
    let mut space = [0u8; LANES];
    let mut wide = [0u8; LANES];
    for i in 0..LANES {
        let b = lanes[i];
        space[i] = u8::from(b == b' ') | u8::from(b.wrapping_sub(b'\t') < 5);
        wide[i] = b >> 7;
    }
    (bits(&space), bits(&wide))
}

/// One bit of each byte, which is 0 or 1.
#[inline(always)]
fn bits(of: &[u8; LANES]) -> u64 {
    let mut bits = 0;
    for (i, eight) in of.chunks_exact(8).enumerate() {
        let mut word = [0; 8];
        word.copy_from_slice(eight);
        // The product has bit 8 k of the word at bit 56 + k.
        let gathered = u64::from_le_bytes(word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= gathered << (8 * i);
    }
    bits
}

/// Goes on from character to character to the end of these bytes, or of the last character in them; gives where that is.
#[cold]
fn by_characters<'a, E>(
    text: &'a str,
    from: usize,
    begun: &mut Option<usize>,
    each: &mut impl FnMut(&'a str) -> Result<(), E>,
) -> Result<usize, E> {
    for (i, c) in text[from..].char_indices() {
        let i = from + i;
        if i >= from + LANES {
            return Ok(i);
        }
        match (*begun, c.is_whitespace()) {
            (None, false) => *begun = Some(i),
            (Some(start), true) => {
                *begun = None;
                each(&text[start..i])?;
            }
            _ => {}
        }
    }
    Ok(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        each_word(text, |w| {
            out.push(w);
            Ok::<(), ()>(())
        })
        .unwrap();
        out
    }

    proptest! {
        #[test]
        fn words_are_those_of_the_standard_library(text in "[a-c \\t\\n\\x0b\u{85}\u{a0}\u{2003}\u{3000}äß漢]{0,300}") {
            prop_assert_eq!(words(&text), text.split_whitespace().collect::<Vec<_>>());
        }

        #[test]
        fn of_any_text(text in any::<String>()) {
            prop_assert_eq!(words(&text), text.split_whitespace().collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_character_that_is_whitespace_splits() {
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            assert_eq!(words(&text).len(), text.split_whitespace().count(), "{c:?}");
        }
    }
}
