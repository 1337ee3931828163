//! The keys that concern every program, whichever backends and collections it links.

use super::{Key, Kind};

crate::config_keys! {
    Key::new(
        "scheduler",
        Kind::Text,
        "auto",
        "The URL of the backend that runs graphs, such as threads://?workers=4 or sync://.",
    )
    .auto("the best backend that is linked"),
    Key::new(
        "progress",
        Kind::OneOf(&["bar", "lines", "off"]),
        "auto",
        "How progress is shown while a graph runs.",
    )
    .auto("a bar on a terminal, a line now and then elsewhere");
    "KVERN_CONFIG" = "The one configuration file to read, in place of those that are found.",
}
