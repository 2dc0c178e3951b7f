// Product of two signed numbers of 9 bits three cycles after them, to be built of LUTs where a
// technology says how.
module systole_multiply_lut_9x9 (
    input wire clock,
    input wire signed [8:0] a,
    input wire signed [8:0] b,
    output reg signed [17:0] product
);
    reg signed [17:0] first;
    reg signed [17:0] second;

    always @(posedge clock) begin
        first <= a * b;
        second <= first;
        product <= second;
    end
endmodule
