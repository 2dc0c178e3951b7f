// Product of a signed number of 32 bits and an unsigned one of 8 bits in LUTs: pairs of rows, pairs
// of pairs, all, each sum in one carry chain with a register behind it.
module systole_multiply_lut_32x8 (
    input wire clock,
    input wire signed [31:0] a,
    input wire [7:0] b,
    output reg signed [39:0] product
);
    // Rows 0 and 1, 2 and 3, 4 and 5, 6 and 7.
    wire signed [33:0] rows0, rows1, rows2, rows3;
    reg signed [33:0] pair0, pair1, pair2, pair3;
    systole_ecp5_rows #(.A(32), .N(34)) low (.a(a), .b0(b[0]), .b1(b[1]), .sum(rows0));
    systole_ecp5_rows #(.A(32), .N(34)) middle (.a(a), .b0(b[2]), .b1(b[3]), .sum(rows1));
    systole_ecp5_rows #(.A(32), .N(34)) high (.a(a), .b0(b[4]), .b1(b[5]), .sum(rows2));
    systole_ecp5_rows #(.A(32), .N(34)) top (.a(a), .b0(b[6]), .b1(b[7]), .sum(rows3));

    wire signed [33:0] low_sum = (pair0 >>> 2) + pair1;
    wire signed [33:0] high_sum = (pair2 >>> 2) + pair3;
    reg signed [35:0] low_half, high_half;
    wire signed [35:0] upper = (low_half >>> 4) + high_half;

    always @(posedge clock) begin
        pair0 <= rows0;
        pair1 <= rows1;
        pair2 <= rows2;
        pair3 <= rows3;
        low_half <= {low_sum, pair0[1:0]};
        high_half <= {high_sum, pair2[1:0]};
        product <= {upper, low_half[3:0]};
    end
endmodule
