//! Rows whose answers are known: what a new version has to compute before anybody is served by it.

use std::path::{Path, PathBuf};

use super::deployment::Deployment;
use super::request::{Request, RequestError};
use crate::model::Network;
use crate::rows::{Rows, RowsError};

/// Rows are submitted in pieces of this many.
const PIECE: usize = 64;

/// Input rows and the output rows that belong to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Golden {
    inputs: Vec<i8>,
    outputs: Vec<i8>,
    steps: u8,
}

/// Why a version is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file can't be read, or doesn't fit the network.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: RowsError,
    },
    /// Not as many answers as rows.
    #[error("{inputs} golden inputs, but {outputs} golden outputs")]
    Counts {
        /// Input rows.
        inputs: usize,
        /// Output rows.
        outputs: usize,
    },
    /// Another answer.
    #[error(
        "it does not answer its golden inputs: row {row} has {found} where {expected} was expected"
    )]
    Differs {
        /// Which row, from 0.
        row: usize,
        /// An int8 value of its answer.
        found: i8,
        /// The golden one.
        expected: i8,
    },
    /// No answer.
    #[error("it does not answer its golden inputs: {0}")]
    Request(#[from] RequestError),
}

impl Golden {
    /// Int8 rows as a network takes and gives them. Answers may be off by `steps` of the output's
    /// quantization.
    ///
    /// # Errors
    /// If there are not as many output rows as input rows.
    pub fn new(
        network: &Network,
        inputs: Vec<i8>,
        outputs: Vec<i8>,
        steps: u8,
    ) -> Result<Golden, GoldenError> {
        let rows = (
            inputs.len() / network.input_elements(),
            outputs.len() / network.output_elements(),
        );
        if rows.0 != rows.1 {
            let (inputs, outputs) = rows;
            return Err(GoldenError::Counts { inputs, outputs });
        }
        Ok(Golden {
            inputs,
            outputs,
            steps,
        })
    }

    /// Rows from two `.npy` files, in a type that the network takes and gives ([`Rows::read`]).
    ///
    /// # Errors
    /// If a file can't be read or doesn't fit the network, or there are not as many outputs as inputs.
    pub fn read(
        network: &Network,
        inputs: &Path,
        outputs: &Path,
        steps: u8,
    ) -> Result<Golden, GoldenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |error| GoldenError::Read { path, error }
        };
        let input = Rows::read(inputs, network).map_err(failed(inputs))?;
        let output = Rows::read_outputs(outputs, network).map_err(failed(outputs))?;
        Golden::new(network, input.values, output.values, steps)
    }

    /// Has a deployment compute the rows.
    ///
    /// # Errors
    /// If an answer is another one, or none.
    pub fn check(&self, deployment: &Deployment) -> Result<(), GoldenError> {
        let network = deployment.network();
        let (width, answer) = (network.input_elements(), network.output_elements());
        let pieces = self.inputs.chunks(width * PIECE);
        let golden = self.outputs.chunks(answer * PIECE);
        for (piece, (rows, golden)) in pieces.zip(golden).enumerate() {
            let rows: &[u8] = bytemuck::cast_slice(rows);
            let found = deployment.submit(Request::new(rows.to_vec())).wait()?;
            let differs = |(found, golden): (&i8, &i8)| found.abs_diff(*golden) > self.steps;
            if let Some(position) = found.outputs.iter().zip(golden).position(differs) {
                return Err(GoldenError::Differs {
                    row: piece * PIECE + position / answer,
                    found: found.outputs[position],
                    expected: golden[position],
                });
            }
        }
        Ok(())
    }
}
