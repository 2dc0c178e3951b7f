// No instruction touches memory outside its bounds: when one begins, every address that the
// instruction reference gives it is inside, whatever its words are.
//
// The fields are taken from the words here, where the reference says that they are. Indices are
// any below their bounds; where an index is multiplied by a stride, the product is one of the
// three of bounds_extent.sv.
//
// This file has what the proofs share; each of bounds_*.sv is a proof of one kind of region. The
// bounds arithmetic is a pipeline, and so are the proofs: its registers hold the operands, then
// halves of the products (here the products) and the base, the products, their sum, the end. Said
// step by step, the induction takes two cycles, and the solver no case apart from the addition at hand. A mistake has to be found by
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
localparam F_ROWS = 4, F_COLUMNS = 4, F_TILE_STEPS = 4, F_LANES = 2, F_SCRATCHPAD = 16384, F_RESIDUAL = 4; // configuration `tiny`

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
// Column f_byte of kernel row f_i2 - 1 of channel block f_i1 - 1 (DEPTHWISE); a block has f_s1 tiles, of
// which it meets f_tile. In direct mode the steps of four columns share one.
wire [15:0] f_columns = f_phases != 0 ? f_phases : f_input_tiles;
wire f_is_depthwise_tile = f_i1 != 0 && f_i1 <= 65536 && (f_i1 - 1) * F_ROWS < f_channels && f_s1 == block_tiles$q
    && f_i2 != 0 && f_i2 <= f_kernel_height && f_s2 == f_columns && f_byte < f_columns;
wire [63:0] f_step = f_p2 - f_s2 + f_byte;
wire [63:0] f_tile = f_phases != 0 ? f_step : f_step / F_TILE_STEPS;
wire [15:0] f_block_tiles = f_phases != 0 ? block_steps$q : 16'(block_steps$q + 16'(F_TILE_STEPS - 1)) / F_TILE_STEPS;
// Byte `f_byte` of piece f_i1 of a transfer.
wire f_is_piece = f_i1 < pieces && f_s1 == f_place_stride && f_byte < f_row_bytes;

// --- registers of the bounds arithmetic ---------------------------------------------------------
(* hierconn *) wire \extent.chain1 , \extent.chain2 , \extent.chain3 , \extent.chain4 ;
(* hierconn *) wire [31:0] \extent.base1 , \extent.base2 , \extent.base3 , \extent.base4 ;
(* hierconn *) wire [31:0] \extent.stride1 , \extent.tiles1 ;
(* hierconn *) wire [31:0] \extent.limit1 , \extent.limit2 , \extent.limit3 , \extent.limit4 , \extent.limit5 ;
(* hierconn *) wire [15:0] \extent.count1 , \extent.unit1 ;
(* hierconn *) wire [47:0] \extent.f_before2 , \extent.f_length2 , \extent.before3 , \extent.length3 ;
(* hierconn *) wire [48:0] \extent.both4 ;
wire f_chain1 = \extent.chain1 , f_chain2 = \extent.chain2 , f_chain3 = \extent.chain3 , f_chain4 = \extent.chain4 ;
wire f_fits = extent$fits;
wire [31:0] f_base1 = \extent.base1 , f_base2 = \extent.base2 , f_base3 = \extent.base3 , f_base4 = \extent.base4 ;
wire [31:0] f_stride1 = \extent.stride1 , f_tiles1 = \extent.tiles1 ;
wire [31:0] f_limit1 = \extent.limit1 , f_limit2 = \extent.limit2 , f_limit3 = \extent.limit3 , f_limit4 = \extent.limit4 ;
wire [31:0] f_limit5 = \extent.limit5 ;
wire [15:0] f_count1 = \extent.count1 , f_unit1 = \extent.unit1 ;
wire [63:0] f_before2 = \extent.f_before2 , f_length2 = \extent.f_length2 ;
wire [63:0] f_before3 = \extent.before3 , f_length3 = \extent.length3 , f_both4 = \extent.both4 ;
wire [63:0] f_finish = extent$finish;

// --- what is computed ahead ---------------------------------------------------------------------
(* hierconn *) wire \decoder.f_settled , \decoder.f_workspace , \unit.f_settled , \unit.f_settled_later , \unit.f_base_is_whole , \unit.f_first_is_whole ;
wire [15:0] f_blocks = 16'(f_channels + 16'(F_ROWS - 1)) / F_ROWS;
wire [15:0] f_column_tiles = 16'(f_channels + 16'(F_COLUMNS - 1)) / F_COLUMNS;

