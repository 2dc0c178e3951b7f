//! Devices that do not come back: one whose socket vanishes, and one that no longer answers. Every
//! batch is answered in time, rightly or with the reason, and another engine works afterwards.

use std::thread;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use systole_driver::{CompletionMode, Error};
use systole_host::engine::{Engine, EngineError};
use systole_tests::faults::{Fault, ROWS, Rig, Work};

const MODES: [CompletionMode; 2] = [CompletionMode::Polling, CompletionMode::Interrupt];

/// Sockets that vanish, each at another moment.
const VANISHING: u64 = 60;

/// Longest time until a batch is answered: a few resets that each run into a timeout of 150 ms.
const ANSWER: Duration = Duration::from_secs(8);

/// Rounds of batches, of which each takes a millisecond or more, until the device must have failed.
const ROUNDS: usize = 10_000;

/// Submits batches for as long as they are answered rightly; the error of the first that is not.
fn serve(work: &Work, engine: &Engine, seed: u64) -> EngineError {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let firsts: Vec<usize> = (0..4).map(|_| random.random_range(0..ROWS.0)).collect();
        let submit = |&first: &usize| (first, engine.submit(work.batch(first)));
        let pending: Vec<_> = firsts.iter().map(submit).collect();
        let mut failed = None;
        for (first, pending) in pending {
            match pending.wait() {
                Ok(result) => assert!(result.outputs == work.answer(first), "seed {seed}"),
                Err(error) => failed = Some(error),
            }
        }
        assert!(
            begin.elapsed() < ANSWER,
            "seed {seed}: {:?}",
            begin.elapsed()
        );
        if let Some(error) = failed {
            return error;
        }
    }
    panic!("seed {seed}: the device still works");
}

/// A batch of an engine that has nothing to complain of.
fn works(work: &Work, engine: &Engine) {
    let result = engine.submit(work.batch(3)).wait();
    assert!(result.expect("the device works").outputs == work.answer(3));
}

#[test]
fn a_socket_that_vanishes_ends_every_batch_in_time() {
    let work = Work::new();
    for seed in 0..VANISHING {
        let mode = MODES[seed as usize % 2];
        let Rig {
            engine,
            faulty,
            served,
        } = Rig::new(&work, mode);
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0xffff);
        let pause = Duration::from_micros(random.random_range(0..20_000));
        let error = thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(pause);
                drop(served);
            });
            serve(&work, &engine, seed)
        });
        let EngineError::Driver(error) = error else {
            panic!("seed {seed}: {error:?}");
        };
        assert!(matches!(*error, Error::DeviceGone), "seed {seed}: {error}");
        // Those who come later learn the same, at once.
        let begin = Instant::now();
        let late = engine.submit(work.batch(0)).wait();
        assert!(matches!(late, Err(EngineError::Driver(_))), "{late:?}");
        drop(engine);
        drop(faulty);
        assert!(begin.elapsed() < Duration::from_secs(1), "seed {seed}");
    }
    works(&work, &Rig::new(&work, CompletionMode::Polling).engine);
}

#[test]
fn a_stuck_device_is_given_up_and_works_when_it_has_come_to_its_senses() {
    let work = Work::new();
    for mode in MODES {
        for stuck in [
            [Fault::LostDoorbell(u32::MAX), Fault::SlowReset(0)],
            [Fault::LostDoorbell(u32::MAX), Fault::SlowReset(u32::MAX)],
            [Fault::Fatal(u32::MAX), Fault::LostDoorbell(u32::MAX)],
            [Fault::AllOnes(u32::MAX), Fault::LostDoorbell(u32::MAX)],
        ] {
            let Rig {
                engine,
                faulty,
                served,
            } = Rig::new(&work, mode);
            works(&work, &engine);
            stuck.into_iter().for_each(|fault| faulty.inject(fault));
            let error = serve(&work, &engine, 1);
            let known = match &error {
                EngineError::Timeout { .. } => true,
                EngineError::Driver(error) => matches!(
                    **error,
                    Error::Timeout
                        | Error::Fatal(_)
                        | Error::DeviceGone
                        | Error::ResetTimeout { .. }
                ),
                _ => false,
            };
            assert!(known, "{stuck:?}: {error:?}");
            drop(engine);
            faulty.heal();
            works(&work, &Rig::engine(&work, &faulty, mode));
            drop(served);
        }
    }
}
