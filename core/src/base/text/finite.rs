//! Numbers that a text format has no word for: JSON knows neither NaN nor infinity, and writers put `null` there without a word
//! (serde-rs/json#202).

use std::fmt::Display;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// What it holds, for a format that has no word for NaN and infinity (JSON): writing such a number is an error that says so, where
/// `serde_json` would write `null`.
///
/// ```
/// use kvern_core::text::Finite;
///
/// assert_eq!(serde_json::to_string(&Finite::new(&[1.5, 2.0])).unwrap(), "[1.5,2.0]");
/// let error = serde_json::to_string(&Finite::new(&[f64::NAN])).unwrap_err();
/// assert!(error.to_string().starts_with("NaN has no form in JSON"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Finite<'a, T: ?Sized> {
    value: &'a T,
    /// The field that it is, where there is one.
    field: &'static str,
}

impl<'a, T: ?Sized> Finite<'a, T> {
    /// The value, whatever it is.
    pub fn new(value: &'a T) -> Self {
        Self { value, field: "" }
    }
}

impl<T: Serialize + ?Sized> Serialize for Finite<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked {
            inner: serializer,
            field: self.field,
        })
    }
}

/// A serializer that refuses what is not finite.
struct Checked<S> {
    inner: S,
    field: &'static str,
}

impl<S> Checked<S> {
    /// For what is inside it.
    fn inside<'a, T: ?Sized>(&self, value: &'a T) -> Finite<'a, T> {
        Finite {
            value,
            field: self.field,
        }
    }
}

#[cold]
fn refused<E: serde::ser::Error>(x: impl Display, field: &str) -> E {
    let place = match field {
        "" => String::new(),
        field => format!(" (in field {field:?})"),
    };
    E::custom(format!(
        "{x} has no form in JSON{place}: leave it out, or make it an Option (None is written as null) or a text"
    ))
}

macro_rules! plain {
    ($($name:ident: $t:ty;)*) => {$(
        fn $name(self, v: $t) -> Result<S::Ok, S::Error> {
            self.inner.$name(v)
        }
    )*};
}

impl<S: Serializer> Serializer for Checked<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checked<S::SerializeSeq>;
    type SerializeTuple = Checked<S::SerializeTuple>;
    type SerializeTupleStruct = Checked<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Checked<S::SerializeTupleVariant>;
    type SerializeMap = Checked<S::SerializeMap>;
    type SerializeStruct = Checked<S::SerializeStruct>;
    type SerializeStructVariant = Checked<S::SerializeStructVariant>;

    plain! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_i128: i128;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_u128: u128;
        serialize_char: char;
        serialize_str: &str;
        serialize_bytes: &[u8];
        serialize_unit_struct: &'static str;
    }

    fn serialize_f32(self, v: f32) -> Result<S::Ok, S::Error> {
        match v.is_finite() {
            true => self.inner.serialize_f32(v),
            false => Err(refused(v, self.field)),
        }
    }

    fn serialize_f64(self, v: f64) -> Result<S::Ok, S::Error> {
        match v.is_finite() {
            true => self.inner.serialize_f64(v),
            false => Err(refused(v, self.field)),
        }
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<S::Ok, S::Error> {
        let v = self.inside(v);
        self.inner.serialize_some(&v)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        v: &T,
    ) -> Result<S::Ok, S::Error> {
        let v = self.inside(v);
        self.inner.serialize_newtype_struct(name, &v)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        v: &T,
    ) -> Result<S::Ok, S::Error> {
        let v = self.inside(v);
        self.inner
            .serialize_newtype_variant(name, index, variant, &v)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let field = self.field;
        let inner = self.inner.serialize_seq(len)?;
        Ok(Checked { inner, field })
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let field = self.field;
        let inner = self.inner.serialize_tuple(len)?;
        Ok(Checked { inner, field })
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let field = self.field;
        let inner = self.inner.serialize_tuple_struct(name, len)?;
        Ok(Checked { inner, field })
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let field = self.field;
        let inner = self
            .inner
            .serialize_tuple_variant(name, index, variant, len)?;
        Ok(Checked { inner, field })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let field = self.field;
        let inner = self.inner.serialize_map(len)?;
        Ok(Checked { inner, field })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let field = self.field;
        let inner = self.inner.serialize_struct(name, len)?;
        Ok(Checked { inner, field })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let field = self.field;
        let inner = self
            .inner
            .serialize_struct_variant(name, index, variant, len)?;
        Ok(Checked { inner, field })
    }

    fn collect_str<T: Display + ?Sized>(self, v: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(v)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Compounds of values without names.
macro_rules! lists {
    ($($compound:ident $element:ident;)*) => {$(
        impl<C: $compound> $compound for Checked<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $element<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), C::Error> {
                let v = self.inside(v);
                self.inner.$element(&v)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

/// Compounds of named fields.
macro_rules! records {
    ($($compound:ident;)*) => {$(
        impl<C: $compound> $compound for Checked<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.inner.serialize_field(key, &Finite { value, field: key })
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

records! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<C: SerializeMap> SerializeMap for Checked<C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), C::Error> {
        let v = self.inside(v);
        self.inner.serialize_value(&v)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
