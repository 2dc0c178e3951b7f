//! Runs, and what goes wrong with the host memory that they use.
//!
//! ```text
//!  host memory   | input rows |   | output rows |   | workspace |   | stream |   | statistics |
//!                 each now and then where nothing is mapped, or across the end of what is
//! ```

use systole_regs::entries::{LoadEntry, RunEntry, Statistics, flag, opcode};
use systole_regs::instructions;

use super::super::case::{Command, Intent, Model};
use super::super::cost;
use super::super::layout::TAIL_BYTES;
use super::{Generator, Resident};

impl Generator {
    pub(super) fn run(&mut self) -> Command {
        let residents: Vec<(usize, Resident)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, resident)| resident.map(|resident| (slot, resident)))
            .collect();
        let (slot, resident) = self.random.pick(&residents);
        let mut command = self.run_entry(slot, resident.model);
        match self.models[resident.model].fault {
            Some(fault) => command.intent = Intent::Program(fault),
            None if !resident.stream_mapped => command.intent = Intent::Dma("weight stream"),
            None if self.random.chance(10) => self.unmap(&mut command, resident.model),
            None => {}
        }
        command
    }

    /// A run that works, if its model does.
    pub(super) fn run_entry(&mut self, slot: usize, index: usize) -> Command {
        let random = &mut self.random;
        let model = &self.models[index];
        let group = usize::from(model.group_rows);
        let mut rows = match random.range(0, 4) {
            0 => 1,
            1 => group,
            2 if group < 12 => 2 * group + random.range(0, 2),
            _ => random.range(1, group + 3),
        };
        while rows > 1 && cost::run(&self.configuration, model, rows) > self.budget {
            rows = rows.div_ceil(2);
        }
        // Rows may overlap on their way in, but not on their way out.
        let input_stride = match random.range(0, 4) {
            0 => 8 * random.range(0, 3),
            _ => model.input_bytes.next_multiple_of(8) + 8 * random.range(0, 2),
        };
        let output_stride = model.output_bytes.next_multiple_of(8) + 8 * random.range(0, 2);
        let input_extent = (rows - 1) * input_stride + model.input_bytes;
        let output_extent = (rows - 1) * output_stride + model.output_bytes;
        let input_address = self.layout.allocate(input_extent, 8, random);
        let output_address = self.layout.allocate(output_extent, 8, random);
        random.signed_bytes(self.layout.bytes_mut(input_address, input_extent));
        let workspace = (model.workspace_bytes > 0).then(|| {
            let bytes = model.workspace_bytes;
            (self.layout.allocate(bytes, 8, random), bytes)
        });
        self.budget = self
            .budget
            .saturating_sub(cost::run(&self.configuration, model, rows));
        let mut entry = RunEntry {
            opcode: opcode::RUN,
            command_id: self.next_id(),
            slot: slot as u8,
            input_address,
            output_address,
            rows: rows as u32,
            input_stride: input_stride as u32,
            output_stride: output_stride as u32,
            workspace_address: workspace.map_or(0, |(address, _)| address),
            ..Default::default()
        };
        self.ask_statistics(&mut entry);
        Command {
            entry,
            intent: Intent::Valid,
            output: Some((output_address, output_extent)),
            workspace,
            model: Some(index),
        }
    }

    /// Moves something that the run needs out of mapped memory.
    fn unmap(&mut self, command: &mut Command, model: usize) {
        let model = &self.models[model];
        let entry = &mut command.entry;
        let rows_before = entry.rows as usize - 1;
        let workspace = workspace_fails_in_order(model) && self.random.chance(60);
        match self.random.range(0, 2) {
            _ if workspace => {
                let first = first_access(model, &WORKSPACE);
                entry.workspace_address = self
                    .layout
                    .unmapped((first + 1).min(TAIL_BYTES), &mut self.random);
                command.workspace = Some((entry.workspace_address, model.workspace_bytes));
                command.intent = Intent::Dma("workspace");
            }
            0 => {
                let last = rows_before * entry.input_stride as usize;
                let first = first_access(model, &[instructions::opcode::LOAD_ROWS]);
                entry.input_address = self
                    .layout
                    .unmapped((last + first + 8).min(TAIL_BYTES), &mut self.random);
                command.intent = Intent::Dma("input rows");
            }
            1 => {
                let last = rows_before * entry.output_stride as usize;
                let first = first_access(model, &[instructions::opcode::STORE_ROWS]);
                entry.output_address = self
                    .layout
                    .unmapped((last + first + 1).min(TAIL_BYTES), &mut self.random);
                let extent = last + model.output_bytes;
                command.output = Some((entry.output_address, extent));
                command.intent = Intent::Dma("output rows");
            }
            _ => command.intent = self.unmap_statistics(&mut command.entry),
        }
    }

    pub(super) fn unmap_statistics(&mut self, entry: &mut RunEntry) -> Intent {
        entry.flags |= flag::STATISTICS;
        entry.statistics_address = self
            .layout
            .unmapped(size_of::<Statistics>(), &mut self.random);
        Intent::Dma("statistics")
    }

    /// Sometimes moves the weights that a model streams out of mapped memory: its runs fail then.
    pub(super) fn map_stream(&mut self, entry: &mut RunEntry, model: usize) -> bool {
        let model = &self.models[model];
        let first = model
            .reachable()
            .iter()
            .find(|i| i.opcode == instructions::opcode::LOAD_WEIGHTS);
        match first {
            Some(first) if model.fault.is_none() && self.random.chance(12) => {
                let bytes = first.host_offset as usize + 8;
                let load: &mut LoadEntry = bytemuck::cast_mut(entry);
                load.stream_address = self.layout.unmapped(bytes, &mut self.random);
                false
            }
            _ => true,
        }
    }
}

const WORKSPACE: [u8; 2] = [
    instructions::opcode::LOAD_WORKSPACE,
    instructions::opcode::STORE_WORKSPACE,
];

/// Offset in host memory of what the first instruction with one of these opcodes copies: an access
/// that surely happens.
fn first_access(model: &Model, opcodes: &[u8]) -> usize {
    let mut reachable = model.reachable().iter();
    let copy = reachable.find(|i| opcodes.contains(&i.opcode));
    copy.map_or(0, |copy| copy.host_offset as usize)
}

/// Whether a program uses a workspace, and the first access that fails without it is the same
/// however instructions overlap: a read and a write that fail side by side may do so in any order.
fn workspace_fails_in_order(model: &Model) -> bool {
    let uses = |opcode: u8| model.reachable().iter().any(|i| i.opcode == opcode);
    let [reads, writes] = WORKSPACE.map(uses);
    (reads || writes) && !(reads && writes && model.overlapped)
}
