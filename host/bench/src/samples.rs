//! samples.csv: single calls and requests, for whoever wants other figures than the report's.
//!
//! ```text
//!  contender,kind,batch,rate,round,microseconds
//!  "ONNX Runtime, 1 thread",measured,16,,1,40.2          a call with 16 rows
//!  sim:small,simulated,,5000,3,112.9                     a request at 5,000 rows a second
//! ```

use std::io::Write;
use std::time::Duration;

use crate::report::{Kind, Report};
use crate::statistics::microseconds;

/// Samples of one round, at most. Of more, every so many-th is written; the report's figures are of all.
pub(crate) const SAMPLES_A_ROUND: usize = 1000;

/// Writes the samples of a report.
pub(crate) fn write(report: &Report, to: impl Write) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record([
        "contender",
        "kind",
        "batch",
        "rate",
        "round",
        "microseconds",
    ])?;
    let mut write = |contender: &str, kind: Kind, at: [String; 2], rounds: &[Vec<Duration>]| {
        for (round, samples) in (1..).zip(rounds) {
            let step = samples.len().div_ceil(SAMPLES_A_ROUND).max(1);
            for sample in samples.iter().step_by(step) {
                let [batch, rate] = &at;
                let sample = format!("{:.3}", microseconds(sample));
                let kind = kind.to_string();
                let round = usize::to_string(&round);
                csv.write_record([contender, &kind, batch, rate, &round, &sample])?;
            }
        }
        Ok::<(), csv::Error>(())
    };
    let of_batch = |batch: usize| [batch.to_string(), String::new()];
    for one in &report.measured {
        write(&one.contender, one.kind, of_batch(one.batch), &one.rounds)?;
    }
    for one in &report.simulated {
        let link = one.link_us;
        let time = |&cycles: &u64| {
            let microseconds = cycles as f64 * 1e3 / f64::from(one.clock_khz) + link;
            Duration::from_secs_f64(microseconds / 1e6)
        };
        let commands: Vec<Duration> = one.cycles.iter().map(time).collect();
        write(&one.contender, one.kind, of_batch(one.batch), &[commands])?;
    }
    for one in &report.rates {
        let at = [String::new(), one.rate.to_string()];
        write(&one.contender, one.kind, at, &one.rounds)?;
    }
    csv.flush()?;
    Ok(())
}
