// Winograd's inner products of two rows with the weights of two columns, in one DSP, which takes the
// columns in turns within a cycle. Each factor is a carry chain that chooses the column's weight as
// it adds, and ends in the DSP's own register.
//
//  clock          /-------\_______/-------\_______/-------\_______/-------\_______/---
//  double_clock   /---\___/---\___/---\___/---\___/---\___/---\___/---\___/---\___/---
//  x0, x1, w      X operands      X
//  is_right       ________/-------\_______/-------\_______/-------\_______/-------\___
//  factors (DSP)          | left  | right |
//  product                                | left  | right |
//  left_product                                   X left          X
//  right_product                                          X right X
//
// Between the clocks lies half a cycle.
module systole_inner_products (
    input wire clock,
    input wire double_clock,
    input wire signed [7:0] x0, x1,
    input wire signed [7:0] left_w0, left_w1,
    input wire signed [7:0] right_w0, right_w1,
    output reg signed [17:0] left_product, right_product
);
    // Which half of a cycle it is: a register that changes with the clock has not been seen yet in
    // the first.
    reg turn = 1'b0;
    reg seen = 1'b0;
    reg is_right = 1'b0;

    wire [8:0] even, odd;
    systole_choose_add #(.WIDTH(9)) even_factor (
        .choose(is_right), .chosen({right_w1[7], right_w1}), .other({left_w1[7], left_w1}),
        .term({x0[7], x0}), .sum(even)
    );
    systole_choose_add #(.WIDTH(9)) odd_factor (
        .choose(is_right), .chosen({right_w0[7], right_w0}), .other({left_w0[7], left_w0}),
        .term({x1[7], x1}), .sum(odd)
    );

    wire signed [17:0] product;
    systole_multiply #(.A(9), .B(9)) multiplier (
        .clock(double_clock), .a(even), .b(odd), .product(product)
    );

    always @(posedge double_clock) begin
        seen <= turn;
        is_right <= turn ^ seen;
        right_product <= product;
    end

    always @(posedge clock) begin
        turn <= !turn;
        left_product <= product;
    end
endmodule
