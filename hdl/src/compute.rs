//! Compute unit: issues, weight memory, array and lanes, accumulators, drain and requantization,
//! wired up. It keeps the instruction that it works on, so the next one can be prepared meanwhile.
//!
//! ```text
//!  issue --position--> shape --window--> (scratchpad) --vector--> array -----> accumulators
//!    |  \--tile--> weight memory --weights-----------------------^  ^          ^   |
//!    |                                \-----> depthwise lanes -----------------+   v
//!    +--first, last (delayed)-----------------------------------------+   drain -> requantize
//! ```

use rust_hdl::prelude::*;
use systole_regs::Configuration;
use systole_regs::instructions::flag;

use crate::array::systolic::{SystolicArray, WEIGHTS_AFTER, sum_latency};
use crate::control::operands::ComputeFields;
use crate::delay::Delay;
use crate::depthwise::lane;
use crate::depthwise::unit::DepthwiseUnit;
use crate::memory::accumulators::Accumulators;
use crate::memory::parameters::ParameterMemory;
use crate::memory::scratchpad::WINDOW_LATENCY;
use crate::memory::weights::WeightMemory;
use crate::requantize::drain::Drain;
use crate::requantize::unit::RequantizeUnit;
use crate::window::depthwise::{DepthwiseIssue, NO_BOUNDARY};
use crate::window::matrix::MatrixIssue;
use crate::window::shape::{self, WindowShape};

/// Cycles from a position to its vector.
const VECTOR_LATENCY: usize = shape::LATENCY + WINDOW_LATENCY;

/// Cycles from a tile's address to the weights of its first rows.
const WEIGHT_LATENCY: usize = 2;

