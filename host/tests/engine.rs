//! The engine on a device that is reached as hardware is: the functional model, served over
//! vfio-user by a thread of this process.
//!
//! ```text
//!  Engine --driver--> socket --> serve --> FunctionalModel
//!     \-- equal, byte for byte, to --> CpuExecutor, and to the reference outputs
//! ```

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use support::Numbers;
use support::device::{Fault, Faulty, Served};
use systole_driver::{CompletionMode, DeviceStatus};
use systole_host::compiler::{self, Target};
use systole_host::cpu::CpuExecutor;
use systole_host::engine::{Backend, Engine, EngineError, EngineOptions};
use systole_host::model::Network;
use systole_regs::configuration::{SMALL, TINY};
use systole_regs::{Configuration, Status};
use systole_sim::model::FunctionalModel;

fn network(seed: u64, sizes: &[usize]) -> Arc<Network> {
    Arc::new(Numbers(seed).network(sizes))
}

fn expected(network: &Network, rows: &[i8]) -> Vec<i8> {
    let executor = CpuExecutor::new(network).expect("the network is consistent");
    executor.run(rows, rows.len() / network.input_elements())
}

fn options(batch: usize) -> EngineOptions {
    EngineOptions {
        batch,
        ..EngineOptions::default()
    }
}

#[test]
fn a_device_answers_as_the_cpu_does_whatever_the_batch() {
    for configuration in [TINY, SMALL] {
        let served = Served::new(FunctionalModel::new(configuration));
        let network = network(7, &[100, 37, 50]);
        let rows = Numbers(1).bytes(100 * 61);
        for (batch, mode) in [
            (1, CompletionMode::Polling),
            (7, CompletionMode::Interrupt),
            (61, CompletionMode::Polling),
            (1000, CompletionMode::Interrupt),
        ] {
            let options = EngineOptions {
                mode,
                statistics: true,
                version: 9,
                ..options(batch)
            };
            let engine = Engine::new(
                Arc::clone(&network),
                Backend::Device(served.open()),
                options,
            )
            .expect("the network fits");
            let result = engine.infer_batch(&rows).expect("the device computes");
            assert_eq!(result.outputs, expected(&network, &rows));
            assert_eq!(result.version, 9);
            assert_eq!(result.commands.len(), 61_usize.div_ceil(batch));
            assert_eq!(
                result
                    .commands
                    .iter()
                    .map(|command| command.rows)
                    .sum::<usize>(),
                61
            );
            assert!(
                result
                    .commands
                    .iter()
                    .all(|command| command.statistics.is_some_and(|s| s.vectors > 0))
            );
        }
    }
}

#[test]
fn convolutions_in_bands_with_streamed_weights_are_answered_as_the_cpu_does() {
    // Images and weights larger than the device's memories, so there is a workspace and a stream.
    let small = Configuration {
        scratchpad_bytes: 8192,
        weight_tiles: 200,
        program_instructions: 1000,
        parameter_entries: 4096,
        ..TINY
    };
    let network = Arc::new(support::graphs::resnet(5, 4));
    let other = Arc::new(support::graphs::resnet(6, 4));
    let program = compiler::compile(&network, &Target::from(&small)).expect("it streams");
    assert!(program.workspace_bytes > 0 && !program.stream.is_empty());
    let served = Served::new(FunctionalModel::new(small));
    let rows = Numbers(1).bytes(3072 * 11);
    let engine = Engine::new(
        Arc::clone(&network),
        Backend::Device(served.open()),
        options(3),
    )
    .expect("the network fits");
    let result = engine.infer_batch(&rows).expect("the device computes");
    assert_eq!(result.outputs, expected(&network, &rows));
    engine
        .replace(Arc::clone(&other), 2)
        .expect("it fits as well");
    let result = engine.infer_batch(&rows).expect("the device computes");
    assert_eq!(result.outputs, expected(&other, &rows));
}

#[test]
fn what_is_left_for_the_host_is_done_behind_the_device() {
    if !support::references_are_there() {
        return;
    }
    let network = Arc::new(support::reference("kws_ref_model.tflite"));
    let (rows, golden) = (
        support::golden("kws_dscnn_int8_in"),
        support::golden("kws_dscnn_int8_out"),
    );
    let served = Served::new(FunctionalModel::new(SMALL));
    let engine =
        Engine::new(network, Backend::Device(served.open()), options(5)).expect("the network fits");
    let result = engine.infer_batch(&rows).expect("the device computes");
    assert!(result.outputs == golden);
}

