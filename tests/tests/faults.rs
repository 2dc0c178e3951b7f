//! Faults of every kind between the driver and a device: each is answered with a typed error or
//! repaired, no answer is wrong or comes twice, and the device works again afterwards.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use systole_driver::{CompletionMode, DeviceStatus};
use systole_host::engine::{BatchResult, EngineError};
use systole_regs::Status;
use systole_tests::faults::{Fault, Pair, ROWS, Rig, Work};

/// Cases with a seed of their own.
const CASES: u64 = 1000;

/// Threads that share them.
const THREADS: u64 = 2;

/// Longest time of a case: several resets that each run into a timeout.
const CASE: Duration = Duration::from_secs(20);

fn fault(random: &mut ChaCha8Rng) -> Fault {
    let few = |random: &mut ChaCha8Rng| random.random_range(1..4);
    match random.random_range(0..14) {
        0 => Fault::AllOnes(random.random_range(1..8)),
        1 => Fault::LostDoorbell(few(random)),
        2 => Fault::LostInterrupt(random.random_range(1..20)),
        // Before the engine loses patience, and after.
        3 => Fault::Late(random.random_range(1..100)),
        4 => Fault::Late(random.random_range(200..500)),
        5 => Fault::Lost,
        6 => Fault::Twice,
        7 => Fault::Swapped,
        8 => Fault::Tag(random.random()),
        9 => Fault::Garbage(random.random()),
        10 => Fault::Head(random.random_range(1..u16::MAX)),
        11 => {
            Fault::Status([Status::DmaReadError, Status::DmaWriteError][random.random_range(0..2)])
        }
        12 => Fault::Fatal(few(random)),
        _ => match random.random_range(0..2) {
            0 => Fault::SlowReset(random.random_range(1..60)),
            _ => Fault::Gone(random.random_range(1..6)),
        },
    }
}

