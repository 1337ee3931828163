//! Tables that are shorter or longer than the reader's, and tables that lie.

use std::ffi::c_void;
use std::mem::offset_of;

use kvern_plugin_abi::table::Fault;
use kvern_plugin_abi::{Bytes, Ctx, Meta, OpVTable, Status, Table, Value, status};

unsafe extern "C" fn instantiate(_: Bytes, _: *const Ctx, _: *mut *mut c_void) -> Status {
    status::OK
}
unsafe extern "C" fn drop_state(_: *mut c_void) {}
unsafe extern "C" fn execute(
    _: *const c_void,
    _: *const Value,
    n: usize,
    _: *const Ctx,
    _: *mut Value,
    _: usize,
    _: *mut usize,
) -> Status {
    n as Status
}
unsafe extern "C" fn infer(
    _: *const c_void,
    _: *const Meta,
    n: usize,
    _: *const Ctx,
    _: *mut Meta,
) -> Status {
    100 + n as Status
}

fn op(version: u32) -> OpVTable {
    OpVTable {
        size: size_of::<OpVTable>() as u32,
        op_version: version,
        name: Bytes::text("sample.x"),
        signature: Bytes::EMPTY,
        flags: 0,
        instantiate,
        drop_state,
        execute,
        infer: Some(infer),
    }
}

/// The bytes of tables, each cut or filled up with rubbish to `stride`, in memory that is aligned.
fn laid_out(ops: &[OpVTable], stride: usize) -> Vec<u64> {
    let mut words = vec![0xdead_beef_dead_beef_u64; ops.len() * stride / 8];
    let bytes = stride.min(size_of::<OpVTable>());
    for (n, op) in ops.iter().enumerate() {
        // SAFETY: `bytes` of the table are within both; a word is 8 bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(op).cast::<u8>(),
                words.as_mut_ptr().cast::<u8>().add(n * stride),
                bytes,
            );
        }
    }
    words
}

fn table(words: &[u64], stride: usize, count: usize) -> Table {
    Table {
        size: size_of::<Table>() as u32,
        stride: stride as u32,
        count,
        items: words.as_ptr().cast(),
    }
}

#[test]
fn an_older_table_is_read_without_what_came_later() {
    let stride = OpVTable::LEAST as usize;
    let mut ops = [op(1), op(2), op(3)];
    ops.iter_mut().for_each(|o| o.size = OpVTable::LEAST);
    let words = laid_out(&ops, stride);
    // SAFETY: the table describes `words`.
    let items = unsafe { table(&words, stride, 3).walk(OpVTable::LEAST) }.unwrap();
    for (n, (item, size)) in items.into_iter().enumerate() {
        // SAFETY: an item of the table above.
        let read = unsafe { OpVTable::read(item, size) };
        assert_eq!(read.op_version, n as u32 + 1);
        assert!(read.infer.is_none());
        // SAFETY: the function above reads no pointer.
        let answer = unsafe {
            (read.execute)(
                std::ptr::null(),
                std::ptr::null(),
                7,
                std::ptr::null(),
                std::ptr::null_mut(),
                0,
                std::ptr::null_mut(),
            )
        };
        assert_eq!(answer, 7);
    }
}

#[test]
fn a_newer_table_is_read_by_its_own_stride() {
    let stride = size_of::<OpVTable>() + 48;
    let mut ops = [op(1), op(2)];
    ops.iter_mut().for_each(|o| o.size = stride as u32);
    let words = laid_out(&ops, stride);
    // SAFETY: the table describes `words`.
    let items = unsafe { table(&words, stride, 2).walk(OpVTable::LEAST) }.unwrap();
    // SAFETY: an item of the table above.
    let second = unsafe { OpVTable::read(items[1].0, items[1].1) };
    assert_eq!(second.op_version, 2);
    assert!(second.infer.is_some());
}

#[test]
fn half_a_field_is_none() {
    // A table that ends within `infer`, which no version has.
    let size = offset_of!(OpVTable, infer) + 4;
    let mut one = op(1);
    one.size = size as u32;
    let words = laid_out(&[one], size_of::<OpVTable>());
    // SAFETY: the words hold a whole table.
    let read = unsafe { OpVTable::read(words.as_ptr().cast(), size as u32) };
    assert!(read.infer.is_none());
}

#[test]
fn tables_that_lie_are_refused() {
    let words = laid_out(&[op(1)], size_of::<OpVTable>());
    let stride = size_of::<OpVTable>();
    // SAFETY: none of these reads beyond `words`: the faults are told before.
    let walk = |t: Table| unsafe { t.walk(OpVTable::LEAST) }.unwrap_err();
    assert_eq!(walk(table(&words, 8, 1)), Fault::Stride(8, OpVTable::LEAST));
    assert_eq!(
        walk(table(&words, stride + 1, 1)),
        Fault::Stride(stride as u32 + 1, OpVTable::LEAST)
    );
    assert_eq!(
        walk(table(&words, stride, usize::MAX)),
        Fault::Count(usize::MAX)
    );
    let null = Table {
        items: std::ptr::null(),
        ..table(&words, stride, 1)
    };
    assert_eq!(walk(null), Fault::Null);
    let odd = Table {
        items: words.as_ptr().cast::<u8>().wrapping_add(4),
        ..table(&words, stride, 1)
    };
    assert_eq!(walk(odd), Fault::Unaligned);
    let mut short = op(1);
    short.size = 12;
    let words = laid_out(&[short], stride);
    assert!(matches!(
        walk(table(&words, stride, 1)),
        Fault::Item(0, 12, _, _)
    ));
    let mut long = op(1);
    long.size = stride as u32 + 8;
    let words = laid_out(&[long], stride);
    assert!(matches!(walk(table(&words, stride, 1)), Fault::Item(0, ..)));
    assert!(
        // SAFETY: a table without entries: nothing behind its pointer is read.
        unsafe { table(&[], stride, 0).walk(OpVTable::LEAST) }
            .unwrap()
            .is_empty()
    );
}
