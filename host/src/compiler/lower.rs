//! From layers to instructions.

use systole_regs::image::Parameter;
use systole_regs::instructions::{Instruction, opcode};

use super::estimate::{Estimator, MatrixShape, Work};
use super::layout::Layout;
use super::pack;
use super::program::Step;
use super::{CompileError, Memory, Target};
use crate::model::{FullyConnected, Layer, Network, Operation};

/// Instructions besides the layers': LOAD_ROWS, STORE_ROWS and END.
const FRAME_INSTRUCTIONS: usize = 3;

/// Checks that the target has the instructions, and memory for program, parameters and weights.
pub(super) fn check_fit(network: &Network, target: &Target) -> Result<(), CompileError> {
    for (opcode, port) in [
        (opcode::LOAD_ROWS, &network.input),
        (opcode::STORE_ROWS, &network.output),
    ] {
        target.require(opcode, &port.name)?;
    }
    for layer in &network.layers {
        match layer.operation {
            Operation::FullyConnected(_) => target.require(opcode::MATRIX, &layer.name)?,
            _ => {
                return Err(CompileError::Layer {
                    layer: layer.name.clone(),
                    operation: layer.operation.name(),
                });
            }
        }
    }
    let shape = |layer: &Layer| match &layer.operation {
        Operation::FullyConnected(dense) => pack::shape(dense, target),
        _ => unreachable!("the layers were checked"),
    };
    let parameters = |layer: &Layer| shape(layer).column_tiles * target.columns;
    let tiles = |layer: &Layer| shape(layer).column_tiles * shape(layer).input_tiles;
    check_memory(
        network,
        target,
        Memory::Program,
        target.usable_instructions(),
        FRAME_INSTRUCTIONS,
        |_| 1,
    )?;
    check_memory(
        network,
        target,
        Memory::Parameters,
        target.usable_parameters(),
        0,
        parameters,
    )?;
    check_memory(
        network,
        target,
        Memory::Weights,
        target.usable_tiles(),
        0,
        tiles,
    )
}

fn check_memory(
    network: &Network,
    target: &Target,
    memory: Memory,
    available: usize,
    fixed: usize,
    layer_needs: impl Fn(&Layer) -> usize,
) -> Result<(), CompileError> {
    let needed = network
        .layers
        .iter()
        .map(&layer_needs)
        .fold(fixed, usize::saturating_add);
    if needed <= available {
        return Ok(());
    }
    let layer = network
        .layers
        .iter()
        .max_by_key(|layer| layer_needs(layer))
        .expect("a consistent network has layers");
    Err(CompileError::DoesNotFit {
        memory,
        needed,
        available,
        layer: layer.name.clone(),
        layer_needed: layer_needs(layer),
        target: target.name.clone(),
    })
}

/// What each step does, for the estimate.
pub(super) fn work(network: &Network, target: &Target) -> Vec<Work> {
    let layers = network.layers.iter().map(|layer| match &layer.operation {
        Operation::FullyConnected(dense) => Work::Matrix(pack::shape(dense, target)),
        _ => unreachable!("the layers were checked"),
    });
    std::iter::once(Work::Copy(network.input_elements()))
        .chain(layers)
        .chain([Work::Copy(network.output_elements()), Work::End])
        .collect()
}

/// Everything that the instructions depend on. The network fits the target.
pub(super) struct Lowering<'a> {
    pub network: &'a Network,
    pub target: &'a Target,
    pub layout: &'a Layout,
    pub estimator: Estimator,
    pub group_rows: u16,
}

impl Lowering<'_> {
    /// Instructions, parameters and weights.
    pub fn lower(&self, work: &[Work]) -> (Vec<Step>, Vec<Parameter>, Vec<i8>) {
        let (mut parameters, mut weights) = (Vec::new(), Vec::new());
        let mut instructions = vec![self.load_rows()];
        for layer in &self.network.layers {
            let Operation::FullyConnected(dense) = &layer.operation else {
                unreachable!("the layers were checked");
            };
            let mut instruction = self.matrix(layer, dense);
            instruction.parameter_address = narrow(parameters.len());
            instruction.weight_address = narrow(weights.len() / self.target.tile_bytes());
            instructions.push((instruction, layer.name.clone()));
            let zero_point = self.network.tensor(layer.inputs[0]).zero_point;
            pack::append_parameters(dense, zero_point, self.target, &mut parameters);
            pack::append_weights(dense, self.target, &mut weights);
        }
        instructions.push(self.store_rows());
        instructions.push((
            Instruction {
                opcode: opcode::END,
                ..Default::default()
            },
            String::new(),
        ));
        let steps = instructions
            .into_iter()
            .zip(work)
            .map(|((instruction, label), &work)| Step {
                instruction,
                label,
                work,
            })
            .collect();
        (steps, parameters, weights)
    }

    fn load_rows(&self) -> (Instruction, String) {
        let port = &self.network.input;
        let (address, stride) = self.layout.place(port.tensor, self.group_rows);
        let instruction = Instruction {
            opcode: opcode::LOAD_ROWS,
            output_address: narrow(address),
            output_batch_stride: narrow(stride),
            row_bytes: narrow(self.network.input_elements()),
            ..Default::default()
        };
        (instruction, port.name.clone())
    }

    fn store_rows(&self) -> (Instruction, String) {
        let port = &self.network.output;
        let (address, stride) = self.layout.place(port.tensor, self.group_rows);
        let instruction = Instruction {
            opcode: opcode::STORE_ROWS,
            input_address: narrow(address),
            input_batch_stride: narrow(stride),
            row_bytes: narrow(self.network.output_elements()),
            ..Default::default()
        };
        (instruction, port.name.clone())
    }

    fn matrix(&self, layer: &Layer, dense: &FullyConnected) -> Instruction {
        let shape: MatrixShape = pack::shape(dense, self.target);
        let (input_address, input_stride) = self.layout.place(layer.inputs[0], self.group_rows);
        let (output_address, output_stride) = self.layout.place(layer.output, self.group_rows);
        let block_rows = self.estimator.block_rows(shape, self.group_rows.into());
        Instruction {
            opcode: opcode::MATRIX,
            rounding: dense.rounding.code(),
            block_rows: u16::try_from(block_rows).expect("at most the accumulator rows"),
            column_tiles: narrow(shape.column_tiles),
            input_address: narrow(input_address),
            output_address: narrow(output_address),
            input_batch_stride: narrow(input_stride),
            output_batch_stride: narrow(output_stride),
            input_tiles: narrow(shape.input_tiles),
            output_zero_point: self.network.tensor(layer.output).zero_point,
            clamp_minimum: dense.clamp_minimum,
            clamp_maximum: dense.clamp_maximum,
            pad_value: self.network.tensor(layer.inputs[0]).zero_point,
            kernel_height: 1,
            kernel_width: 1,
            stride_y: 1,
            stride_x: 1,
            input_height: 1,
            input_width: 1,
            output_height: 1,
            output_width: 1,
            ..Default::default()
        }
    }
}

/// A value that fits its field, because the network fits the target's memories.
fn narrow<T: TryFrom<usize>>(value: usize) -> T {
    T::try_from(value)
        .ok()
        .expect("the network was checked to fit the target")
}
