//! A plugin of this version in an older host: its context is shorter, so that what was added later must not be read; and what a plugin does with a
//! host that says strange things.

use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::Mutex;

use kvern_plugin::prelude::*;
use kvern_plugin::shim::table;
use kvern_plugin_abi as abi;
use kvern_plugin_abi::tensor::{
    DEVICE_CPU, DLDataType, DLDevice, DLManagedTensorVersioned, DLPACK, DLTensor,
};
use kvern_plugin_abi::value::kind;
use kvern_plugin_abi::{Bytes, OpVTable, Status, Value, status};
use serde::Deserialize;

#[derive(Deserialize)]
struct Scale {
    factor: f64,
}

/// Each element
/// times `factor`.
#[plugin_op(name = "trial.scale", version = 3, elementwise)]
fn scale(x: TensorView<'_, f64>, #[params] p: &Scale) -> Tensor<f64> {
    x.map(|v| v * p.factor)
}

#[plugin_op(name = "trial.bytes", pure = false)]
fn lengths(a: &[u8], b: &str) -> Result<Vec<u8>> {
    if b.is_empty() {
        return Err(Error::retry("there is no text yet"));
    }
    Ok(vec![a.len() as u8, b.len() as u8])
}

/// What the host was told.
static SAID: Mutex<Vec<(Status, String)>> = Mutex::new(Vec::new());
static ALONE: Mutex<()> = Mutex::new(());

unsafe extern "C" fn task_key(_: *const c_void, key: *mut u64) {
    // SAFETY: the plugin's room for two words.
    unsafe { key.write(0) };
}
unsafe extern "C" fn is_cancelled(_: *const c_void) -> u8 {
    0
}
unsafe extern "C" fn reserve(_: *const c_void, _: i64) -> Status {
    status::OK
}
unsafe extern "C" fn log(_: *const c_void, _: u32, _: Bytes, _: Bytes) {}
unsafe extern "C" fn set_error(_: *const c_void, of: Status, message: Bytes) {
    // SAFETY: the plugin's text, for this call.
    let message = unsafe { message.as_text() }.unwrap_or("?").to_owned();
    SAID.lock().unwrap().push((of, message));
}
unsafe extern "C" fn never(
    _: *const c_void,
    _: u32,
    _: u32,
    _: *const i64,
    _: *mut Value,
) -> Status {
    panic!("a field beyond the size was used");
}

/// The context of a host of 1.0: the memory behind it is somebody else's.
fn old_ctx() -> abi::Ctx {
    abi::Ctx {
        size: offset_of!(abi::Ctx, alloc_tensor) as u32,
        threads: 1,
        host: std::ptr::null(),
        task_key,
        block: 0,
        is_cancelled,
        reserve,
        log,
        set_error,
        alloc_tensor: Some(never),
    }
}

struct Called {
    status: Status,
    said: Vec<(Status, String)>,
    out: Value,
}

fn call(table: &OpVTable, params: &str, inputs: &[Value]) -> Called {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    SAID.lock().unwrap().clear();
    let ctx = old_ctx();
    let mut state = std::ptr::null_mut();
    let (mut out, mut count) = (Value::EMPTY, 0);
    // SAFETY: everything lives for the calls; the state is of this table.
    let status = unsafe {
        match (table.instantiate)(Bytes::text(params), &raw const ctx, &raw mut state) {
            status::OK => {
                let answer = (table.execute)(
                    state,
                    inputs.as_ptr(),
                    inputs.len(),
                    &raw const ctx,
                    &raw mut out,
                    1,
                    &raw mut count,
                );
                (table.drop_state)(state);
                answer
            }
            refused => refused,
        }
    };
    Called {
        status,
        said: SAID.lock().unwrap().clone(),
        out,
    }
}

/// A tensor over some numbers, with any shape and strides.
struct Numbers {
    values: Vec<f64>,
    shape: Vec<i64>,
    strides: Vec<i64>,
    tensor: DLManagedTensorVersioned,
}

impl Numbers {
    fn new(values: Vec<f64>, shape: &[i64], strides: &[i64]) -> Box<Self> {
        let mut own = Box::new(Self {
            values,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            tensor: DLManagedTensorVersioned {
                version: DLPACK,
                manager_ctx: std::ptr::null_mut(),
                deleter: None,
                flags: 0,
                dl_tensor: DLTensor {
                    data: std::ptr::null_mut(),
                    device: DLDevice {
                        device_type: DEVICE_CPU,
                        device_id: 0,
                    },
                    ndim: shape.len() as i32,
                    dtype: DLDataType::F64,
                    shape: std::ptr::null_mut(),
                    strides: std::ptr::null_mut(),
                    byte_offset: 0,
                },
            },
        });
        own.tensor.dl_tensor.data = own.values.as_mut_ptr().cast();
        own.tensor.dl_tensor.shape = own.shape.as_mut_ptr();
        own.tensor.dl_tensor.strides = own.strides.as_mut_ptr();
        own
    }

    fn value(&self) -> Value {
        Value::of(kind::TENSOR, [&raw const self.tensor as u64, 0, 0])
    }
}

/// The elements of a result in C order, which is then given back.
fn taken(mut out: Value) -> (Vec<i64>, Vec<f64>) {
    assert_eq!(out.kind, kind::TENSOR);
    // SAFETY: a tensor of the plugin in C order, until it is given back.
    unsafe {
        let t = &(*out.tensor()).dl_tensor;
        let shape = std::slice::from_raw_parts(t.shape, t.ndim as usize).to_vec();
        let len = shape.iter().product::<i64>() as usize;
        let values = std::slice::from_raw_parts(t.data.cast::<f64>(), len).to_vec();
        out.give_back();
        (shape, values)
    }
}

