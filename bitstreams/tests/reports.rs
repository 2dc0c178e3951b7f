//! The committed reports belong to today's Verilog.

use std::path::PathBuf;

use systole_bitstreams::reports::{COMMITTED, Stale};

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

#[test]
fn a_report_of_other_verilog_is_found_out() {
    let committed = COMMITTED[0];
    let mut design = committed.design().expect("the configuration is emitted");
    // One gate more, anywhere.
    design.files[0].1.push_str("\nmodule more(); endmodule\n");
    let stale = committed
        .check(&folder(), &design)
        .expect_err("the Verilog has changed");
    assert!(matches!(stale, Stale::Other { .. }), "{stale}");
    assert!(stale.to_string().contains("make reports"), "{stale}");

    let empty = tempfile::tempdir().expect("there is room for temporary files");
    let missing = committed
        .check(empty.path(), &design)
        .expect_err("there is no report");
    assert!(missing.to_string().contains("make reports"), "{missing}");
}
