//! Random transfers: rows, the workspace and streamed weights.

use systole_regs::instructions::{Transfer, flag, opcode};

use super::ModelBuilder;
use super::buffers::Buffer;
use super::overlap::{Access, Space, Step};

impl ModelBuilder<'_> {
    /// Appends LOAD_ROWS to a new buffer. If `ahead`, it loads the first group only, and the
    /// buffer is kept for the next groups, which [`load_ahead`](Self::load_ahead) loads.
    pub(super) fn load_rows(&mut self, ahead: bool) {
        let random = &mut *self.random;
        let host_offset = self.input_bytes + 8 * random.size(0, 2);
        let row_bytes = match random.chance(80) {
            true => random.size(1, 72),
            false => random.size(73, 300),
        };
        let row_bytes = row_bytes.min(2_000 / self.group_rows).max(1);
        let words = row_bytes.next_multiple_of(8);
        // Without a gap, with one, or so that the next row covers the rest of the last word.
        let stride = random.pick(&[words, words, row_bytes, row_bytes + 1, words + 8, words + 3]);
        let extent = (self.group_rows - 1) * stride + words;
        let Some(address) = self.place(extent, &[]) else {
            return;
        };
        let buffer = Buffer {
            address,
            batch_stride: stride,
            height: 1,
            row_stride: 0,
            row_bytes,
            start: address,
            end: address + extent,
        };
        self.input_bytes = host_offset + words;
        let step = Step {
            instruction: Transfer {
                opcode: opcode::LOAD_ROWS,
                flags: if ahead { flag::FIRST_GROUP } else { 0 },
                scratchpad_address: address,
                scratchpad_stride: match self.group_rows {
                    1 => self.random.pick(&[stride, 0, u32::MAX]),
                    _ => stride,
                },
                row_bytes,
                host_offset,
                ..Transfer::default()
            },
            accesses: vec![Access::write(
                Space::Scratchpad,
                u64::from(address),
                u64::from(extent),
            )],
        };
        if ahead {
            self.ahead = Some(step.clone());
            self.kept.push((address, address + extent));
        }
        self.steps.push(step);
        self.overwrite(address, address + extent);
        self.buffers.push(buffer);
    }

    /// Inserts the loading of the next group's rows, somewhere after the last instruction that
    /// reads this group's.
    pub(super) fn load_ahead(&mut self) {
        let Some(mut step) = self.ahead.take() else {
            return;
        };
        step.instruction.flags = flag::NEXT_GROUP;
        let meets = |other: &Step| other.accesses.iter().any(|a| a.meets(&step.accesses[0]));
        let last = self.steps.iter().rposition(meets).unwrap_or(0);
        let at = self.random.range(last + 1, self.steps.len());
        self.steps.insert(at, step);
    }

    /// Appends STORE_ROWS of a part of a buffer, unless the whole words of it are outside.
    pub(super) fn store_rows(&mut self, buffer: &Buffer) {
        let bytes = buffer.bytes(self.random);
        let random = &mut *self.random;
        let host_offset = self.output_bytes.next_multiple_of(8) + 8 * random.size(0, 1);
        let most = bytes.row_bytes.min(2_000 / self.group_rows).max(1);
        let row_bytes = match random.chance(50) {
            true => most,
            false => random.size(1, most),
        };
        let before_last = (self.group_rows - 1) * bytes.batch_stride;
        let reach = before_last + row_bytes;
        let words = before_last + row_bytes.next_multiple_of(8);
        if bytes.address + words > self.configuration.scratchpad_bytes as u32 {
            return;
        }
        self.output_bytes = host_offset + row_bytes;
        let accesses = vec![Access::read(
            Space::Scratchpad,
            u64::from(bytes.address),
            u64::from(reach),
        )];
        self.steps.push(Step {
            instruction: Transfer {
                opcode: opcode::STORE_ROWS,
                scratchpad_address: bytes.address,
                scratchpad_stride: bytes.batch_stride,
                row_bytes,
                host_offset,
                ..Transfer::default()
            },
            accesses,
        });
    }

    /// Appends STORE_WORKSPACE of the first row's part of a buffer, in one or more pieces.
    pub(super) fn store_workspace(&mut self) {
        let buffer = self.pick_buffer();
        let bytes = buffer.bytes(self.random);
        let random = &mut *self.random;
        let count = random.pick(&[1, 1, 2, 3, 5]).min(bytes.row_bytes);
        let row_bytes = random.size(1, bytes.row_bytes / count);
        let stride = match count {
            1 => random.pick(&[0, u32::MAX]),
            _ => random.size(0, (bytes.row_bytes - row_bytes) / (count - 1)),
        };
        let before_last = match count {
            1 => 0,
            _ => (count - 1) * stride,
        };
        let extent = before_last + row_bytes;
        let words = before_last + row_bytes.next_multiple_of(8);
        if bytes.address + words > self.configuration.scratchpad_bytes as u32 {
            return;
        }
        let host_stride = row_bytes.next_multiple_of(8) + 8 * random.size(0, 2);
        let host_extent = count * host_stride;
        // Over what is there, or after it.
        let host_offset = match random.chance(40) {
            true => 8 * random.size(0, self.workspace_bytes / 8),
            false => self.workspace_bytes,
        };
        self.workspace_bytes = self.workspace_bytes.max(host_offset + host_extent);
        let accesses = vec![
            Access::read(
                Space::Scratchpad,
                u64::from(bytes.address),
                u64::from(extent),
            ),
            Access::write(
                Space::Workspace,
                u64::from(host_offset),
                u64::from(host_extent),
            ),
        ];
        self.steps.push(Step {
            instruction: Transfer {
                opcode: opcode::STORE_WORKSPACE,
                scratchpad_address: bytes.address,
                scratchpad_stride: stride,
                row_bytes,
                host_offset,
                host_stride: match count {
                    1 => random.pick(&[host_stride, 0, u32::MAX - 7]),
                    _ => host_stride,
                },
                count: count as u16,
                ..Transfer::default()
            },
            accesses,
        });
    }

    /// Appends LOAD_WORKSPACE of any part of the workspace to a new buffer. What no instruction
    /// has stored there is what the host has left.
    pub(super) fn load_workspace(&mut self) {
        let random = &mut *self.random;
        if self.workspace_bytes == 0 {
            self.workspace_bytes = 8 * random.size(1, 10);
        }
        let host_offset = 8 * random.size(0, self.workspace_bytes / 8 - 1);
        let rest = self.workspace_bytes - host_offset;
        let row_bytes = random.size(1, rest.min(60));
        let words = row_bytes.next_multiple_of(8);
        let enough = self.group_rows.min(12);
        let count = random.pick(&[1, 1, 2, 3, 5, enough]);
        // The same piece again and again, or as far apart as there is room for.
        let host_stride = match count {
            1 => random.pick(&[0, 8, u32::MAX - 7]),
            _ => 8 * random.size(0, (rest - words) / 8 / (count - 1)),
        };
        let stride = random.pick(&[words, words, row_bytes, words + 5]);
        let extent = (count - 1) * stride + words;
        let Some(address) = self.place(extent, &[]) else {
            return;
        };
        let host_extent = match count {
            1 => words,
            _ => (count - 1) * host_stride + words,
        };
        let accesses = vec![
            Access::read(
                Space::Workspace,
                u64::from(host_offset),
                u64::from(host_extent),
            ),
            Access::write(Space::Scratchpad, u64::from(address), u64::from(extent)),
        ];
        self.steps.push(Step {
            instruction: Transfer {
                opcode: opcode::LOAD_WORKSPACE,
                scratchpad_address: address,
                scratchpad_stride: stride,
                row_bytes,
                host_offset,
                host_stride,
                count: count as u16,
                ..Transfer::default()
            },
            accesses,
        });
        self.overwrite(address, address + extent);
        // Pieces for each row of the group, or an image that all of them share.
        let buffer = Buffer {
            address,
            batch_stride: 0,
            height: count,
            row_stride: stride,
            row_bytes,
            start: address,
            end: address + extent,
        };
        self.buffers.push(if count >= self.group_rows {
            Buffer {
                batch_stride: stride,
                height: 1,
                ..buffer
            }
        } else {
            buffer
        });
    }

    /// Appends LOAD_WEIGHTS to tiles of its own, or again to some that were streamed before.
    pub(super) fn load_weights(&mut self) {
        let tile_bytes = self.configuration.tile_bytes();
        let count = self.random.range(1, (1_500 / tile_bytes).clamp(1, 8));
        // Never tiles of the image: after a failed run nobody knows what is in them.
        let address = match self.streamed.last() {
            Some(&(address, tiles)) if tiles >= count && self.random.chance(40) => address,
            _ => {
                let address = self.tiles;
                self.tiles += count;
                self.streamed.push((address, count));
                address
            }
        };
        let bytes = count * tile_bytes;
        let again = self.stream_bytes >= bytes && self.random.chance(30);
        let host_offset = match again {
            true => 8 * self.random.range(0, (self.stream_bytes - bytes) / 8),
            false => self.stream_bytes + 8 * self.random.range(0, 1),
        };
        self.stream_bytes = self.stream_bytes.max(host_offset + bytes);
        self.steps.push(Step {
            instruction: Transfer {
                opcode: opcode::LOAD_WEIGHTS,
                weight_address: address as u16,
                count: count as u16,
                host_offset: host_offset as u32,
                ..Transfer::default()
            },
            accesses: vec![Access::write(Space::Weights, address as u64, count as u64)],
        });
    }
}
