//! Every value is given back once: inputs of the host and outputs of the plugin, whatever the call does.

use std::ffi::c_void;
use std::sync::atomic::{AtomicI64, Ordering};

use kvern_core::operator::TaskHost;
use kvern_core::{
    Graph, Key, Layer, OpRef, Operator, Registry, Root, TaskContext, TaskGraph, TaskList, Value,
};
use kvern_plugin_abi as abi;
use kvern_plugin_abi::value::kind;
use kvern_plugin_abi::{Bytes, Ctx, OpVTable, Status, status};
use kvern_plugin_bridge::{Bridge, BridgeEntry, Owned, TableOperator};

/// References that are out there, and calls of `release` in all.
static HOST: (AtomicI64, AtomicI64) = (AtomicI64::new(0), AtomicI64::new(0));
static PLUGIN: (AtomicI64, AtomicI64) = (AtomicI64::new(0), AtomicI64::new(0));

/// One at a time: the counts are of the whole program.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn counted(of: &'static (AtomicI64, AtomicI64), kind: u32) -> abi::Value {
    unsafe extern "C" fn clone_ref(owner: *mut c_void) -> *mut c_void {
        // SAFETY: the owner is one of the two statics.
        unsafe { &(*owner.cast::<(AtomicI64, AtomicI64)>()).0 }.fetch_add(1, Ordering::SeqCst);
        owner
    }
    unsafe extern "C" fn release(owner: *mut c_void) {
        // SAFETY: as above.
        let (alive, calls) = unsafe { &*owner.cast::<(AtomicI64, AtomicI64)>() };
        alive.fetch_sub(1, Ordering::SeqCst);
        calls.fetch_add(1, Ordering::SeqCst);
    }
    of.0.fetch_add(1, Ordering::SeqCst);
    abi::Value {
        kind,
        owner: std::ptr::from_ref(of).cast_mut().cast(),
        clone_ref: Some(clone_ref),
        release: Some(release),
        ..abi::Value::EMPTY
    }
}

/// A host's value of a type that only this test knows.
struct Token;

struct Tokens;

kvern_plugin_bridge::__inventory::submit! { BridgeEntry(&Tokens) }

impl Bridge for Tokens {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn kinds(&self) -> &'static [u32] {
        &[kind::OPAQUE]
    }

    fn export(&self, value: &Value) -> kvern_core::Result<Option<Owned>> {
        if !value.is::<Token>() {
            return Ok(None);
        }
        // SAFETY: well formed, and released by nobody else.
        Ok(Some(unsafe { Owned::new(counted(&HOST, kind::OPAQUE)) }))
    }

    fn import(&self, value: Owned) -> kvern_core::Result<Value> {
        drop(value);
        Ok(Value::new(Token))
    }
}

/// What the operator below does, by its parameter.
const GIVE: u8 = b'1';
const FAIL: u8 = b'2';
const PASS_ON: u8 = b'3';
const NOTHING: u8 = b'4';
const MANY: u8 = b'5';
const STRANGE: u8 = b'6';

unsafe extern "C" fn instantiate(params: Bytes, _: *const Ctx, state: *mut *mut c_void) -> Status {
    // SAFETY: the host's bytes and room for a pointer, for this call.
    unsafe { state.write(Box::into_raw(Box::new(params.as_slice()[0])).cast()) };
    status::OK
}

unsafe extern "C" fn drop_state(state: *mut c_void) {
    // SAFETY: `instantiate` made it.
    drop(unsafe { Box::from_raw(state.cast::<u8>()) });
}

unsafe extern "C" fn execute(
    state: *const c_void,
    inputs: *const abi::Value,
    n: usize,
    _: *const Ctx,
    outputs: *mut abi::Value,
    _: usize,
    n_out: *mut usize,
) -> Status {
    // SAFETY: the host's pointers, for this call; the state is that of `instantiate`.
    unsafe {
        // It keeps a reference of each input for a while, as an operator may.
        let kept: Vec<*mut c_void> = (0..n)
            .filter_map(|i| {
                (*inputs.add(i))
                    .clone_ref
                    .map(|c| c((*inputs.add(i)).owner))
            })
            .collect();
        let mut answer = status::OK;
        n_out.write(1);
        match *state.cast::<u8>() {
            GIVE => outputs.write(counted(&PLUGIN, kind::OPAQUE)),
            FAIL => answer = status::ERROR,
            PASS_ON => {
                let first = &*inputs;
                let mut out = std::ptr::read(first);
                out.owner = first
                    .clone_ref
                    .map_or(std::ptr::null_mut(), |c| c(first.owner));
                outputs.write(out);
            }
            NOTHING => n_out.write(0),
            MANY => {
                outputs.write(counted(&PLUGIN, kind::OPAQUE));
                n_out.write(3);
            }
            _ => outputs.write(counted(&PLUGIN, 77)),
        }
        for (i, owner) in kept.into_iter().enumerate() {
            if let Some(release) = (*inputs.add(i)).release {
                release(owner);
            }
        }
        answer
    }
}

