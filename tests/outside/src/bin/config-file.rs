//! `config-file` alone: a file that also has settings for parts that are not here.

use kvern::core::config::Config;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("kvern-outside-{}.toml", std::process::id()));
    std::fs::write(&path, "progress = 'off'\n[plugins]\ntrust = 'deny'\n[memory]\nlimit = '1GiB'\n")?;
    // SAFETY: there is no other thread.
    unsafe { std::env::set_var("KVERN_CONFIG", &path) };
    let config = Config::load(&kvern::core::Registry::linked()?);
    std::fs::remove_file(&path)?;
    assert_eq!(config?.get::<String>("progress")?, "off");
    println!("config-file: ok");
    Ok(())
}
