// Weight tiles of MATRIX and parameter entries are in the model's regions (steps 9 and 10).
wire [31:0] f_whole_rows = (f_channels + F_LANES - 1) / F_LANES * F_LANES;
wire [31:0] f_entries = f_residual ? f_whole_rows + residual_entries : f_whole_rows;
always @(*) begin
    if (`F_KNOWN(9) && f_opcode == 3 && f_is_matrix_tile)
        matrix_weights_are_inside: assert(f_weight + f_p1 - f_s1 + f_byte < weight_count);
    if (`F_KNOWN(10) && f_byte < f_channels)
        parameters_are_inside: assert(f_parameter + f_byte < parameter_count);
    if (`F_KNOWN(10) && f_residual && f_byte < 3)
        residual_parameters_are_inside: assert(f_parameter + f_whole_rows + f_byte < parameter_count);
    if (f_past && compute_start && f_opcode == 3) column_tiles_are_right: assert(f_channels <= column_tiles * F_COLUMNS
        && f_channels > (column_tiles - 1) * F_COLUMNS);

`ifndef F_MISTAKEN
    // The first step bounds the channels: the number of column tiles doesn't wrap.
    if (`F_KNOWN(4)) assert(f_channels <= F_SCRATCHPAD);
    if (`F_AT(4)) assert(!f_chain1);
    if (`F_AT(5)) assert(!f_chain2 && f_before2 < 64'h1_0000_0000_0000 && f_length2 < 64'h1_0000_0000_0000
        && `F_BYTES_FOLLOW(f_channels));
    if (`F_AT(6)) assert(`F_BYTES_ARE_LAST(f_channels) && f_before2 < 64'h1_0000_0000_0000);
    if (`F_AT(7) && f_fits) assert(f_channels <= F_SCRATCHPAD);
    if (f_opcode == 3) begin
        if (`F_AT(10)) assert(`F_FIRST(f_weight, column_tiles, f_input_tiles, weight_count));
        if (`F_AT(11)) begin
            assert(`F_SECOND(f_weight, weight_count) && f_length2 < 64'h1_0000_0000_0000);
            if (f_is_matrix_tile) assert(f_length2 >= f_p1);
        end
        if (`F_AT(12) && f_is_matrix_tile && f_fits) assert(f_weight + f_p1 <= weight_count);
    end
    if (`F_AT(11)) assert(`F_FIRST(f_parameter, f_entries, 1, parameter_count));
    if (`F_AT(12)) assert(`F_SECOND(f_parameter, parameter_count) && f_length2 == f_entries);
    if (`F_AT(13) && f_fits) assert(f_parameter + f_entries <= parameter_count);
`endif
end
