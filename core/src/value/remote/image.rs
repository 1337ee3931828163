//! This program as it lies in memory: where its read-only data is, and which build it is.
//!
//! Read from the ELF header that the linker leaves at the start of the image (System V ABI, "Program Header"; the build id is the GNU
//! note of type 3). Nothing is opened: a program file may be gone or replaced while it runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which build a process runs: two processes with one build id run the same program file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuildId(pub(crate) [u64; 2]);

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0[0])
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildId({self})")
    }
}

/// This program in memory.
#[derive(Debug)]
pub(crate) struct Image {
    /// Where it begins; places are counted from here.
    pub(crate) base: usize,
    /// Which build it is.
    pub(crate) build: BuildId,
    /// Ranges of constant data: begin and end, from `base`.
    constant: Vec<(usize, usize)>,
}

impl Image {
    /// The image that holds this code; `None` where its format is not known.
    pub(crate) fn here() -> Option<&'static Self> {
        static HERE: std::sync::OnceLock<Option<Image>> = std::sync::OnceLock::new();
        HERE.get_or_init(find).as_ref()
    }

    /// Where something constant of this image lies, counted from its beginning.
    pub(crate) fn offset_of<T>(&self, item: &'static T) -> Option<u64> {
        let offset = (item as *const T as usize).checked_sub(self.base)?;
        self.holds::<T>(offset).then_some(offset as u64)
    }

    /// Whether a `T` at that place would be aligned and wholly inside constant data.
    pub(crate) fn holds<T>(&self, offset: usize) -> bool {
        let Some(end) = offset.checked_add(size_of::<T>()) else {
            return false;
        };
        (self.base.wrapping_add(offset)).is_multiple_of(align_of::<T>())
            && self.constant.iter().any(|&(a, b)| a <= offset && end <= b)
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn find() -> Option<Image> {
    use elf::{FileHeader, ProgramHeader};

    unsafe extern "C" {
        /// Defined by the linker: the ELF header of the image that this code is in.
        static __ehdr_start: FileHeader;
    }
    let base = (&raw const __ehdr_start) as usize;
    // SAFETY: the linker defines the symbol as the place of the ELF header in the loaded image; all of it is mapped and constant.
    let header: FileHeader = unsafe { (&raw const __ehdr_start).read_unaligned() };
    if header.magic != *b"\x7fELF" || header.ph_size as usize != size_of::<ProgramHeader>() {
        return None;
    }
    let table = base.wrapping_add(header.ph_offset as usize) as *const ProgramHeader;
    let headers: Vec<ProgramHeader> = (0..header.ph_count as usize)
        // SAFETY: the header says that so many program headers of this size follow at that place; the loader has read them there.
        .map(|i| unsafe { table.add(i).read_unaligned() })
        .collect();
    // Addresses in the headers are those of the file; a position-independent image is moved by a constant.
    let first = headers
        .iter()
        .filter(|h| h.kind == elf::LOAD)
        .min_by_key(|h| h.address)?;
    let from_base = |h: &ProgramHeader| {
        let begin = (h.address - first.address) as usize;
        (begin, begin + h.memory_size as usize)
    };
    let constant = headers
        .iter()
        .filter(|h| {
            (h.kind == elf::LOAD && h.flags & elf::WRITE == 0)
                || h.kind == elf::READ_ONLY_ONCE_RELOCATED
        })
        .map(from_base)
        .collect();
    let bytes = |(begin, end): (usize, usize)| {
        // SAFETY: called for loaded segments that are never written, with the ranges that their headers give.
        unsafe { std::slice::from_raw_parts(base.wrapping_add(begin) as *const u8, end - begin) }
    };
    let noted = headers
        .iter()
        .filter(|h| h.kind == elf::NOTE)
        .find_map(|h| elf::build_note(bytes(from_base(h))));
    let hash = match noted {
        Some(id) => xxhash_rust::xxh3::xxh3_128(id),
        // A linker that was told to write no build id: the machine code itself is the identity.
        None => {
            let code = headers.iter().find(|h| {
                h.kind == elf::LOAD && h.flags & elf::EXECUTE != 0 && h.flags & elf::WRITE == 0
            })?;
            xxhash_rust::xxh3::xxh3_128(bytes(from_base(code)))
        }
    };
    Some(Image {
        base,
        build: BuildId([(hash >> 64) as u64, hash as u64]),
        constant,
    })
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn find() -> Option<Image> {
    None
}

/// The parts of the ELF format that are needed here.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod elf {
    /// `Elf64_Ehdr`.
    #[repr(C)]
    #[derive(Clone, Copy)]
    pub(super) struct FileHeader {
        pub(super) magic: [u8; 4],
        identity: [u8; 12],
        kind: u16,
        machine: u16,
        version: u32,
        entry: u64,
        pub(super) ph_offset: u64,
        section_offset: u64,
        flags: u32,
        size: u16,
        pub(super) ph_size: u16,
        pub(super) ph_count: u16,
    }

    /// `Elf64_Phdr`.
    #[repr(C)]
    #[derive(Clone, Copy)]
    pub(super) struct ProgramHeader {
        pub(super) kind: u32,
        pub(super) flags: u32,
        offset: u64,
        pub(super) address: u64,
        physical: u64,
        file_size: u64,
        pub(super) memory_size: u64,
        align: u64,
    }

    pub(super) const LOAD: u32 = 1;
    pub(super) const NOTE: u32 = 4;
    /// `PT_GNU_RELRO`: constants that hold addresses, written once by the loader.
    pub(super) const READ_ONLY_ONCE_RELOCATED: u32 = 0x6474_e552;
    pub(super) const EXECUTE: u32 = 1;
    pub(super) const WRITE: u32 = 2;

    /// The build id among some notes: each has the lengths of its name and content, its type, and both padded to 4 bytes.
    pub(super) fn build_note(mut notes: &[u8]) -> Option<&[u8]> {
        let word = |b: &[u8], at: usize| {
            let bytes = b.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_ne_bytes(bytes) as usize)
        };
        loop {
            let (name, content, kind) = (word(notes, 0)?, word(notes, 4)?, word(notes, 8)?);
            let from = 12 + name.next_multiple_of(4);
            if kind == 3 && notes.get(12..12 + name) == Some(b"GNU\0") {
                return notes.get(from..from + content);
            }
            notes = notes.get(from + content.next_multiple_of(4)..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "closures travel on Linux only")]
    fn constants_are_found_and_nothing_else() {
        static CONSTANT: (u64, fn()) = (7, nothing);
        fn nothing() {}
        let image = Image::here().unwrap();
        let offset = image.offset_of(&CONSTANT).unwrap();
        assert!(image.holds::<(u64, fn())>(offset as usize));
        assert!(
            !image.holds::<(u64, fn())>(offset as usize + 1),
            "not aligned"
        );
        let leaked: &'static u64 = Box::leak(Box::new(3));
        assert_eq!(image.offset_of(leaked), None, "on the heap");
        static VARIABLE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        assert_eq!(image.offset_of(&VARIABLE), None, "can be written");
        assert!(!image.holds::<u64>(usize::MAX - 3), "runs over");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_build_note_is_found_behind_others() {
        let mut notes = Vec::new();
        for (name, kind, content) in [
            (&b"Linux\0"[..], 1u32, &[1u8; 5][..]),
            (b"GNU\0", 3, &[9; 20]),
        ] {
            notes.extend((name.len() as u32).to_ne_bytes());
            notes.extend((content.len() as u32).to_ne_bytes());
            notes.extend(kind.to_ne_bytes());
            for part in [name, content] {
                notes.extend(part);
                notes.resize(notes.len().next_multiple_of(4), 0);
            }
        }
        assert_eq!(elf::build_note(&notes), Some(&[9u8; 20][..]));
        assert_eq!(elf::build_note(&notes[..notes.len() - 1]), None);
        assert_eq!(elf::build_note(&[]), None);
    }
}
