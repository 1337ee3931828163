//! What the configuration says of plugins.

mod support;

use kvern_core::config::Config;
use kvern_core::{ErrorKind, Registry};
use kvern_plugin_host::{Loader, PluginError, inspect};
use support::fixture;

fn defaults() -> Config {
    Config::new(&Registry::linked().unwrap())
}

fn load(config: &Config) -> Result<String, String> {
    let loader = Loader::configured(config).map_err(|e| e.to_string())?;
    let mut registry = Registry::empty();
    loader
        .load(&fixture("old"), &mut registry)
        .map(|p| p.inspection.name)
        .map_err(|e| e.to_string())
}

#[test]
fn nothing_is_trusted_unless_somebody_says_so() {
    let mut config = defaults();
    let e = load(&config).unwrap_err();
    assert!(
        e.contains(".kvern/plugins.toml") && e.contains("[[plugin]]"),
        "{e}"
    );
    config.set("plugins.trust", "deny").unwrap();
    let e = load(&config).unwrap_err();
    assert!(e.contains("plugins.trust is \"deny\""), "{e}");
    let e = config.set("plugins.trust", "everything").unwrap_err();
    assert!(e.to_string().contains("allow-dir"), "{e}");
}

#[test]
fn a_list_or_a_folder_makes_it_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let old = inspect(&fixture("old")).unwrap();
    let list = folder.path().join("plugins.toml");
    let text = format!(
        "[[plugin]]\nname = \"old\"\nversion = \"0.9.0\"\nsha256 = \"{}\"\n",
        old.sha256.to_uppercase()
    );
    std::fs::write(&list, text).unwrap();
    let mut config = defaults();
    config.set("plugins.manifest", list.as_path()).unwrap();
    config
        .set("plugins.cache", folder.path().join("cache").as_path())
        .unwrap();
    assert_eq!(load(&config).unwrap(), "old");
    // A list that is wrong is not a list that trusts nothing.
    std::fs::write(&list, "plugin = 1").unwrap();
    let e = Loader::configured(&config).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Config);
    assert!(e.to_string().contains("plugins.toml"), "{e}");

    let mut config = defaults();
    config.set("plugins.trust", "allow-dir").unwrap();
    assert!(load(&config).unwrap_err().contains(".kvern/plugins"));
    let place = fixture("old");
    config
        .set("plugins.directory", place.parent().unwrap())
        .unwrap();
    assert_eq!(load(&config).unwrap(), "old");
}

#[test]
fn its_errors_are_errors_of_the_core() {
    let e = PluginError::Denied {
        path: "x.so".into(),
    };
    let e = kvern_core::Error::from(e);
    assert_eq!(e.kind(), ErrorKind::BadInput);
    assert!(std::error::Error::source(&e).unwrap().is::<PluginError>());
}
