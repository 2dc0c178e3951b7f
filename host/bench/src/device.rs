//! The device: cycles of its commands, from which a latency follows. Its wall clock says nothing,
//! as it is simulated.

use std::sync::Arc;

use systole_driver::Device;
use systole_host::Network;
use systole_host::engine::{Backend, Engine, EngineOptions};

use crate::link::Link;
use crate::measure::ContenderError;
use crate::report::{Kind, Simulation};

/// Commands for each batch size. Cycles vary only with the bus, so a few say it all.
const COMMANDS: usize = 3;

/// What a device took and gave.
pub(crate) struct Simulated {
    pub(crate) simulation: Simulation,
    pub(crate) outputs: Vec<i8>,
}

/// Why a device has no simulated latency.
#[derive(Debug, thiserror::Error)]
enum DeviceError {
    #[error("it counts no cycles; take a device with a clock, such as sim:small")]
    NoCycles,
    #[error("it states a clock of 0 kHz")]
    NoClock,
}

/// Computes a batch as one command, a few times.
pub(crate) fn simulate(
    name: &str,
    device: &Device,
    network: &Arc<Network>,
    rows: &[i8],
    count: usize,
    link: &Link,
) -> Result<Simulated, ContenderError> {
    let options = EngineOptions {
        batch: count,
        statistics: true,
        ..EngineOptions::default()
    };
    let engine = Engine::new(
        Arc::clone(network),
        Backend::Device(device.clone()),
        options,
    )?;
    let mut cycles = Vec::with_capacity(COMMANDS);
    let mut row_bytes = 0;
    let mut outputs = Vec::new();
    for _ in 0..COMMANDS {
        let result = engine.infer_batch(rows)?;
        for command in &result.commands {
            cycles.push(command.cycles.ok_or(DeviceError::NoCycles)?);
            if let Some(statistics) = command.statistics {
                row_bytes =
                    u64::from(statistics.dma_read_bytes) + u64::from(statistics.dma_write_bytes);
            }
        }
        outputs = result.outputs;
    }
    let identity = device.identity();
    if identity.clock_khz == 0 {
        return Err(DeviceError::NoClock.into());
    }
    let median = median(&cycles).ok_or(DeviceError::NoCycles)?;
    let link_us = link.microseconds(row_bytes);
    let macs = network.macs() * count as u64;
    let elements = identity.array_rows as u64 * identity.array_columns as u64;
    let median_us = median as f64 * 1e3 / f64::from(identity.clock_khz) + link_us;
    Ok(Simulated {
        simulation: Simulation {
            contender: name.to_owned(),
            kind: Kind::Simulated,
            batch: count,
            median_us,
            link_us,
            rows_per_second: count as f64 * 1e6 / median_us,
            clock_khz: identity.clock_khz,
            macs,
            elements,
            utilization: macs as f64 / (elements as f64 * median as f64),
            row_bytes,
            cycles,
        },
        outputs,
    })
}

/// The median, if it is above zero: a device without a clock counts none.
fn median(cycles: &[u64]) -> Option<u64> {
    let mut sorted = cycles.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len() / 2)
        .copied()
        .filter(|&cycles| cycles > 0)
}
