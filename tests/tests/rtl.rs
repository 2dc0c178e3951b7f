//! From the host API through the driver and PCIe to the RTL and back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytemuck::{Zeroable, bytes_of};
use systole_driver::{Command, CompletionMode, DeviceStatus, QueueOptions};
use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::engine::{Backend, Engine, EngineOptions};
use systole_host::rows::Rows;
use systole_regs::Status;
use systole_regs::configuration::{SMALL, TINY};
use systole_regs::entries::{RunEntry, opcode};
use systole_sim::rtl::RtlOptions;
use systole_tests::{Served, references};

fn digits() -> Arc<Network> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/digits.onnx");
    Arc::new(Network::load(&path).expect("the demo's model is supported"))
}

#[test]
fn anomaly_detection_is_exact_and_keeps_the_array_busy() {
    let Some(folder) = references() else { return };
    let network =
        Arc::new(Network::load(folder.join("ad01_int8.tflite")).expect("it is supported"));
    let read = |name: &str| {
        let path = folder
            .join("golden")
            .join(format!("ad01_int8_real_{name}.npy"));
        Rows::read(&path, &network)
            .expect("the rows have the network's shape")
            .values
    };
    let (input, golden) = (read("in"), read("out"));
    let served = Served::rtl(SMALL, RtlOptions::default());
    for (batch, least) in [(1, 0.0), (7, 0.0), (16, 0.5), (196, 0.5)] {
        let device = served.open();
        let options = EngineOptions {
            batch,
            ..EngineOptions::default()
        };
        let engine =
            Engine::new(Arc::clone(&network), Backend::Device(device), options).expect("it fits");
        let before = engine
            .counters()
            .expect("the device lives")
            .expect("it has counters");
        let begin = Instant::now();
        let result = engine.infer_batch(&input).expect("the device computes");
        let elapsed = begin.elapsed();
        let after = engine
            .counters()
            .expect("the device lives")
            .expect("it has counters");
        assert!(
            result.outputs == golden,
            "batch {batch} differs from the reference kernels"
        );
        let busy = after.busy_cycles - before.busy_cycles;
        let macs = network.macs() * 196;
        let utilization = macs as f64 / (busy as f64 * SMALL.elements() as f64);
        println!(
            "batch {batch}: {busy} cycles from doorbell to completion (simulated), utilization {utilization:.3}, {:.0} cycles/s (measured)",
            busy as f64 / elapsed.as_secs_f64()
        );
        assert!(utilization >= least, "batch {batch}: {utilization}");
    }
}

#[test]
fn the_rtl_equals_the_cpu_under_back_pressure_with_interrupts() {
    let network = digits();
    let rows: Vec<i8> = (0..64 * 50)
        .map(|index| (index * 37 % 256) as u8 as i8)
        .collect();
    let expected = CpuExecutor::new(&network)
        .expect("it is consistent")
        .run(&rows, 50);
    for configuration in [TINY, SMALL] {
        let served = Served::rtl(
            configuration,
            RtlOptions {
                seed: Some(5),
                ..RtlOptions::default()
            },
        );
        for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
            let options = EngineOptions {
                batch: 9,
                mode,
                ..EngineOptions::default()
            };
            let engine = Engine::new(
                Arc::clone(&network),
                Backend::Device(served.open()),
                options,
            )
            .expect("it fits");
            assert_eq!(
                engine
                    .infer_batch(&rows)
                    .expect("the device computes")
                    .outputs,
                expected
            );
        }
    }
}

#[test]
fn a_bad_entry_is_answered_with_its_status_and_the_next_one_runs() {
    let served = Served::rtl(TINY, RtlOptions::default());
    let device = served.open();
    let mut queue = device
        .queue_pair(QueueOptions {
            entries: 8,
            mode: CompletionMode::Interrupt,
        })
        .expect("the queue is free");
    let run = RunEntry {
        opcode: opcode::RUN,
        rows: 1,
        ..RunEntry::zeroed()
    };
    let mut raw = |entry: &RunEntry| {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(bytes_of(entry));
        let id = queue.submit(Command::Raw(bytes)).expect("there is room");
        queue.ring().expect("the device lives");
        let completion = queue
            .wait(Duration::from_secs(5))
            .expect("every entry is answered");
        assert_eq!(completion.command_id, id.0);
        completion.status
    };
    let refused = |status| Err(DeviceStatus::Known(status));
    for (entry, status) in [
        (
            RunEntry {
                opcode: 0xee,
                ..run
            },
            Status::InvalidOpcode,
        ),
        (RunEntry { flags: 0x80, ..run }, Status::InvalidField),
        (
            RunEntry {
                reserved0: [1; 3],
                ..run
            },
            Status::InvalidField,
        ),
        (RunEntry { slot: 7, ..run }, Status::InvalidSlot),
        (run, Status::SlotEmpty),
    ] {
        assert_eq!(raw(&entry), refused(status));
        assert_eq!(raw(&RunEntry::zeroed()), Ok(()), "a NOP after {status:?}");
    }
    let counters = device.counters().expect("the device lives");
    assert_eq!((counters.commands, counters.errors), (10, 5));
}

#[test]
fn a_waveform_names_the_signals_of_the_design() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let trace = directory.path().join("out.fst");
    let network = digits();
    let served = Served::rtl(
        TINY,
        RtlOptions {
            trace: Some(trace.clone()),
            ..RtlOptions::default()
        },
    );
    let engine = Engine::new(
        network,
        Backend::Device(served.open()),
        EngineOptions::default(),
    )
    .expect("it fits");
    engine.infer_batch(&[1; 64]).expect("the device computes");
    drop(engine);
    drop(served);
    let bytes = std::fs::read(&trace).expect("the waveform is written");
    assert!(bytes.len() > 10_000, "{} bytes", bytes.len());
}
