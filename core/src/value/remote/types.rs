//! Values of any serde type, written and read again by processes of the same build without a registered name.

use std::any::{Any, TypeId, type_name};
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::recipe::{Descriptor, Place};
use crate::base::error::{Error, ErrorKind, Result};
use crate::value::{TypeEntry, Value, decode_linked, linked_type, wrong_type};

/// The tag of values whose type is known to one build only; their place stands at the beginning of the encoded bytes.
pub(crate) const OF_BUILD: &str = "core.of-build@1";

/// How values of a type of this build are written and read.
pub(crate) type OfBuild = &'static Descriptor<TypeEntry>;

/// The entry of `T`.
pub(crate) fn of_build<T: Serialize + DeserializeOwned + Any + Send + Sync>() -> OfBuild {
    struct Of<T>(PhantomData<T>);
    impl<T: Serialize + DeserializeOwned + Any + Send + Sync> Of<T> {
        const DESCRIPTOR: Descriptor<TypeEntry> = Descriptor::new(
            type_name::<T>,
            TypeEntry {
                tag: OF_BUILD,
                source: "this build",
                type_id: TypeId::of::<T>,
                nbytes: |_| size_of::<T>() as u64,
                describe: None,
                encode: |v, out| crate::value::codec::encode_serde::<T>(v, out),
                decode: |bytes| {
                    let (nbytes, body) = postcard::take_from_bytes(bytes)
                        .map_err(|e| unreadable::<T>(bytes.len(), e))?;
                    postcard::from_bytes::<T>(body)
                        .map(|value| Value::serde_with_bytes(value, nbytes))
                        .map_err(|e| unreadable::<T>(body.len(), e))
                },
                bulk: None,
            },
        );
    }
    &Of::<T>::DESCRIPTOR
}

/// The entry of a list of values of one type: written item by item, as each would be alone. So a list of values that can travel can
/// travel, whether `Vec<T>` is of a serde type or not.
pub(crate) fn list_of_build<T: Any + Send + Sync>() -> OfBuild {
    struct Of<T>(PhantomData<T>);
    impl<T: Any + Send + Sync> Of<T> {
        const DESCRIPTOR: Descriptor<TypeEntry> = Descriptor::new(
            type_name::<(Vec<T>, [T])>,
            TypeEntry {
                tag: OF_BUILD,
                source: "this build",
                type_id: TypeId::of::<Vec<T>>,
                nbytes: |_| size_of::<Vec<T>>() as u64,
                describe: None,
                encode: encode_list::<T>,
                decode: decode_list::<T>,
                bulk: None,
            },
        );
    }
    &Of::<T>::DESCRIPTOR
}

fn encode_list<T: Any + Send + Sync>(list: &dyn Any, out: &mut Vec<u8>) -> Result<()> {
    let list = list.downcast_ref::<Vec<T>>().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "the codec of a list was given another type",
        )
    })?;
    let nameless = || {
        let words = format!(
            "a list of {} cannot be written: register the type with register_type!",
            type_name::<T>()
        );
        Error::new(ErrorKind::NotPortable, words)
    };
    let entry = linked_type(TypeId::of::<T>());
    let items = list.iter().map(|item| {
        let (entry, mut bytes) = (entry.ok_or_else(nameless)?, Vec::new());
        (entry.encode)(item, &mut bytes)?;
        Ok((entry.tag, bytes))
    });
    let items = items.collect::<Result<Vec<_>>>()?;
    let bytes = postcard::to_allocvec(&items)
        .map_err(|e| Error::with_source(ErrorKind::Internal, "a list cannot be written", e))?;
    out.extend_from_slice(&bytes);
    Ok(())
}

fn decode_list<T: Any + Send + Sync>(bytes: &[u8]) -> Result<Value> {
    let (_, items): (u64, Vec<(&str, &[u8])>) =
        postcard::from_bytes(bytes).map_err(|e| unreadable::<Vec<T>>(bytes.len(), e))?;
    let mut held = 0;
    let items = items.into_iter().map(|(tag, bytes)| {
        let value = decode_linked(tag, bytes)?;
        held += value.nbytes();
        value.try_into_inner::<T>().map_err(|v| wrong_type::<T>(&v))
    });
    let items = items.collect::<Result<Vec<T>>>()?;
    Ok(Value::list(items, held))
}

