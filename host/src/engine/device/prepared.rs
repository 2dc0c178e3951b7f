//! A network compiled for the device, with everything that it needs in memory that the device can
//! reach.

use systole_driver::{Device, DmaBuffer};

use super::LANES;
use super::lane::Lane;
use crate::compiler::{CompileOptions, Program, Target, compile_with};
use crate::engine::{EngineError, EngineOptions};
use crate::model::Network;

/// A network that is ready to be loaded.
pub(super) struct Prepared {
    pub program: Program,
    pub version: u32,
    /// Read once, by the load.
    pub image: DmaBuffer,
    /// Weights that are read in every run.
    pub stream: Option<DmaBuffer>,
    pub lanes: Vec<Lane>,
}

impl Prepared {
    pub fn new(
        device: &Device,
        network: &Network,
        target: &Target,
        version: u32,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let batch = Some(options.batch);
        let program = compile_with(network, target, CompileOptions { batch })?;
        let lanes = (0..LANES).map(|_| Lane::new(device, &program, options));
        Ok(Self {
            version,
            image: buffer(device, &program.image())?,
            stream: match program.stream.is_empty() {
                true => None,
                false => Some(buffer(device, &program.stream_bytes())?),
            },
            lanes: lanes.collect::<Result<_, _>>()?,
            program,
        })
    }
}

/// Memory with these bytes in it.
pub(super) fn buffer(device: &Device, bytes: &[u8]) -> Result<DmaBuffer, EngineError> {
    let mut buffer = device.allocate(bytes.len())?;
    buffer.write(0, bytes)?;
    Ok(buffer)
}
