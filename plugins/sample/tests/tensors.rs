//! The sample's tensor operators from arrays: loaded from the file, or linked with the feature `linked`.

mod support;

use kvern::array::Array;
use kvern::array::kernels::AnyChunk;
use kvern::core::Value;
use kvern::{Error, ErrorKind};
use ndarray::{ArrayD, Axis, IxDyn};
use serde_json::json;
use support::{op, run, session};

/// A few numbers that no two of are equal, and where the order shows.
fn numbers(shape: &[usize]) -> ArrayD<f64> {
    let len = shape.iter().product::<usize>();
    let values = (0..len).map(|i| (i as f64).sin() * 100.0 - i as f64);
    ArrayD::from_shape_vec(IxDyn(shape), values.collect()).unwrap()
}

#[test]
fn an_array_is_scaled_on_either_backend() {
    let scale = op("sample.scale", json!({"factor": 2.5}));
    for url in ["sync://", "threads://?workers=2"] {
        let session = session(url);
        for (shape, chunks) in [
            (vec![7, 5], (3, 2)),
            (vec![1, 1], (1, 1)),
            (vec![0, 4], (1, 2)),
        ] {
            let data = numbers(&shape);
            let x = Array::from_ndarray(data.clone(), chunks).unwrap();
            let y = x
                .apply::<f64>(&scale)
                .unwrap()
                .compute_in(&session)
                .unwrap();
            assert_eq!(y, data.mapv(|v| v * 2.5), "{url} {shape:?}");
        }
    }
}

#[test]
fn an_axis_is_reduced_by_an_operator_written_by_hand() {
    let span = op("sample.span", json!(null));
    for url in ["sync://", "threads://?workers=2"] {
        let session = session(url);
        let data = numbers(&[7, 5, 4]);
        let x = Array::from_ndarray(data.clone(), (3, 2, 3)).unwrap();
        let y = x.apply_reduction::<f64>(&span, -1).unwrap();
        assert_eq!(y.shape(), [7, 5]);
        let want = data.map_axis(Axis(2), |row| {
            let (low, high) = row
                .iter()
                .fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            high - low
        });
        assert_eq!(y.compute_in(&session).unwrap(), want, "{url}");
        // `apply` announces the shape of the chunk; the error says what takes this operator.
        let e = x.apply::<f64>(&span).unwrap();
        let e = e.compute_in(&session).unwrap_err().to_string();
        assert!(
            e.contains("the operator gave a chunk float64[") && e.contains("apply_reduction"),
            "{e}"
        );
    }
    let e = Array::from_ndarray(numbers(&[2, 2]), ())
        .unwrap()
        .apply_reduction::<f64>(&span, 2)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::BadInput, "{e}");
}

#[test]
fn it_is_one_operation_among_others() {
    let scale = op("sample.scale", json!({"factor": -3.0}));
    let session = session("threads://?workers=2");
    let data = numbers(&[40, 30]);
    let x = Array::from_ndarray(data.clone(), (7, 11)).unwrap();
    let y = (&x + 1.0).apply::<f64>(&scale).unwrap();
    let total = (&y - &x).sum(()).unwrap().item_in(&session).unwrap();
    let want: f64 = data.iter().map(|v| (v + 1.0) * -3.0 - v).sum();
    assert!((total - want).abs() < 1e-8 * want.abs(), "{total} {want}");
}

