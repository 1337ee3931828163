//! Lists of tables that may have grown since the reader was built.

/// Whether a table behind a pointer reaches as far as a field: `covers!(table, OpVTable, infer)`. The table begins with a `size`.
///
/// ```
/// use kvern_plugin_abi::{OpVTable, covers};
/// let size = std::mem::offset_of!(OpVTable, infer) as u32; // a table of a plugin from before `infer`
/// assert!(!covers!(size, OpVTable, infer));
/// assert!(covers!(size, OpVTable, execute));
/// ```
#[macro_export]
macro_rules! covers {
    ($size:expr, $Table:ty, $field:ident) => {{
        const END: usize = ::core::mem::offset_of!($Table, $field)
            + $crate::table::size_of_field(|t: &$Table| &raw const t.$field);
        ($size as usize) >= END
    }};
}

/// The size of the field that the function points at.
#[doc(hidden)]
pub const fn size_of_field<T, F>(_: fn(&T) -> *const F) -> usize {
    size_of::<F>()
}

/// A list of tables: `count` of them, `stride` bytes apart. Each item begins with its own size.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Table {
    /// Of this struct.
    pub size: u32,
    /// Bytes from one item to the next, as the writer had them.
    pub stride: u32,
    /// How many items there are.
    pub count: usize,
    /// The first item.
    pub items: *const u8,
}

// SAFETY: tables are constant data of a library that is never unloaded.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// What is wrong with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It says that it has items and does not say where.
    Null,
    /// The items are too close together: `(stride, least)`.
    Stride(u32, u32),
    /// An item is shorter than what every one has, or longer than the stride: `(item, its size, least, stride)`.
    Item(usize, u32, u32, u32),
    /// The items are not aligned as their type is.
    Unaligned,
    /// More items than any plugin has.
    Count(usize),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Null => f.write_str("it has items, but does not say where"),
            Self::Stride(stride, least) => {
                write!(
                    f,
                    "its items are {stride} bytes apart, and must be at least {least}, in eights"
                )
            }
            Self::Item(n, size, least, stride) => {
                write!(
                    f,
                    "item {n} says that it has {size} bytes; allowed are {least} to {stride}"
                )
            }
            Self::Unaligned => f.write_str("its items are not aligned"),
            Self::Count(n) => write!(
                f,
                "it says that it has {n} items; at most {} are believed",
                Table::MOST
            ),
        }
    }
}

impl Table {
    /// More items than this are not believed.
    pub const MOST: usize = 1 << 16;

    /// The address of each item with the size that it says, `least` being what every version of the item has.
    ///
    /// # Errors
    /// What is wrong with the table.
    ///
    /// # Safety
    /// `items` points to `count` items, `stride` bytes apart and readable, each beginning with a `u32`.
    pub unsafe fn walk(&self, least: u32) -> Result<Vec<(*const u8, u32)>, Fault> {
        if self.count == 0 {
            return Ok(Vec::new());
        }
        if self.items.is_null() {
            return Err(Fault::Null);
        }
        if self.count > Self::MOST {
            return Err(Fault::Count(self.count));
        }
        if self.stride < least || !self.stride.is_multiple_of(8) {
            return Err(Fault::Stride(self.stride, least));
        }
        if !(self.items as usize).is_multiple_of(8) {
            return Err(Fault::Unaligned);
        }
        let mut found = Vec::with_capacity(self.count);
        for n in 0..self.count {
            // SAFETY: within `count` items, `stride` apart, by the caller's promise; aligned by the tests above.
            let (item, size) = unsafe {
                let item = self.items.add(n * self.stride as usize);
                (item, item.cast::<u32>().read())
            };
            if size < least || size > self.stride {
                return Err(Fault::Item(n, size, least, self.stride));
            }
            found.push((item, size));
        }
        Ok(found)
    }
}
