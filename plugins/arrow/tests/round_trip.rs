//! Whatever crosses comes back equal, and is released once when the last holder is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::*;
use kvern_plugin_arrow::export::export_batch;
use kvern_plugin_arrow::{Imported, export, import, import_primitive};

/// Counts itself while it lives.
struct Alive(Arc<AtomicI64>);

impl Alive {
    fn counted(count: &Arc<AtomicI64>) -> Option<Box<dyn Send>> {
        count.fetch_add(1, Ordering::SeqCst);
        Some(Box::new(Self(count.clone())))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn arrays() -> Vec<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for n in 0..20 {
        (0..n % 4).for_each(|i| lists.values().append_value(format!("{n}.{i}")));
        lists.append(n % 5 != 0);
    }
    let dictionary: DictionaryArray<Int32Type> = (0..20)
        .map(|n| (n % 3 != 0).then(|| ["a", "bb", "ccc"][n % 2]))
        .collect();
    let some = |n: i32| (n % 3 != 0).then_some(n);
    vec![
        Arc::new(Int8Array::from_iter(
            (0..20).map(|n| some(n).map(|n| n as i8)),
        )),
        Arc::new(Int16Array::from_iter(
            (0..20).map(|n| some(n).map(|n| n as i16)),
        )),
        Arc::new(Int32Array::from_iter((0..20).map(some))),
        Arc::new(Int64Array::from_iter_values(0..20)),
        Arc::new(UInt8Array::from_iter_values(0..20)),
        Arc::new(UInt16Array::from_iter(
            (0..20).map(|n| some(n).map(|n| n as u16)),
        )),
        Arc::new(UInt32Array::from_iter_values(0..20)),
        Arc::new(UInt64Array::from_iter(
            (0..20).map(|n| some(n).map(|n| n as u64)),
        )),
        Arc::new(Float32Array::from_iter(
            (0..20).map(|n| some(n).map(|n| n as f32)),
        )),
        Arc::new(Float64Array::from_iter(
            (0..20).map(|n| some(n).map(f64::from)),
        )),
        Arc::new(Float64Array::new_null(20)),
        Arc::new(BooleanArray::from_iter(
            (0..20).map(|n| some(n).map(|n| n % 2 == 0)),
        )),
        Arc::new(StringArray::from_iter(
            (0..20).map(|n| some(n).map(|n| n.to_string())),
        )),
        Arc::new(StringViewArray::from_iter((0..20).map(|n| {
            some(n).map(|n| "long enough for a buffer ".repeat(n as usize % 3))
        }))),
        Arc::new(TimestampMillisecondArray::from_iter_values(0..20).with_timezone("+02:00")),
        Arc::new(Decimal128Array::from_iter_values(0..20)),
        Arc::new(lists.finish()),
        Arc::new(dictionary),
        Arc::new(NullArray::new(20)),
    ]
}

#[test]
fn every_type_and_slice_comes_back_and_is_released_once() {
    let count = Arc::new(AtomicI64::new(0));
    for array in arrays() {
        for (start, len) in [(0, 20), (0, 7), (3, 17), (8, 8), (9, 5), (20, 0), (19, 1)] {
            let part = array.slice(start, len);
            let mut value = export(&part, Alive::counted(&count)).unwrap().into_raw();
            // SAFETY: just made, read once, given back once.
            let back = unsafe {
                let back = import(&value);
                value.give_back();
                back
            };
            let Ok(Imported::Array(back)) = back else {
                panic!("{}", part.data_type())
            };
            assert_eq!(&back, &part, "{} {start} {len}", part.data_type());
            assert_eq!(back.null_count(), part.null_count());
            if len > 0 && !array.data_type().is_null() {
                // Its buffers are those of what came back.
                assert_eq!(count.load(Ordering::SeqCst), 1, "{}", part.data_type());
            }
            let again = back.clone();
            drop(back);
            drop(part);
            assert_eq!(again.len(), len);
            drop(again);
            assert_eq!(
                count.load(Ordering::SeqCst),
                0,
                "{} {start} {len}",
                array.data_type()
            );
        }
    }
}

#[test]
fn one_that_nobody_reads_is_released_once() {
    let count = Arc::new(AtomicI64::new(0));
    for array in arrays() {
        drop(export(&array, Alive::counted(&count)).unwrap());
        assert_eq!(count.load(Ordering::SeqCst), 0, "{}", array.data_type());
    }
}

#[test]
fn numbers_of_a_known_type() {
    let array = Float64Array::from(vec![Some(1.0), None, Some(3.0)]);
    for _ in 0..3 {
        let mut value = export(&array, None).unwrap().into_raw();
        // SAFETY: just made; another type is asked for first, which moves nothing; given back once.
        unsafe {
            assert!(import_primitive::<Int32Type>(&value).is_none());
            let back = import_primitive::<types::Float64Type>(&value).unwrap();
            assert_eq!(back, array);
            // It has been moved out.
            assert!(import_primitive::<types::Float64Type>(&value).is_none());
            assert!(import(&value).is_err());
            value.give_back();
            assert_eq!(back, array);
        }
    }
}

#[test]
fn batches_come_back_as_batches() {
    let count = Arc::new(AtomicI64::new(0));
    let named = arrays()
        .into_iter()
        .enumerate()
        .map(|(n, a)| (format!("c{n}"), a, true));
    let batch = RecordBatch::try_from_iter_with_nullable(named)
        .unwrap()
        .slice(2, 9);
    let mut value = export_batch(&batch, Alive::counted(&count))
        .unwrap()
        .into_raw();
    // SAFETY: just made, read once, given back once.
    let back = unsafe {
        let back = import(&value);
        value.give_back();
        back
    };
    let Ok(Imported::Batch(back)) = back else {
        panic!()
    };
    assert_eq!(back, batch);
    drop(back);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_wrong_is_told() {
    let array = Int32Array::from(vec![1]);
    let refused = |edit: &dyn Fn(&mut kvern_plugin_abi::Value)| {
        let mut value = export(&array, None).unwrap().into_raw();
        let good = (value.kind, value.flags, value.payload);
        edit(&mut value);
        // SAFETY: what was edited makes it refused before it is followed; then it is as it was, and given back once.
        unsafe {
            let e = import(&value).err().unwrap();
            (value.kind, value.flags, value.payload) = good;
            value.give_back();
            e
        }
    };
    assert!(refused(&|v| v.kind = 4).contains("expected arrow, got bytes"));
    assert!(refused(&|v| v.flags = 8).contains("unknown flags 0x8"));
    assert!(refused(&|v| v.payload[0] = 0).contains("without an array"));
    assert!(refused(&|v| v.payload[1] = 0).contains("without an array or without its type"));
    // An array that says to be a batch.
    assert!(refused(&|v| v.flags = 1).contains("a record batch that is Int32"));
}
