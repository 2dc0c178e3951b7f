// Product of two signed numbers of up to 18 bits in one DSP with all its registers.
//
// Operands lie at the upper end of the DSP's ports, with zeros below, so that no sign bits are
// routed. Clocks, enables and resets that nothing uses are left open: constants there would become
// nets across the chip.
module systole_multiply #(
    parameter A = 18,
    parameter B = 18
) (
    input wire clock,
    input wire signed [A-1:0] a,
    input wire signed [B-1:0] b,
    output wire signed [A+B-1:0] product
);
    wire [17:0] x = {a, {(18 - A){1'b0}}};
    wire [17:0] y = {b, {(18 - B){1'b0}}};
    wire [35:0] p;
    assign product = p[35 -: A + B];

    MULT18X18D #(
        .REG_INPUTA_CLK("CLK0"), .REG_INPUTA_CE("CE0"), .REG_INPUTA_RST("RST0"),
        .REG_INPUTB_CLK("CLK0"), .REG_INPUTB_CE("CE0"), .REG_INPUTB_RST("RST0"),
        .REG_INPUTC_CLK("NONE"),
        .REG_PIPELINE_CLK("CLK0"), .REG_PIPELINE_CE("CE0"), .REG_PIPELINE_RST("RST0"),
        .REG_OUTPUT_CLK("CLK0"), .REG_OUTPUT_CE("CE0"), .REG_OUTPUT_RST("RST0"),
        .SOURCEB_MODE("B_SHIFT"), .GSR("DISABLED"), .RESETMODE("SYNC")
    ) dsp (
        .A17(x[17]), .A16(x[16]), .A15(x[15]), .A14(x[14]), .A13(x[13]), .A12(x[12]),
        .A11(x[11]), .A10(x[10]), .A9(x[9]), .A8(x[8]), .A7(x[7]), .A6(x[6]),
        .A5(x[5]), .A4(x[4]), .A3(x[3]), .A2(x[2]), .A1(x[1]), .A0(x[0]),
        .B17(y[17]), .B16(y[16]), .B15(y[15]), .B14(y[14]), .B13(y[13]), .B12(y[12]),
        .B11(y[11]), .B10(y[10]), .B9(y[9]), .B8(y[8]), .B7(y[7]), .B6(y[6]),
        .B5(y[5]), .B4(y[4]), .B3(y[3]), .B2(y[2]), .B1(y[1]), .B0(y[0]),
        .SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0),
        .CLK0(clock), .CE0(1'b1), .RST0(1'b0),
        .P35(p[35]), .P34(p[34]), .P33(p[33]), .P32(p[32]), .P31(p[31]), .P30(p[30]),
        .P29(p[29]), .P28(p[28]), .P27(p[27]), .P26(p[26]), .P25(p[25]), .P24(p[24]),
        .P23(p[23]), .P22(p[22]), .P21(p[21]), .P20(p[20]), .P19(p[19]), .P18(p[18]),
        .P17(p[17]), .P16(p[16]), .P15(p[15]), .P14(p[14]), .P13(p[13]), .P12(p[12]),
        .P11(p[11]), .P10(p[10]), .P9(p[9]), .P8(p[8]), .P7(p[7]), .P6(p[6]),
        .P5(p[5]), .P4(p[4]), .P3(p[3]), .P2(p[2]), .P1(p[1]), .P0(p[0])
    );
endmodule
