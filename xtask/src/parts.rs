//! The parts of the house by the short names that commands take.

use crate::command::Failure;
use crate::metadata::Package;
use crate::text;

/// The package that re-exports all others.
pub(crate) const FACADE: &str = "kvern";

/// Every crate, with commands and parts of the facade that only this feature brings. The same for all steps: what one has compiled is there for
/// the next.
pub(crate) const WHOLE: &[&str] = &["--workspace", "--features", "kvern-cli/ballista"];

/// One thing that `cargo xtask test PART` can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All tests of one package.
    Package(&'static str),
    /// All tests of the crates of plugins, of the sample both loaded and linked, after building what they load.
    Plugins,
    /// Everything, and what needs more than Rust.
    Full,
    /// The examples in the documentation of all packages.
    Docs,
    /// The models of lock-free code, every interleaving of them.
    Loom,
}

/// All parts, ground first.
pub(crate) const PARTS: &[(&str, Part)] = &[
    ("core", Part::Package("kvern-core")),
    ("macros", Part::Package("kvern-macros")),
    ("pages", Part::Package("kvern-pages")),
    ("store", Part::Package("kvern-store")),
    ("local", Part::Package("kvern-scheduler-local")),
    ("machine", Part::Package("kvern-machine")),
    ("sim", Part::Package("kvern-sim")),
    ("cluster", Part::Package("kvern-scheduler-distributed")),
    ("ballista", Part::Package("kvern-ballista")),
    ("array", Part::Package("kvern-array")),
    ("kernels", Part::Package("kvern-kernels")),
    ("bag", Part::Package("kvern-bag")),
    ("frame", Part::Package("kvern-frame")),
    ("facade", Part::Package(FACADE)),
    ("e2e", Part::Package("kvern-e2e")),
    ("fuzz", Part::Package("kvern-fuzz")),
    ("cli", Part::Package("kvern-cli")),
    ("conformance", Part::Package("kvern-conformance")),
    ("plugins", Part::Plugins),
    ("plugin-abi", Part::Package("kvern-plugin-abi")),
    ("plugin-root", Part::Package("kvern-plugin-root")),
    ("plugin-arrow", Part::Package("kvern-plugin-arrow")),
    ("plugin-bridge", Part::Package("kvern-plugin-bridge")),
    ("plugin-host", Part::Package("kvern-plugin-host")),
    ("plugin-sdk", Part::Package("kvern-plugin")),
    ("plugin-sample", Part::Package("kvern-plugin-sample")),
    ("xtask", Part::Package("xtask")),
    ("full", Part::Full),
    ("docs", Part::Docs),
    ("loom", Part::Loom),
];

/// The part of that name (or of that package), or a failure that names the nearest one.
pub(crate) fn find(name: &str) -> Result<Part, Failure> {
    PARTS
        .iter()
        .find(|(short, part)| {
            *short == name || matches!(part, Part::Package(full) if *full == name)
        })
        .map(|(_, part)| *part)
        .ok_or_else(|| Failure::new(text::unknown("part", name, names())))
}

/// The short names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PARTS.iter().map(|(short, _)| *short)
}

/// The member of that name.
pub(crate) fn package<'a>(packages: &'a [Package], name: &str) -> Result<&'a Package, Failure> {
    packages
        .iter()
        .find(|package| package.name == name)
        .ok_or_else(|| {
            let names = packages.iter().map(|package| package.name.as_str());
            Failure::new(text::unknown("package", name, names))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn parts_have_short_and_full_names() {
        assert_eq!(
            find("local").unwrap(),
            Part::Package("kvern-scheduler-local")
        );
        assert_eq!(find("kvern-array").unwrap(), Part::Package("kvern-array"));
        assert_eq!(find("docs").unwrap(), Part::Docs);
    }

    #[test]
    fn an_unknown_part_is_told_the_nearest_and_all() {
        let sentence = find("arrays").unwrap_err().to_string();
        assert!(
            sentence.starts_with("unknown part `arrays`: did you mean `array`?"),
            "{sentence}"
        );
        assert!(
            sentence.contains("core, macros, pages, store, local"),
            "{sentence}"
        );
        assert!(find("").is_err());
    }

    #[test]
    fn every_member_is_a_part() {
        let packages = crate::metadata::packages(&Workspace::locate().unwrap()).unwrap();
        for package in &packages {
            assert!(
                find(&package.name).is_ok(),
                "`{}` has no part",
                package.name
            );
        }
        for (short, part) in PARTS {
            if let Part::Package(name) = part {
                assert!(super::package(&packages, name).is_ok(), "part `{short}`");
            }
        }
    }
}
