//! Chunks as the values of tasks: how they are wrapped, measured, described, written and read again.

use std::any::{Any, TypeId};

use kvern_core::{Error, ErrorKind, Result, TypeEntry, Value, register_type};
use ndarray::{ArrayD, IxDyn};

use crate::dtype::{DType, Element, each_variant, with_dtype};
use crate::kernels::{AnyChunk, Partial};

/// A chunk that holds its own memory.
pub(crate) fn to_value(chunk: AnyChunk) -> Value {
    let bytes = chunk.nbytes() as u64;
    Value::with_bytes(chunk, bytes)
}

/// The chunk inside a value.
pub(crate) fn chunk_of(value: &Value) -> Result<&AnyChunk> {
    value.downcast_ref::<AnyChunk>().ok_or_else(|| {
        Error::bad_input(format!(
            "a chunk of an array was expected, got {}",
            value.describe()
        ))
    })
}

/// Takes the chunk out of a value: without another holder of it where nobody else has the value.
pub(crate) fn take_chunk(value: &mut Value) -> Result<AnyChunk> {
    chunk_of(value)?;
    match std::mem::replace(value, Value::UNIT).try_into_inner::<AnyChunk>() {
        Ok(chunk) => Ok(chunk),
        Err(shared) => chunk_of(&shared).cloned(),
    }
}

/// The chunks inside values, in order.
pub(crate) fn take_chunks(values: &mut [Value]) -> Result<Vec<AnyChunk>> {
    values.iter_mut().map(take_chunk).collect()
}

/// `float64[100, 3]`.
pub(crate) fn describe(dtype: DType, shape: &[usize]) -> String {
    format!("{dtype}{shape:?}")
}

kvern_core::__private::inventory::submit! {
    TypeEntry {
        tag: "array.chunk@1",
        source: "kvern-array",
        type_id: || TypeId::of::<AnyChunk>(),
        nbytes: |v| v.downcast_ref::<AnyChunk>().map_or(0, |c| c.nbytes() as u64),
        describe: Some(|v| v.downcast_ref::<AnyChunk>().map_or_else(String::new, |c| describe(c.dtype(), c.shape()))),
        encode,
        decode,
    }
}

register_type!(Partial, "array.partial@1", |p: &Partial| p.nbytes() as u64);

/// dtype (one byte), number of axes, their lengths (eight bytes each), then the elements in C order; all little-endian.
fn encode(value: &dyn Any, out: &mut Vec<u8>) -> Result<()> {
    let chunk = value.downcast_ref::<AnyChunk>().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "the codec of chunks was given another type",
        )
    })?;
    let ndim = u8::try_from(chunk.ndim()).map_err(|_| {
        Error::bad_input(format!(
            "a chunk of {} axes cannot be written; at most 255 are possible",
            chunk.ndim()
        ))
    })?;
    out.reserve(2 + 8 * chunk.ndim() + chunk.nbytes());
    out.push(code(chunk.dtype()));
    out.push(ndim);
    for &n in chunk.shape() {
        out.extend_from_slice(&(n as u64).to_le_bytes());
    }
    each_variant!(AnyChunk, chunk.compact(), a => {
        if let Some(elements) = a.as_slice() {
            put(elements, out);
        }
    });
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Value> {
    let bad = |why: String| Error::new(ErrorKind::Decode, format!("a chunk cannot be read: {why}"));
    let [dtype, ndim, rest @ ..] = bytes else {
        return Err(bad(format!("{} bytes are too few", bytes.len())));
    };
    let dtype = *DType::ALL
        .get(*dtype as usize)
        .ok_or_else(|| bad(format!("dtype number {dtype}; allowed are 0 to 10")))?;
    let (lengths, body) = rest
        .split_at_checked(8 * *ndim as usize)
        .ok_or_else(|| bad(format!("it ends within its {ndim} lengths")))?;
    let shape: Vec<usize> = lengths
        .as_chunks::<8>()
        .0
        .iter()
        .map(|b| usize::try_from(u64::from_le_bytes(*b)))
        .collect::<Result<_, _>>()
        .map_err(|e| bad(e.to_string()))?;
    let len = shape
        .iter()
        .try_fold(1usize, |all, &n| all.checked_mul(n))
        .and_then(|n| n.checked_mul(dtype.itemsize()));
    if len != Some(body.len()) {
        return Err(bad(format!(
            "{} bytes follow for {}",
            body.len(),
            describe(dtype, &shape)
        )));
    }
    let chunk = with_dtype!(dtype, T => {
        let values = T::get(body).ok_or_else(|| bad("a byte of a bool is neither 0 nor 1".into()))?;
        let array = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| bad(e.to_string()))?;
        AnyChunk::from(array)
    });
    Ok(to_value(chunk))
}

fn code(dtype: DType) -> u8 {
    DType::ALL.iter().position(|&d| d == dtype).unwrap_or(0) as u8
}

fn put<T: Raw>(elements: &[T], out: &mut Vec<u8>) {
    T::put(elements, out);
}

/// Elements as little-endian bytes.
trait Raw: Element {
    fn put(elements: &[Self], out: &mut Vec<u8>);
    /// `None` for bytes that are no value.
    fn get(bytes: &[u8]) -> Option<Vec<Self>>;
}

macro_rules! raw {
    ($($t:ty),*) => { $(
        impl Raw for $t {
            fn put(elements: &[Self], out: &mut Vec<u8>) {
                if cfg!(target_endian = "little") {
                    out.extend_from_slice(bytemuck::cast_slice(elements));
                } else {
                    elements.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
                }
            }

            fn get(bytes: &[u8]) -> Option<Vec<Self>> {
                let items = bytes.as_chunks::<{ size_of::<$t>() }>().0;
                Some(items.iter().map(|b| <$t>::from_le_bytes(*b)).collect())
            }
        }
    )* };
}
raw!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

impl Raw for bool {
    fn put(elements: &[Self], out: &mut Vec<u8>) {
        out.extend_from_slice(bytemuck::cast_slice(elements));
    }

    fn get(bytes: &[u8]) -> Option<Vec<Self>> {
        bytes
            .iter()
            .all(|&b| b < 2)
            .then(|| bytes.iter().map(|&b| b == 1).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvern_core::Registry;
    use ndarray::arr2;

    #[test]
    fn chunks_of_every_dtype_come_back() {
        let r = Registry::linked().unwrap();
        for d in DType::ALL {
            let chunk = with_dtype!(d, T => {
                let a = arr2(&[[T::ONE, T::ZERO, T::ONE], [T::ZERO, T::ZERO, T::ONE]]);
                AnyChunk::from(a.into_dyn()).permuted(&[1, 0])
            });
            let mut bytes = Vec::new();
            r.encode(&to_value(chunk.clone()), &mut bytes).unwrap();
            let back = r.decode(&bytes).unwrap();
            assert_eq!(back.describe(), format!("{d}[3, 2]"));
            with_dtype!(d, T => {
                assert_eq!(chunk_of(&back).unwrap().peek::<T>(), chunk.peek::<T>());
            });
            // Cut off anywhere it is refused.
            for n in 0..bytes.len() {
                assert!(r.decode(&bytes[..n]).is_err(), "{d} cut to {n}");
            }
        }
    }

    #[test]
    fn a_bool_is_0_or_1() {
        assert!(decode(&[0, 0, 2]).is_err());
        assert!(decode(&[0, 0, 1]).is_ok());
        assert!(decode(&[11, 0, 1]).is_err());
    }
}