/// One case: faults, batches meanwhile, and batches when the faults are over. Says whether the engine
/// is lost, and what the batches were answered with.
fn case(work: &Work, rig: &Rig, seed: u64) -> (bool, Vec<Result<(), EngineError>>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let faults: Vec<_> = (0..random.random_range(1..4))
        .map(|_| fault(&mut random))
        .collect();
    for &fault in &faults {
        rig.faulty.inject(fault);
    }
    let turns: Vec<usize> = (0..3).map(|_| random.random_range(0..ROWS.0)).collect();
    let submit = |&by: &usize| rig.engine.submit(work.batch(by));
    let check = |by: usize, outputs: &[i8]| {
        let expected = work.answer(by);
        assert!(
            outputs == expected,
            "case {seed}: a wrong answer after {faults:?}"
        );
    };
    let pending: Vec<_> = turns.iter().map(submit).collect();
    let mut answers = Vec::new();
    for (by, pending) in turns.iter().zip(pending) {
        let answer = pending.wait();
        if let Ok(result) = &answer {
            check(*by, &result.outputs);
        }
        answers.push(answer.map(drop));
    }
    rig.faulty.heal();
    // What is late comes within half a second, and may cost a reset; then all is well, unless the
    // engine has given the device up.
    let healed = Instant::now();
    loop {
        match rig.engine.submit(work.batch(1)).wait() {
            Ok(result) => {
                check(1, &result.outputs);
                return (false, answers);
            }
            Err(EngineError::Command { .. }) => panic!("case {seed}: a fault after all faults"),
            Err(_) if healed.elapsed() > Duration::from_secs(2) => return (true, answers),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// What a fault may be answered with, besides the right answer.
fn is_expected(error: &EngineError) -> bool {
    match error {
        EngineError::Command { status, .. } => [Status::DmaReadError, Status::DmaWriteError]
            .iter()
            .any(|&known| *status == DeviceStatus::Known(known)),
        EngineError::Driver(_) | EngineError::Timeout { .. } | EngineError::OutOfOrder { .. } => {
            true
        }
        _ => false,
    }
}

#[test]
fn a_thousand_faults_are_answered_or_repaired() {
    let work = Work::new();
    let begin = Instant::now();
    let counts: Vec<[u64; 4]> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|index| {
                scope.spawn({
                    let work = &work;
                    move || run(work, index)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no case fails"))
            .collect()
    });
    let sum = |which: usize| counts.iter().map(|counts| counts[which]).sum::<u64>();
    let [cases, failed, recovered, lost] = [0, 1, 2, 3].map(sum);
    println!(
        "{cases} cases: {failed} batches with an error, {recovered} recoveries, {lost} devices given up, in {:?}",
        begin.elapsed()
    );
    assert_eq!(cases, CASES);
    // Faults do something, and most are repaired.
    assert!(recovered > CASES / 10, "{recovered} recoveries");
    assert!(lost < CASES / 20, "{lost} devices were given up");
}

/// A thread's cases: how many, batches that failed, recoveries, devices given up.
fn run(work: &Work, thread: u64) -> [u64; 4] {
    let modes = [CompletionMode::Polling, CompletionMode::Interrupt];
    let make = || Rig::new(work, modes[thread as usize % 2]);
    let mut rig = make();
    let mut counts = [0; 4];
    for seed in (0..CASES).filter(|seed| seed % THREADS == thread) {
        // A case that hangs is not waited for.
        let (sender, done) = channel();
        let (lost, answers) = thread::scope(|scope| {
            scope.spawn(move || {
                if done.recv_timeout(CASE).is_err() {
                    eprintln!("case {seed} hangs");
                    std::process::abort();
                }
            });
            let outcome = case(work, &rig, seed);
            let _ = sender.send(());
            outcome
        });
        counts[0] += 1;
        for answer in answers {
            if let Err(error) = answer {
                assert!(is_expected(&error), "case {seed}: {error:?}");
                counts[1] += 1;
            }
        }
        if lost {
            counts[2] += rig.engine.recoveries();
            counts[3] += 1;
            rig = make();
        }
    }
    counts[2] += rig.engine.recoveries();
    drop(rig);
    counts
}

/// Cases with two networks on a device.
const PAIRS: u64 = 150;

/// One case: faults while both networks have batches, and a batch of each when the faults are over.
/// False if the device was given up.
fn case_of_pair(works: &[Work; 2], pair: &Pair, seed: u64) -> bool {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let fault = fault(&mut random);
    pair.faulty.inject(fault);
    let submit = |index: usize, by: usize| pair.residents[index].submit(works[index].batch(by));
    let check = |index: usize, by: usize, result: BatchResult| {
        assert_eq!(result.version, pair.residents[index].version());
        let right = result.outputs == works[index].answer(by);
        assert!(right, "case {seed}: a wrong answer after {fault:?}");
    };
    let turns: Vec<(usize, usize)> = (0..6)
        .map(|_| (random.random_range(0..2), random.random_range(0..ROWS.0)))
        .collect();
    let pending: Vec<_> = turns.iter().map(|&(index, by)| submit(index, by)).collect();
    for (&(index, by), pending) in turns.iter().zip(pending) {
        match pending.wait() {
            Ok(result) => check(index, by, result),
            Err(error) => assert!(is_expected(&error), "case {seed}: {error:?}"),
        }
    }
    pair.faulty.heal();
    let healed = Instant::now();
    for index in [0, 1] {
        loop {
            match submit(index, 1).wait() {
                Ok(result) => break check(index, 1, result),
                Err(_) if healed.elapsed() > Duration::from_secs(2) => return false,
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
    true
}

#[test]
fn both_networks_of_a_device_survive_its_faults() {
    let works = [Work::new(), Work::other()];
    let modes = [CompletionMode::Polling, CompletionMode::Interrupt];
    let (mut recoveries, mut lost) = (0, 0);
    let count = |pair: &Pair| pair.residents[0].processor().recoveries();
    for (mode, half) in modes.into_iter().zip([0..PAIRS / 2, PAIRS / 2..PAIRS]) {
        let mut pair = Pair::new(&works, mode);
        for seed in half {
            if !case_of_pair(&works, &pair, seed) {
                lost += 1;
                recoveries += count(&pair);
                pair = Pair::new(&works, mode);
            }
        }
        recoveries += count(&pair);
    }
    println!("{PAIRS} cases: {recoveries} recoveries, {lost} devices given up");
    assert!(recoveries > PAIRS / 10, "{recoveries} recoveries");
    assert!(lost < PAIRS / 20, "{lost} devices were given up");
}
