//! Instructions that move data by DMA: rows of the group, pieces of the workspace, weight tiles.
//!
//! ```text
//!  host, host_stride apart            scratchpad, scratchpad_stride apart
//!  |piece 0..|   |piece 1..|          |piece 0..|   |piece 1..|
//!        '---------------- in order ------^
//! ```

use systole_regs::Status;
use systole_regs::entries::Statistics;
use systole_regs::instructions::{Transfer, flag, opcode};

use super::Pass;
use super::bounds::{self, whole_words};
use crate::core::Host;

/// Pieces of equal size in host memory.
struct Pieces {
    count: u32,
    address: u64,
    stride: u64,
}

impl Pieces {
    /// `count` rows from row `first` of the run on; rows begin at `start`, `stride` apart.
    fn rows(start: u64, stride: u32, first: u32, count: u32, i: &Transfer) -> Self {
        let stride = u64::from(stride);
        Pieces {
            count,
            // A product of two 32-bit numbers; the sums wrap.
            address: start
                .wrapping_add(u64::from(first) * stride)
                .wrapping_add(u64::from(i.host_offset)),
            stride,
        }
    }

    /// What the instruction itself says of the workspace.
    fn workspace(start: u64, i: &Transfer) -> Self {
        Pieces {
            count: u32::from(i.count),
            address: start.wrapping_add(u64::from(i.host_offset)),
            stride: u64::from(i.host_stride),
        }
    }

    fn addresses(&self) -> impl Iterator<Item = u64> + use<> {
        let (address, stride) = (self.address, self.stride);
        (0..u64::from(self.count)).map(move |piece| address.wrapping_add(piece * stride))
    }
}

impl Pass<'_> {
    /// Checks the bounds of a transfer whose fields are possible, and carries it out.
    pub(super) fn transfer(
        &mut self,
        i: &Transfer,
        host: &mut dyn Host,
        statistics: &mut Statistics,
    ) -> Result<(), Status> {
        let entry = self.entry;
        let output_rows =
            |first, count| Pieces::rows(entry.output_address, entry.output_stride, first, count, i);
        match i.opcode {
            opcode::LOAD_ROWS => match self.rows_to_load(i) {
                Some(rows) => self.load(i, &rows, host, statistics),
                None => Ok(()),
            },
            opcode::STORE_ROWS => {
                self.store(i, &output_rows(self.first_row, self.rows), host, statistics)
            }
            opcode::LOAD_WORKSPACE => {
                let pieces = Pieces::workspace(entry.workspace_address, i);
                self.load(i, &pieces, host, statistics)
            }
            opcode::STORE_WORKSPACE => {
                let pieces = Pieces::workspace(entry.workspace_address, i);
                self.store(i, &pieces, host, statistics)
            }
            opcode::LOAD_WEIGHTS => self.load_weights(i, host, statistics),
            _ => Ok(()),
        }
    }

    /// The rows that LOAD_ROWS copies in this pass, or `None` if it is skipped.
    fn rows_to_load(&self, i: &Transfer) -> Option<Pieces> {
        let (first, count) = if i.flags & flag::NEXT_GROUP != 0 {
            (self.first_row + self.rows, self.next_rows())
        } else {
            (self.first_row, self.rows)
        };
        let skipped = count == 0 || i.flags & flag::FIRST_GROUP != 0 && self.first_row > 0;
        let (start, stride) = (self.entry.input_address, self.entry.input_stride);
        (!skipped).then(|| Pieces::rows(start, stride, first, count, i))
    }

    fn load(
        &mut self,
        i: &Transfer,
        pieces: &Pieces,
        host: &mut dyn Host,
        statistics: &mut Statistics,
    ) -> Result<(), Status> {
        bounds::pieces(i, pieces.count, self.configuration)?;
        let bytes = whole_words(i.row_bytes);
        let mut start = i.scratchpad_address as usize;
        for address in pieces.addresses() {
            let target = &mut self.memories.scratchpad[start..start + bytes];
            host.dma_read(address, bytemuck::cast_slice_mut(target))
                .map_err(|_| Status::DmaReadError)?;
            count(&mut statistics.dma_read_bytes, bytes);
            start += i.scratchpad_stride as usize;
        }
        Ok(())
    }

    fn store(
        &mut self,
        i: &Transfer,
        pieces: &Pieces,
        host: &mut dyn Host,
        statistics: &mut Statistics,
    ) -> Result<(), Status> {
        bounds::pieces(i, pieces.count, self.configuration)?;
        let bytes = i.row_bytes as usize;
        let mut start = i.scratchpad_address as usize;
        for address in pieces.addresses() {
            let source = &self.memories.scratchpad[start..start + bytes];
            host.dma_write(address, bytemuck::cast_slice(source))
                .map_err(|_| Status::DmaWriteError)?;
            count(&mut statistics.dma_write_bytes, bytes);
            start += i.scratchpad_stride as usize;
        }
        Ok(())
    }

    fn load_weights(
        &mut self,
        i: &Transfer,
        host: &mut dyn Host,
        statistics: &mut Statistics,
    ) -> Result<(), Status> {
        bounds::tiles(i, self.slot)?;
        let tile = self.configuration.tile_bytes();
        let start = (self.slot.weights.start() + usize::from(i.weight_address)) * tile;
        let bytes = usize::from(i.count) * tile;
        let address = self
            .slot
            .stream_address
            .wrapping_add(u64::from(i.host_offset));
        let target = &mut self.memories.weights[start..start + bytes];
        host.dma_read(address, bytemuck::cast_slice_mut(target))
            .map_err(|_| Status::DmaReadError)?;
        count(&mut statistics.dma_read_bytes, bytes);
        Ok(())
    }
}

/// Counts bytes as the hardware does, modulo 2^32.
fn count(counter: &mut u32, bytes: usize) {
    *counter = counter.wrapping_add(bytes as u32);
}
