//! Batches by size and by time, back-pressure, and the ways in which a stream ends.

mod common;

use std::io::{self, PipeWriter, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Cpu, Failing, INPUTS, Recording};
use systole_host::Network;
use systole_host::model::Element;
use systole_stream::{End, Service, Stop, StreamError, StreamOptions};

fn event(id: usize) -> String {
    common::quantized_event(id, &[id as i8; INPUTS])
}

fn events(ids: std::ops::Range<usize>) -> String {
    ids.map(event).collect()
}

fn stop() -> Stop {
    Stop::new().expect("there are file descriptors")
}

fn options(network: &Network) -> StreamOptions {
    StreamOptions::new(network)
}

/// Hands on what is written, so that a test can look while the service runs.
struct Shared<'s>(&'s Mutex<Vec<u8>>);

impl Write for Shared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics in here").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(output: &Mutex<Vec<u8>>) -> usize {
    let output = output.lock().expect("no test panics in here");
    output.iter().filter(|&&byte| byte == b'\n').count()
}

#[test]
fn full_batches_leave_at_once_and_the_rest_after_its_time() {
    let network = common::network(Element::I8);
    let recording = Recording::new(&network);
    let service = Service {
        network: &network,
        predictor: &recording,
        array: None,
        options: StreamOptions {
            batch_rows: 4,
            batch_wait: Duration::from_millis(100),
            ..options(&network)
        },
    };
    let (read, mut write) = io::pipe().expect("there are file descriptors");
    let output = Mutex::new(Vec::new());
    let stop = stop();
    thread::scope(|scope| {
        let running = scope.spawn(|| service.run(read, Shared(&output), &stop, &|_| {}));
        let begin = Instant::now();
        write_events(&mut write, events(0..6));
        common::eventually("the full batch", || lines(&output) >= 4);
        common::eventually("the rest", || lines(&output) == 6);
        assert!(begin.elapsed() >= Duration::from_millis(100));
        // A trickle slower than the wait is answered event by event, while the input is open.
        for id in 6..9 {
            write_events(&mut write, event(id));
            common::eventually("the event of the trickle", || lines(&output) == id + 1);
        }
        // Malformed lines don't wait longer than others.
        write_events(&mut write, "{}\n".into());
        common::eventually("the error", || lines(&output) == 10);
        drop(write);
        let outcome = running.join().expect("the service doesn't panic");
        assert_eq!(outcome.summary.end, End::Input);
        assert_eq!(outcome.summary.batches, 5);
    });
    let batches = recording
        .batches
        .into_inner()
        .expect("no test panics in here");
    assert_eq!(batches, [4, 2, 1, 1, 1]);
}

fn write_events(write: &mut PipeWriter, events: String) {
    write
        .write_all(events.as_bytes())
        .expect("the service reads");
}

#[test]
fn a_slow_consumer_stops_the_reader() {
    const EVENTS: usize = 20_000;
    let network = common::network(Element::I8);
    let recording = Recording::new(&network);
    let service = Service {
        network: &network,
        predictor: &recording,
        array: None,
        options: StreamOptions {
            batch_rows: 16,
            in_flight: 3,
            ..options(&network)
        },
    };
    let input = events(0..EVENTS);
    let length = input.len();
    let consumed = AtomicUsize::new(0);
    let (output, write) = io::pipe().expect("there are file descriptors");
    let stop = stop();
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let progress = |bytes: u64| {
                consumed.fetch_add(bytes as usize, Ordering::SeqCst);
            };
            service.run(common::file(input.as_bytes()), write, &stop, &progress)
        });
        // Nobody reads the output. Once its pipe is full, no more than the batches in flight are
        // submitted, and no more than a chunk of the input is read.
        let settled = settle(|| recording.rows.load(Ordering::SeqCst));
        let pipe_rows = 65_536 / "{\"id\":0,\"output\":[],\"argmax\":0,\"latency_us\":0}".len();
        assert!(
            settled <= pipe_rows + 3 * 16,
            "{settled} rows were submitted"
        );
        assert!(consumed.load(Ordering::SeqCst) < length / 2);
        let answers = common::answers(&common::read_all(output));
        assert_eq!(answers.len(), EVENTS);
        assert!(
            answers
                .iter()
                .enumerate()
                .all(|(id, answer)| answer.id == id)
        );
        let outcome = running.join().expect("the service doesn't panic");
        assert_eq!(outcome.summary.events, EVENTS as u64);
    });
    assert_eq!(consumed.into_inner(), length);
}

/// The value once it has been the same for 200 ms.
fn settle(value: impl Fn() -> usize) -> usize {
    let mut last = value();
    loop {
        thread::sleep(Duration::from_millis(200));
        let now = value();
        if now == last && now > 0 {
            return now;
        }
        last = now;
    }
}

