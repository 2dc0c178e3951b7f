// Product of two signed numbers of 8 bits three cycles after them, to be built of LUTs where a
// technology says how.
module systole_multiply_lut_8x8 (
    input wire clock,
    input wire signed [7:0] a,
    input wire signed [7:0] b,
    output reg signed [15:0] product
);
    reg signed [15:0] first;
    reg signed [15:0] second;

    always @(posedge clock) begin
        first <= a * b;
        second <= first;
        product <= second;
    end
endmodule
