// Every byte of the input is in the scratchpad (steps 7 and 8).
always @(*) begin
    if (`F_KNOWN(8) && f_is_input)
        input_is_inside: assert(f_input + f_p1 + f_p2 + f_byte < F_SCRATCHPAD);

`ifndef F_MISTAKEN
    if (`F_AT(8)) assert(`F_IMAGE(f_input, f_input_batch, f_input_height, f_input_stride));
    if (`F_AT(9)) begin
        assert(`F_IMAGE_SECOND(f_input) && `F_BYTES_FOLLOW(f_input_bytes));
        if (f_is_input) assert(f_before2 >= f_p1 && f_length2 >= f_p2);
    end
    if (`F_AT(10)) begin
        assert(`F_IMAGE_THIRD(f_input) && `F_BYTES_SECOND(f_input_bytes));
        if (f_is_input) assert(f_before3 >= f_p1 && f_length3 >= f_p2);
    end
    if (`F_AT(11)) begin
        assert(`F_IMAGE_FOURTH(f_input) && `F_BYTES_THIRD(f_input_bytes));
        if (f_is_input) assert(f_both4 >= f_p1 + f_p2);
    end
    if (`F_AT(12)) begin
        assert(`F_BYTES_FOURTH(f_input_bytes));
        if (f_is_input) assert(f_finish >= f_input + f_p1 + f_p2 && f_both4 >= f_input_bytes);
    end
    if (`F_AT(13)) begin
        assert(f_limit5 == F_SCRATCHPAD);
        if (f_is_input) assert(f_finish >= f_input + f_p1 + f_p2 + f_input_bytes);
    end
    if (`F_AT(14) && f_is_input && f_fits)
        assert(f_input + f_p1 + f_p2 + f_input_bytes <= F_SCRATCHPAD);
`endif
end
