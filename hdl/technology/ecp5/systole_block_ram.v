// Memory with a port that writes and one that reads; data come two cycles after their address.
//
// Up to 512 words of 36 bits are one DP16KD with its output registers, which a synthesizer doesn't
// use: without them data come late in the cycle, and each bit takes a flip-flop elsewhere. Larger
// memories are left to the synthesizer.
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
    generate
        if (WIDTH <= 36 && DEPTH <= 512) begin : block
            wire [8:0] write_word = {{(9 - ADDRESS){1'b0}}, write_address};
            wire [8:0] read_word = {{(9 - ADDRESS){1'b0}}, read_address};
            wire [35:0] d = {{(36 - WIDTH){1'b0}}, write_data};
            wire [35:0] q;
            assign data = q[WIDTH-1:0];

            // Port A writes all four bytes of a word, port B reads one.
            DP16KD #(
                .DATA_WIDTH_A(36), .DATA_WIDTH_B(36),
                .REGMODE_A("OUTREG"), .REGMODE_B("OUTREG"),
                .WRITEMODE_A("NORMAL"), .WRITEMODE_B("NORMAL"),
                .RESETMODE("SYNC"), .ASYNC_RESET_RELEASE("SYNC"),
                .CSDECODE_A("0b000"), .CSDECODE_B("0b000"), .GSR("DISABLED")
            ) ram (
                .CLKA(clock), .CEA(1'b1), .OCEA(1'b1), .WEA(write_valid), .RSTA(1'b0),
                .CSA2(1'b0), .CSA1(1'b0), .CSA0(1'b0),
                .CLKB(clock), .CEB(1'b1), .OCEB(1'b1), .WEB(1'b0), .RSTB(1'b0),
                .CSB2(1'b0), .CSB1(1'b0), .CSB0(1'b0),
                .ADA13(write_word[8]), .ADA12(write_word[7]), .ADA11(write_word[6]),
                .ADA10(write_word[5]), .ADA9(write_word[4]), .ADA8(write_word[3]),
                .ADA7(write_word[2]), .ADA6(write_word[1]), .ADA5(write_word[0]), .ADA4(1'b0),
                .ADA3(1'b1), .ADA2(1'b1), .ADA1(1'b1), .ADA0(1'b1), .ADB13(read_word[8]),
                .ADB12(read_word[7]), .ADB11(read_word[6]), .ADB10(read_word[5]),
                .ADB9(read_word[4]), .ADB8(read_word[3]), .ADB7(read_word[2]),
                .ADB6(read_word[1]), .ADB5(read_word[0]), .ADB4(1'b0), .ADB3(1'b0),
                .ADB2(1'b0), .ADB1(1'b0), .ADB0(1'b0), .DIB17(d[35]), .DIB16(d[34]),
                .DIB15(d[33]), .DIB14(d[32]), .DIB13(d[31]), .DIB12(d[30]), .DIB11(d[29]),
                .DIB10(d[28]), .DIB9(d[27]), .DIB8(d[26]), .DIB7(d[25]), .DIB6(d[24]),
                .DIB5(d[23]), .DIB4(d[22]), .DIB3(d[21]), .DIB2(d[20]), .DIB1(d[19]),
                .DIB0(d[18]), .DIA17(d[17]), .DIA16(d[16]), .DIA15(d[15]), .DIA14(d[14]),
                .DIA13(d[13]), .DIA12(d[12]), .DIA11(d[11]), .DIA10(d[10]), .DIA9(d[9]),
                .DIA8(d[8]), .DIA7(d[7]), .DIA6(d[6]), .DIA5(d[5]), .DIA4(d[4]), .DIA3(d[3]),
                .DIA2(d[2]), .DIA1(d[1]), .DIA0(d[0]), .DOB17(q[35]), .DOB16(q[34]),
                .DOB15(q[33]), .DOB14(q[32]), .DOB13(q[31]), .DOB12(q[30]), .DOB11(q[29]),
                .DOB10(q[28]), .DOB9(q[27]), .DOB8(q[26]), .DOB7(q[25]), .DOB6(q[24]),
                .DOB5(q[23]), .DOB4(q[22]), .DOB3(q[21]), .DOB2(q[20]), .DOB1(q[19]),
                .DOB0(q[18]), .DOA17(q[17]), .DOA16(q[16]), .DOA15(q[15]), .DOA14(q[14]),
                .DOA13(q[13]), .DOA12(q[12]), .DOA11(q[11]), .DOA10(q[10]), .DOA9(q[9]),
                .DOA8(q[8]), .DOA7(q[7]), .DOA6(q[6]), .DOA5(q[5]), .DOA4(q[4]), .DOA3(q[3]),
                .DOA2(q[2]), .DOA1(q[1]), .DOA0(q[0])
            );
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
