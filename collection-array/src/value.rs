//! Chunks as the values of tasks: how they are wrapped, measured, described, written and read again.

use std::any::{Any, TypeId};
use std::borrow::Cow;

use kvern_core::bulk::{Bulk, Lent, Numbers, Room, bytes_of, numbers_of};
use kvern_core::{Error, ErrorKind, Result, TypeEntry, Value, register_type};
use ndarray::{ArrayD, IxDyn};

use kvern_kernels::dtype::{DType, Element, each_variant, with_dtype};
use kvern_kernels::{AnyChunk, Partial};

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

kvern_core::register_type!(TypeEntry {
    tag: "array.chunk@1",
    source: "kvern-array",
    type_id: || TypeId::of::<AnyChunk>(),
    nbytes: |v| v
        .downcast_ref::<AnyChunk>()
        .map_or(0, |c| c.nbytes() as u64),
    describe: Some(|v| v
        .downcast_ref::<AnyChunk>()
        .map_or_else(String::new, |c| describe(c.dtype(), c.shape()))),
    encode,
    decode,
    bulk: Some(Bulk { lend, room }),
});

register_type!(Partial, "array.partial@1", |p: &Partial| p.nbytes() as u64);

/// The head: dtype (one byte), number of axes, their lengths (eight bytes each). The elements follow in C order; all is little-endian.
fn head(chunk: &AnyChunk) -> Result<Vec<u8>> {
    let ndim = u8::try_from(chunk.ndim()).map_err(|_| {
        Error::bad_input(format!(
            "a chunk of {} axes cannot be written; at most 255 are possible",
            chunk.ndim()
        ))
    })?;
    let mut head = Vec::with_capacity(2 + 8 * chunk.ndim());
    head.extend([code(chunk.dtype()), ndim]);
    for &n in chunk.shape() {
        head.extend_from_slice(&(n as u64).to_le_bytes());
    }
    Ok(head)
}

fn encode(value: &dyn Any, out: &mut Vec<u8>) -> Result<()> {
    let chunk = inside(value)?;
    let head = head(chunk)?;
    out.reserve(head.len() + chunk.nbytes());
    out.extend_from_slice(&head);
    elements(chunk, out);
    Ok(())
}

fn inside(value: &dyn Any) -> Result<&AnyChunk> {
    value.downcast_ref::<AnyChunk>().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "the codec of chunks was given another type",
        )
    })
}

fn elements(chunk: &AnyChunk, out: &mut Vec<u8>) {
    each_variant!(AnyChunk, chunk.compact(), a => {
        if let Some(elements) = a.as_slice() {
            out.extend_from_slice(&bytes(elements));
        }
    });
}

/// The chunk's own elements, where they lie in C order; else a copy that does.
fn lend(value: &dyn Any) -> Result<Lent<'_>> {
    let chunk = inside(value)?;
    let head = head(chunk)?;
    let own = each_variant!(AnyChunk, chunk, a => a.as_slice().map(bytes));
    let body = own.unwrap_or_else(|| {
        let mut bytes = Vec::with_capacity(chunk.nbytes());
        elements(chunk, &mut bytes);
        Cow::Owned(bytes)
    });
    Ok(Lent { head, body })
}

fn bad(why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("a chunk cannot be read: {why}"))
}

/// What a chunk is, and what follows its head.
fn split(bytes: &[u8]) -> Result<(DType, Vec<usize>, &[u8])> {
    let [dtype, ndim, rest @ ..] = bytes else {
        return Err(bad(&format!("{} bytes are too few", bytes.len())));
    };
    let dtype = *DType::ALL
        .get(*dtype as usize)
        .ok_or_else(|| bad(&format!("dtype number {dtype}; allowed are 0 to 10")))?;
    let (lengths, body) = rest
        .split_at_checked(8 * *ndim as usize)
        .ok_or_else(|| bad(&format!("it ends within its {ndim} lengths")))?;
    let shape: Vec<usize> = lengths
        .as_chunks::<8>()
        .0
        .iter()
        .map(|b| usize::try_from(u64::from_le_bytes(*b)))
        .collect::<Result<_, _>>()
        .map_err(|e| bad(&e.to_string()))?;
    Ok((dtype, shape, body))
}

