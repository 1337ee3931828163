//! Serde types with a name, written and read: what [`register_type!`](crate::register_type) stands on.

use std::any::Any;

use crate::base::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// Encodes a registered serde type.
pub fn encode_serde<T: serde::Serialize + 'static>(
    value: &dyn Any,
    out: &mut Vec<u8>,
) -> Result<()> {
    let name = std::any::type_name::<T>();
    let value = value.downcast_ref::<T>().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            format!("the codec of {name} was given another type"),
        )
    })?;
    postcard::serialize_with_flavor::<T, Tail<'_>, ()>(value, Tail(out)).map_err(|e| {
        Error::with_source(
            ErrorKind::NotPortable,
            format!("a {name} cannot be serialised"),
            e,
        )
    })
}

/// Decodes a registered serde type.
pub fn decode_serde<T: serde::de::DeserializeOwned + Send + Sync + 'static>(
    bytes: &[u8],
) -> Result<Value> {
    postcard::from_bytes::<T>(bytes)
        .map(Value::new)
        .map_err(|e| {
            let name = std::any::type_name::<T>();
            Error::with_source(
                ErrorKind::Decode,
                format!("{} bytes are not a {name}", bytes.len()),
                e,
            )
        })
}

/// Writes at the end of a buffer that is there already.
struct Tail<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