/// Compute unit for `R` x `C` weights, `G` columns in a group, and `Q` lanes. `RW`, `CW`, `QW` are 8 times these,
/// `P` the bits of a partial sum, `AW` = C x 32, `QA` = Q x 32, `QP` = Q x 72, `RS` = R x 24.
#[derive(LogicBlock)]
pub struct ComputeUnit<
    const R: usize,
    const C: usize,
    const G: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
    const RS: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Twice as fast, rising with it: see [`SystolicArray`].
    pub double_clock: Signal<In, Clock>,
    /// Stops everything; must last longer than the pipelines.
    pub reset: Signal<In, Bit>,
    /// Begins the instruction that the following describe; it is kept.
    pub start: Signal<In, Bit>,
    /// Words of the instruction.
    pub words: [Signal<In, Bits<64>>; 8],
    /// Rows of the group.
    pub rows: Signal<In, Bits<16>>,
    /// It is MATRIX.
    pub is_matrix: Signal<In, Bit>,
    /// It is POOL.
    pub is_pool: Signal<In, Bit>,
    /// Column tiles of MATRIX.
    pub column_tiles: Signal<In, Bits<16>>,
    /// Weight tiles of a block of DEPTHWISE, else 0.
    pub steps: Signal<In, Bits<16>>,
    /// Scratchpad address of the first byte of the first window.
    pub origin: Signal<In, Bits<32>>,
    /// Bytes from the windows of a line to those of the next.
    pub line_step: Signal<In, Bits<32>>,
    /// Scratchpad words that are skipped at the end of a window row, signed.
    pub row_skip: Signal<In, Bits<16>>,
    /// First weight tile in the weight memory.
    pub first_tile: Signal<In, Bits<16>>,
    /// First parameter entry in the parameter memory.
    pub first_parameter: Signal<In, Bits<32>>,
    /// First parameter entry of the residual.
    pub residual_parameter: Signal<In, Bits<32>>,
    /// See [`crate::memory::scratchpad::Scratchpad`].
    pub window_address: Signal<Out, Bits<32>>,
    /// See there.
    pub window_boundaries: Signal<Out, Bits<24>>,
    /// See there.
    pub window_skip: Signal<Out, Bits<16>>,
    /// See there.
    pub window_from: Signal<Out, Bits<30>>,
    /// See there.
    pub window_to: Signal<Out, Bits<30>>,
    /// See there.
    pub window_pad: Signal<Out, Bits<8>>,
    /// The vector that was asked for.
    pub vector: Signal<In, Bits<RW>>,
    /// A residual operand is to be read.
    pub other_valid: Signal<Out, Bit>,
    /// Where in the scratchpad.
    pub other_address: Signal<Out, Bits<32>>,
    /// What was there.
    pub other: Signal<In, Bits<QW>>,
    /// Results are to be written.
    pub result_valid: Signal<Out, Bit>,
    /// Either of these: the scratchpad's access port is taken.
    pub access_taken: Signal<Out, Bit>,
    /// Where in the scratchpad.
    pub result_address: Signal<Out, Bits<32>>,
    /// How many.
    pub result_bytes: Signal<Out, Bits<8>>,
    /// The results.
    pub result: Signal<Out, Bits<QW>>,
    /// An instruction is under way.
    pub busy: Signal<Out, Bit>,
    /// A vector is issued to the array.
    pub vector_valid: Signal<Out, Bit>,
    /// A vector is issued to the lanes.
    pub depthwise_valid: Signal<Out, Bit>,
    /// A vector waits for accumulators.
    pub stalled: Signal<Out, Bit>,
    /// Operands or weights are being prepared.
    pub preparing: Signal<Out, Bit>,
    /// Writes a beat of weights.
    pub weight_valid: Signal<In, Bit>,
    /// Its tile.
    pub weight_tile: Signal<In, Bits<16>>,
    /// Its place in the tile.
    pub weight_beat: Signal<In, Bits<16>>,
    /// Writes a beat of parameters.
    pub parameter_valid: Signal<In, Bit>,
    /// Its number in the parameter memory.
    pub parameter_beat: Signal<In, Bits<32>>,
    /// The beat of weights or parameters.
    pub beat: Signal<In, Bits<64>>,
    accumulator_rows: Constant<Bits<16>>,
    double_rounding: Constant<Bits<8>>,
    residual: Constant<Bits<8>>,
    maximum: Constant<Bits<8>>,
    no_boundary: Constant<Bits<16>>,
    fields: ComputeFields,
    matrix: MatrixIssue,
    depthwise: DepthwiseIssue,
    shape: WindowShape,
    weights: WeightMemory<R, CW>,
    array: SystolicArray<R, C, G, RW, CW, P>,
    lanes: DepthwiseUnit<R, CW, RW, RS, AW>,
    accumulators: Accumulators<C, P, AW>,
    drain: Drain,
    parameters: ParameterMemory<Q, QP>,
    requantize: RequantizeUnit<Q, AW, QA, QP, QW>,
    tile: Delay<16>,
    sum_valid: Delay<1>,
    sum_first: Delay<1>,
    sum_last: Delay<1>,
    lane_weight: Delay<1>,
    lane_weight_step: Delay<6>,
    lane_weight_byte: Delay<3>,
    lane_valid: Delay<1>,
    lane_clear: Delay<1>,
    lane_shift: Delay<1>,
    lane_age: Delay<2>,
    lane_step: Delay<6>,
    lane_emit: Delay<1>,
    lane_emit_rows: Delay<8>,
    kept_words: [DFF<Bits<64>>; 8],
    kept_rows: DFF<Bits<16>>,
    kept_is_matrix: DFF<Bit>,
    kept_maximum: DFF<Bit>,
    begins_matrix: DFF<Bit>,
    begins_depthwise: DFF<Bit>,
    kept_window: DFF<Bits<16>>,
    kept_is_pool: DFF<Bit>,
    kept_column_tiles: DFF<Bits<16>>,
    kept_steps: DFF<Bits<16>>,
    kept_origin: DFF<Bits<32>>,
    kept_line_step: DFF<Bits<32>>,
    kept_row_skip: DFF<Bits<16>>,
    kept_first_tile: DFF<Bits<16>>,
    kept_first_parameter: DFF<Bits<32>>,
    kept_residual_parameter: DFF<Bits<32>>,
    takes_operands: DFF<Bit>,
    begins: DFF<Bit>,
    works: DFF<Bit>,
    written_beat: DFF<Bits<64>>,
    written_parameter: DFF<Bits<32>>,
    writes_parameter: DFF<Bit>,
    free: DFF<Bits<16>>,
    has_room: DFF<Bit>,
    free_change: DFF<Bits<16>>,
    sum_row: DFF<Bits<16>>,
    taken: Signal<Local, Bits<16>>,
    next_free: Signal<Local, Bits<16>>,
    is_residual: Signal<Local, Bit>,
}