/// Refuses a body that is not as long as the shape says.
fn check(dtype: DType, shape: &[usize], length: usize) -> Result<()> {
    let len = shape
        .iter()
        .try_fold(1usize, |all, &n| all.checked_mul(n))
        .and_then(|n| n.checked_mul(dtype.itemsize()));
    if len == Some(length) {
        return Ok(());
    }
    let words = format!("{length} bytes follow for {}", describe(dtype, shape));
    Err(bad(&words))
}

fn decode(bytes: &[u8]) -> Result<Value> {
    let (dtype, shape, body) = split(bytes)?;
    check(dtype, &shape, body.len())?;
    with_dtype!(dtype, T => {
        made(&shape, <T as Raw>::of(numbers_of(body)?)?)
    })
}

fn made<T: Element>(shape: &[usize], values: Vec<T>) -> Result<Value> {
    let array = ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| bad(&e.to_string()))?;
    Ok(to_value(AnyChunk::from(array)))
}

/// Where the elements of one chunk arrive: in the memory that the chunk will hold.
fn room(head: &[u8], length: usize) -> Result<Box<dyn Room>> {
    let (dtype, shape, rest) = split(head)?;
    if !rest.is_empty() {
        return Err(bad("elements stand in its head"));
    }
    check(dtype, &shape, length)?;
    with_dtype!(dtype, T => {
        let numbers = Numbers::of_bytes(length)?;
        Ok(Box::new(Elements::<T> { shape, numbers }))
    })
}

struct Elements<T: Raw> {
    shape: Vec<usize>,
    numbers: Numbers<T::Number>,
}

impl<T: Raw> Room for Elements<T> {
    fn next(&mut self) -> &mut [u8] {
        self.numbers.next_part()
    }

    fn fill(self: Box<Self>) -> Result<Value> {
        made(&self.shape, T::of(self.numbers.into_list()?)?)
    }
}

fn code(dtype: DType) -> u8 {
    DType::ALL.iter().position(|&d| d == dtype).unwrap_or(0) as u8
}

fn bytes<T: Raw>(elements: &[T]) -> Cow<'_, [u8]> {
    T::bytes(elements)
}

/// Elements as the numbers that are written.
trait Raw: Element {
    type Number: bytemuck::Pod + Send;

    fn bytes(elements: &[Self]) -> Cow<'_, [u8]>;

    fn of(numbers: Vec<Self::Number>) -> Result<Vec<Self>>;
}

macro_rules! raw {
    ($($t:ty),*) => { $(
        impl Raw for $t {
            type Number = Self;

            fn bytes(elements: &[Self]) -> Cow<'_, [u8]> {
                bytes_of(elements)
            }

            fn of(numbers: Vec<Self>) -> Result<Vec<Self>> {
                Ok(numbers)
            }
        }
    )* };
}
raw!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

impl Raw for bool {
    type Number = u8;

    fn bytes(elements: &[Self]) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(elements))
    }

    fn of(numbers: Vec<u8>) -> Result<Vec<Self>> {
        if numbers.iter().any(|&b| b > 1) {
            return Err(bad("a byte of a bool is neither 0 nor 1"));
        }
        Ok(numbers.into_iter().map(|b| b == 1).collect())
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
            // It arrives in two pieces as well, whether its elements are lent or copied into order first.
            for value in [to_value(chunk.clone()), to_value(chunk.compact())] {
                let lent = r.lend(&value).unwrap();
                assert_eq!([&lent.head[..], &lent.body].concat(), bytes);
                let mut room = r.room(&lent.head, lent.body.len()).unwrap();
                room.next().copy_from_slice(&lent.body);
                assert!(room.next().is_empty());
                let arrived = room.fill().unwrap();
                with_dtype!(d, T => {
                    assert_eq!(chunk_of(&arrived).unwrap().peek::<T>(), chunk.peek::<T>());
                });
                assert!(r.room(&lent.head, lent.body.len() + 1).is_err());
            }
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
