// A sum of which one operand is chosen of two, in one carry chain: a CCU2C adds what its LUTs make
// of four inputs, so the choice costs nothing, where a synthesizer puts LUTs before the chain.
module systole_choose_add #(
    parameter WIDTH = 32
) (
    input wire choose,
    input wire [WIDTH-1:0] chosen,
    input wire [WIDTH-1:0] other,
    input wire [WIDTH-1:0] term,
    output wire [WIDTH-1:0] sum
);
    // term XOR (chosen or other); its lowest four bits are the carry where both are the same.
    localparam [15:0] TABLE = 16'h665a;
    localparam PAIRS = (WIDTH + 1) / 2;

    wire [2*PAIRS-1:0] a = term;
    wire [2*PAIRS-1:0] b = chosen;
    wire [2*PAIRS-1:0] c = other;
    wire [2*PAIRS-1:0] s;
    wire [PAIRS:0] carry;
    assign carry[0] = 1'b0;
    assign sum = s[WIDTH-1:0];

    genvar i;
    generate
        for (i = 0; i < PAIRS; i = i + 1) begin : chain
            CCU2C #(
                .INIT0(TABLE), .INIT1(TABLE), .INJECT1_0("NO"), .INJECT1_1("NO")
            ) pair (
                .CIN(carry[i]),
                .A0(a[2*i]), .B0(b[2*i]), .C0(c[2*i]), .D0(choose),
                .A1(a[2*i+1]), .B1(b[2*i+1]), .C1(c[2*i+1]), .D1(choose),
                .S0(s[2*i]), .S1(s[2*i+1]), .COUT(carry[i+1])
            );
        end
    endgenerate
endmodule
