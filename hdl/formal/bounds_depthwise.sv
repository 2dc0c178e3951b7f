// Weight tiles of DEPTHWISE are in the model's region: those of a block (step 0), and all (step 9).
wire f_is_column = f_i2 <= f_kernel_height && f_s2 == f_columns;
always @(*) begin
    if (`F_KNOWN(9) && f_opcode == 4 && f_is_depthwise_tile)
        depthwise_weights_are_inside: assert(f_weight + f_p1 - f_s1 + f_p2 - f_s2 + f_byte < weight_count);
    if (`F_KNOWN(0) && f_opcode == 4 && f_is_depthwise_tile)
        depthwise_blocks_do_not_overlap: assert(f_p2 - f_s2 + f_byte < f_s1);

`ifndef F_MISTAKEN
    if (`F_AT(1)) assert(`F_FIRST(0, f_kernel_height, f_columns, F_SCRATCHPAD));
    if (`F_AT(2)) assert(`F_SECOND(0, F_SCRATCHPAD) && (!f_is_column || f_length2 >= f_p2));
    if (`F_AT(3) && f_is_column) assert(f_finish >= f_p2);
    if (`F_KNOWN(0) && f_opcode == 4 && f_is_column) assert(block_steps$q >= f_p2);

    // The first step bounds the channels: the number of blocks doesn't wrap.
    if (`F_KNOWN(4)) assert(f_channels <= F_SCRATCHPAD);
    if (`F_AT(4)) assert(!f_chain1);
    if (`F_AT(5)) assert(!f_chain2 && f_before2 < 64'h1_0000_0000_0000 && f_length2 < 64'h1_0000_0000_0000
        && `F_BYTES_FOLLOW(f_channels));
    if (`F_AT(6)) assert(`F_BYTES_ARE_LAST(f_channels) && f_before2 < 64'h1_0000_0000_0000);
    if (`F_AT(7) && f_fits) assert(f_channels <= F_SCRATCHPAD);
    if (f_opcode == 4) begin
        if (`F_AT(10)) assert(`F_FIRST(f_weight, blocks, block_steps$q, weight_count));
        if (`F_AT(11)) begin
            assert(`F_SECOND(f_weight, weight_count) && f_length2 < 64'h1_0000_0000_0000);
            if (f_is_depthwise_tile) assert(f_length2 >= f_p1);
        end
        if (`F_AT(12) && f_is_depthwise_tile && f_fits) assert(f_weight + f_p1 <= weight_count);
    end
`endif
end
