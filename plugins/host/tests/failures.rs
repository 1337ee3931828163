//! Each thing that can be wrong with a plugin has its own error, which names the file, what was expected and what was found; the host
//! lives, and its registry is as it was.

mod support;

use std::path::Path;

use kvern_core::{ErrorKind, Registry};
use kvern_plugin_host::manifest::{self, Manifest};
use kvern_plugin_host::{Loader, PluginError, Trust, inspect, op_ref};
use serde_json::json;
use support::{chunk, fixture, load, loader, numbers, run};

fn refused(name: &str) -> PluginError {
    let file = fixture(name);
    let folder = file.parent().unwrap();
    let mut registry = Registry::empty();
    let e = loader(folder, &folder.join("cache"))
        .load(&file, &mut registry)
        .unwrap_err();
    assert_eq!(registry.operators().count(), 0, "{name}: {e}");
    let told = e.to_string();
    assert!(
        told.contains(&format!("{name}.so")),
        "the file is named: {told}"
    );
    assert!(told.len() < 600, "{} characters: {told}", told.len());
    e
}

#[test]
fn another_major_is_refused_before_its_constructor_runs() {
    let e = refused("major");
    assert!(matches!(&e, PluginError::Major { expected: 1, found, .. } if found == "2.3"));
    assert!(
        e.to_string().contains("border 2.3") && e.to_string().contains("loads 1.x"),
        "{e}"
    );
    assert!(
        e.to_string().contains("rebuild it with kvern-plugin 1.x"),
        "{e}"
    );
}

#[test]
fn no_root_symbol() {
    let e = refused("noroot");
    assert!(
        matches!(
            &e,
            PluginError::NoRoot {
                symbol: "kvern_plugin_root_v1",
                ..
            }
        ),
        "{e}"
    );
    assert!(
        e.to_string()
            .contains("does not export \"kvern_plugin_root_v1\""),
        "{e}"
    );
}

#[test]
fn a_root_that_is_null() {
    let e = refused("nullroot");
    assert!(matches!(&e, PluginError::RootModule { .. }), "{e}");
}

#[test]
fn no_descriptor_and_one_that_is_none() {
    let e = refused("nosection");
    assert!(matches!(&e, PluginError::NoDescriptor { .. }), "{e}");
    assert!(e.to_string().contains("export_plugin!"), "{e}");
    let e = refused("garbage");
    assert!(matches!(&e, PluginError::BadDescriptor { .. }), "{e}");
    assert!(e.to_string().contains("KVERNPLG"), "{e}");
    let e = refused("reserved");
    assert!(matches!(&e, PluginError::BadDescriptor { .. }), "{e}");
    assert!(e.to_string().contains("\"array\" is kvern's own"), "{e}");
}

#[test]
fn tables_of_another_layout() {
    let e = refused("layout");
    assert!(
        matches!(&e, PluginError::Layout { expected, found, .. } if expected ^ found == 0xff),
        "{e}"
    );
}

#[test]
fn one_that_cannot_catch_its_panics() {
    let e = refused("abort");
    assert!(matches!(&e, PluginError::PanicAbort { .. }), "{e}");
    assert!(e.to_string().contains("panic = \"abort\""), "{e}");
}

#[test]
fn what_is_loaded_says_what_the_file_says() {
    let e = refused("contradiction");
    assert!(
        matches!(&e, PluginError::Contradiction { field: "the name", expected, found, .. }
            if expected == "old" && found == "somebody-else"),
        "{e}"
    );
}

#[test]
fn one_that_refuses_to_begin() {
    let e = refused("init");
    assert!(matches!(&e, PluginError::Init { .. }), "{e}");
    assert!(
        e.to_string().contains("no-memory") && e.to_string().contains("the licence server is away"),
        "{e}"
    );
}

#[test]
fn tables_of_operators_that_lie() {
    let e = refused("table");
    assert!(matches!(&e, PluginError::Table { .. }), "{e}");
    assert!(
        e.to_string().contains("item 0 says that it has 24 bytes"),
        "{e}"
    );
    let e = refused("twice");
    assert!(e.to_string().contains("it has old.scale@1 twice"), "{e}");
    let e = refused("foreign");
    assert!(
        e.to_string()
            .contains("\"sample.other\" cannot name an operator of the plugin \"old\""),
        "{e}"
    );
}

