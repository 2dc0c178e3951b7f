//! What the programs of runs that succeeded had in them: each field at its edges and between.

use systole_regs::Configuration;
use systole_regs::image::Parameter;
use systole_regs::instructions::{Compute, NO_LIMIT, OPCODES, Transfer, flag, opcode};

use super::super::case::Model;
use super::{Coverage, Group};

/// Values to expect.
pub(super) const EXPECTED: &[(Group, &[&str])] = &[
    (
        "instruction",
        &[
            "END",
            "LOAD_ROWS",
            "STORE_ROWS",
            "MATRIX",
            "DEPTHWISE",
            "POOL",
            "LOAD_WEIGHTS",
            "LOAD_WORKSPACE",
            "STORE_WORKSPACE",
        ],
    ),
    ("rounding", &["single", "double"]),
    ("residual", &["MATRIX", "DEPTHWISE", "POOL"]),
    ("residual", &["in place", "elsewhere", "shift to the left"]),
    ("group flag", &["first", "next", "next is skipped"]),
    ("compute limit", LIMITS),
    ("load limit", LIMITS),
    ("store limit", LIMITS),
    (
        "scratchpad address",
        &["0", "1", "2", "3", "4", "5", "6", "7"],
    ),
    ("piece", &["whole words", "part of a word", "one byte"]),
    (
        "pieces",
        &["one", "apart", "without gap", "over the last word"],
    ),
    ("workspace", &["one piece", "the same piece", "apart"]),
    ("kernel height", &["1", "2", "3", "4", "5", "more"]),
    (
        "window",
        &[
            "less than a vector",
            "a vector",
            "more than a vector",
            "several rows in a vector",
            "a row in several vectors",
            "beyond the tiles",
        ],
    ),
    ("tiles", &["one", "several", "more than the window"]),
    (
        "image",
        &["1 x 1", "one row", "one byte wide", "common bytes", "gaps"],
    ),
    ("output", &["1 x 1", "one row", "one column", "an image"]),
    (
        "padding",
        &[
            "none",
            "top",
            "bottom",
            "left",
            "right",
            "row outside",
            "column outside",
        ],
    ),
    ("stride", &["0", "1", "2", "3", "more"]),
    ("column step", &["0", "a vector", "far", "other"]),
    (
        "channels",
        &[
            "1",
            "one block",
            "part of a block",
            "several blocks",
            "between lanes",
        ],
    ),
    (
        "depthwise",
        &[
            "direct",
            "1 phase",
            "2 phases",
            "more phases",
            "as many columns as phases",
            "two columns a phase",
            "three columns a phase",
            "between",
            "64 steps",
        ],
    ),
    (
        "pool",
        &["sum", "maximum", "one pixel", "256 columns", "255 rows"],
    ),
    ("pad value", &["-128", "127", "0", "other"]),
    ("shift", &["beyond"]),
    (
        "multiplier",
        &["0", "1", "2^30", "2^31-1", "negative", "other"],
    ),
    ("bias", &["i32::MIN", "i32::MAX", "0", "other"]),
    ("zero point", &["-128", "127", "0", "other"]),
    ("clamp", &["full", "one value", "from zero point", "other"]),
    ("input byte", &["-128", "127", "0"]),
    ("weight byte", &["-128", "127", "0"]),
    ("output byte", &["-128", "127", "between"]),
    (
        "batch stride",
        &["0", "no gap", "gap", "not of whole words"],
    ),
    ("group", &["fewer rows than accumulators", "more"]),
];

const LIMITS: &[&str] = &["0", "1", "more", "none"];

/// Whether an instruction with this opcode has the format `Compute`.
pub(super) fn computes(opcode: u8) -> bool {
    matches!(opcode, opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL)
}

impl Coverage {
    /// Counts the instructions of a run of so many rows.
    pub(super) fn program(&mut self, configuration: &Configuration, model: &Model, rows: u32) {
        let many = usize::from(model.group_rows) > configuration.accumulator_rows;
        let group = if many {
            "more"
        } else {
            "fewer rows than accumulators"
        };
        self.count("group", group);
        for instruction in model.reachable() {
            let name = OPCODES
                .iter()
                .find(|(code, _, _)| *code == instruction.opcode)
                .map_or("unknown", |(_, name, _)| name);
            self.count("instruction", name);
            if instruction.opcode == opcode::END {
                continue;
            }
            self.limit("compute limit", instruction.compute_limit);
            self.limit("load limit", instruction.load_limit);
            self.limit("store limit", instruction.store_limit);
            if computes(instruction.opcode) {
                let compute: Compute = bytemuck::cast(*instruction);
                self.compute(configuration, model, &compute, name);
            } else if instruction.opcode != opcode::LOAD_WEIGHTS {
                self.transfer(model, instruction, rows);
            }
        }
    }

    fn limit(&mut self, group: Group, limit: u8) {
        let value = match limit {
            0 => "0",
            1 => "1",
            NO_LIMIT => "none",
            _ => "more",
        };
        self.count(group, value);
    }

