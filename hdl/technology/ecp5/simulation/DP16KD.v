// DP16KD of Lattice ECP5 for simulation: 1024 words of 18 bits with two ports, as FPGA-TN-02204
// (memory usage guide) describes it.
//
// | width | address | data |
// |---|---|---|
// | 1, 2, 4 | AD13 down to AD0, AD1, AD2 | DI, DO from bit 0 on; bits 8 and 17 of words have no address |
// | 9 | AD13..AD3 | the same |
// | 18 | AD13..AD4; AD0 and AD1 enable writing of bytes 0 and 1 | the same |
// | 36 | AD13..AD5; AD0..AD3 enable writing of bytes | A writes DIB, DIA; B reads to DOB, DOA |
//
// A port reads or writes in a cycle with CE and its chip selects; what a writing port shows is a
// matter of WRITEMODE. RST clears what a port shows, and its output register. What a port reads
// while the other one writes there isn't specified; here it is what was there before. Uses
// beyond that stop the simulation: ECC, asynchronous resets, inverted pins other than clocks.

// What a port shows: the latch of the memory, and the output register where there is one.
module systole_ecp5_ram_output #(
    parameter REGMODE = "NOREG"
) (
    input wire clock,
    input wire enable,
    input wire reset,
    input wire latch,
    input wire [35:0] data,
    output wire [35:0] shown
);
    reg [35:0] latched, registered;
    initial begin
        latched = 36'd0;
        registered = 36'd0;
    end
    always @(posedge clock) begin
        if (reset) latched <= 36'd0;
        else if (latch) latched <= data;
        if (reset) registered <= 36'd0;
        else if (enable) registered <= latched;
    end
    assign shown = (REGMODE == "OUTREG") ? registered : latched;
endmodule

