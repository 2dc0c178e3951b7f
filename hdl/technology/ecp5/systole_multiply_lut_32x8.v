// Product of a signed number of 32 bits and an unsigned one of 8 bits in LUTs: its halves, then all,
// each sum in one carry chain with a register behind it.
module systole_multiply_lut_32x8 (
    input wire clock,
    input wire signed [31:0] a,
    input wire [7:0] b,
    output reg signed [39:0] product
);
    wire signed [35:0] low_half, high_half;
    systole_ecp5_halves #(.A(32), .SIGNED(0)) halves (
        .clock(clock), .a(a), .b(b), .low_half(low_half), .high_half(high_half)
    );
    wire signed [35:0] upper = (low_half >>> 4) + high_half;

    always @(posedge clock) product <= {upper, low_half[3:0]};
endmodule
