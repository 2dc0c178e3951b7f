//! Why a network can't be compiled for a target, and what to do.

use crate::model::ModelError;

/// A memory of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// Instructions.
    Program,
    /// Requantization parameters, one entry per output channel.
    Parameters,
    /// Weight tiles.
    Weights,
    /// Activations.
    Scratchpad,
}

impl Memory {
    /// What it is counted in.
    pub const fn unit(self) -> &'static str {
        match self {
            Memory::Program => "instructions",
            Memory::Parameters => "entries",
            Memory::Weights => "tiles",
            Memory::Scratchpad => "bytes",
        }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Memory::Program => "program memory",
            Memory::Parameters => "parameter memory",
            Memory::Weights => "weight memory",
            Memory::Scratchpad => "scratchpad",
        })
    }
}

/// Why a network can't be compiled for a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The network itself is inconsistent.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The target's dimensions are impossible.
    #[error(
        "device \"{target}\" reports impossible dimensions: {reason}; is it a Systole device of this version?"
    )]
    Target {
        /// Name of the target.
        target: String,
        /// Which dimension is wrong.
        reason: String,
    },
    /// The target doesn't carry out an instruction that a layer needs.
    #[error(
        "layer \"{layer}\" needs the instruction {instruction}, which device \"{target}\" doesn't carry out: \
         use a device that does, or the CPU backend"
    )]
    Unsupported {
        /// Name of the layer.
        layer: String,
        /// Name of the instruction.
        instruction: &'static str,
        /// Name of the target.
        target: String,
    },
    /// A layer is something that the device's instructions can't express.
    #[error("layer \"{layer}\" can't be compiled: {reason}; use the CPU backend")]
    Layer {
        /// Name of the layer.
        layer: String,
        /// What is in the way.
        reason: String,
    },
    /// The network needs more of a memory than the target has.
    #[error(
        "the network needs {needed} {} of {memory}, device \"{target}\" has {available}; layer \"{layer}\" takes most \
         of it, {layer_needed}: use a device with a larger {memory}, a smaller network, or the CPU backend",
        memory.unit()
    )]
    DoesNotFit {
        /// The memory.
        memory: Memory,
        /// What the whole network needs, in [`Memory::unit`]s; of the scratchpad, for one row.
        needed: usize,
        /// What the target has.
        available: usize,
        /// Layer that needs most.
        layer: String,
        /// What that layer needs.
        layer_needed: usize,
        /// Name of the target.
        target: String,
    },
}