struct Quiet;

impl TaskHost for Quiet {
    fn is_cancelled(&self) -> bool {
        false
    }
    fn reserve(&self, _: u64) -> kvern_core::Result<()> {
        Ok(())
    }
    fn unreserve(&self, _: u64) {}
    fn log(&self, _: Key, _: &str, _: &str) {}
}

/// One call with so many inputs; what it answered, and how often each side's `release` was called.
fn call(what: u8, inputs: usize) -> (kvern_core::Result<Value>, i64, i64) {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let table = OpVTable {
        size: size_of::<OpVTable>() as u32,
        op_version: 1,
        name: Bytes::text("trial.once"),
        signature: Bytes::EMPTY,
        flags: 0,
        instantiate,
        drop_state,
        execute,
        infer: None,
    };
    // SAFETY: functions of this program that do what the border says.
    let operator = unsafe { TableOperator::new(table) }.unwrap();
    let kernel = operator.instantiate(&[what]).unwrap();
    let mut list = TaskList::new();
    let op = list.op(OpRef::named(
        "trial.once",
        1,
        operator.traits(&[what]).unwrap(),
        vec![what],
    ));
    let task = list.task(op, []);
    let layer = Layer::new(list.into_kind([task]), vec![]);
    let graph = TaskGraph::expand(&Graph::new(&[Root::all(&layer)])).unwrap();
    let before = (
        HOST.1.load(Ordering::SeqCst),
        PLUGIN.1.load(Ordering::SeqCst),
    );
    let mut values: Vec<Value> = (0..inputs).map(|_| Value::new(Token)).collect();
    let answer = kernel.run(&mut values, &TaskContext::new(&Quiet, &graph, 0));
    assert_eq!(
        HOST.0.load(Ordering::SeqCst),
        0,
        "references to the host's values are left"
    );
    assert_eq!(
        PLUGIN.0.load(Ordering::SeqCst),
        0,
        "references to the plugin's values are left"
    );
    (
        answer,
        HOST.1.load(Ordering::SeqCst) - before.0,
        PLUGIN.1.load(Ordering::SeqCst) - before.1,
    )
}

#[test]
fn inputs_and_outputs_are_given_back_once() {
    // Each input once by the host, and once by the operator that kept a reference. Up to four are held in place, more in a list.
    for inputs in [0, 1, 4, 5, 9] {
        let (answer, host, plugin) = call(GIVE, inputs);
        assert!(answer.unwrap().is::<Token>());
        assert_eq!((host, plugin), (2 * inputs as i64, 1));
    }
}

#[test]
fn so_they_are_when_the_operator_fails() {
    for inputs in [1, 6] {
        let (answer, host, plugin) = call(FAIL, inputs);
        let e = answer.unwrap_err();
        assert!(
            e.message().contains("trial.once answered status 1 (error)"),
            "{e}"
        );
        assert_eq!((host, plugin), (2 * inputs as i64, 0));
    }
}

#[test]
fn an_input_that_is_passed_on_has_one_more() {
    let (answer, host, plugin) = call(PASS_ON, 1);
    assert!(answer.unwrap().is::<Token>());
    assert_eq!((host, plugin), (3, 0));
}

#[test]
fn a_wrong_number_of_outputs_is_an_error_and_leaks_nothing() {
    let (answer, host, plugin) = call(NOTHING, 1);
    assert!(answer.unwrap_err().message().contains("gave 0 outputs"));
    assert_eq!((host, plugin), (2, 0));
    let (answer, _, plugin) = call(MANY, 1);
    assert!(answer.unwrap_err().message().contains("gave 3 outputs"));
    assert_eq!(plugin, 1);
}

#[test]
fn a_kind_that_nobody_knows_is_refused_and_given_back() {
    let (answer, _, plugin) = call(STRANGE, 0);
    let e = answer.unwrap_err();
    assert!(e.message().contains("a value of kind 77 (unknown)"), "{e}");
    assert_eq!(plugin, 1);
}

/// One input that cannot cross: those that did before are given back.
#[test]
fn inputs_before_one_that_cannot_cross() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = HOST.1.load(Ordering::SeqCst);
    let exported = kvern_plugin_bridge::bridge::export(&Value::new(Token)).unwrap();
    assert!(kvern_plugin_bridge::bridge::export(&Value::new(1u8)).is_err());
    drop(exported);
    assert_eq!(
        (
            HOST.0.load(Ordering::SeqCst),
            HOST.1.load(Ordering::SeqCst) - before
        ),
        (0, 1)
    );
    let _ = Registry::linked().unwrap();
}
