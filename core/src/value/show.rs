//! A value in a few words, for errors: numbers and texts as they are, lists by their beginning, anything else by type and size.

use std::fmt::Debug;
use std::path::PathBuf;

use crate::value::Value;

/// Characters of one value.
const MOST: usize = 60;
/// Items of a list.
const ITEMS: usize = 5;
/// Arguments of a call.
const ARGUMENTS: usize = 6;

/// The arguments of a call, the first few of them.
pub(crate) fn arguments(values: &[Value]) -> Vec<String> {
    let mut shown: Vec<String> = values.iter().take(ARGUMENTS).map(value).collect();
    if values.len() > ARGUMENTS {
        shown.push(format!("… {} more", values.len() - ARGUMENTS));
    }
    shown
}

/// A value.
pub(crate) fn value(value: &Value) -> String {
    macro_rules! known {
        ($($type:ty),*) => {
            $(
                if let Some(v) = value.downcast_ref::<$type>() {
                    return one(v);
                }
                if let Some(v) = value.downcast_ref::<Option<$type>>() {
                    return one(v);
                }
                if let Some(v) = value.downcast_ref::<Vec<$type>>() {
                    return list(v);
                }
            )*
        };
    }
    if value.is::<()>() {
        return "()".to_owned();
    }
    known!(
        i64,
        u64,
        f64,
        bool,
        String,
        usize,
        i32,
        u32,
        f32,
        u8,
        i8,
        u16,
        i16,
        isize,
        i128,
        u128,
        char,
        &'static str,
        PathBuf
    );
    shorten(value.describe())
}

fn one(value: &impl Debug) -> String {
    shorten(format!("{value:?}"))
}

fn list<T: Debug>(items: &[T]) -> String {
    let mut shown: Vec<String> = items.iter().take(ITEMS).map(one).collect();
    if items.len() > ITEMS {
        shown.push(format!("… {} more", items.len() - ITEMS));
    }
    format!("[{}]", shown.join(", "))
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_few_words() {
        let shown = |v| value(&v);
        assert_eq!(shown(Value::new(3u8)), "3");
        assert_eq!(shown(Value::new(0.1f64)), "0.1");
        assert_eq!(shown(Value::new(f64::NAN)), "NaN");
        assert_eq!(shown(Value::new("a \"b\"".to_owned())), r#""a \"b\"""#);
        assert_eq!(shown(Value::new(Some(4i64))), "Some(4)");
        assert_eq!(
            shown(Value::new(vec![1u32; 7])),
            "[1, 1, 1, 1, 1, … 2 more]"
        );
        assert_eq!(shown(Value::UNIT), "()");
        let long = shown(Value::new("ä".repeat(100)));
        assert_eq!((long.chars().count(), long.ends_with('…')), (61, true));
        assert!(shown(Value::new(std::time::Duration::ZERO)).contains("Duration"));
        let many: Vec<Value> = (0..9i64).map(Value::new).collect();
        assert_eq!(arguments(&many).join(" "), "0 1 2 3 4 5 … 3 more");
    }
}
