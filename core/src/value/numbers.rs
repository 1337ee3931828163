//! Lists of numbers as bytes: their length, then each in its little-endian bytes, in one copy instead of one call a number, or in none.
//!
//! The length is written as postcard writes it (LEB128), so lists of floats and of bytes have the form that serde and postcard give them.

use std::any::Any;

use bytemuck::Pod;

use crate::base::error::{Error, ErrorKind, Result};
use crate::value::Value;
use crate::value::bulk::{Bulk, Lent, Numbers, Room, bytes_of, numbers_of};

/// A number of fixed size.
pub(crate) trait Number: Pod + Any + Send + Sync {
    const NAME: &'static str;
}

macro_rules! number {
    ($($t:ty, $name:literal);*) => { $(
        impl Number for $t {
            const NAME: &'static str = $name;
        }
    )* };
}

number!(f64, "Vec<f64>"; f32, "Vec<f32>"; i64, "Vec<i64>"; u64, "Vec<u64>"; u8, "Vec<u8>");

fn list_of<T: Number>(value: &dyn Any) -> Result<&Vec<T>> {
    value.downcast_ref::<Vec<T>>().ok_or_else(|| {
        let words = format!("the codec of {} was given another type", T::NAME);
        Error::new(ErrorKind::Internal, words)
    })
}

fn head_of<T: Number>(list: &[T]) -> Result<Vec<u8>> {
    postcard::to_allocvec(&list.len())
        .map_err(|e| Error::with_source(ErrorKind::Internal, "a length cannot be written", e))
}

pub(crate) fn encode<T: Number>(value: &dyn Any, out: &mut Vec<u8>) -> Result<()> {
    let list = list_of::<T>(value)?;
    out.extend_from_slice(&head_of(list)?);
    out.extend_from_slice(&bytes_of(list));
    Ok(())
}

pub(crate) fn decode<T: Number>(bytes: &[u8]) -> Result<Value> {
    let list = postcard::take_from_bytes::<usize>(bytes)
        .ok()
        .and_then(|(length, body)| {
            let list: Vec<T> = numbers_of(body).ok()?;
            (list.len() == length).then_some(list)
        });
    list.map(Value::new).ok_or_else(|| {
        let words = format!("{} bytes are not a {}", bytes.len(), T::NAME);
        Error::new(ErrorKind::Decode, words)
    })
}

/// How such a list leaves and arrives in two pieces.
pub(crate) const fn bulk<T: Number>() -> Bulk {
    Bulk {
        lend: lend::<T>,
        room: room::<T>,
    }
}

fn lend<T: Number>(value: &dyn Any) -> Result<Lent<'_>> {
    let list = list_of::<T>(value)?;
    Ok(Lent {
        head: head_of(list)?,
        body: bytes_of(list),
    })
}

fn room<T: Number>(head: &[u8], length: usize) -> Result<Box<dyn Room>> {
    let numbers = Numbers::<T>::of_bytes(length)?;
    match postcard::take_from_bytes::<usize>(head) {
        Ok((n, [])) if n == numbers.len() => Ok(Box::new(List(numbers))),
        _ => {
            let words = format!(
                "{length} bytes after a head of {} are not a {}",
                head.len(),
                T::NAME
            );
            Err(Error::new(ErrorKind::Decode, words))
        }
    }
}

struct List<T>(Numbers<T>);

impl<T: Number> Room for List<T> {
    fn next(&mut self) -> &mut [u8] {
        self.0.next_part()
    }

    fn fill(self: Box<Self>) -> Result<Value> {
        self.0.into_list().map(Value::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_serde() {
        for n in [0, 1, 127, 128, 20_000] {
            let list: Vec<f64> = (0..n).map(|i| f64::from(i).sqrt() - 3.5).collect();
            let mut bytes = Vec::new();
            encode::<f64>(&list, &mut bytes).unwrap();
            assert_eq!(bytes, postcard::to_allocvec(&list).unwrap());
            let back = decode::<f64>(&bytes).unwrap();
            assert_eq!(back.downcast_ref::<Vec<f64>>(), Some(&list));
            let single: Vec<f32> = list.iter().map(|&v| v as f32).collect();
            let mut bytes = Vec::new();
            encode::<f32>(&single, &mut bytes).unwrap();
            assert_eq!(bytes, postcard::to_allocvec(&single).unwrap());
            let small: Vec<u8> = list.iter().map(|&v| v as u8).collect();
            let mut bytes = Vec::new();
            encode::<u8>(&small, &mut bytes).unwrap();
            assert_eq!(bytes, postcard::to_allocvec(&small).unwrap());
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let mut bytes = Vec::new();
        encode::<f64>(&vec![1.0f64, 2.0, 3.0], &mut bytes).unwrap();
        for cut in 0..bytes.len() {
            assert!(decode::<f64>(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        bytes.push(0);
        assert!(decode::<f64>(&bytes).is_err(), "one byte too many");
        // A length that nothing stands behind sets nothing aside.
        let huge = postcard::to_allocvec(&u64::MAX).unwrap();
        assert_eq!(decode::<f64>(&huge).unwrap_err().kind(), ErrorKind::Decode);
    }
}
