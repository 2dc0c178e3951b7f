// An element of inner products adds (x0 + w1)(x1 + w0) to the sum from above, in each of its columns.
// Multiplication is hard on solvers, so both factors side by side stand for the product, here and in
// the element: what shows the factors shows what is multiplied. That ECP5's cells make the same product is tried for all factors (`hdl/tests/primitives`); that it
// is x0 w0 + x1 w1 and two terms that are subtracted is algebra: see the tests of
// `hdl/src/array/element.rs`.
reg [2:0] f_cycles = 0;
wire [8:0] f_x0 = {activations[7], activations[7:0]};
wire [8:0] f_x1 = {activations[15], activations[15:8]};
reg signed [8:0] f_left_even1, f_left_odd1, f_right_even1, f_right_odd1;
reg signed [17:0] f_left2, f_right2;
reg [19:0] f_left3, f_right3;
always @(posedge clock) begin
    if (f_cycles != 3'd7) f_cycles <= f_cycles + 3'd1;
    f_left_even1 <= f_x0 + {odd_weights[7], odd_weights[7:0]};
    f_left_odd1 <= f_x1 + {even_weights[7], even_weights[7:0]};
    f_right_even1 <= f_x0 + {odd_weights[15], odd_weights[15:8]};
    f_right_odd1 <= f_x1 + {even_weights[15], even_weights[15:8]};
    f_left2 <= {f_left_even1, f_left_odd1};
    f_right2 <= {f_right_even1, f_right_odd1};
    f_left3 <= left_sum_in + {{2{f_left2[17]}}, f_left2};
    f_right3 <= right_sum_in + {{2{f_right2[17]}}, f_right2};
    if (f_cycles >= 3'd3) begin
        adds_the_left_product: assert(left_sum == f_left3);
        adds_the_right_product: assert(right_sum == f_right3);
    end
    least_factors: cover(f_cycles == 3'd1 && f_left_even1 == -9'sd256 && f_right_odd1 == -9'sd256);
end