#[test]
fn stopping_answers_all_that_was_read() {
    let network = common::network(Element::I8);
    let cpu = Cpu::new(&network);
    let service = Service {
        network: &network,
        predictor: &cpu,
        array: None,
        options: StreamOptions {
            batch_wait: Duration::from_secs(3600),
            ..options(&network)
        },
    };
    let (read, mut write) = io::pipe().expect("there are file descriptors");
    let consumed = AtomicUsize::new(0);
    let stop = stop();
    let mut output = Vec::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let progress = |bytes: u64| {
                consumed.fetch_add(bytes as usize, Ordering::SeqCst);
            };
            service.run(read, &mut output, &stop, &progress)
        });
        let sent = events(0..10) + "{\"id\": 10, \"row\"";
        let length = sent.len();
        write_events(&mut write, sent);
        common::eventually("reading", || consumed.load(Ordering::SeqCst) == length);
        stop.trigger();
        let outcome = running.join().expect("the service doesn't panic");
        assert!(outcome.error.is_none());
        assert_eq!(outcome.summary.end, End::Stopped);
        assert_eq!(outcome.summary.unfinished_bytes, 16);
    });
    let answers = common::answers(&output);
    assert_eq!(answers.len(), 10);
    assert!(
        answers
            .iter()
            .enumerate()
            .all(|(id, answer)| answer.id == id && answer.error.is_none())
    );
}

#[test]
fn a_failed_device_leaves_answers_answered_and_the_rest_with_the_error() {
    let network = common::network(Element::I8);
    let failing = Failing {
        cpu: Cpu::new(&network),
        good: 3,
        waited: AtomicUsize::new(0),
    };
    let service = Service {
        network: &network,
        predictor: &failing,
        array: None,
        options: StreamOptions {
            batch_rows: 8,
            ..options(&network)
        },
    };
    // The input stays open: the service must not wait for its end.
    let (read, mut write) = io::pipe().expect("there are file descriptors");
    write_events(&mut write, events(0..100));
    let mut output = Vec::new();
    let begin = Instant::now();
    let outcome = service.run(read, &mut output, &stop(), &|_| {});
    assert!(begin.elapsed() < Duration::from_secs(2));
    drop(write);

    assert!(matches!(outcome.error, Some(StreamError::Predictor(_))));
    assert_eq!(outcome.summary.end, End::Failed);
    assert_eq!((outcome.summary.events, outcome.summary.errors), (24, 76));
    let answers = common::answers(&output);
    assert_eq!(answers.len(), 100);
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer.id, id);
        match &answer.error {
            None => assert!(id < 24),
            Some(error) => {
                assert!(
                    id >= 24 && error.contains("the device is gone"),
                    "{id}: {error}"
                );
                assert_eq!(answer.line, Some(id as u64 + 1));
            }
        }
    }
    assert_eq!(
        failing.waited.into_inner(),
        4,
        "a failed device is left alone"
    );
}

#[test]
fn an_output_without_reader_ends_the_service() {
    let network = common::network(Element::I8);
    let cpu = Cpu::new(&network);
    let service = Service {
        network: &network,
        predictor: &cpu,
        array: None,
        options: options(&network),
    };
    let (read, mut write) = io::pipe().expect("there are file descriptors");
    let (output, closed) = io::pipe().expect("there are file descriptors");
    drop(output);
    write_events(&mut write, events(0..100));
    // The input stays open.
    let outcome = service.run(read, closed, &stop(), &|_| {});
    assert!(outcome.error.is_none());
    assert_eq!(outcome.summary.end, End::OutputClosed);
    assert_eq!(outcome.summary.events, 0, "only what was written counts");
}

#[test]
fn an_output_that_fails_is_an_error() {
    let network = common::network(Element::I8);
    let cpu = Cpu::new(&network);
    let service = Service {
        network: &network,
        predictor: &cpu,
        array: None,
        options: options(&network),
    };
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has /dev/full");
    let outcome = service.run(
        common::file(events(0..1000).as_bytes()),
        full,
        &stop(),
        &|_| {},
    );
    assert!(matches!(outcome.error, Some(StreamError::Output(_))));
    assert_eq!(outcome.summary.end, End::Failed);
}

#[test]
fn an_input_that_fails_is_an_error() {
    let network = common::network(Element::I8);
    let cpu = Cpu::new(&network);
    let service = Service {
        network: &network,
        predictor: &cpu,
        array: None,
        options: options(&network),
    };
    let folder = std::fs::File::open("/").expect("there is a root folder");
    let outcome = service.run(folder, Vec::new(), &stop(), &|_| {});
    assert!(matches!(outcome.error, Some(StreamError::Input(_))));
}
