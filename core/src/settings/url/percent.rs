//! Percent-encoding, RFC 3986.

use std::fmt;

use crate::base::text::shorten;

/// Percent-decoding, RFC 3986 section 2.1; a % that no two hexadecimal digits follow stands for itself, as browsers read it, so that
/// `memory=70%` can be written.
pub(super) fn decode(text: &str) -> Result<String, String> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        let code = digit(0)
            .zip(digit(1))
            .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        let Some(code) = code else {
            bytes.push(first);
            continue;
        };
        bytes.push(code);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| format!("{:?} does not decode to UTF-8", shorten(text)))
}

/// Percent-encodes what is not unreserved (RFC 3986 section 2.3) nor in `also`.
pub(super) fn encode(f: &mut fmt::Formatter<'_>, text: &str, also: &str) -> fmt::Result {
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || also.contains(c) {
            write!(f, "{c}")?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}
