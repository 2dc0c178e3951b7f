//! From the plans to instructions, in the order in which they are issued.
//!
//! ```text
//!  LOAD_ROWS first | node 0 | node 1, LOAD_WEIGHTS | LOAD_ROWS next | ... | node n | STORE_ROWS | END
//!
//!  a node in bands, with two buffers:  LOAD 0, LOAD 1, compute 0 | compute 1, STORE 0, LOAD 2 |
//!                                      compute 2, STORE 1, LOAD 3 | ... | STORE last
//! ```
//!
//! Instructions begin in order, so what can begin early stands early: the loads of what comes next
//! behind the computation that they run beside.

mod geometry;
mod transfer;

use systole_regs::image::Parameter;
use systole_regs::instructions::{Transfer, opcode};

use super::estimate::{Duration, Estimator, When};
use super::graph::{Graph, ImageId, Strides, View};
use super::memory::{Home, MemoryPlan, Settings};
use super::program::Instruction;
use super::step::{Access, Lanes, Limits, Space, Step, Unit};
use super::weights::{Job, WeightPlan};
use super::{CompileError, Target};
use geometry::{Placed, field};

/// Alignment of addresses in host memory.
const WORD: usize = systole_regs::DATA_BYTES as usize;

/// Instructions and parameters.
#[derive(Clone, Debug)]
pub(super) struct Emitted {
    pub steps: Vec<Step>,
    pub parameters: Vec<Parameter>,
    /// For each node and block its first parameter entry.
    pub parameter_addresses: Vec<Vec<usize>>,
}

/// Makes the instructions of a program, without their limits.
pub(super) fn emit(
    graph: &Graph,
    memory: &MemoryPlan,
    weights: &WeightPlan,
    settings: &Settings,
    target: &Target,
    estimator: &Estimator,
) -> Result<Emitted, CompileError> {
    let mut emitter = Emitter {
        graph,
        memory,
        weights,
        settings,
        target,
        estimator,
        steps: Vec::new(),
        parameters: Vec::new(),
        parameter_addresses: Vec::new(),
    };
    emitter.add_parameters();
    let mut pieces = emitter.first_pieces().into_iter();
    emitter.load_first(pieces.by_ref().take(2))?;
    emitter.load_weights(None)?;
    let mut job = 0;
    for node in 0..graph.nodes.len() {
        emitter.node(node, &mut job, &mut pieces)?;
    }
    emitter.store_result()?;
    emitter.steps.push(Step {
        label: String::new(),
        layer: None,
        instruction: Instruction::Transfer(Transfer {
            opcode: opcode::END,
            ..Transfer::default()
        }),
        unit: Unit::Control,
        when: When::Always,
        reads: Vec::new(),
        writes: Vec::new(),
        duration: Duration::default(),
        limits: Limits::default(),
    });
    Ok(Emitted {
        steps: emitter.steps,
        parameters: emitter.parameters,
        parameter_addresses: emitter.parameter_addresses,
    })
}

struct Emitter<'a> {
    graph: &'a Graph<'a>,
    memory: &'a MemoryPlan,
    weights: &'a WeightPlan,
    settings: &'a Settings,
    target: &'a Target,
    estimator: &'a Estimator,
    steps: Vec<Step>,
    parameters: Vec<Parameter>,
    /// For each node and block its first parameter entry.
    parameter_addresses: Vec<Vec<usize>>,
}

/// A piece of an image that a transfer copies.
#[derive(Clone, Copy)]
struct Piece {
    image: ImageId,
    /// First byte in the image,
    start: usize,
    /// and the byte after the last.
    end: usize,
    /// Where the first byte lies in the scratchpad.
    address: usize,
}

