// Every byte of the output is in the scratchpad (steps 3 and 4).
always @(*) begin
    if (`F_KNOWN(4) && f_is_output)
        output_is_inside: assert(f_output + f_p1 + f_p2 + f_p3 + f_byte < F_SCRATCHPAD);

`ifndef F_MISTAKEN
    if (`F_AT(4)) assert(`F_IMAGE(f_output, f_output_batch, f_output_height, f_output_row));
    if (`F_AT(5)) begin
        assert(`F_IMAGE_SECOND(f_output) && `F_BYTES_FOLLOW(f_channels) && f_count1 == f_output_width - 16'd1 && f_stride1 == f_output_pixel);
        if (f_is_output) assert(f_before2 >= f_p1 && f_length2 >= f_p2);
    end
    if (`F_AT(6)) begin
        assert(`F_IMAGE_THIRD(f_output) && `F_BYTES_SECOND(f_channels));
        if (f_is_output) assert(f_before3 >= f_p1 && f_length3 >= f_p2 && f_before2 >= f_p3);
    end
    if (`F_AT(7)) begin
        assert(`F_IMAGE_FOURTH(f_output) && `F_BYTES_THIRD(f_channels));
        if (f_is_output) assert(f_both4 >= f_p1 + f_p2 && f_before3 >= f_p3);
    end
    if (`F_AT(8)) begin
        assert(`F_BYTES_FOURTH(f_channels));
        if (f_is_output) assert(f_finish >= f_output + f_p1 + f_p2 && f_both4 >= f_p3 + f_channels);
    end
    if (`F_AT(9)) begin
        assert(f_limit5 == F_SCRATCHPAD);
        if (f_is_output) assert(f_finish >= f_output + f_p1 + f_p2 + f_p3 + f_channels);
    end
    if (`F_AT(10) && f_is_output && f_fits)
        assert(f_output + f_p1 + f_p2 + f_p3 + f_channels <= F_SCRATCHPAD);
`endif
end
