//! Tensors in the layout of DLPack 1.x (<https://dmlc.github.io/dlpack/latest/c_api.html>), so that plugins in other languages can use
//! the headers that they have.

use std::ffi::c_void;

/// What kind of number an element is.
pub mod code {
    /// Signed integer.
    pub const INT: u8 = 0;
    /// Unsigned integer.
    pub const UINT: u8 = 1;
    /// IEEE float.
    pub const FLOAT: u8 = 2;
    /// A byte that is 0 or 1.
    pub const BOOL: u8 = 6;
}

/// The element type: kind, bits, lanes (always 1 here).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct DLDataType {
    /// One of [`code`].
    pub code: u8,
    /// Bits of one element.
    pub bits: u8,
    /// Elements of a vector type.
    pub lanes: u16,
}

impl DLDataType {
    /// `bool`.
    pub const BOOL: Self = Self::of(code::BOOL, 8);
    /// `int8`.
    pub const I8: Self = Self::of(code::INT, 8);
    /// `int16`.
    pub const I16: Self = Self::of(code::INT, 16);
    /// `int32`.
    pub const I32: Self = Self::of(code::INT, 32);
    /// `int64`.
    pub const I64: Self = Self::of(code::INT, 64);
    /// `uint8`.
    pub const U8: Self = Self::of(code::UINT, 8);
    /// `uint16`.
    pub const U16: Self = Self::of(code::UINT, 16);
    /// `uint32`.
    pub const U32: Self = Self::of(code::UINT, 32);
    /// `uint64`.
    pub const U64: Self = Self::of(code::UINT, 64);
    /// `float32`.
    pub const F32: Self = Self::of(code::FLOAT, 32);
    /// `float64`.
    pub const F64: Self = Self::of(code::FLOAT, 64);

    /// A type of one lane.
    pub const fn of(code: u8, bits: u8) -> Self {
        Self {
            code,
            bits,
            lanes: 1,
        }
    }

    /// Bytes of one element.
    pub const fn itemsize(self) -> usize {
        (self.bits as usize * self.lanes as usize).div_ceil(8)
    }

    /// The type as one number, as [`crate::Meta`] has it; never 0.
    pub const fn to_word(self) -> u32 {
        self.code as u32 | (self.bits as u32) << 8 | (self.lanes as u32) << 16
    }

    /// What [`DLDataType::to_word`] gave.
    pub const fn from_word(word: u32) -> Self {
        Self {
            code: word as u8,
            bits: (word >> 8) as u8,
            lanes: (word >> 16) as u16,
        }
    }

    /// NumPy's name, such as `float64`; `None` for a type that has none here.
    ///
    /// ```
    /// use kvern_plugin_abi::tensor::DLDataType;
    /// assert_eq!(DLDataType::F64.name(), Some("float64"));
    /// assert_eq!(DLDataType::of(2, 16).name(), None);
    /// ```
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BOOL => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F32 => "float32",
            Self::F64 => "float64",
            _ => return None,
        })
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        const ALL: [DLDataType; 11] = [
            DLDataType::BOOL,
            DLDataType::I8,
            DLDataType::I16,
            DLDataType::I32,
            DLDataType::I64,
            DLDataType::U8,
            DLDataType::U16,
            DLDataType::U32,
            DLDataType::U64,
            DLDataType::F32,
            DLDataType::F64,
        ];
        ALL.into_iter().find(|t| t.name() == Some(name))
    }
}

/// The memory of the processor.
pub const DEVICE_CPU: i32 = 1;

/// Where the elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct DLDevice {
    /// [`DEVICE_CPU`], the only one so far.
    pub device_type: i32,
    /// Which of them.
    pub device_id: i32,
}

/// A view of a tensor.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct DLTensor {
    /// The memory; the first element is `byte_offset` bytes behind.
    pub data: *mut c_void,
    /// Where that is.
    pub device: DLDevice,
    /// Number of axes.
    pub ndim: i32,
    /// The element type.
    pub dtype: DLDataType,
    /// Length of each axis.
    pub shape: *mut i64,
    /// Distance of neighbours along each axis, in elements; never null here.
    pub strides: *mut i64,
    /// Bytes before the first element.
    pub byte_offset: u64,
}

/// The version of DLPack that a tensor is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct DLPackVersion {
    /// Of another major version, only the deleter may be called.
    pub major: u32,
    /// What was added.
    pub minor: u32,
}

/// The version that is written here.
pub const DLPACK: DLPackVersion = DLPackVersion { major: 1, minor: 1 };

/// The elements must not be changed.
pub const FLAG_READ_ONLY: u64 = 1;

/// A tensor that owns its memory.
#[derive(Debug)]
#[repr(C)]
pub struct DLManagedTensorVersioned {
    /// [`DLPACK`].
    pub version: DLPackVersion,
    /// The owner's.
    pub manager_ctx: *mut c_void,
    /// Gives the tensor back to its owner.
    pub deleter: Option<unsafe extern "C" fn(*mut Self)>,
    /// [`FLAG_READ_ONLY`], …
    pub flags: u64,
    /// What is seen.
    pub dl_tensor: DLTensor,
}

/// More axes than this are not believed.
pub const MOST_AXES: i32 = 64;
