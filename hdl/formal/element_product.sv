// An element of inner products multiplies x0 + w1 by x1 + w0, a cycle after the operands, and adds what
// the multiplier gives to the sum from above. That the multiplier multiplies is tried for all
// operands (`hdl/tests/primitives`); that the product is x0 w0 + x1 w1 and two terms that are
// subtracted is algebra: see the tests of `hdl/src/array/element.rs`.
reg [2:0] f_cycles = 0;
reg signed [8:0] f_even1, f_odd1;
reg [19:0] f_expected;
always @(posedge clock) begin
    if (f_cycles != 3'd7) f_cycles <= f_cycles + 3'd1;
    f_even1 <= $signed(activations[7:0]) + $signed(odd_weight);
    f_odd1 <= $signed(activations[15:8]) + $signed(even_weight);
    f_expected <= partial_sum_in + {{2{product[17]}}, product};
    if (f_cycles >= 3'd1) begin
        multiplies_the_sums: assert(even_factor == f_even1 && odd_factor == f_odd1);
        adds_the_product: assert(partial_sum == f_expected);
    end
    least_factors: cover(f_cycles == 3'd1 && f_even1 == -9'sd256 && f_odd1 == -9'sd256);
end
