//! Environment variables that are no configuration: they tell one process what it is to be.

use kvern_core::config::config_keys;

config_keys! {
    ;
    "KVERN_BALLISTA" = "Set by ballista://local for the processes that it starts: scheduler or executor.",
    "KVERN_BALLISTA_FOLDER" = "Set by ballista://local for the processes that it starts: the folder for their files.",
    "KVERN_BALLISTA_SCHEDULER" = "Set by ballista://local for its executors: the address of their scheduler.",
    "KVERN_BALLISTA_EXECUTORS" = "Set by ballista://local for its processes: how many executors there will be.",
    "KVERN_BALLISTA_SLOTS" = "Set by ballista://local for its executors: how many partitions each computes at once.",
}