#[test]
fn transposed_and_sliced_chunks_cross_as_they_lie() {
    let scale = op("sample.scale", json!({"factor": 10.0}));
    let session = session("sync://");
    let data = numbers(&[6, 8, 5]);
    let x = Array::from_ndarray(data.clone(), ()).unwrap();
    let y = x
        .permute_dims([2, 0, 1])
        .unwrap()
        .apply::<f64>(&scale)
        .unwrap();
    let want = data
        .clone()
        .permuted_axes(IxDyn(&[2, 0, 1]))
        .mapv(|v| v * 10.0);
    assert_eq!(y.compute_in(&session).unwrap(), want);
    // Directly, so that nothing is made contiguous on the way: a view that goes backwards, too.
    let chunk = AnyChunk::from(data.clone().into_shared());
    let mut back = data.clone().into_shared().permuted_axes(IxDyn(&[1, 2, 0]));
    back.invert_axis(ndarray::Axis(1));
    for view in [chunk.permuted(&[1, 0, 2]), AnyChunk::from(back)] {
        let wanted = view.peek::<f64>().unwrap().mapv(|v| v * 10.0);
        let got = run(&session, &scale, vec![Value::new(view)]).unwrap();
        let got = got.downcast_ref::<AnyChunk>().unwrap();
        assert_eq!(got.peek::<f64>().unwrap(), &wanted);
    }
}

#[test]
fn two_arrays_meet_cut_alike() {
    let add = op("sample.add", json!(null));
    let session = session("threads://?workers=2");
    let (a, b) = (numbers(&[20, 9]), numbers(&[20, 9]).mapv(|v| v * v));
    let x = Array::from_ndarray(a.clone(), (6, 4)).unwrap();
    let y = Array::from_ndarray(b.clone(), (20, 3)).unwrap();
    let z = x.apply2::<f64, f64>(&y, &add).unwrap();
    assert_eq!(z.compute_in(&session).unwrap(), a + b);
    let other = Array::<f64>::zeros([20, 1], ()).unwrap();
    let e = x.apply2::<f64, f64>(&other, &add).unwrap_err();
    assert!(e.message().contains("[20, 9] and [20, 1] differ"), "{e}");
}

#[test]
fn another_element_type_comes_out() {
    let positive = op("sample.positive", json!({}));
    let session = session("sync://");
    let x = Array::<i64>::arange(-3, 4, 1, 2).unwrap();
    let y = x
        .apply::<bool>(&positive)
        .unwrap()
        .compute_in(&session)
        .unwrap();
    assert_eq!(
        y.as_slice().unwrap(),
        [false, false, false, false, true, true, true]
    );
    // What is announced is held to.
    let e = x
        .apply::<i64>(&positive)
        .unwrap()
        .compute_in(&session)
        .unwrap_err();
    assert!(
        e.message()
            .contains("gave a chunk bool[2], where int64[2] was announced"),
        "{e}"
    );
}

#[test]
fn results_in_memory_of_the_plugin_are_copied_and_given_back() {
    let (center, live) = (
        op("sample.center", json!(null)),
        op("sample.live", json!(null)),
    );
    let session = session("sync://");
    let count = || {
        let v = run(&session, &live, vec![]).unwrap();
        let chunk = v.downcast_ref::<AnyChunk>().unwrap();
        chunk.peek::<i64>().unwrap().first().copied().unwrap()
    };
    let before = count();
    let data = numbers(&[12, 4]);
    let x = Array::from_ndarray(data.clone(), (12, 4)).unwrap();
    let y = x
        .apply::<f64>(&center)
        .unwrap()
        .compute_in(&session)
        .unwrap();
    let mean = data.mean().unwrap();
    assert_eq!(y, data.mapv(|v| v - mean));
    assert_eq!(count(), before);
}

fn fails(op: &kvern::core::OpRef, inputs: Vec<Value>) -> Error {
    run(&session("sync://"), op, inputs).unwrap_err()
}

fn chunk_of(values: &[f64]) -> Value {
    Value::new(AnyChunk::from(
        ndarray::aview1(values).into_dyn().to_owned(),
    ))
}

