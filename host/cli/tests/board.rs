//! `systole sim board` and `--device serial:`: the command against a board on a pseudo terminal.
#![cfg(feature = "rtl-board")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{assert_fails, assert_succeeds, systole, write_npy};

/// A simulated board, killed when dropped.
struct RunningBoard {
    child: Child,
    port: PathBuf,
}

impl RunningBoard {
    fn start(folder: &Path) -> RunningBoard {
        let port = folder.join("board");
        let child = systole()
            .args(["sim", "board", "--config", "tiny", "--tty"])
            .arg(&port)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the board starts");
        let begin = Instant::now();
        while !port.exists() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "the board is there"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        RunningBoard { child, port }
    }

    fn device(&self) -> String {
        format!("serial:{}", self.port.display())
    }
}

impl Drop for RunningBoard {
    fn drop(&mut self) {
        // Fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_network_runs_on_a_board_by_its_serial_port() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let board = RunningBoard::start(folder.path());
    let info = assert_succeeds(systole().args(["info", "--device", &board.device()]));
    assert!(info.contains("4 x 4"), "{info}");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx");
    let input = folder.path().join("rows.npy");
    let rows: Vec<u8> = (0..3 * 64).map(|index| (index * 37 % 256) as u8).collect();
    write_npy(&input, "|i1", "(3, 64)", &rows);
    let mut answers = Vec::new();
    for device in [board.device(), "cpu".to_owned()] {
        let output = folder.path().join("answers.npy");
        assert_succeeds(
            systole()
                .args(["infer", "--device", &device, "--model"])
                .arg(&model)
                .arg("--input")
                .arg(&input)
                .arg("--output")
                .arg(&output),
        );
        answers.push(std::fs::read(output).expect("the answers are written"));
    }
    assert!(answers[0] == answers[1] && answers[0].len() > 100);
}

#[test]
fn what_is_no_board_is_refused_with_a_hint() {
    let fails = |device: &str, hints: &[&str]| {
        assert_fails(systole().args(["info", "--device", device]), 1, hints);
    };
    fails("serial:/dev/none", &["no serial port /dev/none"]);
    fails("serial:/dev/null", &["/dev/null is not a serial port"]);
    let listing = assert_succeeds(systole().arg("devices"));
    assert!(listing.contains("serial:PORT"), "{listing}");
}
