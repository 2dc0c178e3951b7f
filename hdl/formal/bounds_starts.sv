// What begins was checked, and is passed on as it was checked.
`define F_GROUPS_FROM(at) (f_past && state$q == SequencerState$Group && step$q >= (at))
always @(*) begin
    if (f_checked && f_computes) begin
        nothing_is_empty: assert(group_size$q != 0 && f_output_height != 0 && f_output_width != 0
            && f_channels != 0 && f_input_tiles != 0 && f_kernel_height != 0);
    end
    if (f_checked) known_opcode: assert(f_computes || f_moves || f_opcode == 6);

    // Starts: only of what was checked, with those operands; what the DMA engines rely on.
    if (f_past && (compute_start || read_start || write_start)) starts_after_the_check: assert(f_checked);
    one_unit_begins: assert($countones({compute_start, read_start, write_start}) <= 1);
    if (f_past && compute_start) begin
        unit_fits_computation: assert(f_computes && f_instruction == {words$7, words$6, words$5, words$4,
            words$3, words$2, words$1, words$0});
        group_is_passed_on: assert(group == group_size$q);
        tiles_are_passed_on: assert(first_tile == 16'(weight_base + f_weight));
        parameters_are_passed_on: assert(first_parameter == parameter_base + f_parameter);
    end
    if (f_past && (read_start || write_start)) begin
        pieces_are_possible: assert(pieces != 0 && piece_bytes != 0);
        host_words_are_whole: assert(host_address[2:0] == 0 && host_stride[2:0] == 0);
        if (!read_weights) place_is_passed_on: assert(f_moves && scratchpad_address == f_place
            && scratchpad_stride == f_place_stride && piece_bytes == f_row_bytes);
        if (read_weights) weights_are_passed_on: assert(f_opcode == 6 && read_start && piece_bytes == f_count * F_ROWS * F_COLUMNS);
    end

`ifndef F_MISTAKEN
    // What makes the induction close: rows in host memory begin at whole words.
    if (f_past && busy) rows_are_whole_words: assert(host_input$q[2:0] == 0 && host_output$q[2:0] == 0);
    if (f_past && busy && state$q != SequencerState$Group)
        next_rows_are_whole_words: assert(next_input$q[2:0] == 0 && next_output$q[2:0] == 0);
    if (f_whole && state$q != SequencerState$Decode) assert(\unit.f_base_is_whole );
    if (f_verified && !f_computes) assert(\unit.f_first_is_whole );
    if (`F_GROUPS_FROM(1)) assert(!f_chain1 && f_base1 == 0 && f_count1 == 0 && f_tiles1[2:0] == 0);
    if (`F_GROUPS_FROM(2)) assert(!f_chain2 && f_base2 == 0 && f_before2 == 0 && f_length2[2:0] == 0);
    if (`F_GROUPS_FROM(3)) assert(!f_chain3 && f_base3 == 0 && f_before3 == 0 && f_length3[2:0] == 0);
    if (`F_GROUPS_FROM(4)) assert(!f_chain4 && f_base4 == 0 && f_both4[2:0] == 0);
    if (`F_GROUPS_FROM(5)) assert(f_finish[2:0] == 0);
    if (`F_GROUPS_FROM(6)) assert(next_input$q[2:0] == 0);
`endif
end
always @(posedge clock) if (f_past) begin
    a_matrix_begins: cover(compute_start && f_opcode == 3 && f_is_output && f_is_input && f_residual
        && f_i1 == 1 && f_i2 == 1 && f_i3 == 1 && f_p1 == 128);
    a_depthwise_begins: cover(compute_start && f_opcode == 4 && f_is_depthwise_tile && f_i1 == 2 && f_i2 == 2);
    a_load_begins: cover(read_start && f_opcode == 1 && f_is_piece && f_i1 == 1);
    weights_are_streamed: cover(read_start && read_weights);
    a_store_begins: cover(write_start && f_opcode == 2);
    one_is_refused: cover(state$q == SequencerState$Stop && out_of_bounds$q && f_computes);
end
