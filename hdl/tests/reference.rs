//! The committed reference pages are what the register description says today.

use std::path::Path;

#[test]
fn committed_pages_are_current() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for (name, text) in systole_hdl::reference::pages() {
        let committed = std::fs::read_to_string(docs.join(name)).unwrap_or_default();
        assert!(
            committed == text,
            "docs/{name} is out of date: run `make docs`"
        );
    }
}