// --- when what is known ---------------------------------------------------------------------------
wire f_computes = f_opcode >= 3 && f_opcode <= 5;
wire f_moves = f_opcode == 1 || f_opcode == 2 || f_opcode == 7 || f_opcode == 8;
// As soon as an instruction has been checked it is inside; it waits to begin like that.
wire f_checked = f_past && state$q == SequencerState$Dispatch;
wire f_checking = f_past && state$q == SequencerState$Check;
// A region of a computation is known to be inside from the cycle on in which its step's end is looked at.
`define F_KNOWN(at) (f_computes && (f_checked || f_checking && step$q > last_transfer + (at)))
// The operands of step s are in the first registers at F_AT(s + 1), its end is there at F_AT(s + 5), and
// whether it fits at F_AT(s + 6).
`define F_AT(at) (f_computes && f_checking && step$q == (at))
// The first registers hold a region of one piece; the second, third, fourth ones do.
`define F_FIRST(base, tiles, unit, limit) (!f_chain1 && f_base1 == (base) && f_count1 == 0 \
    && f_tiles1 == (tiles) && f_unit1 == (unit) && f_limit1 == (limit))
`define F_SECOND(base, limit) (!f_chain2 && f_base2 == (base) && f_before2 == 0 && f_limit2 == (limit))
`define F_THIRD(base, limit) (!f_chain3 && f_base3 == (base) && f_before3 == 0 && f_limit3 == (limit))
`define F_FOURTH(base, limit) (!f_chain4 && f_base4 == (base) && f_limit4 == (limit))
// The first registers hold rows and lines of an image; then its pixels' bytes follow on it.
`define F_IMAGE(base, batch, height, row) (!f_chain1 && f_base1 == (base) && f_count1 == group_size$q - 16'd1 \
    && f_stride1 == (batch) && f_tiles1 == (height) - 1 && f_unit1 == (row))
`define F_IMAGE_SECOND(base) (!f_chain2 && f_base2 == (base))
`define F_IMAGE_THIRD(base) (!f_chain3 && f_base3 == (base))
`define F_IMAGE_FOURTH(base) (!f_chain4 && f_base4 == (base))
`define F_BYTES_FOLLOW(bytes) (f_chain1 && f_tiles1 == (bytes) && f_unit1 == 1 && f_limit1 == F_SCRATCHPAD)
`define F_BYTES_SECOND(bytes) (f_chain2 && f_length2 == (bytes) && f_limit2 == F_SCRATCHPAD)
`define F_BYTES_THIRD(bytes) (f_chain3 && f_length3 == (bytes) && f_limit3 == F_SCRATCHPAD)
`define F_BYTES_FOURTH(bytes) (f_chain4 && f_both4 >= (bytes) && f_limit4 == F_SCRATCHPAD \
    && f_finish < 64'h4_0000_0000_0000)

`ifndef F_MISTAKEN
// The instruction is whole, and its opcode is known.
wire f_whole = f_past && state$q >= SequencerState$Decode && state$q <= SequencerState$Dispatch;
wire f_verified = f_past && (f_checking || f_checked);
always @(*) begin
    if (f_whole) begin
        assert(decoder$is_end == (f_opcode == 0) && decoder$is_load_rows == (f_opcode == 1)
            && decoder$is_store_rows == (f_opcode == 2) && decoder$is_matrix == (f_opcode == 3)
            && decoder$is_depthwise == (f_opcode == 4) && decoder$is_pool == (f_opcode == 5)
            && decoder$is_load_weights == (f_opcode == 6));
        assert(decoder$is_load == (f_opcode == 1 || f_opcode == 6 || f_opcode == 7));
        assert(decoder$is_store == (f_opcode == 2 || f_opcode == 8) && decoder$is_compute == f_computes);
        assert(decoder$is_residual == (f_computes && f_residual) && \decoder.f_workspace == (f_opcode == 7 || f_opcode == 8));
    end
    if (f_whole && state$q != SequencerState$Decode) assert(\decoder.f_settled && \unit.f_settled );
    if (f_verified) begin
        assert(decoder$well_formed && !decoder$is_end && !skipped);
        assert(\unit.f_settled_later );
    end
    if (f_checking) assert(step$q != 0 && step$q <= (f_computes ? last_compute : last_transfer));
    if (f_past && state$q == SequencerState$Verify && (decoder$is_load || decoder$is_store || f_computes) || f_checking)
        assert(region$q == (f_opcode == 6 ? Region$LoadedWeights : !f_computes ? Region$Pieces
            : state$q == SequencerState$Verify ? Region$Block : step$q > 10 ? Region$Parameters : step$q));
    if (f_past && state$q != SequencerState$Idle && state$q != SequencerState$Finished && state$q != SequencerState$Stop)
        groups_have_rows: assert(group_size$q != 0 && group_size$q <= rows_left$q);
    // What follows the rows has followed them by the end of a group.
    if (f_past && state$q == SequencerState$Group)
        assert(step$q <= last_group_step && region$q == (step$q == 0 ? Region$InputRows : Region$OutputRows));
    if (f_past && (state$q == SequencerState$Group && step$q > 0 || state$q == SequencerState$Fetch || f_whole))
        assert(last_group$q == (rows_left$q == group_size$q) && following_rows$q == rows_left$q - group_size$q);
    if (f_past && (state$q == SequencerState$Group && step$q > 1 || state$q == SequencerState$Fetch || f_whole))
        assert(following_group$q == (following_rows$q < group_rows ? following_rows$q : group_rows));
end
`endif
