//! The page on simulation names signals to look at: each exists in the Verilog, under that name.

use std::collections::HashMap;

use systole_hdl::emit;

/// Text of each module by name.
fn modules(verilog: &str) -> HashMap<&str, &str> {
    verilog
        .split("\nmodule ")
        .filter_map(|text| {
            let end = text.find("endmodule")?;
            let name = text.split([' ', '(', '\n']).next()?;
            Some((name, &text[..end]))
        })
        .collect()
}

/// Whether a module declares a signal.
fn declares(module: &str, signal: &str) -> bool {
    module
        .lines()
        .map(str::trim)
        .filter(|line| {
            ["input", "output", "wire", "reg"]
                .iter()
                .any(|kind| line.starts_with(kind))
        })
        .any(|line| {
            line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'))
                .any(|word| word == signal)
        })
}

#[test]
fn every_signal_that_the_page_names_exists() {
    let page = include_str!("../../docs/simulation.md");
    let emitted = emit::emit("small").expect("it is a configuration");
    let modules = modules(&emitted.verilog);
    let signals: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("top."))
        .collect();
    assert!(signals.len() > 15, "{signals:?}");
    for signal in signals {
        let (path, name) = signal.rsplit_once('.').expect("it has a path");
        let module = path.replace('.', "$");
        let text = modules
            .get(&module[..])
            .unwrap_or_else(|| panic!("{signal}: there is no module {module}"));
        assert!(
            declares(text, name),
            "{signal}: {module} has no signal {name}"
        );
    }
}
