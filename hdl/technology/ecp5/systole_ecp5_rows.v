// Two rows of a multiplication in one carry chain: a x (b0 + 2 b1), or a x (b0 - 2 b1) where
// the upper row is negative. A CCU2C adds what its LUTs make of four inputs, so the AND gates of
// both rows cost nothing.
module systole_ecp5_rows #(
    parameter A = 8,
    parameter N = 10,
    parameter NEGATIVE = 0
) (
    input wire [A-1:0] a,
    input wire b0,
    input wire b1,
    output wire [N-1:0] sum
);
    // (lower AND b0) + (upper AND b1), or with the complement of the latter: the carry that
    // enters then makes it the negative.
    localparam [15:0] ADD = 16'h7888;
    localparam [15:0] SUBTRACT = 16'h8777;
    localparam [15:0] TABLE = NEGATIVE ? SUBTRACT : ADD;

    wire [N-1:0] lower = {{(N - A){a[A-1]}}, a};
    wire [N-1:0] upper = {{(N - A - 1){a[A-1]}}, a, 1'b0};
    wire [N/2:0] carry;
    assign carry[0] = NEGATIVE ? 1'b1 : 1'b0;

    genvar i;
    generate
        for (i = 0; i < N / 2; i = i + 1) begin : chain
            CCU2C #(
                .INIT0(TABLE), .INIT1(TABLE), .INJECT1_0("NO"), .INJECT1_1("NO")
            ) pair (
                .CIN(carry[i]),
                .A0(upper[2*i]), .B0(b1), .C0(lower[2*i]), .D0(b0),
                .A1(upper[2*i+1]), .B1(b1), .C1(lower[2*i+1]), .D1(b0),
                .S0(sum[2*i]), .S1(sum[2*i+1]), .COUT(carry[i+1])
            );
        end
    endgenerate
endmodule

// q - (a AND b) in one carry chain.
module systole_ecp5_less_row #(
    parameter N = 10
) (
    input wire [N-1:0] q,
    input wire [N-1:0] a,
    input wire b,
    output wire [N-1:0] difference
);
    localparam [15:0] TABLE = 16'h8787;

    wire [N/2:0] carry;
    assign carry[0] = 1'b1;

    genvar i;
    generate
        for (i = 0; i < N / 2; i = i + 1) begin : chain
            CCU2C #(
                .INIT0(TABLE), .INIT1(TABLE), .INJECT1_0("NO"), .INJECT1_1("NO")
            ) pair (
                .CIN(carry[i]),
                .A0(a[2*i]), .B0(b), .C0(q[2*i]), .D0(1'b1),
                .A1(a[2*i+1]), .B1(b), .C1(q[2*i+1]), .D1(1'b1),
                .S0(difference[2*i]), .S1(difference[2*i+1]), .COUT(carry[i+1])
            );
        end
    endgenerate
endmodule
