//! The whole flow with the real tools, on a block that is small enough for every test run: from
//! Verilog to a bitstream, which is then taken apart again.

mod support;

use std::process::Command;

use support::{element, environment, lane, options, tool};
use systole_bitstreams::{Board, FlowError, Options, Report, build};

/// A clock that the lane meets on the slowest speed grade with room.
const EASY_KHZ: u32 = 25_000;

#[test]
fn a_requantization_lane_becomes_a_bitstream() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let board = Board::by_name("ulx3s-45f").expect("the board is known");
    let design = lane(board, EASY_KHZ);
    let report = build(
        &design,
        board,
        &environment(),
        &options(folder.path()),
        &|_| (),
    )
    .expect("the lane is built");

    assert!(report.met);
    // The PLL's output is the design's clock, and nextpnr has found its frequency by itself.
    let clock = &report.clocks[0];
    assert_eq!(clock.wanted_mhz, 25.0, "{clock:?}");
    assert_eq!(clock.name, "clock", "{clock:?}");
    let used = |resource: &str| {
        let usage = report
            .usage
            .iter()
            .find(|usage| usage.resource.contains(resource));
        usage.map(|usage| (usage.synthesized, usage.routed))
    };
    // 32 x 32 bits are three products of at most 18 x 18.
    assert_eq!(used("multiplier"), Some((3, 3)));
    assert!(used("flip-flop").is_some_and(|(_, routed)| routed > 400));
    // Multipliers are counted for the instances of the primitive, in the lane.
    let in_the_lane: u64 = report
        .modules
        .iter()
        .filter(|module| module.path.starts_with("block"))
        .map(|module| module.used[3])
        .sum();
    assert_eq!(in_the_lane, 3, "{:?}", report.modules);
    assert!(
        report
            .paths
            .iter()
            .any(|path| path.from.starts_with("block."))
    );
    for step in &report.steps {
        assert!(step.seconds > 0.0, "{step:?}");
        // No tool does anything in less than this.
        assert!(step.peak_memory_mib.is_some_and(|mib| mib > 20), "{step:?}");
        assert!(
            step.processor_seconds.is_some_and(|seconds| seconds > 0.1),
            "{step:?}"
        );
    }

    // The bitstream is one: Project Trellis takes it apart into what was routed.
    let bitstream = report.bitstream.as_ref().expect("the clock was met");
    let unpack = Command::new(tool("yowasp-ecpunpack"))
        .current_dir(folder.path())
        .args(["--input", &bitstream.file, "--textcfg", "again.config"])
        .status()
        .expect("ecpunpack is installed");
    assert!(unpack.success());
    let again = std::fs::read_to_string(folder.path().join("again.config"))
        .expect("the configuration is there");
    assert!(again.contains(".device LFE5U-45F"));
    assert!(again.contains("EHXPLLL"), "the PLL is configured");

    // What is on the disk is what was returned.
    let json = std::fs::read_to_string(folder.path().join("ulx3s-45f-lane.json"))
        .expect("the report is there");
    assert_eq!(serde_json::from_str::<Report>(&json).ok(), Some(report));
}

#[test]
fn a_missed_clock_is_an_error_with_a_report() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let board = Board::by_name("ulx3s-45f").expect("the board is known");
    // The bitstream of an earlier build that met its clock.
    let stem = folder.path().join("ulx3s-45f-element");
    std::fs::write(stem.with_extension("bit"), "old").expect("there is room for a file");
    // Two seeds at once: both are tried, one is reported.
    let options = Options {
        seeds: 2,
        jobs: 2,
        ..options(folder.path())
    };
    let error = build(
        &element(board, 400_000),
        board,
        &environment(),
        &options,
        &|_| (),
    )
    .expect_err("no multiplier runs at 400 MHz");
    let text = error.to_string();
    assert!(
        matches!(error, FlowError::Missed { .. }) && text.contains("of 400.0 MHz"),
        "{text}"
    );
    assert!(text.contains("best of 2 seeds"), "{text}");
    assert!(
        text.contains("block.") && text.contains("--allow-missed-clock"),
        "{text}"
    );
    let page = std::fs::read_to_string(stem.with_extension("md")).expect("there is a report");
    assert!(page.contains("MISSED"), "{page}");
    // Nobody shall load it by accident.
    assert!(!stem.with_extension("bit").exists());
}

#[test]
fn a_broken_design_shows_the_end_of_the_log() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let board = systole_bitstreams::board::DEFAULT;
    let mut design = element(board, EASY_KHZ);
    design.files[0].1 = "module top(; endmodule".to_owned();
    let error = build(
        &design,
        board,
        &environment(),
        &options(folder.path()),
        &|_| (),
    )
    .expect_err("the design is broken");
    assert!(error.to_string().contains("syntax error"), "{error}");
}

#[test]
fn another_family_goes_the_same_way() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let board = Board::by_name("tang-primer-25k").expect("the board is known");
    // The board's own clock; the element meets it easily.
    let report = build(
        &element(board, 50_000),
        board,
        &environment(),
        &options(folder.path()),
        &|_| (),
    )
    .expect("the element is built");
    assert!(report.met && report.clock.pll.is_none());
    let clock = &report.clocks[0];
    assert_eq!((clock.name.as_str(), clock.wanted_mhz), ("clock", 50.0));
    let bitstream = report.bitstream.expect("the clock was met");
    let text =
        std::fs::read_to_string(folder.path().join(bitstream.file)).expect("the bitstream is text");
    // Gowin's bitstreams are lines of bits; the first ones name the part by its IDCODE.
    assert!(
        text.lines()
            .filter(|line| !line.starts_with("//"))
            .all(|line| { line.chars().all(|bit| bit == '0' || bit == '1') })
    );
    let used = |name: &str| {
        let usage = report.usage.iter().find(|usage| usage.resource == name);
        usage.map_or(0, |usage| usage.routed)
    };
    assert!(
        used("LUT4") > 50 && used("flip-flop") > 50,
        "{:?}",
        report.usage
    );
}
