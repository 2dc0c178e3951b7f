// Products of a signed number with the lower and with the upper four bits of an unsigned one, or of
// a signed one (SIGNED), two cycles after them: pairs of rows, then pairs of pairs, each sum in one
// carry chain with a register behind it.
module systole_ecp5_halves #(
    parameter A = 8,
    parameter SIGNED = 0
) (
    input wire clock,
    input wire signed [A-1:0] a,
    input wire [7:0] b,
    output reg signed [A+3:0] low_half,
    output reg signed [A+3:0] high_half
);
    // A carry chain has an even number of bits.
    localparam N = A + 2 + A % 2;

    // Rows 0 and 1, 2 and 3, 4 and 5, 6 and 7; row 7 may be that of the sign.
    wire signed [N-1:0] rows0, rows1, rows2, rows3;
    reg signed [A+1:0] pair0, pair1, pair2, pair3;
    systole_ecp5_rows #(.A(A), .N(N)) low (.a(a), .b0(b[0]), .b1(b[1]), .sum(rows0));
    systole_ecp5_rows #(.A(A), .N(N)) middle (.a(a), .b0(b[2]), .b1(b[3]), .sum(rows1));
    systole_ecp5_rows #(.A(A), .N(N)) high (.a(a), .b0(b[4]), .b1(b[5]), .sum(rows2));
    systole_ecp5_rows #(.A(A), .N(N), .NEGATIVE(SIGNED)) top (
        .a(a), .b0(b[6]), .b1(b[7]), .sum(rows3)
    );

    wire signed [A+1:0] low_sum = (pair0 >>> 2) + pair1;
    wire signed [A+1:0] high_sum = (pair2 >>> 2) + pair3;

    always @(posedge clock) begin
        pair0 <= rows0[A+1:0];
        pair1 <= rows1[A+1:0];
        pair2 <= rows2[A+1:0];
        pair3 <= rows3[A+1:0];
        low_half <= {low_sum, pair0[1:0]};
        high_half <= {high_sum, pair2[1:0]};
    end
endmodule
