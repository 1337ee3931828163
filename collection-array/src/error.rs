//! Errors of the kernels and of the file readers as kvern's own.

use kvern_core::{Error, ErrorKind};

use crate::io::NpyError;
use crate::kernels::KernelError;

impl From<KernelError> for Error {
    fn from(e: KernelError) -> Self {
        Self::with_source(ErrorKind::BadInput, e.to_string(), e)
    }
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
