// One DP16KD whose port A writes and whose port B reads, with its output registers: words of 36,
// 18, 9 or 4 bits (WORD), of which there are 512, 1024, 2048 or 4096.
module systole_ecp5_block #(
    parameter WORD = 36
) (
    input wire clock,
    input wire write_valid,
    input wire [11:0] write_address,
    input wire [35:0] d,
    input wire [11:0] read_address,
    output wire [35:0] q
);
    // Addresses count bits; below the word's they enable its bytes, all of them.
    localparam SHIFT = (WORD == 36) ? 5 : (WORD == 18) ? 4 : (WORD == 9) ? 3 : 2;
    localparam [13:0] BYTES = (WORD == 36) ? 14'd15 : (WORD == 18) ? 14'd3 : 14'd0;
    wire [13:0] ada = ({2'd0, write_address} << SHIFT) | BYTES;
    wire [13:0] adb = {2'd0, read_address} << SHIFT;
    // A word of 36 bits leaves by both ports, the others by port B.
    wire [17:0] lower, upper;
    assign q = (WORD == 36) ? {upper, lower} : {18'd0, upper};

    DP16KD #(
        .DATA_WIDTH_A(WORD), .DATA_WIDTH_B(WORD),
        .REGMODE_A("OUTREG"), .REGMODE_B("OUTREG"),
        .WRITEMODE_A("NORMAL"), .WRITEMODE_B("NORMAL"),
        .RESETMODE("SYNC"), .ASYNC_RESET_RELEASE("SYNC"),
        .CSDECODE_A("0b000"), .CSDECODE_B("0b000"), .GSR("DISABLED")
    ) ram (
        .CLKA(clock), .CEA(1'b1), .OCEA(1'b1), .WEA(write_valid), .RSTA(1'b0),
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
        .DOA17(lower[17]), .DOA16(lower[16]), .DOA15(lower[15]), .DOA14(lower[14]),
        .DOA13(lower[13]), .DOA12(lower[12]), .DOA11(lower[11]), .DOA10(lower[10]),
        .DOA9(lower[9]), .DOA8(lower[8]), .DOA7(lower[7]), .DOA6(lower[6]), .DOA5(lower[5]),
        .DOA4(lower[4]), .DOA3(lower[3]), .DOA2(lower[2]), .DOA1(lower[1]), .DOA0(lower[0])
    );
endmodule

// Memory with a port that writes and one that reads; data come two cycles after their address.
//
// It is made of DP16KDs with their output registers, which a synthesizer doesn't use: without them
// data come late in the cycle, and each bit takes a flip-flop elsewhere. What is deeper than a block
// of words of 4 bits is left to the synthesizer.
module systole_block_ram #(
    parameter WIDTH = 32,
    parameter DEPTH = 512,
    parameter ADDRESS = 9
) (
    input wire clock,
    input wire write_valid,
    input wire [ADDRESS-1:0] write_address,
    input wire [WIDTH-1:0] write_data,
    input wire [ADDRESS-1:0] read_address,
    output wire [WIDTH-1:0] data
);
    // The widest words of which there are enough; words of 4 bits waste one bit in nine.
    localparam WORD = (DEPTH <= 512) ? 36 : (DEPTH <= 1024) ? 18 : (DEPTH <= 2048) ? 9 : 4;
    localparam BLOCKS = (WIDTH + WORD - 1) / WORD;

    genvar i;
    generate
        if (DEPTH > 2048 && DEPTH <= 3072) begin : parts
            // Blocks of 2048 words, and of as few as there are more, take less than of 4096.
            wire [WIDTH-1:0] low, high;
            reg is_high1, is_high2;
            assign data = is_high2 ? high : low;
            always @(posedge clock) begin
                is_high1 <= read_address[ADDRESS-1];
                is_high2 <= is_high1;
            end
            systole_block_ram #(.WIDTH(WIDTH), .DEPTH(2048), .ADDRESS(11)) lower (
                .clock(clock), .write_valid(write_valid && !write_address[ADDRESS-1]),
                .write_address(write_address[10:0]), .write_data(write_data),
                .read_address(read_address[10:0]), .data(low)
            );
            systole_block_ram #(.WIDTH(WIDTH), .DEPTH(DEPTH - 2048), .ADDRESS(10)) upper (
                .clock(clock), .write_valid(write_valid && write_address[ADDRESS-1]),
                .write_address(write_address[9:0]), .write_data(write_data),
                .read_address(read_address[9:0]), .data(high)
            );
        end else if (DEPTH <= 4096) begin : blocks
            wire [BLOCKS*WORD-1:0] d = write_data;
            wire [BLOCKS*WORD-1:0] q;
            assign data = q[WIDTH-1:0];
            for (i = 0; i < BLOCKS; i = i + 1) begin : block
                wire [35:0] word;
                assign q[i*WORD +: WORD] = word[WORD-1:0];
                systole_ecp5_block #(.WORD(WORD)) ram (
                    .clock(clock), .write_valid(write_valid),
                    .write_address({{(12 - ADDRESS){1'b0}}, write_address}),
                    .d({{(36 - WORD){1'b0}}, d[i*WORD +: WORD]}),
                    .read_address({{(12 - ADDRESS){1'b0}}, read_address}), .q(word)
                );
            end
        end else begin : inferred
            (* no_rw_check *)
            reg [WIDTH-1:0] memory [0:DEPTH-1];
            reg [WIDTH-1:0] fetched, registered;
            assign data = registered;
            always @(posedge clock) begin
                fetched <= memory[read_address];
                registered <= fetched;
                if (write_valid) memory[write_address] <= write_data;
            end
        end
    endgenerate
endmodule
