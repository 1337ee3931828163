//! What a serde value points to, in bytes of memory: counted as it would be serialised, and as its types lie in memory.
//!
//! Lists, texts and maps have their items elsewhere; everything else lies where the value is. Padding, spare capacity and the tags of enums are not
//! known to serde, so what is counted is close to what is taken, and never depends on how small the numbers are.

use std::fmt::{self, Display};

use serde::ser::{self, Serialize};

/// Bytes that a value points to. A type without a destructor points to nothing of its own, which the compiler knows: nothing is looked at then.
pub(crate) fn points_to<T: Serialize>(value: &T) -> u64 {
    if !std::mem::needs_drop::<T>() {
        return 0;
    }
    value.serialize(Weigher).map_or(0, |size| size.elsewhere)
}

/// What a part of a value takes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Where it lies.
    here: u64,
    /// Where it points to.
    elsewhere: u64,
}

const fn here(bytes: usize) -> Result<Size, CannotWeigh> {
    Ok(Size {
        here: bytes as u64,
        elsewhere: 0,
    })
}

/// Bytes of a list, a text or a map, without what is in it.
const LIST: usize = size_of::<Vec<u8>>();

fn elsewhere(bytes: usize) -> Result<Size, CannotWeigh> {
    Ok(Size {
        here: LIST as u64,
        elsewhere: bytes as u64,
    })
}

/// A value that says it cannot be serialised.
#[derive(Debug)]
struct CannotWeigh;

impl Display for CannotWeigh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value cannot be serialised")
    }
}

impl std::error::Error for CannotWeigh {}

impl ser::Error for CannotWeigh {
    fn custom<T: Display>(_message: T) -> Self {
        Self
    }
}

struct Weigher;

/// Parts that lie one beside the other: a tuple, a record.
#[derive(Default)]
struct Beside(Size);

impl Beside {
    fn add<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), CannotWeigh> {
        let size = part.serialize(Weigher)?;
        self.0.here += size.here;
        self.0.elsewhere += size.elsewhere;
        Ok(())
    }
}

/// Items of one type, which lie elsewhere: as large each as the largest was seen to be.
#[derive(Default)]
struct Items {
    count: u64,
    largest: u64,
    elsewhere: u64,
}

impl Items {
    #[inline]
    fn add<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), CannotWeigh> {
        let size = item.serialize(Weigher)?;
        self.count += 1;
        self.largest = self.largest.max(size.here);
        self.elsewhere += size.elsewhere;
        Ok(())
    }

    fn total(&self) -> u64 {
        self.count * self.largest + self.elsewhere
    }
}

/// A map: its keys and its values.
#[derive(Default)]
struct Pairs {
    keys: Items,
    values: Items,
}

macro_rules! lies_here {
    ($($name:ident $t:ty),*) => { $(
        fn $name(self, _: $t) -> Result<Size, CannotWeigh> {
            here(size_of::<$t>())
        }
    )* };
}

impl ser::Serializer for Weigher {
    type Ok = Size;
    type Error = CannotWeigh;
    type SerializeSeq = Items;
    type SerializeTuple = Beside;
    type SerializeTupleStruct = Beside;
    type SerializeTupleVariant = Beside;
    type SerializeMap = Pairs;
    type SerializeStruct = Beside;
    type SerializeStructVariant = Beside;