impl<
    const R: usize,
    const C: usize,
    const G: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
    const RS: usize,
> ComputeUnit<R, C, G, Q, RW, CW, QW, P, AW, QA, QP, RS>
{
    /// For an accelerator of these dimensions, which the constants must repeat.
    pub fn new(configuration: &Configuration) -> Self {
        assert_eq!(
            (R, C, Q),
            (
                configuration.rows,
                configuration.columns,
                configuration.requantize_lanes
            )
        );
        assert_eq!(P, configuration.partial_sum_bits());
        assert!(
            G >= 3,
            "weights of lanes are those of a group's first three columns"
        );
        Self {
            clock: Default::default(),
            double_clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            words: std::array::from_fn(|_| Default::default()),
            rows: Default::default(),
            is_matrix: Default::default(),
            is_pool: Default::default(),
            column_tiles: Default::default(),
            steps: Default::default(),
            origin: Default::default(),
            line_step: Default::default(),
            row_skip: Default::default(),
            first_tile: Default::default(),
            first_parameter: Default::default(),
            residual_parameter: Default::default(),
            window_address: Default::default(),
            window_boundaries: Default::default(),
            window_skip: Default::default(),
            window_from: Default::default(),
            window_to: Default::default(),
            window_pad: Default::default(),
            vector: Default::default(),
            other_valid: Default::default(),
            other_address: Default::default(),
            other: Default::default(),
            result_valid: Default::default(),
            access_taken: Default::default(),
            result_address: Default::default(),
            result_bytes: Default::default(),
            result: Default::default(),
            busy: Default::default(),
            vector_valid: Default::default(),
            depthwise_valid: Default::default(),
            stalled: Default::default(),
            preparing: Default::default(),
            weight_valid: Default::default(),
            weight_tile: Default::default(),
            weight_beat: Default::default(),
            parameter_valid: Default::default(),
            parameter_beat: Default::default(),
            beat: Default::default(),
            accumulator_rows: Constant::new((configuration.accumulator_rows as u64).into()),
            double_rounding: Constant::new(u64::from(flag::DOUBLE_ROUNDING).into()),
            residual: Constant::new(u64::from(flag::RESIDUAL).into()),
            maximum: Constant::new(u64::from(flag::MAXIMUM).into()),
            no_boundary: Constant::new(NO_BOUNDARY.into()),
            fields: ComputeFields::new(),
            matrix: MatrixIssue::new(R),
            depthwise: DepthwiseIssue::new(
                R,
                C,
                configuration.tile_steps(),
                R / 2 + WEIGHTS_AFTER + 1 + lane::WEIGHT_LATENCY,
            ),
            shape: WindowShape::default(),
            weights: WeightMemory::new(configuration.weight_tiles, G),
            array: SystolicArray::new(configuration),
            lanes: DepthwiseUnit::new(configuration.shared_columns),
            accumulators: Accumulators::new(configuration.accumulator_rows),
            drain: Drain::new(R, C, Q),
            parameters: ParameterMemory::new(configuration.parameter_entries),
            requantize: RequantizeUnit::default(),
            tile: Delay::new(VECTOR_LATENCY + WEIGHTS_AFTER - WEIGHT_LATENCY),
            sum_valid: Delay::new(VECTOR_LATENCY + sum_latency(configuration) - 1),
            sum_first: Delay::new(VECTOR_LATENCY + sum_latency(configuration) - 1),
            sum_last: Delay::new(VECTOR_LATENCY + sum_latency(configuration) - 1),
            lane_weight: Delay::new(VECTOR_LATENCY + WEIGHTS_AFTER),
            lane_weight_step: Delay::new(VECTOR_LATENCY + WEIGHTS_AFTER),
            lane_weight_byte: Delay::new(VECTOR_LATENCY + WEIGHTS_AFTER),
            lane_valid: Delay::new(VECTOR_LATENCY),
            lane_clear: Delay::new(VECTOR_LATENCY),
            lane_shift: Delay::new(VECTOR_LATENCY),
            lane_age: Delay::new(VECTOR_LATENCY),
            lane_step: Delay::new(VECTOR_LATENCY - lane::READ_LATENCY),
            lane_emit: Delay::new(VECTOR_LATENCY),
            lane_emit_rows: Delay::new(VECTOR_LATENCY),
            kept_words: std::array::from_fn(|_| Default::default()),
            kept_rows: Default::default(),
            kept_is_matrix: Default::default(),
            kept_maximum: Default::default(),
            begins_matrix: Default::default(),
            begins_depthwise: Default::default(),
            kept_window: Default::default(),
            kept_is_pool: Default::default(),
            kept_column_tiles: Default::default(),
            kept_steps: Default::default(),
            kept_origin: Default::default(),
            kept_line_step: Default::default(),
            kept_row_skip: Default::default(),
            kept_first_tile: Default::default(),
            kept_first_parameter: Default::default(),
            kept_residual_parameter: Default::default(),
            takes_operands: Default::default(),
            begins: Default::default(),
            works: Default::default(),
            written_beat: Default::default(),
            written_parameter: Default::default(),
            writes_parameter: Default::default(),
            free: Default::default(),
            has_room: Default::default(),
            free_change: Default::default(),
            sum_row: Default::default(),
            taken: Default::default(),
            next_free: Default::default(),
            is_residual: Default::default(),
        }
    }
}

