// Product of two signed numbers three cycles after them, for any device. The registers are where
// DSPs have theirs: operands, pipeline, output.
module systole_multiply #(
    parameter A = 18,
    parameter B = 18
) (
    input wire clock,
    input wire signed [A-1:0] a,
    input wire signed [B-1:0] b,
    output reg signed [A+B-1:0] product
);
    reg signed [A-1:0] operand_a;
    reg signed [B-1:0] operand_b;
    reg signed [A+B-1:0] pipelined;

    always @(posedge clock) begin
        operand_a <= a;
        operand_b <= b;
        pipelined <= operand_a * operand_b;
        product <= pipelined;
    end
endmodule
