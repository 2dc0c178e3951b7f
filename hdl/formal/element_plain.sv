// A plain element adds x0 w0 + x1 w1 to the sum from above, four cycles after the operands.
reg [2:0] f_cycles = 0;
reg signed [7:0] f_x0, f_x1, f_w0, f_w1;
reg signed [15:0] f_even2, f_odd2;
reg signed [16:0] f_pair3;
reg [19:0] f_expected;
always @(posedge clock) begin
    if (f_cycles != 3'd5) f_cycles <= f_cycles + 3'd1;
    {f_x1, f_x0} <= activations;
    {f_w1, f_w0} <= {odd_weight, even_weight};
    f_even2 <= f_x0 * f_w0;
    f_odd2 <= f_x1 * f_w1;
    f_pair3 <= f_even2 + f_odd2;
    f_expected <= partial_sum_in + {{3{f_pair3[16]}}, f_pair3};
    if (f_cycles == 3'd5) adds_both_products: assert(partial_sum == f_expected);
    most_that_a_pair_adds: cover(f_cycles == 3'd5 && f_pair3 == 17'sd32768);
end
