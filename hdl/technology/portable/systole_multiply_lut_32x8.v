// Product of a signed number of 32 bits and an unsigned one of 8 bits three cycles after them, to
// be built of LUTs where a technology says how.
module systole_multiply_lut_32x8 (
    input wire clock,
    input wire signed [31:0] a,
    input wire [7:0] b,
    output reg signed [39:0] product
);
    wire signed [39:0] wide = {{8{a[31]}}, a};
    wire signed [39:0] factor = {32'd0, b};
    reg signed [39:0] first;
    reg signed [39:0] second;

    always @(posedge clock) begin
        first <= wide * factor;
        second <= first;
        product <= second;
    end
endmodule
