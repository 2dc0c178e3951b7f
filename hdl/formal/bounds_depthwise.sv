// Weight tiles of DEPTHWISE are in the model's region: those of a block (step 0), and all (step 9).
wire f_is_column = f_i2 <= f_kernel_height && f_s2 == f_columns;
always @(*) begin
    if (`F_KNOWN(9) && f_opcode == 4 && f_is_depthwise_tile)
        depthwise_weights_are_inside: assert(f_weight + f_p1 - f_s1 + f_tile < weight_count);
    if (`F_KNOWN(1) && f_opcode == 4 && f_is_depthwise_tile)
        depthwise_blocks_do_not_overlap: assert(f_tile < f_s1);

`ifndef F_MISTAKEN
    if (`F_AT(1)) assert(`F_FIRST(0, f_kernel_height, f_columns, F_SCRATCHPAD));
    if (`F_AT(2)) assert(`F_SECOND(0, F_SCRATCHPAD) && (!f_is_column || f_length2 >= f_p2));
    if (`F_AT(3)) assert(`F_THIRD(0, F_SCRATCHPAD) && (!f_is_column || f_length3 >= f_p2));
    if (`F_AT(4)) assert(`F_FOURTH(0, F_SCRATCHPAD) && (!f_is_column || f_both4 >= f_p2));
    if (`F_AT(5) && f_is_column) assert(f_finish >= f_p2);
    if (`F_AT(6) && f_is_column && !too_many$q) assert(block_steps$q >= f_p2);
    if (`F_KNOWN(0) && f_opcode == 4 && f_is_column) assert(block_steps$q >= f_p2);
    if (`F_KNOWN(0) && f_opcode == 4) assert(block_steps$q <= 64);
    if (`F_KNOWN(1) && f_opcode == 4) assert(block_tiles$q == f_block_tiles);

    // The first step bounds the channels: the number of blocks doesn't wrap.
    if (`F_KNOWN(4)) assert(f_channels <= F_SCRATCHPAD);
    if (`F_AT(4)) assert(!f_chain1);
    if (`F_AT(5)) assert(!f_chain2 && `F_BYTES_FOLLOW(f_channels));
    if (`F_AT(6)) assert(!f_chain3 && `F_BYTES_SECOND(f_channels));
    if (`F_AT(7)) assert(!f_chain4 && `F_BYTES_THIRD(f_channels));
    if (`F_AT(8)) assert(`F_BYTES_FOURTH(f_channels));
    if (`F_AT(9)) assert(f_finish >= f_channels && f_limit5 == F_SCRATCHPAD);
    if (`F_AT(10) && f_fits) assert(f_channels <= F_SCRATCHPAD);
    if (f_opcode == 4) begin
        if (`F_AT(10)) assert(`F_FIRST(f_weight, f_blocks, block_tiles$q, weight_count));
        if (`F_AT(11)) assert(`F_SECOND(f_weight, weight_count) && (!f_is_depthwise_tile || f_length2 >= f_p1));
        if (`F_AT(12)) assert(`F_THIRD(f_weight, weight_count) && (!f_is_depthwise_tile || f_length3 >= f_p1));
        if (`F_AT(13)) assert(`F_FOURTH(f_weight, weight_count) && (!f_is_depthwise_tile || f_both4 >= f_p1));
        if (`F_AT(14)) assert(f_limit5 == weight_count && (!f_is_depthwise_tile || f_finish >= f_weight + f_p1));
        if (`F_AT(15) && f_is_depthwise_tile && f_fits) assert(f_weight + f_p1 <= weight_count);
    end
`endif
end
