// MULT18X18D of Lattice ECP5 for simulation: an 18 x 18 multiplier with registers at its operands,
// behind the multiplier and at its output, as FPGA-TN-02205 (sysDSP usage guide) describes it.
//
// Of what the cell can do, it has what this project's netlists use: operands from A and B, signs
// that don't change, any of the clocks, enables and resets at each register. Uses beyond that stop
// the simulation.

// One of the cell's registers, or none.
module systole_ecp5_dsp_register #(
    parameter W = 18,
    parameter CLK = "NONE",
    parameter CE = "CE0",
    parameter RST = "RST0",
    parameter RESETMODE = "SYNC"
) (
    input wire [3:0] clk,
    input wire [3:0] ce,
    input wire [3:0] rst,
    input wire [W-1:0] d,
    output wire [W-1:0] q
);
    wire clock = (CLK == "CLK0") ? clk[0] : (CLK == "CLK1") ? clk[1]
        : (CLK == "CLK2") ? clk[2] : clk[3];
    wire enable = (CE == "CE0") ? ce[0] : (CE == "CE1") ? ce[1] : (CE == "CE2") ? ce[2] : ce[3];
    wire reset = (RST == "RST0") ? rst[0] : (RST == "RST1") ? rst[1]
        : (RST == "RST2") ? rst[2] : rst[3];

    generate
        if (CLK == "NONE") begin : without
            assign q = d;
        end else if (RESETMODE == "ASYNC") begin : asynchronous
            reg [W-1:0] held;
            initial held = {W{1'b0}};
            always @(posedge clock or posedge reset)
                if (reset) held <= {W{1'b0}};
                else if (enable) held <= d;
            assign q = held;
        end else begin : synchronous
            reg [W-1:0] held;
            initial held = {W{1'b0}};
            always @(posedge clock)
                if (reset) held <= {W{1'b0}};
                else if (enable) held <= d;
            assign q = held;
        end
    endgenerate
endmodule

module MULT18X18D #(
    parameter REG_INPUTA_CLK = "NONE",
    parameter REG_INPUTA_CE = "CE0",
    parameter REG_INPUTA_RST = "RST0",
    parameter REG_INPUTB_CLK = "NONE",
    parameter REG_INPUTB_CE = "CE0",
    parameter REG_INPUTB_RST = "RST0",
    parameter REG_INPUTC_CLK = "NONE",
    parameter REG_INPUTC_CE = "CE0",
    parameter REG_INPUTC_RST = "RST0",
    parameter REG_PIPELINE_CLK = "NONE",
    parameter REG_PIPELINE_CE = "CE0",
    parameter REG_PIPELINE_RST = "RST0",
    parameter REG_OUTPUT_CLK = "NONE",
    parameter REG_OUTPUT_CE = "CE0",
    parameter REG_OUTPUT_RST = "RST0",
    parameter CLK0_DIV = "ENABLED",
    parameter CLK1_DIV = "ENABLED",
    parameter CLK2_DIV = "ENABLED",
    parameter CLK3_DIV = "ENABLED",
    parameter HIGHSPEED_CLK = "NONE",
    parameter GSR = "ENABLED",
    parameter CAS_MATCH_REG = "FALSE",
    parameter SOURCEB_MODE = "B_SHIFT",
    parameter MULT_BYPASS = "DISABLED",
    parameter RESETMODE = "SYNC"
) (
    input wire A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input wire B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input wire C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input wire SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input wire CLK3, CLK2, CLK1, CLK0,
    input wire CE3, CE2, CE1, CE0,
    input wire RST3, RST2, RST1, RST0,
    input wire SRIA17, SRIA16, SRIA15, SRIA14, SRIA13, SRIA12, SRIA11, SRIA10, SRIA9, SRIA8,
        SRIA7, SRIA6, SRIA5, SRIA4, SRIA3, SRIA2, SRIA1, SRIA0,
    input wire SRIB17, SRIB16, SRIB15, SRIB14, SRIB13, SRIB12, SRIB11, SRIB10, SRIB9, SRIB8,
        SRIB7, SRIB6, SRIB5, SRIB4, SRIB3, SRIB2, SRIB1, SRIB0,
    output wire SROA17, SROA16, SROA15, SROA14, SROA13, SROA12, SROA11, SROA10, SROA9, SROA8,
        SROA7, SROA6, SROA5, SROA4, SROA3, SROA2, SROA1, SROA0,
    output wire SROB17, SROB16, SROB15, SROB14, SROB13, SROB12, SROB11, SROB10, SROB9, SROB8,
        SROB7, SROB6, SROB5, SROB4, SROB3, SROB2, SROB1, SROB0,
    output wire ROA17, ROA16, ROA15, ROA14, ROA13, ROA12, ROA11, ROA10, ROA9, ROA8, ROA7, ROA6,
        ROA5, ROA4, ROA3, ROA2, ROA1, ROA0,
    output wire ROB17, ROB16, ROB15, ROB14, ROB13, ROB12, ROB11, ROB10, ROB9, ROB8, ROB7, ROB6,
        ROB5, ROB4, ROB3, ROB2, ROB1, ROB0,
    output wire ROC17, ROC16, ROC15, ROC14, ROC13, ROC12, ROC11, ROC10, ROC9, ROC8, ROC7, ROC6,
        ROC5, ROC4, ROC3, ROC2, ROC1, ROC0,
    output wire P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20,
        P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0,
    output wire SIGNEDP
);
    wire [3:0] clk = {CLK3, CLK2, CLK1, CLK0};
    wire [3:0] ce = {CE3, CE2, CE1, CE0};
    wire [3:0] rst = {RST3, RST2, RST1, RST0};
    wire [17:0] a = {
        A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0
    };
    wire [17:0] b = {
        B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0
    };
    wire [17:0] operand_a, operand_b;
    wire [35:0] pipelined, p;

    // An operand as a signed number of one bit more, so that one product serves all signs.
    wire signed [18:0] factor_a = {SIGNEDA & operand_a[17], operand_a};
    wire signed [18:0] factor_b = {SIGNEDB & operand_b[17], operand_b};
    wire signed [37:0] product = factor_a * factor_b;

    systole_ecp5_dsp_register #(
        .CLK(REG_INPUTA_CLK), .CE(REG_INPUTA_CE), .RST(REG_INPUTA_RST), .RESETMODE(RESETMODE)
    ) register_a (.clk(clk), .ce(ce), .rst(rst), .d(a), .q(operand_a));
    systole_ecp5_dsp_register #(
        .CLK(REG_INPUTB_CLK), .CE(REG_INPUTB_CE), .RST(REG_INPUTB_RST), .RESETMODE(RESETMODE)
    ) register_b (.clk(clk), .ce(ce), .rst(rst), .d(b), .q(operand_b));
    systole_ecp5_dsp_register #(
        .W(36), .CLK(REG_PIPELINE_CLK), .CE(REG_PIPELINE_CE), .RST(REG_PIPELINE_RST),
        .RESETMODE(RESETMODE)
    ) register_pipeline (.clk(clk), .ce(ce), .rst(rst), .d(product[35:0]), .q(pipelined));
    systole_ecp5_dsp_register #(
        .W(36), .CLK(REG_OUTPUT_CLK), .CE(REG_OUTPUT_CE), .RST(REG_OUTPUT_RST),
        .RESETMODE(RESETMODE)
    ) register_output (.clk(clk), .ce(ce), .rst(rst), .d(pipelined), .q(p));

    assign {
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
        P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
    } = p;
    assign SIGNEDP = SIGNEDA | SIGNEDB;
    assign {
        SROA17, SROA16, SROA15, SROA14, SROA13, SROA12, SROA11, SROA10, SROA9, SROA8, SROA7,
        SROA6, SROA5, SROA4, SROA3, SROA2, SROA1, SROA0
    } = 18'd0;
    assign {
        SROB17, SROB16, SROB15, SROB14, SROB13, SROB12, SROB11, SROB10, SROB9, SROB8, SROB7,
        SROB6, SROB5, SROB4, SROB3, SROB2, SROB1, SROB0
    } = 18'd0;
    assign {
        ROA17, ROA16, ROA15, ROA14, ROA13, ROA12, ROA11, ROA10, ROA9, ROA8, ROA7, ROA6, ROA5,
        ROA4, ROA3, ROA2, ROA1, ROA0
    } = 18'd0;
    assign {
        ROB17, ROB16, ROB15, ROB14, ROB13, ROB12, ROB11, ROB10, ROB9, ROB8, ROB7, ROB6, ROB5,
        ROB4, ROB3, ROB2, ROB1, ROB0
    } = 18'd0;
    assign {
        ROC17, ROC16, ROC15, ROC14, ROC13, ROC12, ROC11, ROC10, ROC9, ROC8, ROC7, ROC6, ROC5,
        ROC4, ROC3, ROC2, ROC1, ROC0
    } = 18'd0;

    initial begin
        if (MULT_BYPASS != "DISABLED" || CAS_MATCH_REG != "FALSE") begin
            $display("MULT18X18D: this use isn't modelled");
            $finish;
        end
    end

`ifndef YOSYS // Proofs have no simulation to stop.
    always @(SOURCEA or SOURCEB) begin
        if (SOURCEA || SOURCEB) begin
            $display("MULT18X18D: operands of the shift chain aren't modelled");
            $finish;
        end
    end
`endif
endmodule
