//! Frames: a length and that many bytes. What is in them is somebody else's business.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The most that a frame of control messages may have (tests come to it sooner).
pub(crate) const MAX_CONTROL: usize = if cfg!(test) { 16 << 20 } else { 1 << 30 };

/// The most before the other side has said who it is.
pub(crate) const MAX_HELLO: usize = 4096;

/// Bytes that are read at once: a length that a peer made up must not make anybody set aside as much.
const STEP: usize = 1 << 20;

/// Reads a frame; `None`: the other side has closed between two frames.
pub(crate) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read(&mut length).await? {
        0 => return Ok(None),
        n => from.read_exact(&mut length[n..]).await?,
    };
    let length = u32::from_le_bytes(length) as usize;
    if length > max {
        let words = format!("a frame of {length} bytes was announced, at most {max} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    body(from, length).await.map(Some)
}

/// Reads exactly that many bytes.
async fn body(from: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(STEP));
    while bytes.len() < length {
        let step = (length - bytes.len()).min(STEP.max(bytes.len()));
        bytes.reserve(step);
        let mut part = from.take(step as u64);
        if part.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes)
}

/// A frame around what `write` appends.
pub(crate) fn framed(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    write(&mut bytes)?;
    let length = u32::try_from(bytes.len() - 4)
        .ok()
        .filter(|n| *n as usize <= MAX_CONTROL)
        .ok_or_else(|| {
            let words = format!(
                "a message of {} bytes is larger than a frame may be ({MAX_CONTROL})",
                bytes.len() - 4
            );
            io::Error::new(io::ErrorKind::InvalidInput, words)
        })?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Writes a whole frame at once.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    to.write_all(frame).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Future>(f: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(f)
    }

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let sent: Vec<Vec<u8>> = [0, 1, 5, 3 << 20].map(|n| vec![n as u8; n]).into();
        let mut wire = Vec::new();
        for s in &sent {
            wire.extend(
                framed(|b| {
                    b.extend(s);
                    Ok(())
                })
                .unwrap(),
            );
        }
        let mut from = &wire[..];
        for s in &sent {
            assert_eq!(run(read(&mut from, MAX_CONTROL)).unwrap().as_ref(), Some(s));
        }
        assert_eq!(run(read(&mut from, MAX_CONTROL)).unwrap(), None);
    }

    #[test]
    fn what_is_too_long_or_cut_off_is_refused() {
        let long = u32::MAX.to_le_bytes();
        let e = run(read(&mut &long[..], MAX_HELLO)).unwrap_err();
        assert!(
            e.to_string()
                .contains("4294967295 bytes was announced, at most 4096"),
            "{e}"
        );
        for cut in [&[1u8, 0][..], &[5, 0, 0, 0, 1, 2]] {
            let e = run(read(&mut &cut[..], MAX_HELLO)).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
