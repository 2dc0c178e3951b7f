//! `systole bitstream`: what it lists, and what it says when something is wrong. That it builds is
//! tested with the flow, in `bitstreams`.

mod common;

use common::{assert_fails, systole};

fn build(arguments: &[&str]) -> std::process::Command {
    let mut command = systole();
    command
        .args(["bitstream", "build"])
        .args(arguments)
        .env_remove("SYSTOLE_VENV");
    command
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    assert_fails(
        &mut build(&["--board", "arty"]),
        2,
        &["arty", "ecp5-evn", "ulx3s-45f", "tang-mega-138k"],
    );
    assert_fails(
        &mut build(&["--config", "huge"]),
        2,
        &["huge", "tiny, small"],
    );
    assert_fails(&mut build(&["--seeds", "0"]), 2, &["--seeds"]);
    assert_fails(&mut build(&["--clock-mhz", "fast"]), 2, &["--clock-mhz"]);
}

#[test]
fn absent_tools_are_told_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out");
    let mut command = build(&["--config", "tiny", "--venv"]);
    command.arg(folder.path()).arg("--output").arg(&output);
    assert_fails(&mut command, 1, &["make setup"]);
    assert!(!output.exists(), "nothing was begun");
}

#[test]
fn boards_are_listed_with_what_their_parts_have() {
    let output = systole()
        .args(["bitstream", "boards"])
        .output()
        .expect("the command runs");
    let text = String::from_utf8(output.stdout).expect("the list is text");
    assert!(output.status.success());
    for board in systole_bitstreams::BOARDS {
        assert!(
            text.contains(board.name) && text.contains(board.title),
            "{text}"
        );
    }
    assert!(
        text.contains("(default)") && text.contains("208 block RAM (DP16KD)"),
        "{text}"
    );
}