#[test]
fn wrong_inputs_are_named() {
    let scale = op("sample.scale", json!({"factor": 1.0}));
    let e = fails(&scale, vec![]);
    assert_eq!(e.kind(), ErrorKind::BadInput);
    assert!(
        e.to_string()
            .contains("sample.scale: it takes 1 input, got 0"),
        "{e}"
    );
    let ints = Value::new(AnyChunk::from(
        ndarray::aview1(&[1i32, 2]).into_dyn().to_owned(),
    ));
    let e = fails(&scale, vec![ints]);
    assert_eq!(e.kind(), ErrorKind::BadInput);
    assert!(
        e.to_string()
            .contains("sample.scale: input x: expected tensor float64, got tensor int32"),
        "{e}"
    );
    let e = fails(&scale, vec![Value::new(String::from("text"))]);
    assert!(
        e.to_string().contains("input x: expected tensor, got text"),
        "{e}"
    );
    // What no bridge knows does not reach the plugin.
    let e = fails(&scale, vec![Value::new(vec![1u16])]);
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(
        e.to_string().contains("input 0") && e.to_string().contains("array chunks"),
        "{e}"
    );
    // The task is named.
    assert_eq!(e.task().unwrap().operator, "sample.scale@2");
}

#[test]
fn wrong_parameters_are_named_before_anything_runs() {
    use kvern::plugins::op_ref;
    let bad = |params| op_ref(&support::registry(), "sample.scale", &params).unwrap_err();
    for (params, words) in [
        (json!({}), "missing field `factor`"),
        (json!({"factor": "two"}), "expected f64"),
        (
            json!({"factor": 1.0, "offset": 2}),
            "unknown field `offset`",
        ),
        (json!({"factor": 1e200}), "not within -1e100 to 1e100"),
        (json!("x"), "invalid type: string"),
    ] {
        let e = bad(params);
        assert_eq!(e.kind(), ErrorKind::BadInput);
        assert!(e.message().contains("sample.scale: parameters: "), "{e}");
        assert!(e.message().contains(words), "{e}");
    }
    let e = op_ref(&support::registry(), "sample.add", &json!({"x": 1})).unwrap_err();
    assert!(
        e.message().contains("it takes no parameters, got `x`"),
        "{e}"
    );
}

#[test]
fn versions_stand_beside_each_other() {
    use kvern::plugins::op_ref;
    let registry = support::registry();
    let of = |name| op_ref(&registry, name, &json!({"factor": -1.0}));
    assert_eq!(of("sample.scale").unwrap().label(), "sample.scale@2");
    assert_eq!(of("sample.scale@1").unwrap().label(), "sample.scale@1");
    let e = of("sample.scale@7").unwrap_err();
    assert!(
        e.message()
            .contains("of sample.scale there is version 1, 2"),
        "{e}"
    );
    let e = of("sample.scael").unwrap_err();
    assert!(e.message().contains("did you mean sample.scale?"), "{e}");
    let sign = |name| {
        let v = run(
            &session("sync://"),
            &of(name).unwrap(),
            vec![chunk_of(&[0.0])],
        )
        .unwrap();
        let chunk = v.downcast_ref::<AnyChunk>().unwrap().clone();
        chunk.peek::<f64>().unwrap()[[0]].is_sign_negative()
    };
    assert_eq!(
        (sign("sample.scale@1"), sign("sample.scale@2")),
        (true, false)
    );
}

#[test]
fn what_will_come_out_is_known_before() {
    use kvern::core::Meta;
    let registry = support::registry();
    let scale = registry.operator("sample.scale", Some(1)).unwrap();
    let params = br#"{"factor": 2}"#;
    let input = Meta::array("float64", [3, 4]);
    assert_eq!(
        scale.infer(params, std::slice::from_ref(&input)).unwrap(),
        input
    );
    let positive = registry.operator("sample.positive", None).unwrap();
    let out = positive.infer(b"", &[Meta::array("int64", [9])]).unwrap();
    assert_eq!(out, Meta::array("bool", [9]));
    // In the words of running it.
    let e = scale
        .infer(params, &[Meta::array("int32", [3])])
        .unwrap_err();
    assert!(
        e.message()
            .contains("input x: expected tensor float64, got tensor int32"),
        "{e}"
    );
    let e = scale.infer(params, &[]).unwrap_err();
    assert!(e.message().contains("it takes 1 input, got 0"), "{e}");
    let traits = scale.traits(params).unwrap();
    assert!(traits.pure && !traits.uses_block);
}
