//! The Rust types that an array file can hold.

use super::{NpyDtype, NpyError};

/// What [`Sealed::read_vec`] gives back besides the reader's own errors.
pub(super) enum Fault {
    /// The reader failed.
    Read(NpyError),
    /// No memory.
    Memory,
    /// A byte that is no value of the type.
    Invalid { value: u8, index: usize },
}

mod sealed {
    /// Fills bytes with elements as the file has them.
    pub(in crate::io) type Fill<'a> =
        &'a mut dyn FnMut(&mut [u8]) -> Result<(), crate::io::NpyError>;

    pub trait Sealed: Sized {
        /// `len` elements made by `fill`, their bytes reversed where `swap`.
        #[allow(
            private_interfaces,
            reason = "the trait is sealed: only this module calls it"
        )]
        fn read_vec(len: usize, swap: bool, fill: Fill<'_>) -> Result<Vec<Self>, super::Fault>;
        /// The elements' bytes in native order.
        fn as_bytes(elements: &[Self]) -> &[u8];
    }
}
pub(super) use sealed::{Fill, Sealed};

/// An element type of a `.npy` array: `bool`, `i8` to `i64`, `u8` to `u64`, `f32`, `f64`. Sealed.
pub trait NpyElement: Sealed + Copy + Send + Sync + 'static {
    /// The matching dtype.
    const DTYPE: NpyDtype;
}

macro_rules! plain_element {
    ($($t:ty => $variant:ident),*) => {$(
        impl NpyElement for $t {
            const DTYPE: NpyDtype = NpyDtype::$variant;
        }
        impl Sealed for $t {
            #[allow(private_interfaces, reason = "the trait is sealed: only this module calls it")]
            fn read_vec(len: usize, swap: bool, fill: Fill<'_>) -> Result<Vec<Self>, Fault> {
                let mut elements = bytemuck::try_zeroed_slice_box::<$t>(len)
                    .map_err(|()| Fault::Memory)?
                    .into_vec();
                fill(bytemuck::cast_slice_mut(&mut elements)).map_err(Fault::Read)?;
                if swap {
                    for x in &mut elements {
                        let mut bytes = x.to_ne_bytes();
                        bytes.reverse();
                        *x = Self::from_ne_bytes(bytes);
                    }
                }
                Ok(elements)
            }
            fn as_bytes(elements: &[Self]) -> &[u8] {
                bytemuck::cast_slice(elements)
            }
        }
    )*};
}
plain_element!(i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    f32 => F32, f64 => F64);

impl NpyElement for bool {
    const DTYPE: NpyDtype = NpyDtype::Bool;
}
impl Sealed for bool {
    #[allow(
        private_interfaces,
        reason = "the trait is sealed: only this module calls it"
    )]
    fn read_vec(len: usize, _swap: bool, fill: Fill<'_>) -> Result<Vec<Self>, Fault> {
        let mut bytes = bytemuck::try_zeroed_slice_box::<u8>(len)
            .map_err(|()| Fault::Memory)?
            .into_vec();
        fill(&mut bytes).map_err(Fault::Read)?;
        // OR over all bytes first: it vectorises, and the search is needed for bad files only.
        if bytes.iter().fold(0, |all, b| all | b) > 1
            && let Some(index) = bytes.iter().position(|&b| b > 1)
        {
            return Err(Fault::Invalid {
                value: bytes[index],
                index,
            });
        }
        // Same size and alignment: the standard library collects this in place.
        Ok(bytes.into_iter().map(|b| b != 0).collect())
    }
    fn as_bytes(elements: &[Self]) -> &[u8] {
        bytemuck::cast_slice(elements)
    }
}
