// Product of two signed numbers of 9 bits in LUTs: pairs of rows, pairs of pairs, then all with
// the row of the sign, each sum in one carry chain.
module systole_multiply_lut_9x9 (
    input wire clock,
    input wire signed [8:0] a,
    input wire signed [8:0] b,
    output reg signed [17:0] product
);
    // Rows 0 and 1, 2 and 3, 4 and 5, 6 and 7; row 8, that of the sign, waits.
    wire signed [11:0] rows0, rows1, rows2, rows3;
    reg signed [10:0] pair0, pair1, pair2, pair3;
    reg signed [8:0] a1, a2;
    reg sign1, sign2;
    systole_ecp5_rows #(.A(9), .N(12)) low (.a(a), .b0(b[0]), .b1(b[1]), .sum(rows0));
    systole_ecp5_rows #(.A(9), .N(12)) middle (.a(a), .b0(b[2]), .b1(b[3]), .sum(rows1));
    systole_ecp5_rows #(.A(9), .N(12)) high (.a(a), .b0(b[4]), .b1(b[5]), .sum(rows2));
    systole_ecp5_rows #(.A(9), .N(12)) top (.a(a), .b0(b[6]), .b1(b[7]), .sum(rows3));

    wire signed [10:0] low_sum = (pair0 >>> 2) + pair1;
    wire signed [10:0] high_sum = (pair2 >>> 2) + pair3;
    reg signed [12:0] low_half, high_half;
    wire signed [9:0] less_sign;
    systole_ecp5_less_row sign (
        .q({high_half[12], high_half[12:4]}), .a({a2[8], a2}), .b(sign2), .difference(less_sign)
    );
    wire signed [13:0] high_part = {less_sign, high_half[3:0]};
    wire signed [13:0] upper = (low_half >>> 4) + high_part;

    always @(posedge clock) begin
        pair0 <= rows0[10:0];
        pair1 <= rows1[10:0];
        pair2 <= rows2[10:0];
        pair3 <= rows3[10:0];
        a1 <= a;
        a2 <= a1;
        sign1 <= b[8];
        sign2 <= sign1;
        low_half <= {low_sum, pair0[1:0]};
        high_half <= {high_sum, pair2[1:0]};
        product <= {upper, low_half[3:0]};
    end
endmodule
