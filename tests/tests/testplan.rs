//! The test plan names tests that exist, and forgets no part of the interface.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use systole_regs::{Status, registers};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    feature: Vec<Feature>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    name: String,
    shows: String,
    #[serde(default)]
    covers: Vec<String>,
    tests: Vec<String>,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn plan() -> Plan {
    toml::from_str(&read("tests/testplan.toml")).expect("the plan has this shape")
}

/// Functions of a source that the test harness runs: those with a test attribute
/// before them.
fn tests_of(source: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut attributed = false;
    for line in source.lines().map(str::trim) {
        if matches!(line, "#[test]" | "#[tokio::test]") {
            attributed = true;
        } else if let Some(signature) = line
            .strip_prefix("async ")
            .unwrap_or(line)
            .strip_prefix("fn ")
        {
            if attributed {
                let name = signature.split(['(', '<']).next().unwrap_or_default();
                tests.insert(name.to_owned());
            }
            attributed = false;
        } else if !line.starts_with('#') && !line.starts_with("//") && !line.is_empty() {
            attributed = false;
        }
    }
    tests
}

/// Public constants of a module of a source, but for those that combine others.
fn constants(source: &str, module: &str) -> Vec<String> {
    let start = source
        .find(&format!("pub mod {module} {{"))
        .unwrap_or_else(|| panic!("there is a module `{module}`"));
    let body = &source[start..];
    let end = body.find("\n}").expect("it ends");
    let names: Vec<String> = body[..end]
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
        .filter_map(|rest| rest.split(':').next())
        .filter(|name| *name != "ALL")
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 1, "{module}: {names:?}");
    names
}

/// All that the interface has, as `covers` names it.
fn interface() -> BTreeSet<String> {
    let instructions = read("hdl/regs/src/instructions.rs");
    let entries = read("hdl/regs/src/entries.rs");
    let mut parts = BTreeSet::new();
    for (kind, source, module) in [
        ("instruction", &instructions, "opcode"),
        ("instruction flag", &instructions, "flag"),
        ("command", &entries, "opcode"),
        ("command flag", &entries, "flag"),
    ] {
        let names = constants(source, module).into_iter();
        parts.extend(names.map(|name| format!("{kind} {name}")));
    }
    let statuses = Status::ALL.iter().map(|status| status.name());
    parts.extend(statuses.map(|name| format!("status {name}")));
    let blocks = registers::BLOCKS.iter().map(|(title, _)| title);
    parts.extend(blocks.map(|title| format!("registers {title}")));
    parts
}

#[test]
fn every_feature_has_tests_that_exist() {
    let mut sources: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut missing = Vec::new();
    for feature in plan().feature {
        let Feature {
            name, shows, tests, ..
        } = feature;
        assert!(names.insert(name.clone()), "{name} comes twice");
        assert!(shows.len() > 20, "{name}: what does it show?");
        assert!(!tests.is_empty(), "{name} has no tests");
        for test in &tests {
            let (path, function) = test
                .split_once("::")
                .unwrap_or_else(|| panic!("{name}: `{test}` is not path::function"));
            let known = sources
                .entry(path.to_owned())
                .or_insert_with(|| tests_of(&read(path)));
            if !known.contains(function) {
                missing.push(test.clone());
            }
        }
        let distinct: BTreeSet<&String> = tests.iter().collect();
        assert_eq!(distinct.len(), tests.len(), "{name} names a test twice");
    }
    assert!(missing.is_empty(), "these tests do not exist: {missing:#?}");
}

#[test]
fn every_part_of_the_interface_belongs_to_a_feature() {
    let interface = interface();
    let covered: BTreeSet<String> = plan().feature.into_iter().flat_map(|f| f.covers).collect();
    let forgotten: Vec<_> = interface.difference(&covered).collect();
    assert!(forgotten.is_empty(), "no feature covers {forgotten:?}");
    let unknown: Vec<_> = covered.difference(&interface).collect();
    assert!(unknown.is_empty(), "the interface has no {unknown:?}");
}

#[test]
fn only_functions_with_the_attribute_are_tests() {
    let source = "#[test]\n/// Why.\n#[ignore]\nfn a() {}\nfn b() {}\n#[test]\nuse x;\nfn c() {}";
    assert_eq!(tests_of(source), BTreeSet::from(["a".to_owned()]));
}
