//! Instructions with what the compiler knows of them: which bytes they touch, which unit carries
//! them out, and how long that takes.

use super::estimate::{Duration, When};
use super::program::Instruction;

/// What carries instructions out, each unit in order and side by side with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Compute,
    Load,
    Store,
    /// END.
    Control,
}

/// Where bytes or tiles are that an instruction touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Scratchpad,
    Weights,
    Workspace,
}

/// Bytes or tiles from `start` to `end`, or some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub space: Space,
    pub start: usize,
    pub end: usize,
    /// If only some bytes of each pixel are touched: which.
    pub lanes: Option<Lanes>,
}

/// Part of each pixel of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes {
    /// First byte of the image.
    pub image: usize,
    /// Bytes from pixel to pixel.
    pub pixel: usize,
    /// First byte of the part in each pixel,
    pub first: usize,
    /// and the byte after its last.
    pub end: usize,
}

impl Access {
    /// Everything in a range.
    pub fn range(space: Space, start: usize, length: usize) -> Access {
        Access {
            space,
            start,
            end: start + length,
            lanes: None,
        }
    }

    /// Whether both touch a common byte, as far as can be known.
    pub fn meets(&self, other: &Access) -> bool {
        let apart = match (self.lanes, other.lanes) {
            (Some(one), Some(two)) if (one.image, one.pixel) == (two.image, two.pixel) => {
                one.end <= two.first || two.end <= one.first
            }
            _ => false,
        };
        self.space == other.space && self.start < other.end && other.start < self.end && !apart
    }
}

/// How many instructions of each unit may still be running when one begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub compute: u8,
    pub load: u8,
    pub store: u8,
}

/// One instruction of the program, and the layer or tensor that it is there for.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Name of the layer, or of the tensor that is copied; empty at the end.
    pub label: String,
    /// Number of the layer in [`Program::layers`](super::Program::layers) that it computes, or a
    /// part of which; `None` if it computes nothing.
    pub layer: Option<usize>,
    /// The instruction.
    pub instruction: Instruction,
    pub(super) unit: Unit,
    pub(super) when: When,
    pub(super) reads: Vec<Access>,
    pub(super) writes: Vec<Access>,
    pub(super) duration: Duration,
    pub(super) limits: Limits,
}

impl Step {
    /// Whether one of two instructions writes what the other reads or writes.
    pub fn conflicts(&self, other: &Step) -> bool {
        let meet = |left: &[Access], right: &[Access]| {
            left.iter()
                .any(|one| right.iter().any(|two| one.meets(two)))
        };
        meet(&self.writes, &other.reads)
            || meet(&self.writes, &other.writes)
            || meet(&self.reads, &other.writes)
    }
}
