//! Configuration keys of the cluster, and its environment variables that are none: these belong to one process, not to a user's settings.

use kvern_core::config::{Key, Kind, config_keys};

config_keys! {
    Key::new(
        "cluster.allowed-failures",
        Kind::Integer { min: 1, max: 60 },
        "3",
        "After so many workers lost while they ran it, a task on a cluster fails.",
    )
    .unit("workers"),
    Key::new(
        "cluster.no-workers-timeout",
        Kind::Duration,
        "10m",
        "How long tasks on a cluster wait when no worker is there that may run them, before they fail; 0s: for ever.",
    );
    "KVERN_TOKEN" = "The word that a process must know to connect to a cluster's scheduler.",
    "KVERN_WORKER" = "Set by cluster:// for the workers that it starts: the address of their scheduler.",
    "KVERN_WORKER_NAME" = "Set by cluster:// for the workers that it starts: what each is called.",
    "KVERN_WORKER_TOKEN" = "Set by cluster:// for the workers that it starts: what their scheduler wants to be told.",
    "KVERN_WORKER_MEMORY" = "Set by cluster:// for the workers that it starts: how many bytes of memory each has for results.",
    "KVERN_WORKER_SPILL" = "Set by cluster:// for the workers that it starts: the folder in which each spills, empty if nothing is to be spilled.",
    "KVERN_WORKER_SPILL_LIMIT" = "Set by cluster:// for the workers that it starts: how many bytes each may spill.",
    "KVERN_WORKER_THREADS" = "Set by cluster:// for the workers that it starts: how many tasks each runs at once.",
}
