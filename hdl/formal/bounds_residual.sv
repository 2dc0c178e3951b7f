// Every byte of the tensor to add is in the scratchpad (steps 5 and 6).
always @(*) begin
    if (`F_KNOWN(6) && f_is_output && f_residual)
        residual_is_inside: assert(f_second + f_p1 + f_p2 + f_p3 + f_byte < F_SCRATCHPAD);

`ifndef F_MISTAKEN
    if (`F_AT(6)) assert(`F_IMAGE(f_second, f_output_batch, f_output_height, f_output_row));
    if (`F_AT(7)) begin
        assert(!f_chain2 && f_base2 == f_second && `F_BYTES_FOLLOW(f_channels));
        assert(f_count1 == f_output_width - 16'd1 && f_stride1 == f_output_pixel);
        if (f_is_output) assert(f_before2 >= f_p1 && f_length2 >= f_p2);
    end
    if (`F_AT(8)) begin
        assert(`F_BYTES_ARE_LAST(f_channels));
        if (f_is_output) assert(f_before2 >= f_p3 && f_finish >= f_second + f_p1 + f_p2);
    end
    if (`F_AT(9) && f_is_output && f_fits)
        assert(f_second + f_p1 + f_p2 + f_p3 + f_channels <= F_SCRATCHPAD);
`endif
end
