// Every piece of a transfer is in the scratchpad, every tile of LOAD_WEIGHTS in the model's region.
`define F_MOVES_AT(at) (f_moves && f_checking && step$q == (at))
`define F_LOADS_AT(at) (f_opcode == 6 && f_checking && step$q == (at))
wire [63:0] f_words = (64'(f_row_bytes) + 7) / 8;
always @(*) begin
    // A read overwrites whole words.
    if (f_checked && f_moves && f_is_piece) begin
        piece_is_inside: assert(f_place + f_p1 + f_byte < F_SCRATCHPAD);
        whole_words_are_inside: assert(f_place + f_p1 + (f_byte | 7) < F_SCRATCHPAD);
    end
    if (f_past && (read_start || write_start)) pieces_are_not_huge: assert(piece_bytes <= 32'hffff_fff8);

    if (f_checked && f_opcode == 6 && f_byte < f_count)
        loaded_weights_are_inside: assert(f_load_weight + f_byte < weight_count);

`ifndef F_MISTAKEN
    if (f_checked && f_moves) assert(f_row_bytes <= F_SCRATCHPAD);
    if (`F_MOVES_AT(1)) assert(!f_chain1 && f_base1 == f_place && f_count1 == pieces - 16'd1 && f_stride1 == f_place_stride
        && f_tiles1 == f_words && f_unit1 == 8 && f_limit1 == F_SCRATCHPAD);
    if (`F_MOVES_AT(2)) assert(!f_chain2 && f_base2 == f_place && f_length2 == f_words * 8 && f_limit2 == F_SCRATCHPAD
        && (!f_is_piece || f_before2 >= f_p1));
    if (`F_MOVES_AT(3)) assert(!f_chain3 && f_base3 == f_place && f_length3 == f_words * 8 && f_limit3 == F_SCRATCHPAD
        && (!f_is_piece || f_before3 >= f_p1));
    if (`F_MOVES_AT(4)) assert(!f_chain4 && f_base4 == f_place && f_both4 >= f_words * 8 && f_limit4 == F_SCRATCHPAD
        && (!f_is_piece || f_both4 >= f_p1 + f_words * 8));
    if (`F_MOVES_AT(5)) assert(f_finish >= f_words * 8 && f_limit5 == F_SCRATCHPAD
        && (!f_is_piece || f_finish >= f_place + f_p1 + f_words * 8));
    if (`F_MOVES_AT(6) && f_fits) begin
        assert(f_words * 8 <= F_SCRATCHPAD);
        if (f_is_piece) assert(f_place + f_p1 + f_words * 8 <= F_SCRATCHPAD);
    end

    if (`F_LOADS_AT(1)) assert(`F_FIRST(f_load_weight, f_count, 1, weight_count));
    if (`F_LOADS_AT(2)) assert(`F_SECOND(f_load_weight, weight_count) && f_length2 == f_count);
    if (`F_LOADS_AT(3)) assert(`F_THIRD(f_load_weight, weight_count) && f_length3 == f_count);
    if (`F_LOADS_AT(4)) assert(`F_FOURTH(f_load_weight, weight_count) && f_both4 == f_count);
    if (`F_LOADS_AT(5)) assert(f_finish == f_load_weight + f_count && f_limit5 == weight_count);
    if (`F_LOADS_AT(6) && f_fits) assert(f_load_weight + f_count <= weight_count);
`endif
end
