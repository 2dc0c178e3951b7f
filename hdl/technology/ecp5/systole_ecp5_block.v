// One DP16KD with its output registers, whose port A writes or reads and whose port B reads: words
// of 36, 18, 9, 4, 2 or 1 bits (WORD), of which there are 512 to 16384. Words of 36 bits take both
// ports' outputs for what port B reads.
module systole_ecp5_block #(
    parameter WORD = 36
) (
    input wire clock,
    input wire a_write,
    input wire [13:0] a_address,
    input wire [35:0] d,
    output wire [17:0] a_data,
    input wire [13:0] b_address,
    output wire [35:0] b_data
);
    // Addresses count bits; below the word's they enable its bytes, all of them.
    localparam SHIFT = (WORD == 36) ? 5 : (WORD == 18) ? 4 : (WORD == 9) ? 3 : (WORD == 4) ? 2 : (WORD == 2) ? 1 : 0;
    localparam [13:0] BYTES = (WORD == 36) ? 14'd15 : (WORD == 18) ? 14'd3 : 14'd0;
    wire [13:0] ada = (a_address << SHIFT) | BYTES;
    wire [13:0] adb = b_address << SHIFT;
    wire [17:0] upper;
    assign b_data = (WORD == 36) ? {upper, a_data} : {18'd0, upper};

    DP16KD #(
        .DATA_WIDTH_A(WORD), .DATA_WIDTH_B(WORD),
        .REGMODE_A("OUTREG"), .REGMODE_B("OUTREG"),
        .WRITEMODE_A("NORMAL"), .WRITEMODE_B("NORMAL"),
        .RESETMODE("SYNC"), .ASYNC_RESET_RELEASE("SYNC"),
        .CSDECODE_A("0b000"), .CSDECODE_B("0b000"), .GSR("DISABLED")
    ) ram (
        .CLKA(clock), .CEA(1'b1), .OCEA(1'b1), .WEA(a_write), .RSTA(1'b0),
        .CSA2(1'b0), .CSA1(1'b0), .CSA0(1'b0),
        .CLKB(clock), .CEB(1'b1), .OCEB(1'b1), .WEB(1'b0), .RSTB(1'b0),
        .CSB2(1'b0), .CSB1(1'b0), .CSB0(1'b0),
        .ADA13(ada[13]), .ADA12(ada[12]), .ADA11(ada[11]), .ADA10(ada[10]), .ADA9(ada[9]),
        .ADA8(ada[8]), .ADA7(ada[7]), .ADA6(ada[6]), .ADA5(ada[5]), .ADA4(ada[4]),
        .ADA3(ada[3]), .ADA2(ada[2]), .ADA1(ada[1]), .ADA0(ada[0]), .ADB13(adb[13]),
        .ADB12(adb[12]), .ADB11(adb[11]), .ADB10(adb[10]), .ADB9(adb[9]), .ADB8(adb[8]),
        .ADB7(adb[7]), .ADB6(adb[6]), .ADB5(adb[5]), .ADB4(adb[4]), .ADB3(adb[3]),
        .ADB2(adb[2]), .ADB1(adb[1]), .ADB0(adb[0]), .DIB17(d[35]), .DIB16(d[34]),
        .DIB15(d[33]), .DIB14(d[32]), .DIB13(d[31]), .DIB12(d[30]), .DIB11(d[29]),
        .DIB10(d[28]), .DIB9(d[27]), .DIB8(d[26]), .DIB7(d[25]), .DIB6(d[24]), .DIB5(d[23]),
        .DIB4(d[22]), .DIB3(d[21]), .DIB2(d[20]), .DIB1(d[19]), .DIB0(d[18]), .DIA17(d[17]),
        .DIA16(d[16]), .DIA15(d[15]), .DIA14(d[14]), .DIA13(d[13]), .DIA12(d[12]),
        .DIA11(d[11]), .DIA10(d[10]), .DIA9(d[9]), .DIA8(d[8]), .DIA7(d[7]), .DIA6(d[6]),
        .DIA5(d[5]), .DIA4(d[4]), .DIA3(d[3]), .DIA2(d[2]), .DIA1(d[1]), .DIA0(d[0]),
        .DOB17(upper[17]), .DOB16(upper[16]), .DOB15(upper[15]), .DOB14(upper[14]),
        .DOB13(upper[13]), .DOB12(upper[12]), .DOB11(upper[11]), .DOB10(upper[10]),
        .DOB9(upper[9]), .DOB8(upper[8]), .DOB7(upper[7]), .DOB6(upper[6]), .DOB5(upper[5]),
        .DOB4(upper[4]), .DOB3(upper[3]), .DOB2(upper[2]), .DOB1(upper[1]), .DOB0(upper[0]),
        .DOA17(a_data[17]), .DOA16(a_data[16]), .DOA15(a_data[15]), .DOA14(a_data[14]),
        .DOA13(a_data[13]), .DOA12(a_data[12]), .DOA11(a_data[11]), .DOA10(a_data[10]),
        .DOA9(a_data[9]), .DOA8(a_data[8]), .DOA7(a_data[7]), .DOA6(a_data[6]), .DOA5(a_data[5]),
        .DOA4(a_data[4]), .DOA3(a_data[3]), .DOA2(a_data[2]), .DOA1(a_data[1]), .DOA0(a_data[0])
    );
endmodule
