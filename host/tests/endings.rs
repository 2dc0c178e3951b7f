//! Every batch is answered once, however it ends: computed, refused, failed, or dropped with its
//! processor.

mod support;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use support::Numbers;
use support::device::{Fault, Faulty, Served};
use systole_host::engine::{Backend, BatchResult, Cause, EngineError, EngineOptions, Processor};
use systole_regs::configuration::TINY;
use systole_sim::model::FunctionalModel;

fn options(batch: usize) -> EngineOptions {
    EngineOptions {
        batch,
        timeout: Duration::from_millis(200),
        ..EngineOptions::default()
    }
}

/// What each of `count` callbacks was called with, in order, when all handles are gone.
fn endings(count: usize, submit: impl FnOnce(&mut dyn FnMut() -> Done)) -> Vec<Vec<Ending>> {
    let (sender, calls) = channel();
    let mut next = 0;
    submit(&mut || {
        let (number, sender) = (next, sender.clone());
        next += 1;
        Box::new(move |answer| {
            let _ = sender.send((number, answer.map(|_| ()).map_err(|error| error.cause())));
        })
    });
    drop(sender);
    let mut endings = vec![Vec::new(); count];
    // It ends when no callback is left that could be called.
    for (number, ending) in calls {
        endings[number].push(ending);
    }
    endings
}

type Ending = Result<(), Cause>;
type Done = Box<dyn FnOnce(Result<BatchResult, EngineError>) + Send + 'static>;

const SLOW: Fault = Fault::Slow(Duration::from_millis(20));

#[test]
fn every_batch_is_answered_once_however_it_ends() {
    const COUNT: usize = 50;
    const NEVER: usize = usize::MAX;
    let network = Numbers(1).network(&[16, 40]);
    let rows = vec![1; 16 * 6];
    // On the CPU, and on devices that fail after so many commands.
    for case in [
        None,
        Some((Fault::Stuck, NEVER)),
        Some((Fault::Stuck, 3)),
        Some((Fault::Hung, 3)),
        Some((Fault::Output, 3)),
        Some((SLOW, 1)),
    ] {
        let served = case.map(|(fault, after)| Served::new(Faulty::new(fault, after)));
        let backend = match &served {
            Some(served) => Backend::Device(served.open()),
            None => Backend::Cpu,
        };
        let processor = Processor::new(backend, options(2)).expect("it starts");
        let resident = processor.load(&network, 1).expect("there is room");
        let endings = endings(COUNT, |done| {
            resident.submit_then(vec![0; 15], done());
            resident.submit_then(vec![], done());
            for _ in 2..COUNT {
                resident.submit_then(rows.clone(), done());
            }
            match case {
                // All are in the midst of things.
                None | Some((_, NEVER)) => {}
                // Those in flight are finished, the others are not.
                Some((SLOW, _)) => thread::sleep(Duration::from_millis(50)),
                // Those before are answered by then.
                Some(_) => drop(resident.submit(rows.clone()).wait()),
            }
            drop((resident, processor));
        });
        let once = endings.iter().all(|calls| calls.len() == 1);
        assert!(once, "{case:?}: {endings:?}");
        let count = |ending: Ending| endings.iter().filter(|calls| calls[0] == ending).count();
        let failed = |cause| count(Err(cause));
        assert_eq!(endings[0], [Err(Cause::BadRows)]);
        let expected = match case {
            None | Some((_, NEVER)) => count(Ok(())) + failed(Cause::Stopped) == COUNT - 1,
            Some((Fault::Stuck, _)) => failed(Cause::Timeout) > 40,
            Some((Fault::Output, _)) => failed(Cause::Command) == 1 && count(Ok(())) == COUNT - 2,
            Some((Fault::Slow(_), _)) => failed(Cause::Stopped) > 30,
            Some(_) => count(Ok(())) == COUNT - 1,
        };
        assert!(expected, "{case:?}: {endings:?}");
    }
}

#[test]
fn a_callback_may_panic_submit_and_drop_the_last_handle() {
    let served = Served::new(FunctionalModel::new(TINY));
    let network = Numbers(1).network(&[16, 9]);
    for backend in [Backend::Cpu, Backend::Device(served.open())] {
        let processor = Processor::new(backend, options(2)).expect("it starts");
        let resident = Arc::new(processor.load(&network, 1).expect("there is room"));
        drop(processor);
        resident.submit_then(vec![1; 16], |_| panic!("this is the test's"));
        let (sender, answers) = channel();
        let again = Arc::clone(&resident);
        resident.submit_then(vec![1; 32], move |first| {
            let handle = Arc::clone(&again);
            again.submit_then(vec![1; 16], move |second| {
                let outputs = [first, second].map(|answer| answer.map(|result| result.outputs));
                drop(handle);
                let _ = sender.send(outputs);
            });
        });
        // The last one is the callback's.
        drop(resident);
        let [first, second] = answers.recv().expect("the callback is called");
        let (first, second) = (first.expect("computed"), second.expect("computed"));
        assert_eq!((first.len(), &first[..9]), (18, &second[..]));
    }
    // Its thread ends on its own; the device is free then.
    let begin = Instant::now();
    while Processor::new(Backend::Device(served.open()), options(2)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(5));
    }
}
