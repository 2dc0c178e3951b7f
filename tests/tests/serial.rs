//! From the host API through the driver and a serial line to the RTL and back: the same bytes as
//! the CPU, whatever happens on the line.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytemuck::Zeroable;
use systole_driver::{Command, CompletionMode, DeviceStatus, Error, QueueOptions};
use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::engine::{Backend, Engine, EngineOptions};
use systole_regs::Status;
use systole_regs::configuration::TINY;
use systole_regs::entries::LoadEntry;
use systole_regs::entries::opcode;
use systole_sim::board::Pty;
use systole_tests::board::{Relay, RunningBoard, TIMEOUT, open};

/// Rows that a test computes; each costs some thousand bytes on the line, and time.
const ROWS: usize = 12;

fn digits() -> Arc<Network> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/digits.onnx");
    Arc::new(Network::load(&path).expect("the demo's model is supported"))
}

fn rows() -> Vec<i8> {
    (0..64 * ROWS)
        .map(|index| (index * 37 % 256) as u8 as i8)
        .collect()
}

fn engine(path: std::path::PathBuf, mode: CompletionMode) -> Engine {
    let device = open(path, TIMEOUT).expect("the board answers");
    let options = EngineOptions {
        batch: 5,
        mode,
        timeout: 4 * TIMEOUT,
        ..EngineOptions::default()
    };
    Engine::new(digits(), Backend::Device(device), options).expect("it fits")
}

fn expected() -> Vec<i8> {
    CpuExecutor::new(&digits())
        .expect("it is consistent")
        .run(&rows(), ROWS)
}

#[test]
fn a_network_over_the_serial_line_equals_the_cpu() {
    let board = RunningBoard::start(3);
    for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
        let begin = Instant::now();
        let engine = engine(board.path(), mode);
        let loaded = begin.elapsed();
        let result = engine.infer_batch(&rows()).expect("the board computes");
        println!(
            "{mode:?}: loaded in {loaded:?}, all in {:?}",
            begin.elapsed()
        );
        assert_eq!(result.outputs, expected(), "{mode:?}");
    }
}

#[test]
fn results_are_equal_on_a_line_that_damages_bytes() {
    let board = RunningBoard::start(0);
    for (interval, seed) in [(3000, 1), (1000, 2)] {
        let relay = Relay::start(&board.path(), interval, seed);
        let begin = Instant::now();
        let engine = engine(relay.path(), CompletionMode::Interrupt);
        let result = engine.infer_batch(&rows()).expect("the board computes");
        println!(
            "one mishap in {interval} bytes: {} mishaps in {:?}",
            relay.mishaps(),
            begin.elapsed()
        );
        assert_eq!(result.outputs, expected(), "one in {interval}, seed {seed}");
        assert!(relay.mishaps() > 3);
    }
}

#[test]
fn a_dma_address_that_is_not_mapped_ends_the_command_with_its_status() {
    let board = RunningBoard::start(0);
    let device = open(board.path(), TIMEOUT).expect("the board answers");
    let mut queue = device
        .queue_pair(QueueOptions {
            entries: 8,
            mode: CompletionMode::Interrupt,
        })
        .expect("the queue is free");
    let mut run = |command: Command| {
        queue.submit(command).expect("there is room");
        queue.ring().expect("the board lives");
        queue.wait(TIMEOUT).expect("every entry is answered").status
    };
    let entry = LoadEntry {
        opcode: opcode::LOAD,
        image_address: 0x40,
        program_count: 1,
        version: 1,
        group_rows: 1,
        ..LoadEntry::zeroed()
    };
    let mut bytes = [0; 64];
    bytes.copy_from_slice(bytemuck::bytes_of(&entry));
    let refused = Err(DeviceStatus::Known(Status::DmaReadError));
    assert_eq!(run(Command::Raw(bytes)), refused);
    assert_eq!(run(Command::Nop), Ok(()));
    let counters = device.counters().expect("the board lives");
    assert_eq!((counters.commands, counters.errors), (2, 1));
    assert_eq!(device.identity().array_rows, TINY.rows);
}

