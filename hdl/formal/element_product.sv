// An element of inner products multiplies x0 + w1 by x1 + w0, a cycle after the operands, and adds what
// the multiplier gives to the sum from above, in each of its columns. That the multiplier multiplies
// is tried for all operands (`hdl/tests/primitives`); that the product is x0 w0 + x1 w1 and two terms
// that are subtracted is algebra: see the tests of `hdl/src/array/element.rs`.
reg [2:0] f_cycles = 0;
reg signed [8:0] f_left_even1, f_left_odd1, f_right_even1, f_right_odd1;
reg [19:0] f_left, f_right;
always @(posedge clock) begin
    if (f_cycles != 3'd7) f_cycles <= f_cycles + 3'd1;
    f_left_even1 <= $signed(activations[7:0]) + $signed(odd_weights[7:0]);
    f_left_odd1 <= $signed(activations[15:8]) + $signed(even_weights[7:0]);
    f_right_even1 <= $signed(activations[7:0]) + $signed(odd_weights[15:8]);
    f_right_odd1 <= $signed(activations[15:8]) + $signed(even_weights[15:8]);
    f_left <= left_sum_in + {{2{left_product[17]}}, left_product};
    f_right <= right_sum_in + {{2{right_product[17]}}, right_product};
    if (f_cycles >= 3'd1) begin
        multiplies_the_left_sums: assert(left_even_factor == f_left_even1 && left_odd_factor == f_left_odd1);
        multiplies_the_right_sums: assert(right_even_factor == f_right_even1 && right_odd_factor == f_right_odd1);
        adds_the_products: assert(left_sum == f_left && right_sum == f_right);
    end
    least_factors: cover(f_cycles == 3'd1 && f_left_even1 == -9'sd256 && f_right_odd1 == -9'sd256);
end