#[test]
fn a_duplicate_name_is_an_error_that_names_both_and_adds_nothing() {
    let (sample, mut registry) = load("sample").unwrap();
    let before = registry.operators().count();
    let file = fixture("duplicate");
    let folder = file.parent().unwrap();
    let e = loader(folder, &folder.join("cache"))
        .load(&file, &mut registry)
        .unwrap_err();
    assert!(matches!(&e, PluginError::Duplicate { .. }), "{e}");
    assert_eq!(e.kind(), ErrorKind::Duplicate);
    let told = e.to_string();
    for part in [
        "sample.scale@1",
        "sample.so",
        "duplicate.so",
        &sample.inspection.sha256[..12],
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(registry.operators().count(), before);
    // The one that was there first still works.
    let scale = op_ref(&registry, "sample.scale@1", &json!({"factor": 4.0})).unwrap();
    assert_eq!(
        numbers(&run(&registry, &scale, vec![chunk(&[1.5])]).unwrap()),
        [6.0]
    );
}

#[test]
fn the_same_file_twice_is_no_error() {
    let (first, mut registry) = load("sample").unwrap();
    let file = fixture("sample");
    let folder = file.parent().unwrap();
    let before = registry.operators().count();
    let again = loader(folder, &folder.join("cache"))
        .load(&file, &mut registry)
        .unwrap();
    assert_eq!(
        (again.operators, registry.operators().count()),
        (first.operators, before)
    );
    // Another session's registry has it, too.
    let (_, other) = load("sample").unwrap();
    assert_eq!(other.operators().count(), before);
}

#[test]
fn an_old_plugin_loads_in_this_host() {
    let (plugin, registry) = load("old").unwrap();
    assert_eq!(plugin.inspection.abi, (1, 0));
    assert_eq!(plugin.to_string(), "old 0.9.0: old.scale@1");
    let scale = op_ref(&registry, "old.scale", &json!({"factor": -2.5})).unwrap();
    let out = run(&registry, &scale, vec![chunk(&[1.0, 0.0, -4.0])]).unwrap();
    assert_eq!(numbers(&out), [-2.5, 0.0, 10.0]);
    // What its table does not have is absent, not guessed at.
    let op = registry.operator("old.scale", None).unwrap();
    let meta = op
        .infer(b"3", &[kvern_core::Meta::array("float64", [3])])
        .unwrap();
    assert_eq!(meta, kvern_core::Meta::unknown());
    let e = op_ref(&registry, "old.scale", &json!({})).unwrap_err();
    assert!(
        e.message()
            .contains("old.scale: there is no number in the parameters"),
        "{e}"
    );
}

#[test]
fn a_plugin_of_a_later_minor_loads_in_this_host() {
    let (plugin, registry) = load("future").unwrap();
    assert_eq!(plugin.inspection.abi, (1, 7));
    let scale = op_ref(&registry, "future.scale", &json!(3)).unwrap();
    let out = run(&registry, &scale, vec![chunk(&[7.0])]).unwrap();
    assert_eq!(numbers(&out), [21.0]);
}

#[test]
fn a_result_that_cannot_be_read_is_the_error_of_its_task() {
    let (_, registry) = load("badresult").unwrap();
    let scale = op_ref(&registry, "old.scale", &json!(3)).unwrap();
    let e = run(&registry, &scale, vec![chunk(&[7.0])]).unwrap_err();
    assert!(
        e.message().contains("DLPack 9.0 where 1.x is expected"),
        "{e}"
    );
}

#[test]
fn a_plugin_says_what_it_is_without_being_loaded() {
    let found = inspect(&fixture("sample")).unwrap();
    assert_eq!(
        (found.name.as_str(), found.version.as_str(), found.abi),
        ("sample", "0.1.0", (1, 1))
    );
    assert_eq!(found.sha256.len(), 64);
    let (_, registry) = load("sample").unwrap();
    let scale = registry.operator("sample.scale", Some(1)).unwrap();
    assert_eq!((scale.name(), scale.version()), ("sample.scale", 1));
}

#[test]
fn modes() {
    let file = fixture("old");
    let folder = file.parent().unwrap().to_path_buf();
    let try_with = |trust| {
        let mut registry = Registry::empty();
        Loader::new(trust)
            .cache(folder.join("cache"))
            .load(&file, &mut registry)
    };
    let e = try_with(Trust::Deny).unwrap_err();
    assert!(matches!(&e, PluginError::Denied { .. }), "{e}");
    // Not in the folder itself.
    let above = folder.parent().unwrap().to_path_buf();
    let e = try_with(Trust::AllowDir(vec![above])).unwrap_err();
    assert!(matches!(&e, PluginError::WrongDirectory { .. }), "{e}");
    let e = try_with(Trust::AllowDir(vec![])).unwrap_err();
    assert!(e.to_string().contains("may come from nowhere"), "{e}");

    let list = Path::new("plugins.toml");
    let e = try_with(Trust::Manifest(Manifest::of(list, vec![]))).unwrap_err();
    let PluginError::NotTrusted { entry, .. } = &e else {
        panic!("{e}")
    };
    // The lines that it shows are the ones that make it trusted.
    let trusting = Manifest::parse(list, entry).unwrap();
    assert_eq!(
        try_with(Trust::Manifest(trusting.clone()))
            .unwrap()
            .inspection
            .name,
        "old"
    );
    let edited = |edit: fn(&mut manifest::Entry)| {
        let mut entries = trusting.entries().to_vec();
        entries.iter_mut().for_each(edit);
        try_with(Trust::Manifest(Manifest::of(list, entries))).unwrap_err()
    };
    let e = edited(|e| e.sha256 = "0".repeat(64));
    assert!(matches!(&e, PluginError::Changed { .. }), "{e}");
    let e = edited(|e| e.version = "1.0.0".into());
    assert!(
        matches!(&e, PluginError::Misnamed { expected, found, .. } if expected == "old 1.0.0" && found == "old 0.9.0"),
        "{e}"
    );
}

#[test]
fn lists_of_trusted_plugins_are_read_strictly() {
    let path = Path::new("plugins.toml");
    for (text, words) in [
        ("plugin = 3", "invalid type"),
        ("[[plugin]]\nname = \"a\"", "missing field"),
        (
            "[[plugin]]\nname = \"a\"\nversion = \"1\"\nsha256 = \"abc\"",
            "64 hexadecimal digits",
        ),
        ("[[plugins]]\nname = \"a\"", "unknown field `plugins`"),
    ] {
        let e = Manifest::parse(path, text).unwrap_err();
        assert!(
            e.to_string().contains(words) && e.to_string().contains("plugins.toml"),
            "{e}"
        );
    }
    assert!(Manifest::parse(path, "").unwrap().entries().is_empty());
}

#[cfg(unix)]
#[test]
fn what_others_may_change_is_refused() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.so");
    std::fs::copy(fixture("old"), &file).unwrap();
    let try_it = || {
        let mut registry = Registry::empty();
        loader(folder.path(), &folder.path().join("cache")).load(&file, &mut registry)
    };
    set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let e = try_it().unwrap_err();
    assert!(
        matches!(
            &e,
            PluginError::Writable {
                what: "the file",
                ..
            }
        ),
        "{e}"
    );
    set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let e = try_it().unwrap_err();
    assert!(
        matches!(
            &e,
            PluginError::Writable {
                what: "its folder",
                ..
            }
        ),
        "{e}"
    );
    set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    assert!(try_it().is_ok());
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let try_it = |path: &Path| {
        let mut registry = Registry::empty();
        loader(folder.path(), &folder.path().join("cache"))
            .load(path, &mut registry)
            .unwrap_err()
    };
    let e = try_it(&folder.path().join("missing.so"));
    assert!(matches!(&e, PluginError::Read { .. }), "{e}");
    assert_eq!(e.kind(), ErrorKind::Io);
    let e = try_it(folder.path());
    assert!(matches!(&e, PluginError::NotAFile { .. }), "{e}");
}

