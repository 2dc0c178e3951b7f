// Two products of signed numbers in one DSP, which takes both in turns within a cycle.
//
//  clock         /-------\_______/-------\_______/-------\_______/-------\_______/---
//  double_clock  /---\___/---\___/---\___/---\___/---\___/---\___/---\___/---\___/---
//  a0, a1        X operands      X
//  a (register)          | 0     | 1     |
//  product                                       | 0     | 1     |
//  product0, product1                                            X products      X
//
// A path between the clocks has half a cycle: at most one LUT lies on it.
module systole_multiply_shared #(
    parameter A = 18,
    parameter B = 18
) (
    input wire clock,
    input wire double_clock,
    input wire signed [A-1:0] a0, a1,
    input wire signed [B-1:0] b0, b1,
    output reg signed [A+B-1:0] product0, product1
);
    // Which half of a cycle it is: a register that changes with the clock has not been seen yet in
    // the first.
    reg turn = 1'b0;
    reg seen = 1'b0;
    wire is_first = turn ^ seen;

    reg signed [A-1:0] a;
    reg signed [B-1:0] b;
    wire signed [A+B-1:0] product;
    reg signed [A+B-1:0] waiting;

    systole_multiply #(.A(A), .B(B)) multiplier (
        .clock(double_clock), .a(a), .b(b), .product(product)
    );

    always @(posedge double_clock) begin
        seen <= turn;
        a <= is_first ? a0 : a1;
        b <= is_first ? b0 : b1;
        waiting <= product;
    end

    always @(posedge clock) begin
        turn <= !turn;
        product0 <= waiting;
        product1 <= product;
    end
endmodule
