//! The configuration of parts that a build leaves out: a user's file and environment hold for all their programs, so they may name what one
//! of them does not have.

/// What the crates behind the features declare. The test below holds it against their declarations.
macro_rules! absent {
    ($($feature:literal $(or $other:literal)?: $crate_name:literal, [$($key:literal),*], [$($variable:literal),*];)+) => {
        $(
            #[cfg(not(any(feature = $feature $(, feature = $other)?)))]
            kvern_core::config::inventory::submit! {
                kvern_core::config::Absent {
                    crate_name: $crate_name,
                    linked_by: concat!("the feature \"", $feature, "\" of kvern"),
                    keys: &[$($key),*],
                    variables: &[$($variable),*],
                }
            }
        )+

        #[cfg(test)]
        const ALL: &[kvern_core::config::Absent] = &[$(
            kvern_core::config::Absent {
                crate_name: $crate_name,
                linked_by: $feature,
                keys: &[$($key),*],
                variables: &[$($variable),*],
            },
        )+];
    };
}

absent! {
    "array": "kvern-array", ["array.chunk-size"], [];
    "ballista": "kvern-ballista", [], [
        "KVERN_BALLISTA", "KVERN_BALLISTA_EXECUTORS", "KVERN_BALLISTA_FOLDER", "KVERN_BALLISTA_SCHEDULER", "KVERN_BALLISTA_SLOTS"
    ];
    "cluster": "kvern-scheduler-distributed", ["cluster.allowed-failures", "cluster.no-workers-timeout"], [
        "KVERN_TOKEN", "KVERN_WORKER", "KVERN_WORKER_MEMORY", "KVERN_WORKER_NAME", "KVERN_WORKER_SPILL", "KVERN_WORKER_SPILL_LIMIT",
        "KVERN_WORKER_THREADS", "KVERN_WORKER_TOKEN"
    ];
    "local": "kvern-scheduler-local", ["threads.workers"], [];
    "local" or "cluster": "kvern-store", ["memory.limit", "memory.spill", "spill.directory", "spill.limit"], [];
    "plugins": "kvern-plugin-host", [
        "plugins.cache", "plugins.directory", "plugins.manifest", "plugins.trust"
    ], [];
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use kvern_core::config::{Declared, inventory};

    use super::ALL;

    type Names = (BTreeSet<&'static str>, BTreeSet<&'static str>);

    /// The crates that are linked whatever the features are, and this one's own keys.
    const ALWAYS: &[&str] = &["kvern-core", "kvern"];

    #[test]
    fn the_list_is_what_the_crates_declare() {
        let mut declared: BTreeMap<&str, Names> = BTreeMap::new();
        let linked = inventory::iter::<Declared>.into_iter();
        for of in linked.filter(|of| !ALWAYS.contains(&of.crate_name)) {
            let (keys, variables) = declared.entry(of.crate_name).or_default();
            keys.extend(of.keys.iter().map(kvern_core::config::Key::name));
            variables.extend(of.variables.iter().map(|v| v.name));
        }
        assert!(!declared.is_empty());
        let listed: BTreeMap<&str, Names> = ALL
            .iter()
            .map(|a| {
                let sets = (
                    a.keys.iter().copied().collect(),
                    a.variables.iter().copied().collect(),
                );
                (a.crate_name, sets)
            })
            .collect();
        // A crate that this build leaves out declares nothing, so only those that are there are compared.
        for (name, sets) in &declared {
            assert_eq!(listed.get(name), Some(sets), "{name}, in src/absent.rs");
        }
    }

    #[test]
    fn each_is_of_a_feature() {
        let features: BTreeSet<&str> = crate::about::features().iter().map(|f| f.0).collect();
        for absent in ALL {
            assert!(features.contains(absent.linked_by), "{absent:?}");
        }
    }
}
