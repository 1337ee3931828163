//! Plans in words and pictures.

use std::sync::Arc;

use kvern_core::optimize::Passes;
use kvern_core::picture::Picture;
use kvern_core::{Annotations, Collection, Delayed, Graph, Plan, Registry, delayed};

fn plan() -> Plan {
    let load = delayed(|i: &i64| vec![*i as f64; 100]);
    let mean = delayed(|v: &Vec<f64>| v.iter().sum::<f64>() / v.len() as f64);
    let parts: Vec<Delayed<f64>> = (0..3i64).map(|i| mean.call((&load.call((i,)),))).collect();
    let total = delayed(|v: &Vec<f64>| v.iter().sum::<f64>())
        .named("total")
        .call((&parts,))
        .annotate(Annotations::new().label("the answer"));
    let graph = Graph::new(&total.roots().unwrap());
    Plan::new(graph, Arc::new(Registry::linked().unwrap()), Passes::none()).unwrap()
}

#[test]
fn a_plan_is_told_in_words() {
    let text = plan().explain(Some(1 << 20)).unwrap().to_string();
    assert!(text.starts_with("layers (11):"), "{text}");
    assert!(text.contains("(the answer)"), "{text}");
    assert!(text.contains("  total  1 task"), "{text}");
    assert!(text.contains("projected: 11 tasks"), "{text}");
    assert!(text.ends_with("budget 1MiB: fits"), "{text}");
}

#[test]
fn pictures_show_every_task_and_edge() {
    let prepared = plan().prepare().unwrap();
    let picture = Picture::of_tasks(&prepared.tasks, &prepared.position).unwrap();
    let (dot, svg) = (picture.to_dot(), picture.to_svg());
    assert_eq!(dot.matches(" -> ").count(), prepared.tasks.edges().1.len());
    assert_eq!(dot.matches("label=").count(), prepared.tasks.len());
    assert_eq!(svg.matches("<rect x=").count(), prepared.tasks.len());
    assert_eq!(
        svg.matches("<path d=\"M").count(),
        prepared.tasks.edges().1.len() + 1
    );
    let wrong = picture.save("graph.gif").unwrap_err().to_string();
    assert_eq!(wrong, "graph.gif: a picture is written as .svg or .dot");
}
