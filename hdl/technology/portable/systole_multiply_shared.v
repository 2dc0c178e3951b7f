// Two products of signed numbers three cycles after them, for any device: two multipliers. Devices
// that share one take turns at double the clock, which is twice as fast and rises with it.
module systole_multiply_shared #(
    parameter A = 18,
    parameter B = 18
) (
    input wire clock,
    /* verilator lint_off UNUSEDSIGNAL */
    input wire double_clock,
    /* verilator lint_on UNUSEDSIGNAL */
    input wire signed [A-1:0] a0, a1,
    input wire signed [B-1:0] b0, b1,
    output reg signed [A+B-1:0] product0, product1
);
    reg signed [A-1:0] operand_a0, operand_a1;
    reg signed [B-1:0] operand_b0, operand_b1;
    reg signed [A+B-1:0] pipelined0, pipelined1;

    always @(posedge clock) begin
        operand_a0 <= a0;
        operand_b0 <= b0;
        operand_a1 <= a1;
        operand_b1 <= b1;
        pipelined0 <= operand_a0 * operand_b0;
        pipelined1 <= operand_a1 * operand_b1;
        product0 <= pipelined0;
        product1 <= pipelined1;
    end
endmodule
