use super::*;

/// A tree of counters as the kernel has it: folder, name, counter and range.
fn tree(domains: &[(&str, &str, &str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    for (domain, name, counter, range) in domains {
        let domain = folder.path().join(domain);
        fs::create_dir(&domain).expect("temporary folders can be made");
        for (file, text) in [
            ("name", name),
            ("energy_uj", counter),
            ("max_energy_range_uj", range),
        ] {
            fs::write(domain.join(file), format!("{text}\n")).expect("files can be written");
        }
    }
    folder
}

fn count(folder: &tempfile::TempDir, domain: &str, counter: u64) {
    let path = folder.path().join(domain).join("energy_uj");
    fs::write(path, counter.to_string()).expect("files can be written");
}

#[test]
fn packages_are_added_and_their_parts_are_not() {
    let folder = tree(&[
        ("intel-rapl:1", "package-1", "100", "1000000"),
        ("intel-rapl:0", "package-0", "500", "1000000"),
        ("intel-rapl:0:0", "core", "0", "1000000"),
        ("intel-rapl:2", "psys", "0", "1000000"),
        ("intel-rapl-mmio:0", "package-0", "0", "1000000"),
    ]);
    let meter = Meter::open(folder.path()).expect("there are counters");
    assert_eq!(meter.names(), ["package-0", "package-1"]);
    let mut account = Account::new(Some(&meter));
    account.around(|| {
        count(&folder, "intel-rapl:0", 1500);
        count(&folder, "intel-rapl:1", 2100);
        count(&folder, "intel-rapl:0:0", 900_000);
    });
    let energy = account.energy(3).expect("it is known");
    assert!((energy.joules - 0.003).abs() < 1e-12, "{energy:?}");
    assert!(
        (energy.joules_per_1000_rows - 1.0).abs() < 1e-9,
        "{energy:?}"
    );
    assert!(
        (energy.watts * energy.seconds - 0.003).abs() < 1e-12,
        "{energy:?}"
    );
}

#[test]
fn a_counter_that_begins_anew_has_used_what_was_left_and_what_it_shows() {
    let folder = tree(&[("intel-rapl:0", "package-0", "999000", "1000000")]);
    let meter = Meter::open(folder.path()).expect("there are counters");
    let mut account = Account::new(Some(&meter));
    account.around(|| count(&folder, "intel-rapl:0", 4000));
    let energy = account.energy(1).expect("it is known");
    assert!((energy.joules - 0.005).abs() < 1e-12, "{energy:?}");
}

#[test]
fn a_reading_that_fails_makes_the_sum_unknown() {
    let folder = tree(&[("intel-rapl:0", "package-0", "1", "1000000")]);
    let meter = Meter::open(folder.path()).expect("there are counters");
    let mut account = Account::new(Some(&meter));
    account.around(|| fs::remove_dir_all(folder.path()).expect("it can be removed"));
    assert_eq!(account.energy(1), None);
    assert_eq!(Account::new(None).energy(1), None);
}

#[test]
fn a_machine_without_counters_and_one_with_nonsense_are_told_apart() {
    let folder = tree(&[("intel-rapl:0:0", "core", "0", "1000000")]);
    let absent = Meter::open(folder.path()).expect_err("there is no package");
    assert!(absent.to_string().contains("reports no energy"), "{absent}");
    let absent = Meter::open(&folder.path().join("none")).expect_err("there is no folder");
    assert!(matches!(absent, EnergyError::Absent { .. }), "{absent}");

    let folder = tree(&[("intel-rapl:0", "package-0", "much", "1000000")]);
    let nonsense = Meter::open(folder.path()).expect_err("it is no number");
    assert!(
        nonsense.to_string().contains("\"much\" is no number"),
        "{nonsense}"
    );
}

#[test]
fn what_only_root_may_read_is_said_to_be_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tree(&[("intel-rapl:0", "package-0", "1", "1000000")]);
    let counter = folder.path().join("intel-rapl:0/energy_uj");
    fs::set_permissions(&counter, fs::Permissions::from_mode(0o000)).expect("it is ours");
    match Meter::open(folder.path()) {
        Err(error) => assert!(error.to_string().contains("root"), "{error}"),
        // Root reads it all the same.
        Ok(_) => assert!(fs::read_to_string(&counter).is_ok()),
    }
}
