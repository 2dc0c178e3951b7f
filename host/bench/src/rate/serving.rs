//! The CPU backend as services use it: a deployment with its queue, from which batches form.
//!
//! ```text
//!  arrivals --> this thread: submit --+--> computed in the call, where rows are cheap
//!                                     +--> queue -> batches -> answers --> collector: what time is it?
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, Stream};
use systole_host::Network;
use systole_host::engine::EngineOptions;
use systole_host::serving::{Answer, BatchingOptions, Deployment, Fleet, Request, RequestError};

use super::{Served, wait_until};
use crate::measure::{Contender, ContenderError};

/// The only version there is.
const VERSION: u32 = 1;

/// A deployment on this machine's CPU.
pub(crate) struct Serving {
    deployment: Deployment,
    rows: Bytes,
    outputs: Vec<i8>,
}

impl Serving {
    /// Name in the report.
    pub(crate) const NAME: &str = "Systole CPU, serving";

    /// Batches have `rows` at most; all else is as it is by default.
    pub(crate) fn new(network: &Arc<Network>, rows: usize) -> Result<Serving, ContenderError> {
        let fleet = Fleet::new(Vec::new(), EngineOptions::default())?;
        let options = BatchingOptions {
            rows,
            ..BatchingOptions::default()
        };
        Ok(Serving {
            deployment: Deployment::new(&fleet, Arc::clone(network), VERSION, options)?,
            rows: Bytes::new(),
            outputs: Vec::new(),
        })
    }
}

impl Contender for Serving {
    fn name(&self) -> &str {
        Serving::NAME
    }

    fn prepare(&mut self, rows: &[i8], _: usize) -> Result<(), ContenderError> {
        self.rows = Bytes::copy_from_slice(bytemuck::cast_slice(rows));
        Ok(())
    }

    fn compute(&mut self) -> Result<(), ContenderError> {
        let pending = self.deployment.submit(Request::new(self.rows.clone()));
        self.outputs = pending.wait()?.outputs;
        Ok(())
    }

    fn outputs(&mut self) -> Result<Vec<i8>, ContenderError> {
        Ok(std::mem::take(&mut self.outputs))
    }

    fn serve(&mut self, arrivals: &[Duration], bound: Duration) -> Result<Served, ContenderError> {
        let mut outcomes = Vec::with_capacity(arrivals.len());
        let begin = thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let collector = scope.spawn(move || collect(&receiver));
            let begin = Instant::now();
            for (index, &arrival) in arrivals.iter().enumerate() {
                let due = begin + arrival;
                wait_until(due);
                if due.elapsed() > bound {
                    outcomes.extend(arrivals[index..].iter().map(|_| None));
                    break;
                }
                let mut pending = self.deployment.submit(Request::new(self.rows.clone()));
                match (&mut pending).now_or_never() {
                    Some(answer) => outcomes.push(Some((due, Instant::now(), answer))),
                    None => {
                        let outcome = pending.map(move |answer| (due, Instant::now(), answer));
                        // The collector stays until this end is dropped.
                        let _ = sender.send(outcome.boxed());
                        collector.thread().unpark();
                    }
                }
            }
            drop(sender);
            collector.thread().unpark();
            let collected = collector.join().unwrap_or_default();
            outcomes.extend(collected.into_iter().map(Some));
            begin
        });
        let mut served = Served::default();
        for outcome in outcomes {
            match outcome {
                Some((due, now, Ok(_))) => {
                    served.latencies.push(now - due);
                    served.elapsed = served.elapsed.max(now - begin);
                }
                None | Some((_, _, Err(RequestError::Refused(_)))) => served.dropped += 1,
                Some((_, _, Err(error))) => return Err(error.into()),
            }
        }
        Ok(served)
    }
}

/// When a request was due, when its answer was there, and the answer.
type Outcome = (Instant, Instant, Result<Answer, RequestError>);

/// A request that has been handed in.
type Waiting = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Unparks the collector.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for answers in whatever order they come, until all are there and no more will be asked for.
fn collect(requests: &Receiver<Waiting>) -> Vec<Outcome> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut waiting = FuturesUnordered::new();
    let mut outcomes = Vec::new();
    loop {
        let ended = loop {
            match requests.try_recv() {
                Ok(request) => waiting.push(request),
                Err(error) => break error == mpsc::TryRecvError::Disconnected,
            }
        };
        while let Poll::Ready(Some(outcome)) = Pin::new(&mut waiting).poll_next(&mut context) {
            outcomes.push(outcome);
        }
        if ended && waiting.is_empty() {
            return outcomes;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn serving() -> Serving {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx");
        let network = Arc::new(Network::load(&path).expect("the demo's model is there"));
        let rows = vec![3; network.input_elements()];
        let mut serving = Serving::new(&network, 16).expect("the CPU can always serve");
        serving.prepare(&rows, 1).expect("it is a row");
        serving
    }

    #[test]
    fn every_request_is_answered_and_none_before_it_arrives() {
        let mut serving = serving();
        let arrivals: Vec<_> = (0..50)
            .map(|index| Duration::from_micros(index * 300))
            .collect();
        let served = serving
            .serve(&arrivals, Duration::MAX)
            .expect("it computes");
        assert_eq!((served.latencies.len(), served.dropped), (50, 0));
        assert!(served.elapsed >= arrivals[49]);
        serving.compute().expect("it computes");
        assert_eq!(serving.outputs().expect("there are some").len(), 10);
    }

    #[test]
    fn what_is_too_late_is_dropped() {
        let mut serving = serving();
        let begin = [Duration::ZERO; 1000];
        let served = serving.serve(&begin, Duration::ZERO).expect("it computes");
        assert_eq!(served.latencies.len() + served.dropped, 1000);
        assert!(served.dropped > 0);
    }

    #[test]
    fn answers_that_come_later_are_collected() {
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let collector = scope.spawn(move || collect(&receiver));
            let mut threads = Vec::new();
            for _ in 0..3 {
                let (thread, answer) = later();
                threads.push(thread);
                sender.send(answer).expect("it listens");
                collector.thread().unpark();
            }
            drop(sender);
            for thread in threads {
                thread.join().expect("it answers");
            }
            assert_eq!(collector.join().expect("it ends").len(), 3);
        });
    }

    /// An answer from a thread of its own, after a moment.
    fn later() -> (thread::JoinHandle<()>, Waiting) {
        let (answer, handle) = futures_util::future::abortable(std::future::pending::<()>());
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            handle.abort();
        });
        let due = Instant::now();
        let answer = answer.map(move |_| {
            let refused = systole_host::serving::Refusal::Stopped;
            (due, Instant::now(), Err(refused.into()))
        });
        (thread, answer.boxed())
    }
}
