//! The committed header is the one that the crate makes.

use std::path::Path;

/// Set to write the header anew.
const UPDATE: &str = "SYSTOLE_UPDATE_HEADER";

#[test]
fn the_header_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).expect("it is valid");
    let bindings = cbindgen::Builder::new()
        .with_crate(folder)
        .with_config(config)
        .generate()
        .expect("cbindgen reads the crate");
    let mut made = Vec::new();
    bindings.write(&mut made);
    // Rust's heading says nothing to C.
    let made = String::from_utf8(made).expect("Rust's source is UTF-8");
    let made = made.replace("// # Safety\n// ", "// Requires: ");
    let header = folder.join("include/systole.h");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&header, &made).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&header).unwrap_or_default();
    assert!(
        committed == made,
        "include/systole.h is not what the crate makes now: {UPDATE}=1 cargo test -p systole-c --test header"
    );
}