impl<
    const R: usize,
    const C: usize,
    const G: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
    const RS: usize,
> Logic for ComputeUnit<R, C, G, Q, RW, CW, QW, P, AW, QA, QP, RS>
{
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            kept_rows,
            kept_is_matrix,
            kept_maximum,
            begins_matrix,
            begins_depthwise,
            kept_window,
            kept_is_pool,
            kept_column_tiles,
            kept_steps,
            kept_origin,
            kept_line_step,
            kept_row_skip,
            kept_first_tile,
            kept_first_parameter,
            kept_residual_parameter,
            takes_operands,
            begins,
            works,
            written_beat,
            written_parameter,
            writes_parameter,
            free,
            has_room,
            free_change,
            sum_row
        );
        clock!(
            self,
            clock,
            matrix,
            depthwise,
            shape,
            weights,
            array,
            lanes,
            accumulators,
            drain,
            parameters,
            requantize,
            tile,
            sum_valid,
            sum_first,
            sum_last,
            lane_weight,
            lane_weight_step,
            lane_weight_byte,
            lane_valid,
            lane_clear,
            lane_shift,
            lane_age,
            lane_step,
            lane_emit,
            lane_emit_rows
        );
        // What starts an instruction is known late in the cycle, and operands are many bits: they are
        // taken in the cycle after, when their source still holds them.
        self.takes_operands.d.next = self.start.val();
        for i in 0..8 {
            self.kept_words[i].clock.next = self.clock.val();
            self.kept_words[i].d.next = self.kept_words[i].q.val();
            if self.takes_operands.q.val() {
                self.kept_words[i].d.next = self.words[i].val();
            }
            self.fields.words[i].next = self.kept_words[i].q.val();
        }
        if self.takes_operands.q.val() {
            self.kept_rows.d.next = self.rows.val();
            self.kept_is_matrix.d.next = self.is_matrix.val();
            self.kept_is_pool.d.next = self.is_pool.val();
            self.kept_column_tiles.d.next = self.column_tiles.val();
            self.kept_steps.d.next = self.steps.val();
            self.kept_origin.d.next = self.origin.val();
            self.kept_line_step.d.next = self.line_step.val();
            self.kept_row_skip.d.next = self.row_skip.val();
            self.kept_first_tile.d.next = self.first_tile.val();
            self.kept_first_parameter.d.next = self.first_parameter.val();
            self.kept_residual_parameter.d.next = self.residual_parameter.val();
        }
        // Constants of the instruction that are far from their words, long before they are wanted.
        self.kept_maximum.d.next = (self.fields.flags.val() & self.maximum.val()) != bits::<8>(0);
        self.kept_window.d.next = bits::<16>(0);
        if self.kept_is_matrix.q.val() {
            self.kept_window.d.next = self.fields.window_bytes.val();
        }
        self.begins.d.next = self.takes_operands.q.val();
        self.begins_matrix.d.next = self.takes_operands.q.val() && self.is_matrix.val();
        self.begins_depthwise.d.next = self.takes_operands.q.val() && !self.is_matrix.val();
        self.is_residual.next = (self.fields.flags.val() & self.residual.val()) != bits::<8>(0);

        // Issue of windows, for the array or for the lanes.
        self.matrix.reset.next = self.reset.val();
        self.matrix.start.next = self.begins_matrix.q.val();
        self.matrix.rows.next = self.kept_rows.q.val();
        self.matrix.output_height.next = self.fields.output_height.val();
        self.matrix.output_width.next = self.fields.output_width.val();
        self.matrix.column_tiles.next = self.kept_column_tiles.q.val();
        self.matrix.input_tiles.next = self.fields.input_tiles.val();
        self.matrix.origin.next = self.kept_origin.q.val();
        self.matrix.batch_stride.next = self.fields.input_batch_stride.val();
        self.matrix.line_step.next = self.kept_line_step.q.val();
        self.matrix.stride_y.next = self.fields.stride_y.val();
        self.matrix.column_step.next = self.fields.column_step.val();
        self.matrix.pad_top.next = self.fields.pad_top.val();
        self.matrix.pad_left.next = self.fields.pad_left.val();
        self.matrix.kernel_height.next = self.fields.kernel_height.val();
        self.matrix.window_bytes.next = self.fields.window_bytes.val();
        self.matrix.row_gap.next = bit_cast::<32, 16>(self.fields.input_row_stride.val())
            - bit_cast::<32, 16>(self.fields.window_bytes.val());
        self.matrix.first_tile.next = self.kept_first_tile.q.val();
        self.matrix.room.next = self.has_room.q.val();
        self.depthwise.reset.next = self.reset.val();
        self.depthwise.start.next = self.begins_depthwise.q.val();
        self.depthwise.rows.next = self.kept_rows.q.val();
        self.depthwise.output_height.next = self.fields.output_height.val();
        self.depthwise.output_width.next = self.fields.output_width.val();
        self.depthwise.channels.next = self.fields.channels.val();
        self.depthwise.kernel_width.next = self.fields.input_tiles.val();
        self.depthwise.kernel_height.next = self.fields.kernel_height.val();
        self.depthwise.phases.next = self.fields.phases.val();
        self.depthwise.steps.next = self.kept_steps.q.val();
        self.depthwise.origin.next = self.kept_origin.q.val();
        self.depthwise.batch_stride.next = self.fields.input_batch_stride.val();
        self.depthwise.line_step.next = self.kept_line_step.q.val();
        self.depthwise.stride_y.next = self.fields.stride_y.val();
        self.depthwise.row_stride.next = self.fields.input_row_stride.val();
        self.depthwise.tap_step.next = self.fields.window_bytes.val();
        self.depthwise.column_step.next = self.fields.column_step.val();
        self.depthwise.pad_top.next = self.fields.pad_top.val();
        self.depthwise.pad_left.next = self.fields.pad_left.val();
        self.depthwise.first_tile.next = self.kept_first_tile.q.val();
        self.depthwise.room.next = self.has_room.q.val();

        // The shape of the vector, and the scratchpad's window port.
        self.shape.height.next = self.fields.input_height.val();
        self.shape.row_bytes.next = self.fields.input_row_bytes.val();
        self.shape.address.next = self.matrix.address.val();
        self.shape.distance.next = self.matrix.distance.val();
        self.shape.window_bytes.next = self.kept_window.q.val();
        self.shape.x_end.next = self.matrix.x_end.val();
        self.shape.y.next = self.matrix.y.val();
        self.shape.rows_left.next = self.matrix.rows_left.val();
        self.tile.entry.next = self.matrix.tile.val();
        if !self.kept_is_matrix.q.val() {
            self.shape.address.next = self.depthwise.address.val();
            self.shape.distance.next = self.no_boundary.val();
            self.shape.x_end.next = self.depthwise.x_end.val();
            self.shape.y.next = self.depthwise.y.val();
            self.shape.rows_left.next = bits::<8>(1);
            self.tile.entry.next = self.depthwise.tile.val();
        }
        self.window_address.next = self.shape.window_address.val();
        self.window_boundaries.next = self.shape.boundaries.val();
        self.window_from.next = self.shape.from.val();
        self.window_to.next = self.shape.to.val();
        self.window_skip.next = self.kept_row_skip.q.val();
        self.window_pad.next = self.fields.pad_value.val();

        // The array.
        self.weights.read_tile.next = self.tile.delayed.val();
        self.weights.write_valid.next = self.weight_valid.val();
        self.weights.write_tile.next = self.weight_tile.val();
        self.weights.write_beat.next = self.weight_beat.val();
        self.weights.write_data.next = self.beat.val();
        // Parameters are far from there.
        self.written_beat.d.next = self.beat.val();
        self.written_parameter.d.next = self.parameter_beat.val();
        self.writes_parameter.d.next = self.parameter_valid.val();
        self.array.double_clock.next = self.double_clock.val();
        self.array.vector.next = self.vector.val();
        for i in 0..R {
            self.array.weights[i].next = self.weights.weights[i].val();
            self.lanes.weights[i].next = self.weights.weights[i].val();
        }

        // The lanes.
        self.lane_weight.entry.next = self.depthwise.weight_valid.val();
        self.lane_weight_step.entry.next = self.depthwise.weight_step.val();
        self.lane_weight_byte.entry.next = self.depthwise.weight_byte.val();
        self.lane_valid.entry.next = self.depthwise.valid.val();
        self.lane_clear.entry.next = self.depthwise.clear.val();
        self.lane_shift.entry.next = self.depthwise.shift.val();
        self.lane_age.entry.next = self.depthwise.age.val();
        self.lane_step.entry.next = self.depthwise.step.val();
        self.lane_emit.entry.next = self.depthwise.emit.val();
        self.lane_emit_rows.entry.next = self.depthwise.emit_rows.val();
        self.lanes.reset.next = self.reset.val();
        self.lanes.weight_valid.next = self.lane_weight.delayed.val();
        self.lanes.weight_step.next = self.lane_weight_step.delayed.val();
        self.lanes.weight_byte.next = self.lane_weight_byte.delayed.val();
        self.lanes.ones.next = self.kept_is_pool.q.val();
        self.lanes.maximum.next = self.kept_maximum.q.val();
        self.lanes.valid.next = self.lane_valid.delayed.val();
        self.lanes.clear.next = self.lane_clear.delayed.val();
        self.lanes.shift.next = self.lane_shift.delayed.val();
        self.lanes.age.next = self.lane_age.delayed.val();
        self.lanes.early_step.next = self.lane_step.delayed.val();
        self.lanes.emit.next = self.lane_emit.delayed.val();
        self.lanes.emit_rows.next = self.lane_emit_rows.delayed.val();
        self.lanes.vector.next = self.vector.val();

        // The accumulators: a ring of rows, taken by the issues and freed by the drain.
        // Whether there is room is known two cycles later, so what is taken meanwhile is spared: two
        // rows, before one or two more.
        self.next_free.next = self.free.q.val() + self.free_change.q.val();
        self.has_room.d.next = self.next_free.val() >= bits::<16>(4);
        self.taken.next = bits::<16>(0);
        if self.matrix.take.val() {
            self.taken.next = bits::<16>(1);
        }
        if self.depthwise.take.val() {
            self.taken.next = bit_cast::<16, 8>(self.depthwise.result_rows.val());
        }
        self.free_change.d.next = bits::<16>(0) - self.taken.val();
        if self.drain.freed.val() {
            self.free_change.d.next = bits::<16>(1) - self.taken.val();
        }
        self.free.d.next = self.next_free.val();
        self.sum_valid.entry.next = self.matrix.valid.val();
        self.sum_first.entry.next = self.matrix.first.val();
        self.sum_last.entry.next = self.matrix.last.val();
        self.accumulators.valid.next = self.sum_valid.delayed.val() == bits::<1>(1);
        self.accumulators.first.next = self.sum_first.delayed.val() == bits::<1>(1);
        self.accumulators.last.next = self.sum_last.delayed.val() == bits::<1>(1);
        self.accumulators.direct.next = self.lanes.row_valid.val();
        self.accumulators.direct_sums.next = self.lanes.sums.val();
        self.accumulators.row.next = self.sum_row.q.val();
        if ((self.sum_valid.delayed.val() & self.sum_last.delayed.val()) == bits::<1>(1))
            || self.lanes.row_valid.val()
        {
            self.sum_row.d.next = self.sum_row.q.val() + bits::<16>(1);
        }
        for j in 0..C {
            self.accumulators.partial_sums[j].next = self.array.partial_sums[j].val();
        }

        // Requantization.
        self.drain.reset.next = self.reset.val();
        self.drain.start.next = self.begins.q.val();
        self.drain.rows.next = self.kept_rows.q.val();
        self.drain.output_height.next = self.fields.output_height.val();
        self.drain.output_width.next = self.fields.output_width.val();
        self.drain.channels.next = self.fields.channels.val();
        self.drain.blocked.next = !self.kept_is_matrix.q.val();
        self.drain.output_address.next = self.fields.output_address.val();
        self.drain.batch_stride.next = self.fields.output_batch_stride.val();
        self.drain.line_stride.next = self.fields.output_row_stride.val();
        self.drain.pixel_stride.next = self.fields.output_pixel_stride.val();
        self.drain.first_parameter.next = self.kept_first_parameter.q.val();
        self.drain.residual_parameter.next = self.kept_residual_parameter.q.val();
        self.drain.residual.next = self.is_residual.val();
        self.drain.second_address.next = self.fields.second_address.val();
        self.drain.complete.next = self.accumulators.complete.val();
        self.accumulators.drain_row.next = self.drain.drain_row.val();
        self.parameters.write_valid.next = self.writes_parameter.q.val();
        self.parameters.write_beat.next = self.written_parameter.q.val();
        self.parameters.write_data.next = self.written_beat.q.val();
        self.parameters.read_entry.next = self.drain.parameter_entry.val();
        self.requantize.sums.next = self.accumulators.sums.val();
        self.requantize.select.next = self.drain.select.val();
        self.requantize.parameters.next = self.parameters.entries.val();
        self.requantize.capture.next = self.drain.capture.val();
        self.requantize.capture_second.next = self.drain.capture_second.val();
        self.requantize.returning.next = self.drain.returning.val();
        self.requantize.reentry.next = self.drain.reentry.val();
        self.requantize.other.next = self.other.val();
        self.requantize.double_rounding.next =
            (self.fields.flags.val() & self.double_rounding.val()) != bits::<8>(0);
        self.requantize.zero_point.next = self.fields.output_zero_point.val();
        self.requantize.minimum.next = self.fields.clamp_minimum.val();
        self.requantize.maximum.next = self.fields.clamp_maximum.val();
        self.requantize.second_zero_point.next = self.fields.sum_zero_point.val();
        self.requantize.second_minimum.next = self.fields.sum_minimum.val();
        self.requantize.second_maximum.next = self.fields.sum_maximum.val();
        self.other_valid.next = self.drain.other_valid.val();
        self.other_address.next = self.drain.other_address.val();
        self.result_valid.next = self.drain.write_valid.val();
        self.access_taken.next = self.drain.access_taken.val();
        self.result_address.next = self.drain.write_address.val();
        self.result_bytes.next = self.drain.write_bytes.val();
        self.result.next = self.requantize.results.val();

        self.works.d.next = self.start.val()
            || self.takes_operands.q.val()
            || self.begins.q.val()
            || self.drain.busy.val();
        self.busy.next = self.works.q.val();
        self.vector_valid.next = self.matrix.valid.val() == bits::<1>(1);
        self.depthwise_valid.next = self.depthwise.valid.val() == bits::<1>(1);
        self.stalled.next = self.matrix.stalled.val() || self.depthwise.stalled.val();
        self.preparing.next = self.matrix.preparing.val() || self.depthwise.preparing.val();
        if self.reset.val() {
            self.takes_operands.d.next = false;
            self.begins.d.next = false;
            self.begins_matrix.d.next = false;
            self.begins_depthwise.d.next = false;
            self.free.d.next = self.accumulator_rows.val();
            self.free_change.d.next = bits::<16>(0);
            self.sum_row.d.next = bits::<16>(0);
        }
    }
}
