//! The committed reports belong to today's Verilog.

use std::path::PathBuf;

use systole_bitstreams::reports::COMMITTED;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reports")
}

#[test]
fn committed_reports_belong_to_todays_verilog() {
    for committed in COMMITTED {
        let design = committed.design().expect("the configuration is emitted");
        if let Err(stale) = committed.check(&folder(), &design) {
            panic!("{committed}: {stale}");
        }
        for end in ["md", "svg"] {
            let path = folder().join(committed.file_stem()).with_extension(end);
            assert!(path.exists(), "{} is missing: make reports", path.display());
        }
    }
}
