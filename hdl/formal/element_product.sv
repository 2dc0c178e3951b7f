// An element of inner products adds (x0 + w1)(x1 + w0) to the sum from above, six cycles after the
// operands. That this is x0 w0 + x1 w1 and two terms that are subtracted is algebra: see the tests of
// `hdl/src/array/element.rs`.
reg [2:0] f_cycles = 0;
wire signed [8:0] f_even = $signed(activations[7:0]) + $signed(odd_weight);
wire signed [8:0] f_odd = $signed(activations[15:8]) + $signed(even_weight);
reg signed [8:0] f_even1, f_even2, f_even3, f_odd1, f_odd2, f_odd3;
reg signed [17:0] f_product4, f_product5;
reg [19:0] f_expected;
always @(posedge clock) begin
    if (f_cycles != 3'd7) f_cycles <= f_cycles + 3'd1;
    {f_even1, f_even2, f_even3} <= {f_even, f_even1, f_even2};
    {f_odd1, f_odd2, f_odd3} <= {f_odd, f_odd1, f_odd2};
    f_product4 <= f_even3 * f_odd3;
    f_product5 <= f_product4;
    f_expected <= partial_sum_in + {{2{f_product5[17]}}, f_product5};
    if (f_cycles == 3'd7) adds_the_inner_product: assert(partial_sum == f_expected);
    most_that_a_pair_adds: cover(f_cycles == 3'd7 && f_product5 == 18'sd65536);
end
