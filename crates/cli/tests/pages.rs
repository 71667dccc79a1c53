//! The generated pages say what the program does. `MIYABI_UPDATE=1 cargo test -p miyabi --test pages` writes them.

use std::fs;
use std::path::Path;

#[track_caller]
fn check(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("MIYABI_UPDATE").is_some() {
        fs::write(&path, page).expect("the page can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/{name} is stale; refresh it: MIYABI_UPDATE=1 cargo test -p miyabi --test pages"
    );
}

#[test]
fn the_page_of_commands_is_true() {
    check("cli.md", &miyabi::args::page());
}

#[test]
fn the_page_of_settings_is_true() {
    check("settings.md", &miyabi::settings::page());
}

#[test]
fn the_page_of_exit_codes_is_true() {
    check("exit-codes.md", &miyabi::exit::page());
}
