//! The CPU backend as services use it: a deployment with its queue, from which batches form.
//!
//! ```text
//!  arrivals --> this thread: submit --+--> computed in the call, where rows are cheap --+--> what time is it?
//!                                     +--> queue -> batches -> answers -----------------+
//! ```

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use systole_host::Network;
use systole_host::engine::EngineOptions;
use systole_host::serving::{BatchingOptions, Deployment, Fleet, Request, RequestError};

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
        let (sender, answers) = mpsc::channel();
        let mut given_up = 0;
        let begin = Instant::now();
        for (index, &arrival) in arrivals.iter().enumerate() {
            let due = begin + arrival;
            wait_until(due);
            if due.elapsed() > bound {
                given_up = arrivals.len() - index;
                break;
            }
            let sender = sender.clone();
            let pending = self.deployment.submit(Request::new(self.rows.clone()));
            pending.then(move |answer| {
                // The receiver stays until this end is dropped.
                let _ = sender.send((due, Instant::now(), answer));
            });
        }
        drop(sender);
        let mut served = Served {
            dropped: given_up,
            ..Served::default()
        };
        // Until all have been answered.
        for (due, now, answer) in answers {
            match answer {
                Ok(_) => {
                    served.latencies.push(now - due);
                    served.elapsed = served.elapsed.max(now - begin);
                }
                Err(RequestError::Refused(_)) => served.dropped += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(served)
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
        let mut serving = serving();
        let network = Arc::clone(serving.deployment.network());
        let fleet = Fleet::new(Vec::new(), EngineOptions::default()).expect("the CPU is there");
        let options = BatchingOptions {
            wait: Duration::from_millis(2),
            ..BatchingOptions::default()
        };
        serving.deployment =
            Deployment::new(&fleet, network, VERSION, options).expect("it is served");
        let served = serving
            .serve(&[Duration::ZERO; 3], Duration::MAX)
            .expect("it computes");
        assert_eq!((served.latencies.len(), served.dropped), (3, 0));
        // One waits for the others.
        assert!(served.elapsed >= Duration::from_millis(1), "{served:?}");
    }
}