/// A download that broke off, or a full disk.
#[test]
fn a_truncated_file_is_refused_before_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixture("old")).unwrap();
    for percent in [50, 85, 99] {
        let path = folder.path().join(format!("first-{percent}.so"));
        std::fs::write(&path, &bytes[..bytes.len() * percent / 100]).unwrap();
        let mut registry = Registry::empty();
        let e = loader(folder.path(), &folder.path().join("cache"))
            .load(&path, &mut registry)
            .unwrap_err();
        let words = e.to_string();
        assert!(matches!(&e, PluginError::Malformed { .. }), "{words}");
        assert!(words.contains(&format!("first-{percent}.so")), "{words}");
        assert!(words.contains("cut off"), "{words}");
        assert_eq!(registry.operators().count(), 0, "{words}");
    }
}

/// The file may be overwritten in place after it is loaded: what is mapped is a copy of our own.
#[test]
fn a_file_that_is_overwritten_after_loading_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.so");
    std::fs::copy(fixture("old"), &file).unwrap();
    let mut registry = Registry::empty();
    loader(folder.path(), &folder.path().join("cache"))
        .load(&file, &mut registry)
        .unwrap();
    std::fs::write(&file, b"nothing").unwrap();
    let scale = op_ref(&registry, "old.scale", &json!(2)).unwrap();
    let out = run(&registry, &scale, vec![chunk(&[8.0])]).unwrap();
    assert_eq!(numbers(&out), [16.0]);
}

#[test]
fn a_damaged_copy_in_the_cache_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let file = fixture("future");
    let sha = inspect(&file).unwrap().sha256;
    std::fs::create_dir(&cache).unwrap();
    std::fs::write(cache.join(format!("{sha}.so")), b"cut off").unwrap();
    let mut registry = Registry::empty();
    // In a child of its own nothing is loaded yet; here it may be, so the cache is asked directly.
    let read = kvern_plugin_host::file::PluginFile::read(&file).unwrap();
    let copy = kvern_plugin_host::cache::copy(&read, &cache).unwrap();
    assert_eq!(std::fs::read(copy).unwrap(), read.bytes);
    loader(file.parent().unwrap(), &cache)
        .load(&file, &mut registry)
        .unwrap();
}
