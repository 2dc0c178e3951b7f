//! SIGTERM drains: a test of its own file, as signals concern the whole process.

mod common;

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Cpu, INPUTS};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::SIGTERM;
use systole_host::model::Element;
use systole_stream::{End, Service, Stop, StreamOptions};

#[test]
fn sigterm_answers_all_that_was_read_and_ends() {
    const EVENTS: usize = 100;
    let network = common::network(Element::I8);
    let cpu = Cpu::new(&network);
    let service = Service {
        network: &network,
        predictor: &cpu,
        array: None,
        options: StreamOptions {
            batch_wait: Duration::from_secs(3600),
            ..StreamOptions::new(&network)
        },
    };
    let mut stop = Stop::new().expect("there are file descriptors");
    stop.watch(&[SIGTERM]).expect("SIGTERM can be watched");
    let (read, mut write) = io::pipe().expect("there are file descriptors");
    let consumed = AtomicUsize::new(0);
    let mut output = Vec::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let progress = |bytes: u64| {
                consumed.fetch_add(bytes as usize, Ordering::SeqCst);
            };
            service.run(read, &mut output, &stop, &progress)
        });
        let events: String = (0..EVENTS)
            .map(|id| common::quantized_event(id, &[0; INPUTS]))
            .collect();
        write
            .write_all(events.as_bytes())
            .expect("the service reads");
        common::eventually("reading", || {
            consumed.load(Ordering::SeqCst) == events.len()
        });
        kill(Pid::this(), Signal::SIGTERM).expect("a process may signal itself");
        let outcome = running.join().expect("the service doesn't panic");
        assert_eq!(outcome.summary.end, End::Stopped);
        assert!(outcome.error.is_none());
    });
    let answers = common::answers(&output);
    assert_eq!(answers.len(), EVENTS);
    assert!(
        answers
            .iter()
            .enumerate()
            .all(|(id, answer)| answer.id == id)
    );
}