    lies_here!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128,
        serialize_f32 f32, serialize_f64 f64, serialize_char char
    );

    fn serialize_str(self, text: &str) -> Result<Size, CannotWeigh> {
        elsewhere(text.len())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Size, CannotWeigh> {
        elsewhere(bytes.len())
    }

    fn serialize_none(self) -> Result<Size, CannotWeigh> {
        here(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Size, CannotWeigh> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Size, CannotWeigh> {
        here(0)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Size, CannotWeigh> {
        here(0)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<Size, CannotWeigh> {
        here(1)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Size, CannotWeigh> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Size, CannotWeigh> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, CannotWeigh> {
        Ok(Items::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Beside, CannotWeigh> {
        Ok(Beside::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Beside, CannotWeigh> {
        Ok(Beside::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Beside, CannotWeigh> {
        Ok(Beside::default())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Pairs, CannotWeigh> {
        Ok(Pairs::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Beside, CannotWeigh> {
        Ok(Beside::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Beside, CannotWeigh> {
        Ok(Beside::default())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Size, CannotWeigh> {
        elsewhere(value.to_string().len())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl ser::SerializeSeq for Items {
    type Ok = Size;
    type Error = CannotWeigh;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), CannotWeigh> {
        self.add(item)
    }

    fn end(self) -> Result<Size, CannotWeigh> {
        Ok(Size {
            here: LIST as u64,
            elsewhere: self.total(),
        })
    }
}

impl ser::SerializeMap for Pairs {
    type Ok = Size;
    type Error = CannotWeigh;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CannotWeigh> {
        self.keys.add(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CannotWeigh> {
        self.values.add(value)
    }

    fn end(self) -> Result<Size, CannotWeigh> {
        Ok(Size {
            here: LIST as u64,
            elsewhere: self.keys.total() + self.values.total(),
        })
    }
}

macro_rules! beside {
    ($($of:ident $add:ident),*) => { $(
        impl ser::$of for Beside {
            type Ok = Size;
            type Error = CannotWeigh;

            fn $add<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), CannotWeigh> {
                self.add(part)
            }

            fn end(self) -> Result<Size, CannotWeigh> {
                Ok(self.0)
            }
        }
    )* };
}

beside!(
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! beside_by_name {
    ($($of:ident),*) => { $(
        impl ser::$of for Beside {
            type Ok = Size;
            type Error = CannotWeigh;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                part: &T,
            ) -> Result<(), CannotWeigh> {
                self.add(part)
            }

            fn end(self) -> Result<Size, CannotWeigh> {
                Ok(self.0)
            }
        }
    )* };
}

beside_by_name!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use crate::Value;

    #[derive(Clone, PartialEq, Serialize, Deserialize)]
    struct Record {
        name: String,
        points: Vec<u32>,
        place: Option<(f64, f64)>,
    }

    fn bytes<T>(value: T) -> u64
    where
        T: Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        Value::serde(value).nbytes()
    }

    /// The numbers are small: serialised, each would be one byte.
    #[test]
    fn lists_count_what_they_take_and_not_what_is_written() {
        let list = size_of::<Vec<u8>>() as u64;
        assert_eq!(bytes(vec![1u32; 1000]), list + 4000);
        assert_eq!(bytes(vec![(1u64, 2u32); 100]), list + 1200);
        assert_eq!(bytes(vec![vec![1u16; 10]; 7]), list + 7 * (list + 20));
        assert_eq!(bytes(vec![None, Some(7u64), None]), list + 3 * 8);
        let texts = vec![Some("four".to_owned()), None];
        assert_eq!(bytes(texts), list + 2 * list + 4);
    }

    #[test]
    fn records_and_maps_count_what_is_in_them() {
        let record = Record {
            name: "a name".to_owned(),
            points: vec![1; 100],
            place: Some((1.0, 2.0)),
        };
        let own = size_of::<Record>() as u64;
        assert_eq!(bytes(record.clone()), own + 6 + 400);
        let many = bytes(vec![record; 50]);
        // Its parts, without what lies between them.
        assert!(
            many >= 50 * (406 + 64) && many <= 50 * (406 + own) + 24,
            "{many}"
        );
        let map: BTreeMap<u64, String> = (0..10).map(|n| (n, "text".to_owned())).collect();
        assert_eq!(
            bytes(map),
            size_of::<BTreeMap<u64, String>>() as u64 + 10 * (8 + 24 + 4)
        );
    }

    #[test]
    fn what_points_to_nothing_is_not_looked_at() {
        #[derive(Serialize, Deserialize)]
        struct Loud([u8; 3]);
        assert_eq!(bytes(Loud([1, 2, 3])), 3);
        assert_eq!(bytes((1u8, 2u64)), size_of::<(u8, u64)>() as u64);
    }
}
