//! Environment variables of the cluster that are no configuration: they belong to one process, not to a user's settings.

use kvern_core::config::config_keys;

config_keys! {
    ;
    "KVERN_TOKEN" = "The word that a process must know to connect to a cluster's scheduler.",
    "KVERN_WORKER" = "Set by cluster:// for the workers that it starts: the address of their scheduler.",
    "KVERN_WORKER_NAME" = "Set by cluster:// for the workers that it starts: what each is called.",
    "KVERN_WORKER_THREADS" = "Set by cluster:// for the workers that it starts: how many tasks each runs at once.",
}
