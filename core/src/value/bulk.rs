//! Values that leave and arrive without being copied into one piece first: a short head, and then the memory of the value itself.
//!
//! [`TypeEntry::encode`](crate::TypeEntry::encode) writes a value into one buffer, and `decode` reads it out of one: two more copies of
//! a large array on its way to a socket or a disk, and twice its memory meanwhile. A type whose values are one piece of plain memory
//! says so by a [`Bulk`]: who writes borrows that piece, who reads fills the new value's own memory. The bytes are the same in both
//! ways, so either side may use either. (Python's pickle protocol 5 hands buffers over in the same way, out of band.)

use std::any::Any;
use std::borrow::Cow;

use bytemuck::Pod;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::pages;
use crate::value::Value;

/// Bytes of a part of a body.
const STEP: usize = 1 << 20;

/// The most bytes of a body that are asked for ahead of what has arrived: a length that somebody made up sets nothing aside. (Memory that
/// nothing was written to is none yet.)
const AHEAD: usize = 128 << 20;

/// How values of a type leave and arrive in two pieces. See the [module](self).
#[derive(Clone, Copy)]
pub struct Bulk {
    /// The value in two pieces, which one after the other are what `encode` writes. The body is made where the value has none to lend.
    pub lend: for<'a> fn(&'a dyn Any) -> Result<Lent<'a>>,
    /// Room for a body of so many bytes that comes after this head.
    pub room: MakeRoom,
}

/// Makes room for the body of a value: from its head, and how many bytes the body has.
pub type MakeRoom = fn(&[u8], usize) -> Result<Box<dyn Room>>;

/// An encoded value in two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent<'a> {
    /// What goes before the body: type, shape and the like.
    pub head: Vec<u8>,
    /// The memory of the value, or bytes that were made for it.
    pub body: Cow<'a, [u8]>,
}

impl Lent<'_> {
    /// How many bytes both pieces have.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// One piece after the other, in one buffer.
    pub fn in_one_piece(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }

    /// Whether both pieces are empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where the body of one value arrives.
pub trait Room: Send {
    /// The next part of the body, to be written over whole before this is called again; empty once there is no more room.
    fn next(&mut self) -> &mut [u8];

    /// The value, after the whole body has arrived.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the body is not one.
    fn fill(self: Box<Self>) -> Result<Value>;
}

/// Numbers that arrive as their little-endian bytes. For a [`Room`] to be made of.
#[derive(Debug)]
pub struct Numbers<T> {
    /// Zeros that the system writes when they are touched, and all that has been handed out.
    list: Vec<T>,
    /// How many have been handed out.
    given: usize,
    length: usize,
}

impl<T: Pod> Numbers<T> {
    /// Room for so many bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if they are not a whole number of `T`.
    pub fn of_bytes(bytes: usize) -> Result<Self> {
        let size = size_of::<T>().max(1);
        let length = whole_number(bytes, size)?;
        Ok(Self {
            list: zeros(length.min(AHEAD / size)),
            given: 0,
            length,
        })
    }

    /// How many numbers there is room for.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is room for none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The next part, as of [`Room::next`].
    pub fn next_part(&mut self) -> &mut [u8] {
        let from = self.given;
        if from == self.list.len() && from < self.length {
            let have = self.length.min(2 * from);
            self.list.reserve_exact(have - from);
            pages::advise(self.list.spare_capacity_mut());
            self.list.resize(have, T::zeroed());
        }
        let step = (STEP / size_of::<T>().max(1)).max(1);
        self.given = self.list.len().min(from + step);
        bytemuck::cast_slice_mut(&mut self.list[from..self.given])
    }

    /// The numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if not all have arrived.
    pub fn into_list(self) -> Result<Vec<T>> {
        if self.given != self.length {
            let words = format!("{} of {} items have arrived", self.given, self.length);
            return Err(Error::new(ErrorKind::Decode, words));
        }
        let mut list = self.list;
        if cfg!(target_endian = "big") {
            swap::<T>(bytemuck::cast_slice_mut(&mut list));
        }
        Ok(list)
    }
}

/// Zeros, which the system writes when they are touched first.
fn zeros<T: Pod>(len: usize) -> Vec<T> {
    let list = bytemuck::zeroed_vec(len);
    pages::advise(&list);
    list
}

/// How many items of that size these bytes are.
fn whole_number(bytes: usize, size: usize) -> Result<usize> {
    if bytes.is_multiple_of(size) {
        return Ok(bytes / size);
    }
    let words = format!("{bytes} bytes are not a whole number of items of {size} bytes");
    Err(Error::new(ErrorKind::Decode, words))
}

/// Numbers as their little-endian bytes: their own memory, where it is that.
pub fn bytes_of<T: Pod>(list: &[T]) -> Cow<'_, [u8]> {
    let memory: &[u8] = bytemuck::cast_slice(list);
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(memory);
    }
    let mut bytes = memory.to_vec();
    swap::<T>(&mut bytes);
    Cow::Owned(bytes)
}

