//! Instructions that move data.
//!
//! ```text
//!  host row  |..... piece .....|        pieces begin with a whole word of host memory; what is
//!            ^ word boundary            read ends with one, so a little more may be overwritten
//! ```

use systole_regs::instructions::{Transfer, flag, opcode};

use super::geometry::field;
use super::{Emitter, Piece, WORD};
use crate::compiler::CompileError;
use crate::compiler::estimate::When;
use crate::compiler::graph::ImageId;
use crate::compiler::program::Instruction;
use crate::compiler::step::{Access, Limits, Space, Step, Unit};
use crate::compiler::weights::Load;

impl Emitter<'_> {
    pub(super) fn load_rows(&mut self, piece: Piece, when: When) -> Result<(), CompileError> {
        let stride = self.batch_stride(piece.image);
        let bytes = piece.end - piece.start;
        let label = self.graph.image(piece.image).name.clone();
        let transfer = Transfer {
            opcode: opcode::LOAD_ROWS,
            flags: match when {
                When::Always => 0,
                When::FirstGroup => flag::FIRST_GROUP,
                When::NextGroup => flag::NEXT_GROUP,
            },
            scratchpad_address: field(piece.address, "scratchpad address", &label)?,
            scratchpad_stride: field(stride, "scratchpad stride", &label)?,
            row_bytes: field(bytes, "transfer", &label)?,
            host_offset: field(piece.start, "host offset", &label)?,
            ..Transfer::default()
        };
        let length = (self.settings.group_rows - 1) * stride + bytes.next_multiple_of(WORD);
        self.steps.push(Step {
            label,
            layer: None,
            instruction: Instruction::Transfer(transfer),
            unit: Unit::Load,
            when,
            reads: Vec::new(),
            writes: vec![Access::range(Space::Scratchpad, piece.address, length)],
            duration: self.estimator.transfer(0, bytes),
            limits: Limits::default(),
        });
        Ok(())
    }

    pub(super) fn store_rows(&mut self, piece: Piece) -> Result<(), CompileError> {
        let stride = self.batch_stride(piece.image);
        let bytes = piece.end - piece.start;
        let label = self.graph.image(piece.image).name.clone();
        let transfer = Transfer {
            opcode: opcode::STORE_ROWS,
            scratchpad_address: field(piece.address, "scratchpad address", &label)?,
            scratchpad_stride: field(stride, "scratchpad stride", &label)?,
            row_bytes: field(bytes, "transfer", &label)?,
            host_offset: field(piece.start, "host offset", &label)?,
            ..Transfer::default()
        };
        let length = (self.settings.group_rows - 1) * stride + bytes;
        self.steps.push(Step {
            label,
            layer: None,
            instruction: Instruction::Transfer(transfer),
            unit: Unit::Store,
            when: When::Always,
            reads: vec![Access::range(Space::Scratchpad, piece.address, length)],
            writes: Vec::new(),
            duration: self.estimator.transfer(0, bytes),
            limits: Limits::default(),
        });
        Ok(())
    }

    /// Between the workspace and the scratchpad.
    pub(super) fn workspace(
        &mut self,
        piece: Piece,
        offset: usize,
        unit: Unit,
    ) -> Result<(), CompileError> {
        let is_load = unit == Unit::Load;
        let bytes = piece.end - piece.start;
        let offset = offset + piece.start;
        let label = self.graph.image(piece.image).name.clone();
        let transfer = Transfer {
            opcode: if is_load {
                opcode::LOAD_WORKSPACE
            } else {
                opcode::STORE_WORKSPACE
            },
            scratchpad_address: field(piece.address, "scratchpad address", &label)?,
            row_bytes: field(bytes, "transfer", &label)?,
            host_offset: field(offset, "workspace offset", &label)?,
            count: 1,
            ..Transfer::default()
        };
        let words = bytes.next_multiple_of(WORD);
        let inside = if is_load { words } else { bytes };
        let scratchpad = vec![Access::range(Space::Scratchpad, piece.address, inside)];
        let workspace = vec![Access::range(Space::Workspace, offset, bytes)];
        let (reads, writes) = if is_load {
            (workspace, scratchpad)
        } else {
            (scratchpad, workspace)
        };
        self.steps.push(Step {
            label,
            layer: None,
            instruction: Instruction::Transfer(transfer),
            unit,
            when: When::Always,
            reads,
            writes,
            duration: self.estimator.transfer(words, 0),
            limits: Limits::default(),
        });
        Ok(())
    }

    pub(super) fn load_tiles(&mut self, load: &Load) -> Result<(), CompileError> {
        let label = self.graph.nodes[load.node].label.clone();
        let tile = self.target.tile_bytes();
        let transfer = Transfer {
            opcode: opcode::LOAD_WEIGHTS,
            host_offset: field(load.source * tile, "offset in the weight stream", &label)?,
            count: field(load.tiles, "number of weight tiles", &label)?,
            weight_address: field(load.address, "weight address", &label)?,
            ..Transfer::default()
        };
        self.steps.push(Step {
            label,
            layer: None,
            instruction: Instruction::Transfer(transfer),
            unit: Unit::Load,
            when: When::Always,
            reads: Vec::new(),
            writes: vec![Access::range(Space::Weights, load.address, load.tiles)],
            duration: self.estimator.transfer(load.tiles * tile, 0),
            limits: Limits::default(),
        });
        Ok(())
    }

    /// The rows `first..end` of an image at an address.
    pub(super) fn rows(&self, id: ImageId, first: usize, end: usize, address: usize) -> Piece {
        let pitch = self.pitch(id);
        let (start, stop) = (first * pitch, (end - 1) * pitch);
        // Transfers begin with a whole word of host memory.
        let skew = start % WORD;
        Piece {
            image: id,
            start: start - skew,
            end: stop + self.graph.image(id).row_bytes(),
            address: address - skew,
        }
    }
}