#[test]
fn no_rows_are_answered_with_none_and_half_a_row_is_refused() {
    let served = Served::new(FunctionalModel::new(TINY));
    let network = network(3, &[10, 4]);
    for backend in [Backend::Cpu, Backend::Device(served.open())] {
        let engine =
            Engine::new(Arc::clone(&network), backend, options(4)).expect("the network fits");
        let nothing = engine.infer_batch(&[]).expect("nothing is computed");
        assert!(nothing.outputs.is_empty());
        let error = engine
            .infer_batch(&[0; 15])
            .expect_err("15 values aren't rows of 10");
        assert!(
            error.to_string().contains("15") && error.to_string().contains("10"),
            "{error}"
        );
    }
    let error = Engine::new(network, Backend::Cpu, options(0)).expect_err("a batch has rows");
    assert!(matches!(error, EngineError::Batch { batch: 0 }));
}

#[test]
fn many_callers_each_get_their_own_answers() {
    let served = Served::new(FunctionalModel::new(SMALL));
    let network = network(11, &[64, 48, 10]);
    for backend in [Backend::Cpu, Backend::Device(served.open())] {
        let engine =
            Engine::new(Arc::clone(&network), backend, options(5)).expect("the network fits");
        thread::scope(|scope| {
            for caller in 0..8 {
                let (engine, network) = (&engine, &network);
                scope.spawn(move || {
                    let mut numbers = Numbers(caller);
                    let batches: Vec<_> = (0..40)
                        .map(|index| numbers.bytes(64 * (1 + (index + caller as usize) % 13)))
                        .collect();
                    let pending: Vec<_> = batches
                        .iter()
                        .map(|rows| engine.submit(rows.clone()))
                        .collect();
                    for (rows, pending) in batches.iter().zip(pending) {
                        let result = pending.wait().expect("the backend computes");
                        assert_eq!(result.outputs, expected(network, rows));
                    }
                });
            }
        });
    }
}

#[test]
fn a_pending_batch_is_a_future() {
    let network = network(5, &[8, 8]);
    let engine =
        Engine::new(Arc::clone(&network), Backend::Cpu, options(4)).expect("the network fits");
    let rows = Numbers(2).bytes(8 * 3);
    let mut pending = pin!(engine.submit(rows.clone()));
    let mut context = Context::from_waker(Waker::noop());
    let begin = Instant::now();
    let result = loop {
        match pending.as_mut().poll(&mut context) {
            Poll::Ready(result) => break result.expect("the backend computes"),
            Poll::Pending => assert!(begin.elapsed() < Duration::from_secs(10)),
        }
    };
    assert_eq!(result.outputs, expected(&network, &rows));
}

#[test]
fn a_replacement_under_load_mixes_nothing() {
    let served = Served::new(FunctionalModel::new(TINY));
    let networks = [network(21, &[30, 20, 9]), network(22, &[30, 24, 9])];
    for backend in [Backend::Cpu, Backend::Device(served.open())] {
        let engine =
            Engine::new(Arc::clone(&networks[0]), backend, options(3)).expect("the network fits");
        thread::scope(|scope| {
            for caller in 0..3 {
                let (engine, networks) = (&engine, &networks);
                scope.spawn(move || {
                    let rows = Numbers(caller).bytes(30 * 10);
                    let answers = networks.each_ref().map(|network| expected(network, &rows));
                    for _ in 0..60 {
                        let result = engine.infer_batch(&rows).expect("the backend computes");
                        let number = result.version as usize - 1;
                        assert_eq!(
                            result.outputs,
                            answers[number % 2],
                            "version {}",
                            result.version
                        );
                    }
                });
            }
            for version in 2..=20 {
                let network = Arc::clone(&networks[(version as usize - 1) % 2]);
                engine.replace(network, version).expect("both networks fit");
            }
        });
        assert_eq!(
            engine.infer_batch(&[0; 30]).expect("it computes").version,
            20
        );
    }
}

#[test]
fn a_replacement_that_does_not_fit_changes_nothing() {
    let served = Served::new(FunctionalModel::new(TINY));
    let small = network(31, &[30, 9]);
    let engine = Engine::new(
        Arc::clone(&small),
        Backend::Device(served.open()),
        options(3),
    )
    .expect("the network fits");
    let large = network(32, &[30, 1100, 1100, 9]);
    assert!(matches!(
        engine.replace(large, 2),
        Err(EngineError::Compile(_))
    ));
    let other = network(33, &[31, 9]);
    assert!(matches!(
        engine.replace(other, 3),
        Err(EngineError::OtherShape { .. })
    ));
    let rows = Numbers(1).bytes(30 * 4);
    let result = engine.infer_batch(&rows).expect("the old network serves");
    assert_eq!(
        (result.version, result.outputs),
        (1, expected(&small, &rows))
    );
}