impl Emitter<'_> {
    fn pitch(&self, id: ImageId) -> usize {
        self.memory.layout.pitches[id.0]
    }

    fn strides(&self, view: &View) -> Strides {
        self.graph.strides(view, self.pitch(view.image))
    }

    /// Bytes from row to row of the group.
    fn batch_stride(&self, id: ImageId) -> usize {
        self.memory.layout.bytes(self.graph, id)
    }

    fn add_parameters(&mut self) {
        let lanes = self.target.requantize_lanes;
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let pixels = self.memory.layout.methods[index].pixels;
            let mut addresses = Vec::new();
            for block in &self.weights.blocks[index] {
                addresses.push(self.parameters.len());
                for _ in 0..pixels {
                    self.parameters
                        .extend_from_slice(&node.parameters[block.clone()]);
                }
                self.pad_parameters(lanes);
                if let Some(residual) = &node.residual {
                    self.parameters.extend_from_slice(&residual.parameters);
                    self.pad_parameters(lanes);
                }
            }
            self.parameter_addresses.push(addresses);
        }
    }

    fn pad_parameters(&mut self, lanes: usize) {
        let length = self.parameters.len().next_multiple_of(lanes);
        self.parameters.resize(length, Parameter::default());
    }

    /// The network's input, if it is to lie in the scratchpad: one piece up to the last row that
    /// each band of the first layer reads.
    fn first_pieces(&self) -> Vec<Piece> {
        let input = self.graph.input;
        let Home::Scratchpad(address) = self.memory.homes[input.0] else {
            return Vec::new();
        };
        let bytes = self.batch_stride(input);
        let bands = match self.memory.bandings.first() {
            Some(banding) if banding.inputs.is_empty() => &banding.bands[..],
            _ => &[],
        };
        let pitch = self.pitch(input);
        let mut start = 0;
        (0..bands.len().max(1))
            .filter_map(|index| {
                let end = match bands.get(index) {
                    Some(band) if index + 1 < bands.len() => band.inputs.end * pitch,
                    _ => bytes,
                };
                let end = end.next_multiple_of(WORD).min(bytes);
                let piece = Piece {
                    image: input,
                    start,
                    end,
                    address: address + start,
                };
                start = start.max(end);
                (piece.end > piece.start).then_some(piece)
            })
            .collect()
    }

    fn load_first(&mut self, pieces: impl IntoIterator<Item = Piece>) -> Result<(), CompileError> {
        let when = match self.settings.ahead {
            Some(_) => When::FirstGroup,
            None => When::Always,
        };
        pieces
            .into_iter()
            .try_for_each(|piece| self.load_rows(piece, when))
    }

    /// The next group's input, if this is the node to load it beside.
    fn load_ahead(&mut self, node: usize) -> Result<(), CompileError> {
        let input = self.graph.input;
        match self.memory.homes[input.0] {
            Home::Scratchpad(address) if self.settings.ahead == Some(node) => {
                let piece = Piece {
                    image: input,
                    start: 0,
                    end: self.batch_stride(input),
                    address,
                };
                self.load_rows(piece, When::NextGroup)
            }
            _ => Ok(()),
        }
    }

    /// Streamed weights that are due behind a job, or at the beginning.
    fn load_weights(&mut self, after: Option<usize>) -> Result<(), CompileError> {
        for load in &self.weights.loads {
            if load.after == after {
                self.load_tiles(load)?;
            }
        }
        Ok(())
    }

    fn store_result(&mut self) -> Result<(), CompileError> {
        let output = self.graph.output;
        let Home::Scratchpad(address) = self.memory.homes[output.0] else {
            return Ok(());
        };
        let end = self.graph.image(output).bytes(self.pitch(output));
        self.store_rows(Piece {
            image: output,
            start: 0,
            end,
            address,
        })
    }

    /// All bands and blocks of a node, and what is loaded and stored for them. Behind each band
    /// comes one of the pieces of the first input that are left.
    fn node(
        &mut self,
        index: usize,
        job: &mut usize,
        pieces: &mut impl Iterator<Item = Piece>,
    ) -> Result<(), CompileError> {
        let banding = &self.memory.bandings[index];
        let blocks = self.weights.blocks[index].len();
        let overlapped = banding.inputs.len().max(banding.outputs.len()) > 1;
        let count = banding.bands.len();
        if overlapped {
            self.load_band(index, 0)?;
        }
        for band in 0..count {
            if !overlapped {
                self.load_band(index, band)?;
            } else if band == 0 && count > 1 {
                self.load_band(index, 1)?;
            }
            for block in 0..blocks {
                self.compute(index, &self.weights.jobs[*job])?;
                self.load_weights(Some(*job))?;
                if band == 0 && block == 0 {
                    self.load_ahead(index)?;
                }
                *job += 1;
            }
            self.load_first(pieces.next())?;
            if !overlapped {
                self.store_band(index, band)?;
            } else {
                if band > 0 {
                    self.store_band(index, band - 1)?;
                    if band + 1 < count {
                        self.load_band(index, band + 1)?;
                    }
                }
                if band + 1 == count {
                    self.store_band(index, band)?;
                }
            }
        }
        Ok(())
    }

    /// Where row `row` of an image is while a band is worked on.
    fn row_address(&self, id: ImageId, buffers: &[usize], band: usize, first: usize) -> usize {
        let start = first * self.pitch(id);
        match self.memory.homes[id.0] {
            Home::Scratchpad(address) => address + start,
            _ => buffers[band % buffers.len()] + start % WORD,
        }
    }

    fn load_band(&mut self, index: usize, band: usize) -> Result<(), CompileError> {
        let node = &self.graph.nodes[index];
        let banding = &self.memory.bandings[index];
        let rows = &banding.bands[band];
        let input = node.input.image;
        if !matches!(self.memory.homes[input.0], Home::Scratchpad(_)) {
            let address = self.row_address(input, &banding.inputs, band, rows.inputs.start);
            let piece = self.rows(input, rows.inputs.start, rows.inputs.end, address);
            self.load_piece(piece)?;
        }
        if let Some(residual) = &node.residual {
            let second = residual.view.image;
            if !matches!(self.memory.homes[second.0], Home::Scratchpad(_)) {
                // It is loaded to where the sum will take its place.
                let output = node.output.image;
                let first = rows.outputs.start;
                let address = self.row_address(output, &banding.outputs, band, first);
                let piece = self.rows(second, first, rows.outputs.end, address);
                self.load_piece(piece)?;
            }
        }
        Ok(())
    }

    fn load_piece(&mut self, piece: Piece) -> Result<(), CompileError> {
        match self.memory.homes[piece.image.0] {
            Home::Workspace(offset) => self.workspace(piece, offset, Unit::Load),
            _ => self.load_rows(piece, When::Always),
        }
    }

    fn store_band(&mut self, index: usize, band: usize) -> Result<(), CompileError> {
        let banding = &self.memory.bandings[index];
        let rows = &banding.bands[band].outputs;
        let output = self.graph.nodes[index].output.image;
        let home = self.memory.homes[output.0];
        if let Home::Scratchpad(_) = home {
            return Ok(());
        }
        let address = self.row_address(output, &banding.outputs, band, rows.start);
        let piece = self.rows(output, rows.start, rows.end, address);
        match home {
            Home::Workspace(offset) => self.workspace(piece, offset, Unit::Store),
            _ => self.store_rows(piece),
        }
    }

    fn compute(&mut self, index: usize, job: &Job) -> Result<(), CompileError> {
        let node = &self.graph.nodes[index];
        let method = &self.memory.layout.methods[index];
        let banding = &self.memory.bandings[index];
        let band = &banding.bands[job.band];
        let channels = self.weights.blocks[index][job.block].clone();
        let (input, output) = (node.input.image, node.output.image);
        let [input_strides, output_strides] = [&node.input, &node.output].map(|v| self.strides(v));
        let first_input = if self.is_whole(&node.input) {
            self.row_address(input, &banding.inputs, job.band, band.inputs.start)
        } else {
            self.row_address(input, &banding.inputs, job.band, 0)
                + band.inputs.start * input_strides.row
        };
        let first_output = if self.is_whole(&node.output) {
            self.row_address(output, &banding.outputs, job.band, band.outputs.start)
        } else {
            self.row_address(output, &banding.outputs, job.band, 0)
                + band.outputs.start * output_strides.row
        };
        let by_channel = !method.matrix;
        let input_offset = node.input.offset + if by_channel { channels.start } else { 0 };
        let output_offset = node.output.offset + channels.start;
        let place = Placed {
            node,
            method,
            band,
            input: input_strides,
            output: output_strides,
            channels: channels.len(),
            input_channels: if by_channel {
                channels.len()
            } else {
                node.input.channels
            },
        };
        let mut instruction = place.instruction()?;
        let label = &node.label;
        instruction.input_address = field(first_input + input_offset, "input address", label)?;
        instruction.output_address = field(first_output + output_offset, "output address", label)?;
        let group_rows = self.settings.group_rows;
        let strides = [input, output].map(|id| self.batch_stride(id));
        instruction.input_batch_stride = field(strides[0], "input stride", label)?;
        instruction.output_batch_stride = field(strides[1], "output stride", label)?;
        instruction.weight_address = field(job.weights, "weight address", label)?;
        instruction.parameter_address = field(
            self.parameter_addresses[index][job.block],
            "parameter address",
            label,
        )?;
        let input_access = Access {
            space: Space::Scratchpad,
            start: first_input + input_offset,
            end: first_input + input_offset + (group_rows - 1) * strides[0] + place.input_extent(),
            lanes: None,
        };
        let output_access = |first: usize| Access {
            space: Space::Scratchpad,
            start: first + output_offset,
            end: first + output_offset + (group_rows - 1) * strides[1] + place.output_extent(),
            lanes: Some(Lanes {
                image: first,
                pixel: output_strides.pixel,
                first: output_offset,
                end: output_offset + channels.len(),
            }),
        };
        let mut reads = vec![input_access];
        if let Some(residual) = &node.residual {
            let second = residual.view.image;
            let first = match self.memory.homes[second.0] {
                Home::Scratchpad(_) => self.row_address(second, &[], 0, band.outputs.start),
                _ => first_output,
            };
            instruction.second_address = field(
                first + residual.view.offset + channels.start,
                "second address",
                label,
            )?;
            let mut access = output_access(first);
            access.lanes = None;
            reads.push(access);
        }
        let tiles = method.tiles(node, channels.len(), self.target);
        if tiles > 0 {
            reads.push(Access::range(Space::Weights, job.weights, tiles));
        }
        let duration = method.duration_of(node, band.outputs.len(), channels.len(), self.estimator);
        self.steps.push(Step {
            label: label.clone(),
            layer: Some(index),
            instruction: Instruction::Compute(instruction),
            unit: Unit::Compute,
            when: When::Always,
            reads,
            writes: vec![output_access(first_output)],
            duration,
            limits: Limits::default(),
        });
        Ok(())
    }

    /// Whether a view has the rows of its image.
    fn is_whole(&self, view: &View) -> bool {
        let image = self.graph.image(view.image);
        (view.height, view.width) == (image.height, image.width)
    }
}