/// The numbers of little-endian bytes.
///
/// # Errors
/// [`ErrorKind::Decode`] if they are not a whole number of `T`.
pub fn numbers_of<T: Pod>(bytes: &[u8]) -> Result<Vec<T>> {
    let size = size_of::<T>().max(1);
    let mut list = zeros::<T>(whole_number(bytes.len(), size)?);
    let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut list);
    memory.copy_from_slice(bytes);
    if cfg!(target_endian = "big") {
        swap::<T>(memory);
    }
    Ok(list)
}

/// Turns the bytes of each number around.
fn swap<T>(bytes: &mut [u8]) {
    bytes
        .chunks_exact_mut(size_of::<T>().max(1))
        .for_each(<[u8]>::reverse);
}

/// The room of a type without a [`Bulk`]: bytes, decoded once all are there.
pub(crate) struct Whole {
    bytes: Numbers<u8>,
    /// What stands before the body.
    head: Vec<u8>,
    decode: fn(&[u8]) -> Result<Value>,
}

impl Whole {
    pub(crate) fn room(
        head: &[u8],
        length: usize,
        decode: fn(&[u8]) -> Result<Value>,
    ) -> Result<Box<dyn Room>> {
        Ok(Box::new(Self {
            bytes: Numbers::of_bytes(length)?,
            head: head.to_vec(),
            decode,
        }))
    }
}

impl Room for Whole {
    fn next(&mut self) -> &mut [u8] {
        self.bytes.next_part()
    }

    fn fill(self: Box<Self>) -> Result<Value> {
        let body = self.bytes.into_list()?;
        if self.head.is_empty() {
            return (self.decode)(&body);
        }
        (self.decode)(&[self.head, body].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    /// The value that arrives, its body handed over in parts.
    fn arrive(r: &Registry, head: &[u8], mut body: &[u8]) -> Result<Value> {
        let mut room = r.room(head, body.len())?;
        loop {
            let part = room.next();
            if part.is_empty() {
                return room.fill();
            }
            let (now, rest) = body.split_at(part.len());
            part.copy_from_slice(now);
            body = rest;
        }
    }

    fn both_ways<T: Any + Clone + PartialEq + std::fmt::Debug + Send + Sync>(value: &T) {
        let r = Registry::linked().unwrap();
        let v = Value::new(value.clone());
        let mut whole = Vec::new();
        r.encode(&v, &mut whole).unwrap();
        let lent = r.lend(&v).unwrap();
        assert_eq!([&lent.head[..], &lent.body].concat(), whole);
        let back = arrive(&r, &lent.head, &lent.body).unwrap();
        assert_eq!(back.downcast_ref::<T>(), Some(value));
        assert_eq!(back.nbytes(), v.nbytes());
        // In one piece too, and cut anywhere else.
        for cut in [0, 1, whole.len() / 2, whole.len()] {
            let (head, body) = whole.split_at(cut);
            if let Ok(back) = arrive(&r, head, body) {
                assert_eq!(back.downcast_ref::<T>(), Some(value), "cut at {cut}");
            }
        }
    }

    #[test]
    fn values_arrive_as_they_were_lent() {
        both_ways(&vec![1.5f64; 300_000]);
        both_ways(&Vec::<f32>::new());
        both_ways(&(0..1000i64).map(|i| i * i - 5000).collect::<Vec<_>>());
        both_ways(&vec![7u8; 3 << 20]);
        both_ways(&"a text".to_owned());
        both_ways(&5u64);
        both_ways(&vec!["several".to_owned(), "texts".to_owned()]);
    }

    #[test]
    fn lists_of_numbers_are_lent_and_not_copied() {
        let r = Registry::linked().unwrap();
        let list = vec![1.0f64; 1000];
        let at = list.as_ptr().cast::<u8>();
        let v = Value::new(list);
        let lent = r.lend(&v).unwrap();
        assert!(matches!(lent.body, Cow::Borrowed(b) if b.as_ptr() == at && b.len() == 8000));
    }

    #[test]
    fn what_does_not_fit_its_head_is_refused() {
        let r = Registry::linked().unwrap();
        let v = Value::new(vec![1.0f64; 10]);
        let lent = r.lend(&v).unwrap();
        for wrong in [0, 8, 79, 81, 88] {
            let e = arrive(&r, &lent.head, &vec![0; wrong]).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Decode, "{wrong} bytes");
        }
        // Bytes that never come set nothing aside.
        assert!(r.room(&lent.head, usize::MAX & !7).is_err());
        let mut room = Whole::room(&[], usize::MAX, |_| Ok(Value::UNIT)).unwrap();
        assert_eq!(room.next().len(), STEP);
        assert_eq!(room.fill().unwrap_err().kind(), ErrorKind::Decode);
    }
}
