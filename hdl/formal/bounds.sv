// No instruction touches memory outside its bounds: when one begins, every address that the
// instruction reference gives it is inside, whatever its words are.
//
// The fields are taken from the words here, where the reference says that they are. Indices are
// any below their bounds; where an index is multiplied by a stride, the product is one of the
// three of bounds_extent.sv.
//
// This file has what the proofs share; each of bounds_*.sv is a proof of one kind of region. The
// bounds arithmetic is a pipeline of three stages, and so are the proofs: its registers hold the
// operands, then the products and the base, then the end. Said step by step, the induction takes
// two cycles, and the solver no case apart from the addition at hand. A mistake has to be found by
// what is promised: such steps are left out where F_MISTAKEN is defined.

reg f_past = 0;
always @(posedge clock) f_past <= 1;

// --- what the surroundings promise -----------------------------------------------------------
// Reset comes first. Operands of a run stay while it lasts; the queue engine starts none without
// rows or from a slot without rows of a pass. Host addresses and strides are whole words.
always @(*) begin
    if (!f_past) assume(reset);
    assume(rows != 0 && group_rows != 0);
    assume(input_address[2:0] == 0 && output_address[2:0] == 0 && workspace_address[2:0] == 0);
    assume(stream_address[2:0] == 0 && input_stride[2:0] == 0 && output_stride[2:0] == 0);
end
always @(posedge clock) if (f_past && $past(busy)) begin
    assume($stable(rows) && $stable(group_rows) && $stable(input_stride) && $stable(output_stride));
    assume($stable(weight_count) && $stable(parameter_count));
    assume($stable(weight_base) && $stable(parameter_base));
end

// --- fields, from docs/instructions.md ---------------------------------------------------------
wire [511:0] f_instruction = {decoder$words$7, decoder$words$6, decoder$words$5, decoder$words$4,
    decoder$words$3, decoder$words$2, decoder$words$1, decoder$words$0};
`define F_BYTES(offset, bytes) f_instruction[8 * (offset) +: 8 * (bytes)]
wire [7:0] f_opcode = `F_BYTES(0, 1), f_flags = `F_BYTES(1, 1);
wire [7:0] f_kernel_height = `F_BYTES(6, 1), f_phases = `F_BYTES(7, 1);
wire [31:0] f_input = `F_BYTES(8, 4), f_output = `F_BYTES(12, 4);
wire [31:0] f_input_batch = `F_BYTES(16, 4), f_output_batch = `F_BYTES(20, 4), f_second = `F_BYTES(24, 4);
wire [15:0] f_weight = `F_BYTES(28, 2), f_parameter = `F_BYTES(30, 2);
wire [15:0] f_input_height = `F_BYTES(32, 2), f_input_bytes = `F_BYTES(34, 2), f_input_stride = `F_BYTES(36, 2);
wire [15:0] f_output_height = `F_BYTES(44, 2), f_output_width = `F_BYTES(46, 2);
wire [15:0] f_output_row = `F_BYTES(48, 2), f_output_pixel = `F_BYTES(50, 2);
wire [15:0] f_channels = `F_BYTES(52, 2), f_input_tiles = `F_BYTES(54, 2);
wire [31:0] f_place = `F_BYTES(8, 4), f_place_stride = `F_BYTES(12, 4), f_row_bytes = `F_BYTES(16, 4);
wire [15:0] f_count = `F_BYTES(28, 2), f_load_weight = `F_BYTES(30, 2);
wire f_residual = f_flags[3];
localparam F_ROWS = 4, F_COLUMNS = 4, F_LANES = 2, F_SCRATCHPAD = 16384; // configuration `tiny`

// --- any indices, and their products with strides ---------------------------------------------
(* hierconn *) wire [31:0] \extent.f_i1 ;
(* hierconn *) wire [31:0] \extent.f_i2 ;
(* hierconn *) wire [31:0] \extent.f_i3 ;
(* hierconn *) wire [31:0] \extent.f_s1 ;
(* hierconn *) wire [31:0] \extent.f_s2 ;
(* hierconn *) wire [31:0] \extent.f_s3 ;
(* hierconn *) wire [47:0] \extent.f_p1 ;
(* hierconn *) wire [47:0] \extent.f_p2 ;
(* hierconn *) wire [47:0] \extent.f_p3 ;
wire [31:0] f_i1 = \extent.f_i1 , f_i2 = \extent.f_i2 , f_i3 = \extent.f_i3 ;
wire [31:0] f_s1 = \extent.f_s1 , f_s2 = \extent.f_s2 , f_s3 = \extent.f_s3 ;
wire [63:0] f_p1 = \extent.f_p1 , f_p2 = \extent.f_p2 , f_p3 = \extent.f_p3 ;
(* anyconst *) wire [31:0] f_byte;

// Byte `f_byte` of pixel (f_i2, f_i3) of row f_i1 of the output, and of the residual.
wire f_is_output = f_i1 < group_size$q && f_s1 == f_output_batch && f_i2 < f_output_height && f_s2 == f_output_row
    && f_i3 < f_output_width && f_s3 == f_output_pixel && f_byte < f_channels;
