//! Compiler: turns a network into a program for the accelerator.
//!
//! ```text
//!  Network --build--> Graph: images and nodes, sums and concatenations folded in
//!                       |
//!       +---------------+----- tried with several settings, the fastest is kept ----+
//!       |  pitch, method --> memory --> weights --> emit --> order --> estimate     |
//!       |  rows, modes       addresses  resident    Steps    limits    cycles       |
//!       |                    bands      streamed                                    |
//!       +---------------------------------------------------------------------------+
//!                       |
//!                     pack --> weight tiles --> Program: image, stream, entries
//! ```
//!
//! A program is for one [`Target`]: the dimensions are the device's own, read from its
//! identification registers, or those of a named configuration. [`Residency`] says where on the
//! device a program goes.

mod allocate;
mod build;
mod emit;
mod error;
mod estimate;
mod graph;
mod listing;
mod memory;
mod method;
mod order;
mod pack;
mod pitch;
mod products;
mod program;
mod residency;
mod search;
mod step;
mod target;
mod weights;

#[cfg(test)]
pub(crate) mod tests;

pub use error::{CompileError, Memory};
pub use program::{Block, Buffer, HostLayout, Instruction, Layer, Program, RunAddresses};
pub use residency::{NoPlace, Placement, Region, Residency};
pub use step::Step;
pub use target::Target;

use systole_regs::image::Parameter;

use crate::model::{Network, Tail};
use emit::Emitted;
use graph::{Graph, ImageId};
use memory::{Home, MemoryPlan};
use search::Candidate;
use weights::WeightPlan;

/// Choices that are the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// Rows that commands will usually have. Groups are sized for it; without it, for the highest
    /// throughput.
    pub batch: Option<usize>,
}

/// Compiles a network for a target, for the highest throughput.
///
/// # Errors
/// If the network is inconsistent, has layers that no instruction expresses, or doesn't fit the
/// target.
pub fn compile(network: &Network, target: &Target) -> Result<Program, CompileError> {
    compile_with(network, target, CompileOptions::default())
}

/// Compiles a network for a target. Softmax and reshapes at its end are left to the host
/// ([`Program::tail`]).
///
/// # Errors
/// If the network is inconsistent, has layers that no instruction expresses, or doesn't fit the
/// target.
pub fn compile_with(
    network: &Network,
    target: &Target,
    options: CompileOptions,
) -> Result<Program, CompileError> {
    network.validate()?;
    target.check()?;
    let (head, tail) = network.split_tail();
    let graph = build::build(&head)?;
    let chosen = search::choose(&graph, target, &options)?;
    for step in &chosen.emitted.steps {
        target.require(step.instruction.opcode(), &step.label)?;
    }
    let mut program = assemble(&network.name, &graph, chosen, target);
    (program.tail, program.output_elements) = (tail, network.output_elements());
    Ok(program)
}

fn assemble(name: &str, graph: &Graph, chosen: Candidate, target: &Target) -> Program {
    let Candidate {
        memory,
        weights: plan,
        settings,
        emitted,
        ..
    } = chosen;
    let (weights, stream) = tiles(graph, &memory, &plan, target);
    let parameters = parameters(graph, &memory, &plan, &emitted, target);
    let host = |id: ImageId| {
        let image = graph.image(id);
        let pitch = memory.layout.pitches[id.0];
        HostLayout {
            height: image.height,
            row_bytes: image.row_bytes(),
            pitch,
            stride: memory.layout.bytes(graph, id),
        }
    };
    Program {
        name: name.into(),
        target: target.clone(),
        input: host(graph.input),
        output: host(graph.output),
        output_elements: host(graph.output).elements(),
        tail: Tail::default(),
        buffers: buffers(graph, &memory),
        scratchpad_bytes: memory.scratchpad_bytes,
        workspace_bytes: memory.workspace_bytes,
        layers: (graph.nodes.iter())
            .map(|node| Layer {
                name: node.label.clone(),
                macs: node.macs,
            })
            .collect(),
        steps: emitted.steps,
        parameters,
        weights,
        stream,
        // Groups have at most ROWS_MAX rows.
        group_rows: u16::try_from(settings.group_rows).unwrap_or(u16::MAX),
    }
}

/// The weight memory's contents and the stream.
fn tiles(
    graph: &Graph,
    memory: &MemoryPlan,
    plan: &WeightPlan,
    target: &Target,
) -> (Vec<i8>, Vec<i8>) {
    let mut weights = vec![0; plan.tiles * target.tile_bytes()];
    for &(node, address) in &plan.resident {
        let tiles = pack(graph, memory, plan, (node, 0), target);
        weights[address * target.tile_bytes()..][..tiles.len()].copy_from_slice(&tiles);
    }
    let stream = plan.stream.iter();
    let stream = stream
        .flat_map(|&piece| pack(graph, memory, plan, piece, target))
        .collect();
    (weights, stream)
}

/// The weight tiles of a block of a node.
fn pack(
    graph: &Graph,
    memory: &MemoryPlan,
    plan: &WeightPlan,
    (index, block): (usize, usize),
    target: &Target,
) -> Vec<i8> {
    let node = &graph.nodes[index];
    let pitch = memory.layout.pitches[node.input.image.0];
    let pixel = graph.strides(&node.input, pitch).pixel;
    let channels = &plan.blocks[index][block];
    pack::tiles(node, &memory.layout.methods[index], channels, pixel, target)
}

/// The parameters, with what the array adds to sums taken from the biases.
fn parameters(
    graph: &Graph,
    memory: &MemoryPlan,
    plan: &WeightPlan,
    emitted: &Emitted,
    target: &Target,
) -> Vec<Parameter> {
    let mut parameters = emitted.parameters.clone();
    if !target.sums_carry_weight_products() {
        return parameters;
    }
    for (index, addresses) in emitted.parameter_addresses.iter().enumerate() {
        let method = &memory.layout.methods[index];
        if !method.matrix {
            continue;
        }
        for (block, &first) in addresses.iter().enumerate() {
            let tiles = pack(graph, memory, plan, (index, block), target);
            let outputs = plan.blocks[index][block].len() * method.pixels;
            let parameters = &mut parameters[first..first + outputs];
            products::fold(&tiles, method.input_tiles, parameters, target);
        }
    }
    parameters
}

fn buffers(graph: &Graph, memory: &MemoryPlan) -> Vec<Buffer> {
    let images = graph.images.iter().enumerate();
    images
        .filter(|(index, _)| !memory.spans[*index].is_empty())
        .map(|(index, image)| Buffer {
            tensor: image.name.clone(),
            address: match memory.homes[index] {
                Home::Scratchpad(address) => Some(address),
                Home::Workspace(_) | Home::Host => None,
            },
            stride: memory.layout.bytes(graph, ImageId(index)),
            rows: (image.height, memory.layout.pitches[index]),
            spans: memory.spans[index].clone(),
        })
        .collect()
}