    fn transfer(&mut self, model: &Model, i: &Transfer, rows: u32) {
        let alignment = i.scratchpad_address % 8;
        self.count("scratchpad address", &alignment.to_string());
        let whole = i.row_bytes.is_multiple_of(8);
        let piece = if whole {
            "whole words"
        } else {
            "part of a word"
        };
        self.count("piece", piece);
        if i.row_bytes == 1 {
            self.count("piece", "one byte");
        }
        let workspace = i.count > 0;
        let pieces = if workspace {
            u32::from(i.count)
        } else {
            rows.min(u32::from(model.group_rows))
        };
        // A skipped instruction may have any length.
        let words = u64::from(i.row_bytes).next_multiple_of(8);
        let pieces = match u64::from(i.scratchpad_stride) {
            _ if pieces == 1 => "one",
            stride if stride == words => "without gap",
            stride if stride < words => "over the last word",
            _ => "apart",
        };
        self.count("pieces", pieces);
        if workspace {
            let apart = match i.host_stride {
                _ if i.count == 1 => "one piece",
                0 => "the same piece",
                _ => "apart",
            };
            self.count("workspace", apart);
        }
        match i.flags {
            flag::FIRST_GROUP => self.count("group flag", "first"),
            flag::NEXT_GROUP if rows > u32::from(model.group_rows) => {
                self.count("group flag", "next");
            }
            flag::NEXT_GROUP => self.count("group flag", "next is skipped"),
            _ => {}
        }
    }

    fn compute(
        &mut self,
        configuration: &Configuration,
        model: &Model,
        i: &Compute,
        name: &'static str,
    ) {
        let double = i.flags & flag::DOUBLE_ROUNDING != 0;
        self.count("rounding", if double { "double" } else { "single" });
        let height = match i.kernel_height {
            height @ 1..=5 => height.to_string(),
            _ => "more".into(),
        };
        self.count("kernel height", &height);
        match i.opcode {
            opcode::MATRIX => self.window(configuration, i),
            opcode::DEPTHWISE => self.depthwise(i),
            _ => self.pool(i),
        }
        self.geometry(i);
        self.padding(i);
        let rows = configuration.rows;
        self.steps(i, rows);
        let block = match i.opcode {
            opcode::MATRIX => configuration.columns,
            _ => rows,
        };
        self.channels(i, block, configuration.requantize_lanes);
        self.batch(i);
        self.range("zero point", "clamp", i);
        let lanes = configuration.requantize_lanes;
        let first = usize::from(i.parameter_address);
        let channels = usize::from(i.channels);
        for parameter in &model.parameters[first..first + channels] {
            self.parameter(parameter);
        }
        if i.flags & flag::RESIDUAL != 0 {
            self.count("residual", name);
            let in_place = i.second_address == i.output_address;
            let place = if in_place { "in place" } else { "elsewhere" };
            self.count("residual", place);
            let first = first + channels.next_multiple_of(lanes);
            if model.parameters[first..first + 2]
                .iter()
                .any(|parameter| parameter.shift > 0)
            {
                self.count("residual", "shift to the left");
            }
        }
    }

    fn window(&mut self, configuration: &Configuration, i: &Compute) {
        let (window, rows) = (usize::from(i.window_bytes), configuration.rows);
        let value = match window {
            window if window < rows => "less than a vector",
            window if window == rows => "a vector",
            _ => "more than a vector",
        };
        self.count("window", value);
        if i.kernel_height > 1 && window < rows {
            self.count("window", "several rows in a vector");
        }
        if i.kernel_height > 1 && window > rows {
            self.count("window", "a row in several vectors");
        }
        let tiles = usize::from(i.input_tiles);
        let whole = (usize::from(i.kernel_height) * window).div_ceil(rows);
        if tiles < whole {
            self.count("window", "beyond the tiles");
        }
        let value = match tiles {
            tiles if tiles > whole => "more than the window",
            1 => "one",
            _ => "several",
        };
        self.count("tiles", value);
    }

    fn depthwise(&mut self, i: &Compute) {
        let (phases, columns) = (u16::from(i.phases), i.input_tiles);
        let mode = match phases {
            0 => "direct",
            1 => "1 phase",
            2 => "2 phases",
            _ => "more phases",
        };
        self.count("depthwise", mode);
        if phases > 0 {
            let columns = match columns {
                columns if columns == phases => "as many columns as phases",
                columns if columns == 2 * phases => "two columns a phase",
                columns if columns == 3 * phases => "three columns a phase",
                _ => "between",
            };
            self.count("depthwise", columns);
        }
        let steps = if phases > 0 { phases } else { columns };
        if steps * u16::from(i.kernel_height) == 64 {
            self.count("depthwise", "64 steps");
        }
    }

    fn pool(&mut self, i: &Compute) {
        let maximum = i.flags & flag::MAXIMUM != 0;
        self.count("pool", if maximum { "maximum" } else { "sum" });
        match (i.kernel_height, i.input_tiles) {
            (1, 1) => self.count("pool", "one pixel"),
            (_, 256) => self.count("pool", "256 columns"),
            (255, _) => self.count("pool", "255 rows"),
            _ => {}
        }
    }

