//! Several networks on one processor: every answer is the CPU's, every batch is answered once, and
//! loads and unloads disturb nobody.
//!
//! ```text
//!  Resident, Resident --> Processor --driver--> socket --> serve --> FunctionalModel
//!       \-- equal, byte for byte, to --> CpuExecutor
//! ```

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use support::Numbers;
use support::device::{Fault, Faulty, Served};
use systole_driver::CompletionMode;
use systole_host::compiler::{Memory, NoPlace};
use systole_host::cpu::CpuExecutor;
use systole_host::engine::{
    Backend, BatchRows, Cause, EngineError, EngineOptions, PendingBatch, Processor, Resident,
    SlotNetwork,
};
use systole_host::model::Network;
use systole_regs::configuration::TINY;
use systole_sim::model::FunctionalModel;

fn network(name: &str, seed: u64, sizes: &[usize]) -> Network {
    Network {
        name: name.into(),
        ..Numbers(seed).network(sizes)
    }
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

fn on(served: &Served, options: EngineOptions) -> Processor {
    Processor::new(Backend::Device(served.open()), options).expect("the device starts")
}

/// A network, where it is, and rows with their answers.
struct Work {
    resident: Resident,
    rows: Vec<i8>,
    answers: Vec<i8>,
}

impl Work {
    fn new(processor: &Processor, network: &Network, version: u32, count: usize) -> Work {
        let rows = Numbers(version.into()).bytes(count * network.input_elements());
        Work {
            resident: processor.load(network, version).expect("there is room"),
            answers: expected(network, &rows),
            rows,
        }
    }

    fn submit(&self) -> PendingBatch {
        self.resident.submit(self.rows.clone())
    }

    fn check(&self, pending: PendingBatch) {
        let result = pending.wait().expect("it is computed");
        assert_eq!(result.version, self.resident.version());
        assert!(result.outputs == self.answers, "{}", self.resident.name());
    }
}

#[test]
fn two_networks_take_turns_and_each_batch_is_its_own_networks() {
    let served = Served::new(FunctionalModel::new(TINY));
    for backend in [Backend::Cpu, Backend::Device(served.open())] {
        let processor = Processor::new(backend, options(3)).expect("it starts");
        let works = [
            Work::new(&processor, &network("a", 1, &[40, 24, 7]), 5, 8),
            Work::new(&processor, &network("b", 2, &[25, 60, 30]), 6, 5),
        ];
        let pending: Vec<_> = (0..60).map(|turn| works[turn % 2].submit()).collect();
        for (turn, pending) in pending.into_iter().enumerate() {
            works[turn % 2].check(pending);
        }
        // And from many threads, in any order.
        thread::scope(|scope| {
            for caller in 0..4 {
                let works = &works;
                scope.spawn(move || {
                    let turns: Vec<_> = (0..30).map(|turn| (turn * 7 + caller) % 3 / 2).collect();
                    let pending: Vec<_> = turns.iter().map(|&turn| works[turn].submit()).collect();
                    for (turn, pending) in turns.into_iter().zip(pending) {
                        works[turn].check(pending);
                    }
                });
            }
        });
    }
}

#[test]
fn a_network_without_room_is_refused_until_a_handle_is_dropped() {
    let served = Served::new(FunctionalModel::new(TINY));
    let processor = on(&served, options(4));
    let (a, b) = (network("a", 1, &[30, 9]), network("b", 2, &[20, 8]));
    let third = network("third", 3, &[10, 10, 4]);
    let first = Work::new(&processor, &a, 1, 6);
    let second = Work::new(&processor, &b, 2, 6);
    let slot = |name: &str, version| {
        let name = name.into();
        Some(SlotNetwork { name, version })
    };
    assert_eq!(processor.slots(), [slot("a", 1), slot("b", 2)]);
    let error = processor.load(&third, 3).expect_err("both slots are taken");
    assert!(
        matches!(&error, EngineError::NoRoom { network, lack: NoPlace::Slots { slots: 2 } } if network == "third"),
        "{error:?}"
    );
    assert_eq!(
        (error.cause(), error.cause().as_str()),
        (Cause::NoRoom, "no_room")
    );
    assert!(error.cause().is_processors());
    first.check(first.submit());
    second.check(second.submit());
    drop(first);
    let third = Work::new(&processor, &third, 3, 6);
    assert_eq!(processor.slots(), [slot("third", 3), slot("b", 2)]);
    third.check(third.submit());
    second.check(second.submit());
    drop((second, third));
    // Each takes more than half of the weight memory.
    let large = network("large", 4, &[200, 200, 7]);
    let alone = Work::new(&processor, &large, 4, 3);
    let error = processor.load(&large, 5).expect_err("they don't fit both");
    let EngineError::NoRoom { lack, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(lack, NoPlace::Memory { memory: Memory::Weights, needed, free } if needed > free),
        "{lack:?}"
    );
    alone.check(alone.submit());
    let error = processor.load(&network("huge", 5, &[30, 1100, 1100, 9]), 6);
    assert_eq!(error.expect_err("it never fits").cause(), Cause::Unsuitable);
}

#[test]
fn the_cpu_has_room_and_no_slots() {
    let processor = Processor::new(Backend::Cpu, options(4)).expect("it starts");
    let works: Vec<_> = (1..=8)
        .map(|version| {
            let network = network("one of many", version, &[12, 5]);
            Work::new(&processor, &network, version as u32, 7)
        })
        .collect();
    for work in &works {
        work.check(work.submit());
    }
    assert_eq!((processor.slots(), processor.recoveries()), (vec![], 0));
    assert!(processor.counters().expect("nothing fails").is_none());
}

#[test]
fn a_handle_dropped_with_batches_on_their_way_takes_none_of_them_along() {
    let pause = Duration::from_millis(5);
    let served = Served::new(Faulty::new(Fault::Slow(pause), 2));
    let processor = on(&served, options(2));
    let (a, b) = (network("a", 1, &[40, 9]), network("b", 2, &[20, 8]));
    for round in 0..3 {
        let [going, staying] = [(&a, 1 + round), (&b, 100)]
            .map(|(network, version)| Work::new(&processor, network, version, 5));
        let pending: Vec<_> = (0..10)
            .map(|_| (going.submit(), staying.submit()))
            .collect();
        let Work {
            resident, answers, ..
        } = going;
        drop(resident);
        for (from_going, from_staying) in pending {
            let result = from_going.wait().expect("it was submitted before");
            assert_eq!(
                (result.version, result.outputs),
                (1 + round, answers.clone())
            );
            staying.check(from_staying);
        }
    }
}

#[test]
fn a_load_waits_for_room_that_is_being_made_and_not_for_what_others_have_queued() {
    const QUEUED: usize = 200;
    let pause = Duration::from_millis(10);
    let served = Served::new(Faulty::new(Fault::Slow(pause), 2));
    let processor = on(&served, options(1));
    let [a, b, c] =
        [(1, 20), (2, 12), (3, 16)].map(|(seed, inputs)| network("n", seed, &[inputs, 8]));
    let going = Work::new(&processor, &a, 1, 1);
    let staying = Work::new(&processor, &b, 2, 1);
    let first: Vec<_> = (0..10).map(|_| going.submit()).collect();
    let answered = Arc::new(AtomicUsize::new(0));
    for _ in 0..QUEUED {
        let answered = Arc::clone(&answered);
        staying
            .resident
            .submit_then(staying.rows.clone(), move |answer| {
                assert!(answer.is_ok());
                answered.fetch_add(1, Ordering::Relaxed);
            });
    }
    let last = staying.submit();
    drop(going.resident);
    let third = Work::new(&processor, &c, 3, 1);
    let before = answered.load(Ordering::Relaxed);
    assert!(before < QUEUED / 2, "{before}");
    // There is room because these are answered.
    for pending in first {
        assert!(pending.wait().is_ok());
    }
    third.check(third.submit());
    staying.check(last);
    assert_eq!(answered.load(Ordering::Relaxed), QUEUED);
}

#[test]
fn networks_come_and_go_while_another_serves() {
    let served = Served::new(FunctionalModel::new(TINY));
    for backend in [Backend::Cpu, Backend::Device(served.open())] {
        let processor = Processor::new(backend, options(3)).expect("it starts");
        let serving = Work::new(&processor, &network("serving", 1, &[30, 20, 9]), 1, 10);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let pending: Vec<_> = (0..5).map(|_| serving.submit()).collect();
                        pending
                            .into_iter()
                            .for_each(|pending| serving.check(pending));
                    }
                });
            }
            for version in 2..30 {
                let sizes = [15, 10 + version as usize, 4];
                let guest = Work::new(
                    &processor,
                    &network("guest", version.into(), &sizes),
                    version,
                    4,
                );
                guest.check(guest.submit());
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn whoever_wants_room_gets_it_in_the_end() {
    // Three of four can't be resident at once, and the device hangs once.
    let served = Served::new(Faulty::new(Fault::Hung, 40));
    let options = EngineOptions {
        timeout: Duration::from_millis(200),
        retries: 10,
        ..options(3)
    };
    let processor = on(&served, options);
    let refusals = AtomicUsize::new(0);
    // At first there is no room at all.
    let held = [5, 6].map(|version| {
        let network = network("n", version.into(), &[10, 20, 6]);
        processor.load(&network, version).expect("there is room")
    });
    thread::scope(|scope| {
        for caller in 1..=4 {
            let (processor, refusals) = (&processor, &refusals);
            scope.spawn(move || {
                let network = network("n", caller.into(), &[10 + caller as usize, 20, 6]);
                let rows = Numbers(caller.into()).bytes(7 * network.input_elements());
                let answers = expected(&network, &rows);
                let mut loads = 0;
                let begin = Instant::now();
                while loads < 20 {
                    assert!(begin.elapsed() < Duration::from_secs(60));
                    let resident = match processor.load(&network, caller) {
                        Ok(resident) => resident,
                        Err(EngineError::NoRoom { .. }) => {
                            refusals.fetch_add(1, Ordering::Relaxed);
                            thread::sleep(Duration::from_millis(1));
                            continue;
                        }
                        // The one that the device hung in.
                        Err(EngineError::Timeout { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    loads += 1;
                    let pending: Vec<_> = (0..3).map(|_| resident.submit(rows.clone())).collect();
                    drop(resident);
                    for pending in pending {
                        let result = pending.wait().expect("it was submitted before");
                        assert_eq!(result.version, caller);
                        assert!(result.outputs == answers);
                    }
                }
            });
        }
        let begin = Instant::now();
        while refusals.load(Ordering::Relaxed) == 0 {
            assert!(begin.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(1));
        }
        drop(held);
    });
    assert_eq!(processor.recoveries(), 1);
}

#[test]
fn a_device_that_is_reset_has_all_its_networks_again() {
    for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
        // At once, and in the midst of batches.
        for after in [2, 3, 17] {
            let served = Served::new(Faulty::new(Fault::Hung, after));
            let options = EngineOptions {
                timeout: Duration::from_millis(200),
                mode,
                ..options(2)
            };
            let processor = on(&served, options);
            let works = [
                Work::new(&processor, &network("a", 1, &[40, 9]), 1, 5),
                Work::new(&processor, &network("b", 2, &[20, 8]), 2, 7),
            ];
            let pending: Vec<_> = (0..20).map(|turn| works[turn % 2].submit()).collect();
            for (turn, pending) in pending.into_iter().enumerate() {
                works[turn % 2].check(pending);
            }
            assert_eq!(processor.recoveries(), 1);
            let versions: Vec<_> = processor
                .slots()
                .into_iter()
                .map(|slot| slot.map(|slot| slot.version))
                .collect();
            assert_eq!(versions, [Some(1), Some(2)]);
        }
    }
}

#[test]
fn a_load_that_the_device_fails_with_leaves_the_others_serving() {
    // The second load can't read its image, or never completes.
    for fault in [Fault::Image, Fault::Hung] {
        let served = Served::new(Faulty::new(fault, 1));
        let options = EngineOptions {
            timeout: Duration::from_millis(200),
            ..options(2)
        };
        let processor = on(&served, options);
        let first = Work::new(&processor, &network("a", 1, &[40, 9]), 1, 5);
        let other = network("b", 2, &[20, 8]);
        let error = processor.load(&other, 2).expect_err("the load fails");
        let cause = if fault == Fault::Image {
            Cause::Command
        } else {
            Cause::Timeout
        };
        assert_eq!(error.cause(), cause);
        first.check(first.submit());
        let second = Work::new(&processor, &other, 2, 5);
        second.check(second.submit());
        first.check(first.submit());
    }
}

#[test]
fn a_lost_device_answers_the_batches_of_all_networks_and_loads_nothing_more() {
    let served = Served::new(Faulty::new(Fault::Stuck, 3));
    let options = EngineOptions {
        timeout: Duration::from_millis(100),
        ..options(2)
    };
    let processor = on(&served, options);
    let works = [
        Work::new(&processor, &network("a", 1, &[16, 9]), 1, 2),
        Work::new(&processor, &network("b", 2, &[20, 8]), 2, 2),
    ];
    let begin = Instant::now();
    let pending: Vec<_> = (0..10).map(|turn| works[turn % 2].submit()).collect();
    let failed = pending
        .into_iter()
        .filter_map(|pending| pending.wait().err());
    assert!(failed.count() >= 9);
    assert!(begin.elapsed() < Duration::from_secs(5));
    let [first, second] = works;
    drop(first);
    let begin = Instant::now();
    let error = processor
        .load(&network("c", 3, &[16, 9]), 3)
        .expect_err("the device is lost");
    assert!(error.cause().is_processors(), "{error}");
    assert_eq!(processor.slots(), [None, None]);
    let error = second.submit().wait().expect_err("the device is lost");
    assert_eq!(error.cause(), Cause::Timeout);
    assert!(begin.elapsed() < Duration::from_secs(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_in_any_pieces_have_the_same_answers(
        cuts in prop::collection::vec(0_usize..=40, 0..12),
        batch in 1_usize..20,
        is_image: bool,
        seed: u64,
    ) {
        let network = match is_image {
            true => support::graphs::resnet(seed, 4),
            false => Numbers(seed).network(&[21, 13, 10]),
        };
        let (count, row) = (if is_image { 6 } else { 40 }, network.input_elements());
        let rows = Numbers(seed).bytes(count * row);
        let bytes: Bytes = rows.iter().map(|&value| value as u8).collect::<Vec<_>>().into();
        let mut ends: Vec<usize> = cuts.iter().map(|&cut| cut.min(count) * row).collect();
        ends.push(0);
        ends.push(bytes.len());
        ends.sort_unstable();
        let pieces: BatchRows = ends.windows(2).map(|ends| bytes.slice(ends[0]..ends[1])).collect();
        prop_assert_eq!(pieces.values(), rows.len());
        let answers = expected(&network, &rows);
        let served = Served::new(FunctionalModel::new(systole_regs::configuration::SMALL));
        for backend in [Backend::Cpu, Backend::Device(served.open())] {
            let processor = Processor::new(backend, options(batch)).expect("it starts");
            let resident = processor.load(&network, 1).expect("there is room");
            let result = resident.submit(pieces.clone()).wait().expect("it computes");
            prop_assert!(result.outputs == answers);
            let rows: Vec<usize> = result.commands.iter().map(|command| command.rows).collect();
            prop_assert_eq!(rows.len(), count.div_ceil(batch));
            prop_assert_eq!(rows.iter().sum::<usize>(), count);
        }
    }
}
