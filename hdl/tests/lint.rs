//! The emitted Verilog passes Verilator's lint without a word, and is the same each time.

use std::path::PathBuf;

use systole_regs::configuration;

#[path = "support/verilator.rs"]
mod verilator;

#[test]
fn every_configuration_lints_clean() {
    for known in configuration::ALL {
        let emitted = systole_hdl::emit::emit(known.name).expect("the design is consistent");
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.v", known.name));
        std::fs::write(&path, &emitted.verilog).expect("the target directory is writable");
        let lint = verilator::command()
            .args(["--lint-only", "--top-module", "top"])
            .arg(&path)
            .output()
            .expect("perl runs");
        let words = String::from_utf8_lossy(&lint.stderr);
        let words: Vec<_> = words.lines().filter(|line| line.starts_with('%')).collect();
        assert!(
            lint.status.success() && words.is_empty(),
            "{}: {words:#?}",
            known.name
        );
    }
}

#[test]
fn the_build_hash_follows_the_design() {
    let hashes: Vec<_> = configuration::ALL[..2]
        .iter()
        .map(|known| {
            systole_hdl::emit::emit(known.name)
                .expect("the design is consistent")
                .build_hash
        })
        .collect();
    assert_ne!(hashes[0], hashes[1]);
    let again =
        systole_hdl::emit::emit(configuration::ALL[0].name).expect("the design is consistent");
    assert_eq!(again.build_hash, hashes[0]);
}
