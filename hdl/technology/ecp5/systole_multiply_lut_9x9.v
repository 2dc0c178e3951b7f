// Product of two signed numbers of 9 bits in LUTs: its halves, then both with the row of the sign,
// each sum in one carry chain with a register behind it.
module systole_multiply_lut_9x9 (
    input wire clock,
    input wire signed [8:0] a,
    input wire signed [8:0] b,
    output reg signed [17:0] product
);
    wire signed [12:0] low_half, high_half;
    systole_ecp5_halves #(.A(9)) halves (
        .clock(clock), .a(a), .b(b[7:0]), .low_half(low_half), .high_half(high_half)
    );
    // Row 8, that of the sign, waits.
    reg signed [8:0] a1, a2;
    reg sign1, sign2;
    wire signed [9:0] less_sign;
    systole_ecp5_less_row sign (
        .q({high_half[12], high_half[12:4]}), .a({a2[8], a2}), .b(sign2), .difference(less_sign)
    );
    wire signed [13:0] high_part = {less_sign, high_half[3:0]};
    wire signed [13:0] upper = (low_half >>> 4) + high_part;

    always @(posedge clock) begin
        a1 <= a;
        a2 <= a1;
        sign1 <= b[8];
        sign2 <= sign1;
        product <= {upper, low_half[3:0]};
    end
endmodule