#[cold]
fn unreadable<T>(len: usize, e: postcard::Error) -> Error {
    let words = format!("{len} bytes are not a {}", type_name::<T>());
    Error::with_source(ErrorKind::Decode, words, e)
}

/// Writes the place of the type, what the value weighs, and the value.
pub(crate) fn encode_of_build(entry: OfBuild, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let place = Place::of(entry).ok_or_else(|| {
        Error::new(
            ErrorKind::NotPortable,
            format!(
                "values of type {} cannot be written on this platform without a name: register the type with register_type!",
                value.type_name()
            ),
        )
    })?;
    let head = postcard::to_allocvec(&(place, value.nbytes()))
        .map_err(|e| Error::with_source(ErrorKind::Internal, "a place cannot be written", e))?;
    out.extend_from_slice(&head);
    (entry.value.encode)(value.as_any(), out)
}

/// Reads what [`encode_of_build`] wrote.
pub(crate) fn decode_of_build(bytes: &[u8]) -> Result<Value> {
    let (place, body): (Place, &[u8]) = postcard::take_from_bytes(bytes).map_err(|e| {
        let words = format!("{} bytes are no value of a build", bytes.len());
        Error::with_source(ErrorKind::Decode, words, e)
    })?;
    let entry = place.find::<TypeEntry>().map_err(|e| {
        Error::with_source(e.kind(), format!("the type of a value: {}", e.message()), e)
    })?;
    (entry.value.decode)(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Unnamed {
        name: String,
        counts: Vec<(u32, f64)>,
    }

    fn unnamed() -> Unnamed {
        Unnamed {
            name: "a".into(),
            counts: vec![(1, 2.0), (3, 4.5)],
        }
    }

    #[test]
    fn a_value_of_any_serde_type_survives_the_wire() {
        let registry = Registry::linked().unwrap();
        let value = Value::serde_with_bytes(unnamed(), 77);
        assert!(registry.can_encode(&value));
        let mut bytes = Vec::new();
        registry.encode(&value, &mut bytes).unwrap();
        let back = registry.decode(&bytes).unwrap();
        assert_eq!(back.downcast_ref::<Unnamed>(), Some(&unnamed()));
        assert_eq!(back.nbytes(), 77);
        // And once more from there.
        let mut again = Vec::new();
        registry.encode(&back, &mut again).unwrap();
        assert_eq!(again, bytes);
        for cut in 0..bytes.len() {
            assert!(registry.decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_list_is_written_item_by_item() {
        #[derive(Clone, PartialEq, Debug)]
        struct Named(u32);
        crate::__private::inventory::submit! {
            TypeEntry {
                tag: "test.named@1",
                source: "test",
                type_id: TypeId::of::<Named>,
                nbytes: |_| 40,
                describe: None,
                encode: |v, out| {
                    out.extend(v.downcast_ref::<Named>().map_or(0, |n| n.0).to_le_bytes());
                    Ok(())
                },
                decode: |b| Ok(Value::new(Named(u32::from_le_bytes(b.try_into().unwrap_or_default())))),
                bulk: None,
            }
        }
        let registry = Registry::linked().unwrap();
        let list = Value::list(vec![Named(1), Named(700)], 80);
        assert_eq!(list.nbytes(), 88);
        let mut bytes = Vec::new();
        registry.encode(&list, &mut bytes).unwrap();
        let back = registry.decode(&bytes).unwrap();
        assert_eq!(
            back.downcast_ref::<Vec<Named>>().unwrap(),
            &[Named(1), Named(700)]
        );
        #[derive(Clone)]
        struct Nameless;
        let e = registry
            .encode(&Value::list(vec![Nameless], 0), &mut bytes)
            .unwrap_err();
        assert!(e.to_string().contains("Nameless"), "{e}");
    }

    #[test]
    fn a_named_type_keeps_its_name_and_scalars_their_place() {
        let registry = Registry::linked().unwrap();
        let mut bytes = Vec::new();
        registry
            .encode(&Value::serde(String::from("x")), &mut bytes)
            .unwrap();
        assert!(bytes[1..].starts_with(b"core.string@1"));
        assert_eq!(Value::serde(5i64).nbytes(), 0);
        assert_eq!(Value::serde(5i64).downcast_ref::<i64>(), Some(&5));
    }
}
