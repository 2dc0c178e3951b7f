// Weight tiles of MATRIX and parameter entries are in the model's regions (steps 9 and 10).
wire [31:0] f_whole_rows = (f_channels + F_LANES - 1) / F_LANES * F_LANES;
wire [31:0] f_entries = f_residual ? f_whole_rows + F_RESIDUAL : f_whole_rows;
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
    if (`F_AT(5)) assert(!f_chain2 && `F_BYTES_FOLLOW(f_channels));
    if (`F_AT(6)) assert(!f_chain3 && `F_BYTES_SECOND(f_channels));
    if (`F_AT(7)) assert(!f_chain4 && `F_BYTES_THIRD(f_channels));
    if (`F_AT(8)) assert(`F_BYTES_FOURTH(f_channels));
    if (`F_AT(9)) assert(f_finish >= f_channels && f_limit5 == F_SCRATCHPAD);
    if (`F_AT(10) && f_fits) assert(f_channels <= F_SCRATCHPAD);
    if (f_opcode == 3) begin
        if (`F_AT(10)) assert(`F_FIRST(f_weight, f_column_tiles, f_input_tiles, weight_count));
        if (`F_AT(11)) assert(`F_SECOND(f_weight, weight_count) && (!f_is_matrix_tile || f_length2 >= f_p1));
        if (`F_AT(12)) assert(`F_THIRD(f_weight, weight_count) && (!f_is_matrix_tile || f_length3 >= f_p1));
        if (`F_AT(13)) assert(`F_FOURTH(f_weight, weight_count) && (!f_is_matrix_tile || f_both4 >= f_p1));
        if (`F_AT(14)) assert(f_limit5 == weight_count && (!f_is_matrix_tile || f_finish >= f_weight + f_p1));
        if (`F_AT(15) && f_is_matrix_tile && f_fits) assert(f_weight + f_p1 <= weight_count);
    end
    if (`F_AT(11)) assert(`F_FIRST(f_parameter, f_entries, 1, parameter_count));
    if (`F_AT(12)) assert(`F_SECOND(f_parameter, parameter_count) && f_length2 == f_entries);
    if (`F_AT(13)) assert(`F_THIRD(f_parameter, parameter_count) && f_length3 == f_entries);
    if (`F_AT(14)) assert(`F_FOURTH(f_parameter, parameter_count) && f_both4 == f_entries);
    if (`F_AT(15)) assert(f_limit5 == parameter_count && f_finish == f_parameter + f_entries);
    if (`F_AT(16) && f_fits) assert(f_parameter + f_entries <= parameter_count);
`endif
end