module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter GSR = "ENABLED",
    parameter WID = 0,
    parameter INIT_DATA = "STATIC",
    parameter [319:0] INITVAL_00 = 320'd0,
    parameter [319:0] INITVAL_01 = 320'd0,
    parameter [319:0] INITVAL_02 = 320'd0,
    parameter [319:0] INITVAL_03 = 320'd0,
    parameter [319:0] INITVAL_04 = 320'd0,
    parameter [319:0] INITVAL_05 = 320'd0,
    parameter [319:0] INITVAL_06 = 320'd0,
    parameter [319:0] INITVAL_07 = 320'd0,
    parameter [319:0] INITVAL_08 = 320'd0,
    parameter [319:0] INITVAL_09 = 320'd0,
    parameter [319:0] INITVAL_0A = 320'd0,
    parameter [319:0] INITVAL_0B = 320'd0,
    parameter [319:0] INITVAL_0C = 320'd0,
    parameter [319:0] INITVAL_0D = 320'd0,
    parameter [319:0] INITVAL_0E = 320'd0,
    parameter [319:0] INITVAL_0F = 320'd0,
    parameter [319:0] INITVAL_10 = 320'd0,
    parameter [319:0] INITVAL_11 = 320'd0,
    parameter [319:0] INITVAL_12 = 320'd0,
    parameter [319:0] INITVAL_13 = 320'd0,
    parameter [319:0] INITVAL_14 = 320'd0,
    parameter [319:0] INITVAL_15 = 320'd0,
    parameter [319:0] INITVAL_16 = 320'd0,
    parameter [319:0] INITVAL_17 = 320'd0,
    parameter [319:0] INITVAL_18 = 320'd0,
    parameter [319:0] INITVAL_19 = 320'd0,
    parameter [319:0] INITVAL_1A = 320'd0,
    parameter [319:0] INITVAL_1B = 320'd0,
    parameter [319:0] INITVAL_1C = 320'd0,
    parameter [319:0] INITVAL_1D = 320'd0,
    parameter [319:0] INITVAL_1E = 320'd0,
    parameter [319:0] INITVAL_1F = 320'd0,
    parameter [319:0] INITVAL_20 = 320'd0,
    parameter [319:0] INITVAL_21 = 320'd0,
    parameter [319:0] INITVAL_22 = 320'd0,
    parameter [319:0] INITVAL_23 = 320'd0,
    parameter [319:0] INITVAL_24 = 320'd0,
    parameter [319:0] INITVAL_25 = 320'd0,
    parameter [319:0] INITVAL_26 = 320'd0,
    parameter [319:0] INITVAL_27 = 320'd0,
    parameter [319:0] INITVAL_28 = 320'd0,
    parameter [319:0] INITVAL_29 = 320'd0,
    parameter [319:0] INITVAL_2A = 320'd0,
    parameter [319:0] INITVAL_2B = 320'd0,
    parameter [319:0] INITVAL_2C = 320'd0,
    parameter [319:0] INITVAL_2D = 320'd0,
    parameter [319:0] INITVAL_2E = 320'd0,
    parameter [319:0] INITVAL_2F = 320'd0,
    parameter [319:0] INITVAL_30 = 320'd0,
    parameter [319:0] INITVAL_31 = 320'd0,
    parameter [319:0] INITVAL_32 = 320'd0,
    parameter [319:0] INITVAL_33 = 320'd0,
    parameter [319:0] INITVAL_34 = 320'd0,
    parameter [319:0] INITVAL_35 = 320'd0,
    parameter [319:0] INITVAL_36 = 320'd0,
    parameter [319:0] INITVAL_37 = 320'd0,
    parameter [319:0] INITVAL_38 = 320'd0,
    parameter [319:0] INITVAL_39 = 320'd0,
    parameter [319:0] INITVAL_3A = 320'd0,
    parameter [319:0] INITVAL_3B = 320'd0,
    parameter [319:0] INITVAL_3C = 320'd0,
    parameter [319:0] INITVAL_3D = 320'd0,
    parameter [319:0] INITVAL_3E = 320'd0,
    parameter [319:0] INITVAL_3F = 320'd0
) (
    input wire DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6,
        DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input wire ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1,
        ADA0,
    input wire CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    input wire DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6,
        DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input wire ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1,
        ADB0,
    input wire CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output wire DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6,
        DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    output wire DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6,
        DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
    wire [17:0] dia = {
        DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
        DIA4, DIA3, DIA2, DIA1, DIA0
    };
    wire [13:0] ada = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
    };
    wire [17:0] dib = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0
    };
    wire [13:0] adb = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
    };
    wire clock_a = (CLKAMUX == "INV") ? ~CLKA : CLKA;
    wire clock_b = (CLKBMUX == "INV") ? ~CLKB : CLKB;

    // Chip selects are written as the text 0b and three digits.
    function [2:0] selects(input [39:0] decode);
        selects = {decode[16], decode[8], decode[0]};
    endfunction

    wire active_a = CEA & ({CSA2, CSA1, CSA0} == selects(CSDECODE_A));
    wire active_b = CEB & ({CSB2, CSB1, CSB0} == selects(CSDECODE_B));

    // The bits that an access of a width touches, of the pair of words that it lies in.
    function [35:0] touched(input integer width, input [13:0] address);
        case (width)
            1: touched = 36'd1 << bit_of(address, 14'h1f);
            2: touched = 36'd3 << bit_of(address, 14'h1e);
            4: touched = 36'hf << bit_of(address, 14'h1c);
            9: touched = 36'h1ff << (9 * address[4:3]);
            18: touched = 36'h3ffff << (18 * address[4]);
            default: touched = 36'hfffffffff;
        endcase
    endfunction

    // Place in the pair of words of the lowest bit of an access; bit 8 of each 9 has no address.
    function [5:0] bit_of(input [13:0] address, input [13:0] mask);
        bit_of = 6'd9 * {4'd0, address[4:3]} + {3'd0, address[2:0] & mask[2:0]};
    endfunction

    function [5:0] low_of(input integer width, input [13:0] address);
        case (width)
            1: low_of = bit_of(address, 14'h1f);
            2: low_of = bit_of(address, 14'h1e);
            4: low_of = bit_of(address, 14'h1c);
            9: low_of = 6'd9 * {4'd0, address[4:3]};
            18: low_of = address[4] ? 6'd18 : 6'd0;
            default: low_of = 6'd0;
        endcase
    endfunction

    // Bytes that are written, in the pair of words.
    function [35:0] enabled(input integer width, input [13:0] address);
        case (width)
            18: enabled = {2{{9{address[1]}}, {9{address[0]}}}};
            36: enabled = {{9{address[3]}}, {9{address[2]}}, {9{address[1]}}, {9{address[0]}}};
            default: enabled = 36'hfffffffff;
        endcase
    endfunction

    // Words 2n and 2n + 1 side by side.
    reg [35:0] memory [0:511];
    integer i, j;
    reg [319:0] initial_values [0:63];
    initial begin
        initial_values[0] = INITVAL_00;
        initial_values[1] = INITVAL_01;
        initial_values[2] = INITVAL_02;
        initial_values[3] = INITVAL_03;
        initial_values[4] = INITVAL_04;
        initial_values[5] = INITVAL_05;
        initial_values[6] = INITVAL_06;
        initial_values[7] = INITVAL_07;
        initial_values[8] = INITVAL_08;
        initial_values[9] = INITVAL_09;
        initial_values[10] = INITVAL_0A;
        initial_values[11] = INITVAL_0B;
        initial_values[12] = INITVAL_0C;
        initial_values[13] = INITVAL_0D;
        initial_values[14] = INITVAL_0E;
        initial_values[15] = INITVAL_0F;
        initial_values[16] = INITVAL_10;
        initial_values[17] = INITVAL_11;
        initial_values[18] = INITVAL_12;
        initial_values[19] = INITVAL_13;
        initial_values[20] = INITVAL_14;
        initial_values[21] = INITVAL_15;
        initial_values[22] = INITVAL_16;
        initial_values[23] = INITVAL_17;
        initial_values[24] = INITVAL_18;
        initial_values[25] = INITVAL_19;
        initial_values[26] = INITVAL_1A;
        initial_values[27] = INITVAL_1B;
        initial_values[28] = INITVAL_1C;
        initial_values[29] = INITVAL_1D;
        initial_values[30] = INITVAL_1E;
        initial_values[31] = INITVAL_1F;
        initial_values[32] = INITVAL_20;
        initial_values[33] = INITVAL_21;
        initial_values[34] = INITVAL_22;
        initial_values[35] = INITVAL_23;
        initial_values[36] = INITVAL_24;
        initial_values[37] = INITVAL_25;
        initial_values[38] = INITVAL_26;
        initial_values[39] = INITVAL_27;
        initial_values[40] = INITVAL_28;
        initial_values[41] = INITVAL_29;
        initial_values[42] = INITVAL_2A;
        initial_values[43] = INITVAL_2B;
        initial_values[44] = INITVAL_2C;
        initial_values[45] = INITVAL_2D;
        initial_values[46] = INITVAL_2E;
        initial_values[47] = INITVAL_2F;
        initial_values[48] = INITVAL_30;
        initial_values[49] = INITVAL_31;
        initial_values[50] = INITVAL_32;
        initial_values[51] = INITVAL_33;
        initial_values[52] = INITVAL_34;
        initial_values[53] = INITVAL_35;
        initial_values[54] = INITVAL_36;
        initial_values[55] = INITVAL_37;
        initial_values[56] = INITVAL_38;
        initial_values[57] = INITVAL_39;
        initial_values[58] = INITVAL_3A;
        initial_values[59] = INITVAL_3B;
        initial_values[60] = INITVAL_3C;
        initial_values[61] = INITVAL_3D;
        initial_values[62] = INITVAL_3E;
        initial_values[63] = INITVAL_3F;
        for (i = 0; i < 64; i = i + 1)
            for (j = 0; j < 8; j = j + 1)
                memory[8 * i + j] = {
                    initial_values[i][40 * j + 20 +: 18], initial_values[i][40 * j +: 18]
                };
    end

    wire [35:0] write_a = {dib, dia};
    wire [35:0] mask_a = touched(DATA_WIDTH_A, ada) & enabled(DATA_WIDTH_A, ada);
    wire [35:0] mask_b = touched(DATA_WIDTH_B, adb) & enabled(DATA_WIDTH_B, adb);
    wire [35:0] placed_a = write_a << low_of(DATA_WIDTH_A, ada);
    wire [35:0] placed_b = {18'd0, dib} << low_of(DATA_WIDTH_B, adb);
    wire writes_a = active_a & WEA & ~RSTA;
    wire writes_b = active_b & WEB & ~RSTB & (DATA_WIDTH_B != 36);

    // Memory as this port's own write leaves it.
    wire [35:0] before_a = memory[ada[13:5]];
    wire [35:0] before_b = memory[adb[13:5]];
    wire [35:0] after_a = (before_a & ~mask_a) | (placed_a & mask_a);
    wire [35:0] after_b = (before_b & ~mask_b) | (placed_b & mask_b);

    // Bit by bit: the ports may write different bytes of the same words at once.
    integer m, n;
    always @(posedge clock_a)
        if (writes_a)
            for (m = 0; m < 36; m = m + 1)
                if (mask_a[m]) memory[ada[13:5]][m] <= placed_a[m];
    always @(posedge clock_b)
        if (writes_b)
            for (n = 0; n < 36; n = n + 1)
                if (mask_b[n]) memory[adb[13:5]][n] <= placed_b[n];

    wire [35:0] seen_a = (WRITEMODE_A == "WRITETHROUGH" && WEA) ? after_a : before_a;
    wire [35:0] seen_b = (WRITEMODE_B == "WRITETHROUGH" && WEB) ? after_b : before_b;
    wire [35:0] shown_a, shown_b;
    systole_ecp5_ram_output #(.REGMODE(REGMODE_A)) output_a (
        .clock(clock_a), .enable(OCEA), .reset(RSTA),
        .latch(active_a & (~WEA | (WRITEMODE_A != "NORMAL"))),
        .data((seen_a & touched(DATA_WIDTH_A, ada)) >> low_of(DATA_WIDTH_A, ada)),
        .shown(shown_a)
    );
    systole_ecp5_ram_output #(.REGMODE(REGMODE_B)) output_b (
        .clock(clock_b), .enable(OCEB), .reset(RSTB),
        .latch(active_b & (~WEB | (WRITEMODE_B != "NORMAL"))),
        .data((seen_b & touched(DATA_WIDTH_B, adb)) >> low_of(DATA_WIDTH_B, adb)),
        .shown(shown_b)
    );
    // 36 bits are read through the pins of both ports.
    wire [17:0] from_a = (DATA_WIDTH_B == 36) ? shown_b[17:0] : shown_a[17:0];
    wire [17:0] from_b = (DATA_WIDTH_B == 36) ? shown_b[35:18] : shown_b[17:0];
    assign {
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
        DOA4, DOA3, DOA2, DOA1, DOA0
    } = from_a;
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
        DOB4, DOB3, DOB2, DOB1, DOB0
    } = from_b;

`ifndef YOSYS // Proofs have no simulation to stop.
    always @(RSTA or RSTB) begin
        if (RESETMODE != "SYNC" && (RSTA || RSTB)) begin
            $display("DP16KD: asynchronous resets aren't modelled");
            $finish;
        end
    end
`endif
endmodule