#[test]
fn a_host_that_vanishes_in_the_middle_of_a_batch_leaves_a_usable_board() {
    let board = RunningBoard::start(7);
    for cut in [150, 400, 1100] {
        // The line is cut in the middle of whatever is under way: the host is gone, its frames
        // perhaps half sent, its DMA unanswered.
        let relay = Relay::start(&board.path(), u32::MAX, 0);
        let path = relay.path();
        let host = std::thread::spawn(move || {
            let device = open(path, Duration::from_secs(3))?;
            let options = EngineOptions {
                timeout: Duration::from_secs(3),
                ..EngineOptions::default()
            };
            let engine = Engine::new(digits(), Backend::Device(device), options);
            drop(engine.map(|engine| engine.infer_batch(&rows())));
            Ok::<(), Error>(())
        });
        std::thread::sleep(Duration::from_millis(cut));
        drop(relay);
        let engine = engine(board.path(), CompletionMode::Polling);
        let result = engine.infer_batch(&rows()).expect("the board computes");
        assert_eq!(result.outputs, expected(), "after {cut} ms");
        let _ = host.join().expect("a lost line is an error, not a panic");
    }
}

#[test]
fn a_board_that_is_reset_later_than_its_host_is_noticed_and_opened_again() {
    let board = RunningBoard::start(0);
    let device = open(board.path(), TIMEOUT).expect("the board answers");
    device.counters().expect("the board lives");
    board.reset();
    // The simulation may not have come to it yet.
    let begin = Instant::now();
    let error = loop {
        match device.counters() {
            Err(error) => break error,
            Ok(_) => assert!(begin.elapsed() < TIMEOUT, "the reset is never noticed"),
        }
    };
    assert!(matches!(error, Error::DeviceGone), "{error}");
    let error = device.slots().expect_err("it stays gone");
    assert!(matches!(error, Error::DeviceGone), "{error}");
    drop(device);
    let device = open(board.path(), TIMEOUT).expect("the board answers again");
    device.counters().expect("the board lives");

    let port = board.path();
    drop(board);
    // Its adapter has gone with it.
    let error = device.counters().expect_err("the board has gone");
    assert!(matches!(error, Error::DeviceGone), "{error}");
    let error = open(port, TIMEOUT).expect_err("the port has gone");
    assert!(
        matches!(
            error,
            Error::NoSerialPort { .. } | Error::NotSerialPort { .. } | Error::Connect { .. }
        ),
        "{error}"
    );
}

#[test]
fn a_port_without_a_board_is_told_from_one_with_something_else() {
    let short = Duration::from_millis(700);
    let pty = Pty::open().expect("there is a pseudo terminal");
    let path = pty.path().to_owned();
    let begin = Instant::now();
    let error = open(path.clone(), short).expect_err("nobody answers");
    assert!(matches!(error, Error::SerialSilent { .. }), "{error}");
    assert!(begin.elapsed() < 5 * short);

    std::thread::scope(|scope| {
        let talker = scope.spawn(|| {
            for _ in 0..60 {
                pty.write(b"login: ~~ \x7d\x7e").expect("it works");
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let error = open(path.clone(), short).expect_err("no board answers");
        assert!(matches!(error, Error::SerialNoise { .. }), "{error}");
        let second = Pty::open().expect("there is a pseudo terminal");
        assert!(matches!(
            open(second.path().with_file_name("none"), short),
            Err(Error::NoSerialPort { .. })
        ));
        talker.join().expect("it has spoken");
    });
    assert!(matches!(
        open("/dev/null".into(), short),
        Err(Error::NotSerialPort { .. })
    ));
}

#[test]
fn a_port_belongs_to_one_driver_at_a_time() {
    let board = RunningBoard::start(0);
    let first = open(board.path(), TIMEOUT).expect("the board answers");
    let error = open(board.path(), TIMEOUT).expect_err("it is taken");
    assert!(matches!(error, Error::SerialPortInUse { .. }), "{error}");
    drop(first);
    open(board.path(), TIMEOUT).expect("it is free again");
}
