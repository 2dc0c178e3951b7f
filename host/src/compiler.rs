//! Compiler: turns a network into a program for the accelerator.
//!
//! ```text
//!  Network --+--> pack ------> weight tiles, parameters ---+
//!            |                                             +--> Program --> image, entries
//!            +--> allocate --> scratchpad addresses --+    |
//!            +--> estimate --> rows of a pass, blocks-+--> instructions
//!
//!  LOAD_ROWS -> MATRIX -> MATRIX -> ... -> STORE_ROWS -> END     for each group of rows
//! ```
//!
//! A program is for one [`Target`]: the dimensions are the device's own, read from its
//! identification registers, or those of a named configuration. [`Residency`] says where on the
//! device a program goes.

mod allocate;
mod error;
mod estimate;
mod layout;
mod listing;
mod lower;
mod pack;
mod program;
mod residency;
mod target;

#[cfg(test)]
pub(crate) mod tests;

pub use error::{CompileError, Memory};
pub use program::{Buffer, Program, Step};
pub use residency::{Placement, Plan, Region, Residency};
pub use target::Target;

use crate::model::Network;
use estimate::Estimator;
use layout::Layout;
use lower::Lowering;

/// Choices that are the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// Rows that commands will usually have. Passes are sized for it; without it, for the highest
    /// throughput.
    pub batch: Option<usize>,
}

/// Compiles a network for a target, for the highest throughput.
///
/// # Errors
/// If the network is inconsistent or doesn't fit the target.
pub fn compile(network: &Network, target: &Target) -> Result<Program, CompileError> {
    compile_with(network, target, CompileOptions::default())
}

/// Compiles a network for a target.
///
/// # Errors
/// If the network is inconsistent or doesn't fit the target.
pub fn compile_with(
    network: &Network,
    target: &Target,
    options: CompileOptions,
) -> Result<Program, CompileError> {
    network.validate()?;
    target.check()?;
    lower::check_fit(network, target)?;
    let layout = Layout::new(network, target)?;
    let work = lower::work(network, target);

    let estimator = Estimator::new(target);
    let most = (target.scratchpad_bytes / layout.row_bytes()).min(u16::MAX.into());
    let batch = options.batch.map(|batch| batch as u64);
    let group_rows = estimator.group_rows(&work, most as u64, batch);
    let group_rows = u16::try_from(group_rows).expect("at most `most`, which is one");

    let lowering = Lowering {
        network,
        target,
        layout: &layout,
        estimator,
        group_rows,
    };
    let (steps, parameters, weights) = lowering.lower(&work);
    Ok(Program {
        name: network.name.clone(),
        target: target.clone(),
        steps,
        parameters,
        weights,
        group_rows,
        buffers: layout.buffers(network, group_rows),
        input_elements: network.input_elements(),
        output_elements: network.output_elements(),
        input_row_bytes: whole_words(network.input_elements()),
        output_row_bytes: whole_words(network.output_elements()),
        macs: network.macs(),
    })
}

/// Length of a row in host memory.
fn whole_words(elements: usize) -> usize {
    elements.next_multiple_of(systole_regs::DATA_BYTES as usize)
}