#[test]
fn networks_too_large_to_stand_side_by_side_replace_each_other() {
    // Each takes more than half of the weight memory of `tiny`.
    let served = Served::new(FunctionalModel::new(TINY));
    let networks = [network(41, &[200, 200, 7]), network(42, &[200, 190, 7])];
    let engine = Engine::new(
        Arc::clone(&networks[0]),
        Backend::Device(served.open()),
        options(8),
    )
    .expect("the network fits");
    let rows = Numbers(4).bytes(200 * 5);
    for version in 1..=6 {
        let network = &networks[(version as usize - 1) % 2];
        if version > 1 {
            engine
                .replace(Arc::clone(network), version)
                .expect("it fits alone");
        }
        let result = engine.infer_batch(&rows).expect("the device computes");
        assert_eq!(
            (result.version, result.outputs),
            (version, expected(network, &rows))
        );
    }
}

#[test]
fn a_device_that_hangs_is_given_up_after_the_timeout() {
    let served = Served::new(Faulty::new(Fault::Stuck, 2));
    let network = network(51, &[16, 4]);
    let options = EngineOptions {
        timeout: Duration::from_millis(400),
        ..options(2)
    };
    let engine =
        Engine::new(network, Backend::Device(served.open()), options).expect("the load completes");
    let begin = Instant::now();
    let pending: Vec<_> = (0..20).map(|_| engine.submit(vec![1; 16 * 6])).collect();
    let failed = pending
        .into_iter()
        .map(|pending| pending.wait())
        .filter(Result::is_err)
        .count();
    assert!(failed >= 19, "{failed}");
    assert!(begin.elapsed() < Duration::from_secs(3));
    // The engine stays failed, at once and with the reason.
    let error = engine
        .infer_batch(&[0; 16])
        .expect_err("the device is lost");
    assert!(matches!(error, EngineError::Timeout { .. }), "{error}");
}

#[test]
fn a_device_that_goes_away_fails_what_waits_for_it() {
    let network = network(61, &[16, 4]);
    for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
        let served = Served::new(Faulty::new(Fault::Stuck, 2));
        let options = EngineOptions { mode, ..options(2) };
        let engine = Engine::new(
            Arc::clone(&network),
            Backend::Device(served.open()),
            options,
        )
        .expect("the load completes");
        let pending: Vec<_> = (0..8).map(|_| engine.submit(vec![1; 16 * 6])).collect();
        served.stop();
        let begin = Instant::now();
        let errors: Vec<_> = pending
            .into_iter()
            .filter_map(|pending| pending.wait().err())
            .collect();
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "{:?}",
            begin.elapsed()
        );
        assert!(errors.len() >= 7);
        assert!(matches!(errors[0], EngineError::Driver(_)), "{}", errors[0]);
    }
}

#[test]
fn a_failed_command_fails_its_batch_and_no_other() {
    let served = Served::new(Faulty::new(Fault::Output, 2));
    let network = network(71, &[16, 40]);
    let engine = Engine::new(
        Arc::clone(&network),
        Backend::Device(served.open()),
        options(2),
    )
    .expect("the load completes");
    let rows = Numbers(8).bytes(16 * 2);
    let results: Vec<_> = (0..5).map(|_| engine.infer_batch(&rows)).collect();
    let failed: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert_eq!(failed.len(), 1);
    assert!(matches!(
        failed[0],
        EngineError::Command {
            status: DeviceStatus::Known(Status::DmaWriteError),
            ..
        }
    ));
    for result in results.iter().flatten() {
        assert_eq!(result.outputs, expected(&network, &rows));
    }
}

#[test]
fn anomaly_detection_gives_the_reference_outputs_whatever_the_batch() {
    if !support::references_are_there() {
        return;
    }
    let network = Arc::new(support::anomaly_detection());
    let served = Served::new(FunctionalModel::new(SMALL));
    for batch in [1, 7, 16, 196] {
        let backend = Backend::Device(served.open());
        let engine = Engine::new(Arc::clone(&network), backend, options(batch)).expect("it fits");
        for set in ["ad01_int8", "ad01_int8_real"] {
            let rows = support::golden(&format!("{set}_in"));
            let result = engine.infer_batch(&rows).expect("the device computes");
            let golden = support::golden(&format!("{set}_out"));
            assert!(result.outputs == golden, "{set} in commands of {batch}");
        }
    }
}