// Byte `f_byte` of row f_i2 of the input image of row f_i1.
wire f_is_input = f_i1 < group_size$q && f_s1 == f_input_batch && f_i2 < f_input_height && f_s2 == f_input_stride
    && f_byte < f_input_bytes;
// Weight tile f_byte of column tile f_i1 - 1 (MATRIX).
wire f_is_matrix_tile = f_i1 != 0 && f_i1 <= 65536 && (f_i1 - 1) * F_COLUMNS < f_channels && f_s1 == f_input_tiles
    && f_byte < f_input_tiles;
// Column f_byte of kernel row f_i2 - 1 of channel block f_i1 - 1 (DEPTHWISE); a block has f_s1 tiles.
wire [15:0] f_columns = f_phases != 0 ? f_phases : f_input_tiles;
wire f_is_depthwise_tile = f_i1 != 0 && f_i1 <= 65536 && (f_i1 - 1) * F_ROWS < f_channels && f_s1 == block_steps$q
    && f_i2 != 0 && f_i2 <= f_kernel_height && f_s2 == f_columns && f_byte < f_columns;
// Byte `f_byte` of piece f_i1 of a transfer.
wire f_is_piece = f_i1 < pieces && f_s1 == f_place_stride && f_byte < f_row_bytes;

// --- registers of the bounds arithmetic ---------------------------------------------------------
(* hierconn *) wire \extent.chain1 , \extent.chain2 ;
(* hierconn *) wire [31:0] \extent.base1 , \extent.base2 , \extent.stride1 , \extent.tiles1 ;
(* hierconn *) wire [31:0] \extent.limit1 , \extent.limit2 ;
(* hierconn *) wire [15:0] \extent.count1 , \extent.unit1 ;
(* hierconn *) wire [63:0] \extent.before2 , \extent.length2 ;
wire f_chain1 = \extent.chain1 , f_chain2 = \extent.chain2 , f_fits = extent$fits;
wire [31:0] f_base1 = \extent.base1 , f_base2 = \extent.base2 , f_stride1 = \extent.stride1 , f_tiles1 = \extent.tiles1 ;
wire [31:0] f_limit1 = \extent.limit1 , f_limit2 = \extent.limit2 ;
wire [15:0] f_count1 = \extent.count1 , f_unit1 = \extent.unit1 ;
wire [63:0] f_before2 = \extent.before2 , f_length2 = \extent.length2 , f_finish = extent$finish;

// --- when what is known ---------------------------------------------------------------------------
wire f_computes = f_opcode >= 3 && f_opcode <= 5;
wire f_moves = f_opcode == 1 || f_opcode == 2 || f_opcode == 7 || f_opcode == 8;
// As soon as an instruction has been checked it is inside; it waits to begin like that.
wire f_checked = f_past && state$q == SequencerState$Dispatch;
wire f_checking = f_past && state$q == SequencerState$Check;
// A region of a computation is known to be inside from the cycle on in which its step's end is looked at.
`define F_KNOWN(at) (f_computes && (f_checked || f_checking && step$q > latency + (at)))
// The operands of step s are in the first registers at F_AT(s + 1), its end is there at F_AT(s + 3).
`define F_AT(at) (f_computes && f_checking && step$q == (at))
// The first registers hold a region of one piece; the second ones do.
`define F_FIRST(base, tiles, unit, limit) (!f_chain1 && f_base1 == (base) && f_count1 == 0 \
    && f_tiles1 == (tiles) && f_unit1 == (unit) && f_limit1 == (limit))
`define F_SECOND(base, limit) (!f_chain2 && f_base2 == (base) && f_before2 == 0 && f_limit2 == (limit))
// The first registers hold rows and lines of an image; then its pixels' bytes follow on it.
`define F_IMAGE(base, batch, height, row) (!f_chain1 && f_base1 == (base) && f_count1 == group_size$q - 16'd1 \
    && f_stride1 == (batch) && f_tiles1 == (height) - 1 && f_unit1 == (row))
`define F_BYTES_FOLLOW(bytes) (f_chain1 && f_tiles1 == (bytes) && f_unit1 == 1 && f_limit1 == F_SCRATCHPAD)
`define F_BYTES_ARE_LAST(bytes) (f_chain2 && f_length2 == (bytes) && f_limit2 == F_SCRATCHPAD \
    && f_finish < 64'h4_0000_0000_0000)

`ifndef F_MISTAKEN
always @(*) begin
    if (f_checking || f_checked) assert(decoder$well_formed && !decoder$is_end && !skipped);
    if (f_checking) assert(step$q <= (decoder$is_compute ? last_compute : latency));
    if (f_past && state$q != SequencerState$Idle && state$q != SequencerState$Finished && state$q != SequencerState$Stop)
        groups_have_rows: assert(group_size$q != 0 && group_size$q <= rows_left$q);
end
`endif
