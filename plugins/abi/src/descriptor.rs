//! Descriptors of plugins that are built with this version, and their bytes in the file.

use crate::decl::{Descriptor, Inline, MAGIC};
use crate::layout;
use crate::version::{MAJOR, MINOR};

impl Descriptor {
    /// That of a plugin built with this version of the border.
    pub const fn new(name: &str, version: &str, flags: u64) -> Self {
        Self {
            magic: MAGIC,
            size: size_of::<Self>() as u32,
            abi_major: MAJOR,
            abi_minor: MINOR,
            layout: layout::CURRENT,
            flags,
            name: Inline::new(name),
            version: Inline::new(version),
        }
    }

    /// Reads it from the bytes of the section; `None` if they are not one. A longer one of a later version is cut.
    ///
    /// ```
    /// use kvern_plugin_abi::Descriptor;
    /// let there = Descriptor::new("sample", "0.1.0", 1);
    /// let mut bytes = there.to_bytes();
    /// assert_eq!(Descriptor::from_bytes(&bytes), Some(there));
    /// bytes[0] ^= 1;
    /// assert_eq!(Descriptor::from_bytes(&bytes), None);
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        const LEN: usize = size_of::<Descriptor>();
        let own = bytes.first_chunk::<LEN>()?;
        // SAFETY: every bit pattern is a descriptor: it consists of integers without padding, see the test of the layout.
        let read = unsafe { std::mem::transmute_copy::<[u8; LEN], Self>(own) };
        (read.magic == MAGIC && read.size as usize >= LEN).then_some(read)
    }

    /// The bytes of the section.
    pub fn to_bytes(&self) -> [u8; size_of::<Self>()] {
        // SAFETY: integers without padding, see above.
        unsafe { std::mem::transmute_copy::<Self, [u8; size_of::<Self>()]>(self) }
    }
}