#[test]
fn a_replacement_that_the_device_refuses_leaves_the_old_network_serving() {
    let side_by_side = [network(81, &[30, 9]), network(82, &[30, 20, 9])];
    let one_at_a_time = [network(83, &[200, 200, 7]), network(84, &[200, 190, 7])];
    // Commands before the load that fails: the first load, and an unload to make room.
    for (networks, commands) in [(side_by_side, 1), (one_at_a_time, 2)] {
        let served = Served::new(Faulty::new(Fault::Image, commands));
        let backend = Backend::Device(served.open());
        let engine = Engine::new(Arc::clone(&networks[0]), backend, options(3)).expect("it fits");
        let error = engine
            .replace(Arc::clone(&networks[1]), 2)
            .expect_err("the image can't be read");
        assert!(
            matches!(
                error,
                EngineError::Command {
                    status: DeviceStatus::Known(Status::DmaReadError),
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(*engine.network(), *networks[0]);
        for version in 1..=3 {
            let network = &networks[(version as usize + 1) % 2];
            if version > 1 {
                engine
                    .replace(Arc::clone(network), version)
                    .expect("the device is whole again");
            }
            let rows = Numbers(6).bytes(network.input_elements() * 7);
            let result = engine.infer_batch(&rows).expect("the device computes");
            assert_eq!(result.version, version);
            assert_eq!(result.outputs, expected(network, &rows));
        }
    }
}

#[test]
fn a_device_that_hangs_in_a_replacement_comes_back_with_the_old_network() {
    let networks = [network(83, &[200, 200, 7]), network(84, &[200, 190, 7])];
    let rows = Numbers(6).bytes(200 * 7);
    // In the unload that makes room, and in the load.
    for commands in [1, 2] {
        let served = Served::new(Faulty::new(Fault::Hung, commands));
        let options = EngineOptions {
            timeout: Duration::from_millis(200),
            ..options(3)
        };
        let backend = Backend::Device(served.open());
        let engine = Engine::new(Arc::clone(&networks[0]), backend, options).expect("it fits");
        let error = engine.replace(Arc::clone(&networks[1]), 2);
        assert!(
            matches!(error, Err(EngineError::Timeout { .. })),
            "{error:?}"
        );
        for version in 1..=3 {
            let network = &networks[(version as usize + 1) % 2];
            if version > 1 {
                engine
                    .replace(Arc::clone(network), version)
                    .expect("the device is whole again");
            }
            let result = engine.infer_batch(&rows).expect("the device computes");
            assert_eq!(result.version, version);
            assert_eq!(result.outputs, expected(network, &rows));
        }
        assert_eq!(engine.recoveries(), 1);
    }
}

#[test]
fn an_engine_finds_no_trace_of_the_one_before() {
    let served = Served::new(FunctionalModel::new(TINY));
    let device = served.open();
    let small = network(91, &[60, 9]);
    let large = network(92, &[200, 200, 7]);
    for _ in 0..2 {
        let backend = Backend::Device(device.clone());
        let engine = Engine::new(Arc::clone(&small), backend, options(3)).expect("it fits");
        engine.replace(network(93, &[60, 9]), 2).expect("it fits");
        drop(engine);
        // Both slots hold something now, and this needs most of the device.
        let backend = Backend::Device(device.clone());
        let engine = Engine::new(Arc::clone(&large), backend, options(3)).expect("it fits alone");
        let rows = Numbers(9).bytes(200 * 4);
        let result = engine.infer_batch(&rows).expect("the device computes");
        assert_eq!(result.outputs, expected(&large, &rows));
        let backend = Backend::Device(device.clone());
        let taken = Engine::new(Arc::clone(&small), backend, options(3));
        assert!(matches!(taken, Err(EngineError::Driver(_))));
    }
}

#[test]
fn dropping_an_engine_does_not_wait_for_all_that_was_submitted() {
    let pause = Duration::from_millis(100);
    let network = network(95, &[16, 4]);
    for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
        let served = Served::new(Faulty::new(Fault::Slow(pause), 1));
        let options = EngineOptions { mode, ..options(1) };
        let backend = Backend::Device(served.open());
        let engine = Engine::new(Arc::clone(&network), backend, options).expect("it fits");
        let pending: Vec<_> = (0..100).map(|_| engine.submit(vec![1; 16])).collect();
        thread::sleep(pause);
        let begin = Instant::now();
        drop(engine);
        assert!(begin.elapsed() < Duration::from_secs(3));
        let results: Vec<_> = pending.into_iter().map(|pending| pending.wait()).collect();
        // Those in flight are answered, in order; the others learn that nobody will.
        let answered = results.iter().filter(|result| result.is_ok()).count();
        assert!((1..50).contains(&answered), "{answered}");
        assert!(results[..answered].iter().all(Result::is_ok));
        assert!(
            results[answered..]
                .iter()
                .all(|result| matches!(result, Err(EngineError::Stopped)))
        );
    }
}

#[test]
fn dropping_an_engine_on_the_cpu_does_not_wait_either() {
    let network = network(96, &[512, 512, 512, 16]);
    let engine = Engine::new(Arc::clone(&network), Backend::Cpu, options(8)).expect("it starts");
    let rows = vec![1; 512 * 1000];
    let pending: Vec<_> = (0..100).map(|_| engine.submit(rows.clone())).collect();
    drop(engine);
    let stopped = pending
        .into_iter()
        .map(|pending| pending.wait())
        .filter(|result| matches!(result, Err(EngineError::Stopped)))
        .count();
    assert!(stopped > 50, "{stopped}");
}