    fn geometry(&mut self, i: &Compute) {
        match (i.input_height, i.input_row_bytes) {
            (1, 1) => self.count("image", "1 x 1"),
            (1, _) => self.count("image", "one row"),
            (_, 1) => self.count("image", "one byte wide"),
            _ => {}
        }
        if i.input_height > 1 && i.input_row_stride < i.input_row_bytes {
            self.count("image", "common bytes");
        }
        if i.input_height > 1 && i.input_row_stride > i.input_row_bytes {
            self.count("image", "gaps");
        }
        let output = match (i.output_height, i.output_width) {
            (1, 1) => "1 x 1",
            (1, _) => "one row",
            (_, 1) => "one column",
            _ => "an image",
        };
        self.count("output", output);
    }

    /// Which sides of the image any window reaches beyond, and whether one lies there altogether.
    fn padding(&mut self, i: &Compute) {
        let (width, step) = match i.opcode {
            opcode::MATRIX => (i64::from(i.window_bytes), i64::from(i.column_step)),
            _ => {
                let column = i64::from(i.window_bytes);
                let phases = i64::from(i.phases);
                let step = if phases > 0 {
                    phases * column
                } else {
                    i64::from(i.column_step)
                };
                let width = (i64::from(i.input_tiles) - 1) * column + i64::from(i.channels);
                (width, step)
            }
        };
        let height = i64::from(i.kernel_height);
        let (top, left) = (-i64::from(i.pad_top), -i64::from(i.pad_left));
        let last_y = top + (i64::from(i.output_height) - 1) * i64::from(i.stride_y);
        let last_x = left + (i64::from(i.output_width) - 1) * step;
        let (rows, bytes) = (i64::from(i.input_height), i64::from(i.input_row_bytes));
        let sides = [
            ("top", top < 0),
            ("bottom", last_y + height > rows),
            ("left", left < 0),
            ("right", last_x + width > bytes),
            ("row outside", top + height <= 0 || last_y >= rows),
            ("column outside", left + width <= 0 || last_x >= bytes),
        ];
        for (side, met) in sides {
            if met {
                self.count("padding", side);
            }
        }
        if sides.iter().all(|(_, met)| !met) {
            self.count("padding", "none");
        }
        self.edges("pad value", i.pad_value);
    }

    fn steps(&mut self, i: &Compute, rows: usize) {
        let stride = match i.stride_y {
            stride @ 0..=3 => stride.to_string(),
            _ => "more".into(),
        };
        self.count("stride", &stride);
        let step = match usize::from(i.column_step) {
            0 => "0",
            65_535 => "far",
            step if step == rows => "a vector",
            _ => "other",
        };
        self.count("column step", step);
    }

    fn channels(&mut self, i: &Compute, block: usize, lanes: usize) {
        let channels = usize::from(i.channels);
        if channels == 1 {
            self.count("channels", "1");
        }
        if !channels.is_multiple_of(lanes) {
            self.count("channels", "between lanes");
        }
        let blocks = match channels {
            channels if channels == block => "one block",
            channels if channels < block => "part of a block",
            _ => "several blocks",
        };
        self.count("channels", blocks);
    }

    fn batch(&mut self, i: &Compute) {
        let rows = |count: u16, stride: u16| (u32::from(count) - 1) * u32::from(stride);
        let extent = rows(i.output_height, i.output_row_stride)
            + rows(i.output_width, i.output_pixel_stride)
            + u32::from(i.channels);
        let stride = match i.output_batch_stride {
            stride if stride == extent => "no gap",
            stride if !stride.is_multiple_of(8) => "not of whole words",
            _ => "gap",
        };
        self.count("batch stride", stride);
        if i.input_batch_stride == 0 {
            self.count("batch stride", "0");
        }
    }

    fn range(&mut self, zero_point: Group, clamp: Group, i: &Compute) {
        self.edges(zero_point, i.output_zero_point);
        let value = match (i.clamp_minimum, i.clamp_maximum) {
            (-128, 127) => "full",
            (low, high) if low == high => "one value",
            (low, 127) if low == i.output_zero_point => "from zero point",
            _ => "other",
        };
        self.count(clamp, value);
    }

    fn edges(&mut self, group: Group, value: i8) {
        let value = match value {
            -128 => "-128",
            127 => "127",
            0 => "0",
            _ => "other",
        };
        self.count(group, value);
    }

    fn parameter(&mut self, parameter: &Parameter) {
        let shift = match parameter.shift {
            shift @ -31..=30 => shift.to_string(),
            _ => "beyond".into(),
        };
        self.count("shift", &shift);
        let multiplier = match parameter.multiplier {
            0 => "0",
            1 => "1",
            0x4000_0000 => "2^30",
            i32::MAX => "2^31-1",
            ..0 => "negative",
            _ => "other",
        };
        self.count("multiplier", multiplier);
        let bias = match parameter.bias {
            i32::MIN => "i32::MIN",
            i32::MAX => "i32::MAX",
            0 => "0",
            _ => "other",
        };
        self.count("bias", bias);
    }
}
