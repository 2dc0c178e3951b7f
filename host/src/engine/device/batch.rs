//! A batch on its way through the device.

use super::ResidentId;
use super::model::Model;
use crate::engine::pending::Reply;
use crate::engine::{BatchResult, BatchRows, EngineError};

/// A batch that is not answered yet.
pub(super) struct Batch {
    pub number: u64,
    /// Its network.
    pub id: ResidentId,
    /// Times that the device has failed with it.
    pub failures: u32,
    pub rows: BatchRows,
    pub count: usize,
    /// Rows that have been handed to the device.
    pub sent: usize,
    /// Rows that have come back.
    pub done: usize,
    pub result: BatchResult,
    reply: Reply,
}

impl Batch {
    pub fn new(number: u64, id: ResidentId, model: &Model, rows: BatchRows, reply: Reply) -> Self {
        Batch {
            number,
            id,
            failures: 0,
            count: rows.values() / model.program.input.elements(),
            rows,
            sent: 0,
            done: 0,
            result: BatchResult {
                outputs: Vec::new(),
                version: model.version,
                commands: Vec::new(),
            },
            reply,
        }
    }

    /// Makes room for the answers, not before the batch's turn: many may be waiting.
    pub fn begin(&mut self, output_elements: usize, command_rows: usize) {
        if self.result.outputs.is_empty() {
            self.result.outputs.resize(self.count * output_elements, 0);
            let commands = self.count.div_ceil(command_rows);
            self.result.commands.reserve_exact(commands);
        }
    }

    /// Answers with what has been computed.
    pub fn complete(self) {
        self.reply.send(Ok(self.result));
    }

    /// Answers with an error.
    pub fn fail(self, error: EngineError) {
        self.reply.send(Err(error));
    }
}