#[test]
fn what_came_later_is_not_read_in_an_older_host() {
    let input = Numbers::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3], &[3, 1]);
    let before = kvern_plugin::output::live_outputs();
    let called = call(&table::<scale>(), r#"{"factor": 2}"#, &[input.value()]);
    assert_eq!(called.status, status::OK, "{:?}", called.said);
    // In its own memory, since that host lends none.
    assert_eq!(kvern_plugin::output::live_outputs(), before + 1);
    assert_eq!(
        taken(called.out),
        (vec![2, 3], vec![2.0, 4.0, 6.0, 8.0, 10.0, 12.0])
    );
    assert_eq!(kvern_plugin::output::live_outputs(), before);
}

#[test]
fn any_strides_are_read() {
    let values: Vec<f64> = (0..24).map(f64::from).collect();
    for (shape, strides, want) in [
        // Transposed, broadcast, every second, of one axis of one element, of no element.
        (
            vec![3i64, 2],
            vec![1i64, 3],
            vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0],
        ),
        (vec![2, 3], vec![0, 1], vec![0.0, 1.0, 2.0, 0.0, 1.0, 2.0]),
        (vec![4], vec![2], vec![0.0, 2.0, 4.0, 6.0]),
        (vec![1, 2], vec![99, 5], vec![0.0, 5.0]),
        (vec![0, 2], vec![2, 1], vec![]),
        (vec![], vec![], vec![0.0]),
        (
            vec![2, 2, 2, 1, 2],
            vec![8, 1, 4, 7, 2],
            vec![
                0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0, 8.0, 10.0, 12.0, 14.0, 9.0, 11.0, 13.0,
                15.0,
            ],
        ),
    ] {
        let input = Numbers::new(values.clone(), &shape, &strides);
        let called = call(&table::<scale>(), r#"{"factor": 1}"#, &[input.value()]);
        assert_eq!(called.status, status::OK, "{:?}", called.said);
        assert_eq!(taken(called.out), (shape, want));
    }
}

#[test]
fn what_a_host_must_not_say_is_refused() {
    let table = table::<scale>();
    let good = Numbers::new(vec![1.0], &[1], &[1]);
    let refused = |value: Value| {
        let called = call(&table, r#"{"factor": 1}"#, &[value]);
        assert_ne!(called.status, status::OK);
        assert_eq!(called.out.kind, kind::EMPTY);
        called.said.last().unwrap().1.clone()
    };
    let mut v = good.value();
    v.flags = 1 << 7;
    assert!(refused(v).contains("flags 0x80"));
    let mut v = good.value();
    v.payload[0] = 0;
    assert!(refused(v).contains("null"));
    let mut bad = Numbers::new(vec![1.0], &[1], &[1]);
    bad.tensor.version.major = 2;
    assert!(refused(bad.value()).contains("DLPack 2.1"));
    let mut bad = Numbers::new(vec![1.0], &[1], &[1]);
    bad.tensor.dl_tensor.device.device_type = 2;
    assert!(refused(bad.value()).contains("device 2"));
    let bad = Numbers::new(vec![1.0], &[-3], &[1]);
    assert!(refused(bad.value()).contains("shape [-3]"));
    let bad = Numbers::new(vec![1.0], &[i64::MAX, 4], &[1, 1]);
    assert!(refused(bad.value()).contains("shape"));
    let mut bad = Numbers::new(vec![1.0, 2.0], &[1], &[1]);
    bad.tensor.dl_tensor.byte_offset = 4;
    assert!(refused(bad.value()).contains("not aligned to 8 bytes"));
}

#[test]
fn bytes_and_text() {
    let table = table::<lengths>();
    let inputs = |a: &'static [u8], b: &'static [u8]| {
        [
            Value::borrowed(kind::BYTES, a),
            Value::borrowed(kind::TEXT, b),
        ]
    };
    let mut called = call(&table, "null", &inputs(b"abc", b"de"));
    assert_eq!((called.status, called.out.kind), (status::OK, kind::BYTES));
    // SAFETY: bytes of the plugin, until they are given back.
    assert_eq!(unsafe { called.out.bytes().as_slice() }, [3, 2]);
    // SAFETY: as above, once.
    unsafe { called.out.give_back() };
    let called = call(&table, "{}", &inputs(b"abc", b""));
    assert_eq!(
        (called.status, called.said),
        (
            status::RETRY,
            vec![(status::RETRY, "there is no text yet".to_owned())]
        )
    );
    let called = call(&table, "", &inputs(b"", b"\xff"));
    assert_eq!(called.status, status::BAD_INPUT);
    let called = call(&table, "null", &inputs(b"", b"\xff"));
    assert!(
        called.said[0]
            .1
            .contains("input b: a text that is not UTF-8"),
        "{:?}",
        called.said
    );
}

#[test]
fn what_it_takes_and_gives_is_told() {
    let table = table::<scale>();
    // SAFETY: texts of this program.
    let (name, signature) = unsafe {
        (
            table.name.as_text().unwrap(),
            table.signature.as_text().unwrap(),
        )
    };
    assert_eq!((name, table.op_version), ("trial.scale", 3));
    assert_eq!(
        table.flags,
        abi::op::flags::DETERMINISTIC | abi::op::flags::ELEMENTWISE
    );
    assert_eq!(
        signature,
        r#"{"about":"Each element times `factor`.","inputs":[{"name":"x","takes":"tensor float64"}],"output":"tensor float64"}"#
    );
    assert_eq!(kvern_plugin::shim::table::<lengths>().flags, 0);
    // The function stays a function.
    assert_eq!(lengths(b"a", "bc").unwrap(), [1, 2]);
}
