//! Errors of the kernels and of the file readers as kvern's own.

use kvern_core::{Error, ErrorKind};

use crate::io::NpyError;
use kvern_kernels::KernelError;

/// What a kernel refuses: the operands do not fit it.
pub(crate) fn refused(e: KernelError) -> Error {
    Error::with_source(ErrorKind::BadInput, e.to_string(), e)
}

impl From<NpyError> for Error {
    fn from(e: NpyError) -> Self {
        let kind = match e {
            NpyError::TypeMismatch { .. } | NpyError::Axes { .. } | NpyError::Range { .. } => {
                ErrorKind::BadInput
            }
            _ => ErrorKind::Io,
        };
        Self::with_source(kind, e.to_string(), e)
    }
}
