// No instruction touches memory outside its bounds: when one begins, every address that the
// instruction reference gives it is inside, whatever its words are.
//
// The fields are taken from the words here, where the reference says that they are. Indices are
// any below their bounds; where an index is multiplied by a stride, the product is one of the
// three of bounds_extent.sv. The regions are proved in several runs, each with one of the names
// F_PROVE_... defined: the solver is quicker then.

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
wire [31:0] f_whole_rows = (f_channels + F_LANES - 1) / F_LANES * F_LANES;

// As soon as an instruction has been checked it is inside; it waits to begin like that. Each
// region is known to be inside from the cycle on in which the result of its step is looked at.
wire f_checked = f_past && state$q == SequencerState$Dispatch;
`define F_KNOWN(at) (f_past && f_computes && (f_checked || state$q == SequencerState$Check && step$q > latency + (at)))
wire f_computes = f_opcode >= 3 && f_opcode <= 5;
wire f_moves = f_opcode == 1 || f_opcode == 2 || f_opcode == 7 || f_opcode == 8;
always @(*) begin
`ifdef F_PROVE_OUTPUT
    if (f_past && f_computes && state$q == SequencerState$Check && step$q == latency + 3 && f_is_output)
        output_so_far: assert(extent$finish >= f_output + f_p1 + f_p2);
    if (`F_KNOWN(4) && f_is_output)
        output_is_inside: assert(f_output + f_p1 + f_p2 + f_p3 + f_byte < F_SCRATCHPAD);
`endif
`ifdef F_PROVE_RESIDUAL
    if (f_past && f_computes && state$q == SequencerState$Check && step$q == latency + 5 && f_is_output)
        residual_so_far: assert(extent$finish >= f_second + f_p1 + f_p2);
    if (`F_KNOWN(6) && f_is_output && f_residual)
        residual_is_inside: assert(f_second + f_p1 + f_p2 + f_p3 + f_byte < F_SCRATCHPAD);
`endif
`ifdef F_PROVE_INPUT
    if (`F_KNOWN(8) && f_is_input)
        input_is_inside: assert(f_input + f_p1 + f_p2 + f_byte < F_SCRATCHPAD);
`endif
`ifdef F_PROVE_WEIGHTS
    if (`F_KNOWN(9) && f_opcode == 3 && f_is_matrix_tile)
        matrix_weights_are_inside: assert(f_weight + f_p1 - f_s1 + f_byte < weight_count);
`endif
`ifdef F_PROVE_DEPTHWISE
    if (`F_KNOWN(9) && f_opcode == 4 && f_is_depthwise_tile)
        depthwise_weights_are_inside: assert(f_weight + f_p1 - f_s1 + f_p2 - f_s2 + f_byte < weight_count);
    if (`F_KNOWN(0) && f_opcode == 4 && f_is_depthwise_tile)
        depthwise_blocks_do_not_overlap: assert(f_p2 - f_s2 + f_byte < f_s1);
`endif
`ifdef F_PROVE_WEIGHTS
    if (`F_KNOWN(10) && f_byte < f_channels)
        parameters_are_inside: assert(f_parameter + f_byte < parameter_count);
    if (`F_KNOWN(10) && f_residual && f_byte < 3)
        residual_parameters_are_inside: assert(f_parameter + f_whole_rows + f_byte < parameter_count);
`endif
    if (f_checked && f_computes) begin
        nothing_is_empty: assert(group_size$q != 0 && f_output_height != 0 && f_output_width != 0
            && f_channels != 0 && f_input_tiles != 0 && f_kernel_height != 0);
    end
`ifdef F_PROVE_INPUT
    if (f_checked && f_moves) begin
        if (f_is_piece) piece_is_inside: assert(f_place + f_p1 + f_byte < F_SCRATCHPAD);
        // A read overwrites whole words.
        if (f_is_piece) whole_words_are_inside: assert(f_place + f_p1 + (f_byte | 7) < F_SCRATCHPAD);
    end
    if (f_checked && f_opcode == 6 && f_byte < f_count)
        loaded_weights_are_inside: assert(f_load_weight + f_byte < weight_count);
`endif
    if (f_checked) known_opcode: assert(f_computes || f_moves || f_opcode == 6);

    // Starts: only of what was checked, with those operands; what the DMA engines rely on.
    if (f_past && (compute_start || read_start || write_start)) starts_after_the_check: assert(f_checked);
    one_unit_begins: assert($countones({compute_start, read_start, write_start}) <= 1);
    if (f_past && compute_start) begin
        unit_fits_computation: assert(f_computes && words$0 == f_instruction[63:0] && words$7 == f_instruction[511:448]);
        group_is_passed_on: assert(group == group_size$q);
        tiles_are_passed_on: assert(first_tile == 16'(weight_base + f_weight));
        parameters_are_passed_on: assert(first_parameter == parameter_base + f_parameter);
        if (f_opcode == 3) column_tiles_are_right: assert(f_channels <= column_tiles * F_COLUMNS
            && f_channels > (column_tiles - 1) * F_COLUMNS);
    end
    if (f_past && (read_start || write_start)) begin
        pieces_are_possible: assert(pieces != 0 && piece_bytes != 0 && piece_bytes <= 32'hffff_fff8);
        host_words_are_whole: assert(host_address[2:0] == 0 && host_stride[2:0] == 0);
        if (!read_weights) place_is_passed_on: assert(f_moves && scratchpad_address == f_place
            && scratchpad_stride == f_place_stride && piece_bytes == f_row_bytes);
        if (read_weights) weights_are_passed_on: assert(f_opcode == 6 && read_start && piece_bytes == f_count * F_ROWS * F_COLUMNS);
    end

    // What makes the induction close.
    if (f_past && (state$q == SequencerState$Check || f_checked)) assert(decoder$well_formed && !decoder$is_end && !skipped);
    if (f_checked && f_moves) assert(f_row_bytes <= F_SCRATCHPAD);
    if (`F_KNOWN(4)) assert(f_channels <= F_SCRATCHPAD);
    if (f_past && state$q == SequencerState$Check) assert(step$q <= (decoder$is_compute ? last_compute : latency));
    if (f_past && state$q != SequencerState$Idle && state$q != SequencerState$Finished && state$q != SequencerState$Stop)
        groups_have_rows: assert(group_size$q != 0 && group_size$q <= rows_left$q);
    if (f_past && busy) rows_are_whole_words: assert(host_input$q[2:0] == 0 && host_output$q[2:0] == 0);
    if (f_past && busy && state$q != SequencerState$Group)
        next_rows_are_whole_words: assert(next_input$q[2:0] == 0 && next_output$q[2:0] == 0);
end
always @(posedge clock) if (f_past) begin
    a_matrix_begins: cover(compute_start && f_opcode == 3 && f_is_output && f_is_input && f_residual
        && f_i1 == 1 && f_i2 == 1 && f_i3 == 1 && f_p1 == 128);
    a_depthwise_begins: cover(compute_start && f_opcode == 4 && f_is_depthwise_tile && f_i1 == 2 && f_i2 == 2);
    a_load_begins: cover(read_start && f_opcode == 1 && f_is_piece && f_i1 == 1);
    weights_are_streamed: cover(read_start && read_weights);
    a_store_begins: cover(write_start && f_opcode == 2);
    one_is_refused: cover(state$q == SequencerState$Stop && result$q == instruction_bounds && f_computes);
end
