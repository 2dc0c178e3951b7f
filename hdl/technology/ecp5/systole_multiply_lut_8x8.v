// Product of two signed numbers of 8 bits in 74 LUTs: its halves, then all, each sum in one carry
// chain with a register behind it.
module systole_multiply_lut_8x8 (
    input wire clock,
    input wire signed [7:0] a,
    input wire signed [7:0] b,
    output reg signed [15:0] product
);
    wire signed [11:0] low_half, high_half;
    systole_ecp5_halves #(.A(8), .SIGNED(1)) halves (
        .clock(clock), .a(a), .b(b), .low_half(low_half), .high_half(high_half)
    );
    wire signed [11:0] upper = (low_half >>> 4) + high_half;

    always @(posedge clock) product <= {upper, low_half[3:0]};
endmodule
