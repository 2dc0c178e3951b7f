//! What can be wrong with entries and instructions, by name: the faults of the co-simulation, and
//! each field of an instruction.

use std::fmt;

use systole_regs::instructions::{Compute, Transfer, opcode};
use systole_regs::{Configuration, Field, Status};

use super::super::case::Model;
use super::super::faults;
use super::super::mutations;
use super::super::random::Random;
use crate::model::refusal;

/// Fields of a computation that may be anything: none of their values is refused for one row.
const FREE: &[&str] = &[
    "compute_limit",
    "load_limit",
    "store_limit",
    "pad_value",
    "input_batch_stride",
    "output_batch_stride",
    "pad_left",
    "stride_y",
    "pad_top",
    "output_zero_point",
];

/// Values of a field that are tried.
const TRIES: usize = 60;

/// What is wrong with an entry or an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformation {
    /// A fault of an entry, by its name in the co-simulation.
    Entry(&'static str),
    /// A fault of a program, by its name in the co-simulation.
    Program(&'static str),
    /// A field of an instruction that moves data.
    TransferField(Field),
    /// A field of an instruction that computes.
    ComputeField(Field),
}

impl Malformation {
    /// All of them, but for fields that may be anything.
    pub fn all() -> Vec<Malformation> {
        let entries = [
            faults::ENTRY,
            faults::SLOT,
            faults::RUN,
            faults::LOAD,
            faults::OVERLAP,
            &[faults::SLOT_EMPTY, faults::TRACE_ADDRESS],
        ];
        let mut all: Vec<_> = entries
            .concat()
            .into_iter()
            .map(Malformation::Entry)
            .collect();
        all.extend(
            mutations::PROGRAM
                .iter()
                .copied()
                .map(Malformation::Program),
        );
        all.extend(
            Transfer::FIELDS
                .iter()
                .copied()
                .map(Malformation::TransferField),
        );
        let refusable = |field: &&Field| !FREE.contains(&field.name);
        let fields = Compute::FIELDS.iter().filter(refusable);
        all.extend(fields.copied().map(Malformation::ComputeField));
        all
    }

    /// Puts it into a model; false if none of its instructions can have it.
    pub(super) fn spoil(
        self,
        model: &mut Model,
        configuration: &Configuration,
        random: &mut Random,
    ) -> bool {
        match self {
            Malformation::Entry(_) => false,
            Malformation::Program(fault) => {
                mutations::spoil_program(model, fault, configuration, random)
            }
            Malformation::TransferField(field) => {
                spoil_field(model, &field, false, configuration, random)
            }
            Malformation::ComputeField(field) => {
                spoil_field(model, &field, true, configuration, random)
            }
        }
    }
}

impl fmt::Display for Malformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformation::Entry(fault) | Malformation::Program(fault) => f.write_str(fault),
            Malformation::TransferField(field) => write!(f, "Transfer.{}", field.name),
            Malformation::ComputeField(field) => write!(f, "Compute.{}", field.name),
        }
    }
}

/// Status that an entry with this fault is answered with.
pub(super) fn entry_status(fault: &str) -> Status {
    match fault {
        "unknown opcode" => Status::InvalidOpcode,
        "unknown flag"
        | "reserved byte"
        | "statistics address without flag"
        | "no instructions"
        | "no group rows" => Status::InvalidField,
        "slot beyond the last" => Status::InvalidSlot,
        faults::SLOT_EMPTY => Status::SlotEmpty,
        "no rows" | "too many rows" => Status::InvalidRows,
        "program region too large" | "parameter region too large" | "weight region too large" => {
            Status::RegionTooLarge
        }
        _ if faults::OVERLAP.contains(&fault) => Status::RegionOverlap,
        _ => Status::Misaligned,
    }
}

/// Changes one field of an instruction of a format until it is refused.
fn spoil_field(
    model: &mut Model,
    field: &Field,
    computes: bool,
    configuration: &Configuration,
    random: &mut Random,
) -> bool {
    let parameters = model.parameters.len() as u16;
    let weights = (model.weights.len() / configuration.tile_bytes()) as u16;
    let last = model.reachable().len() - 1;
    for _ in 0..TRIES {
        let index = random.range(0, last);
        let mut instruction = model.program[index];
        let is_compute = matches!(
            instruction.opcode,
            opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL
        );
        if is_compute != computes {
            continue;
        }
        let bytes = &mut bytemuck::bytes_of_mut(&mut instruction)[field.offset..][..field.bytes];
        match random.range(0, 3) {
            0 => bytes.fill(0),
            1 => bytes.fill(0xff),
            2 => bytes[random.range(0, field.bytes - 1)] ^= 1 << random.range(0, 7),
            _ => random.fill(bytes),
        }
        if refusal(&instruction, parameters, weights, configuration).is_some() {
            model.program[index] = instruction;
            return true;
        }
    }
    false
}
