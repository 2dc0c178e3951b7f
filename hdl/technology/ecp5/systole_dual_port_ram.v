// Memory of which both ports read and port A writes, too; data come two cycles after their address.
//
// Blocks stand side by side, each with as many bits of a word as it has room for: no multiplexer
// follows them, and the output registers are their own. A synthesizer takes two copies of such a
// memory, and compares addresses to give data that nobody may use. Memories of more words than a
// block has bits are left to it all the same.
//
// | words | bits of a word in a block | of a memory of bytes |
// |---|---|---|
// | up to 2048 | 9 | 1 block |
// | up to 4096 | 4 | 2 blocks |
// | up to 8192 | 2 | 4 blocks |
// | up to 16384 | 1 | 8 blocks |
module systole_dual_port_ram #(
    parameter WIDTH = 8,
    parameter DEPTH = 2048,
    parameter ADDRESS = 11
) (
    input wire clock,
    input wire a_write,
    input wire [ADDRESS-1:0] a_address,
    input wire [WIDTH-1:0] a_write_data,
    output wire [WIDTH-1:0] a_data,
    input wire [ADDRESS-1:0] b_address,
    output wire [WIDTH-1:0] b_data
);
    localparam BITS = DEPTH <= 2048 ? 9 : DEPTH <= 4096 ? 4 : DEPTH <= 8192 ? 2 : 1;
    localparam BELOW = DEPTH <= 2048 ? 3 : DEPTH <= 4096 ? 2 : DEPTH <= 8192 ? 1 : 0;
    localparam BLOCKS = (WIDTH + BITS - 1) / BITS;

    genvar i;
    generate
        if (DEPTH <= 16384) begin : blocks
            // Pins of an address above those that tell the bits of a word apart.
            wire [13:0] pins_a = {{(14 - ADDRESS){1'b0}}, a_address} << BELOW;
            wire [13:0] pins_b = {{(14 - ADDRESS){1'b0}}, b_address} << BELOW;
            wire [BLOCKS*BITS-1:0] written = {{(BLOCKS * BITS - WIDTH){1'b0}}, a_write_data};
            wire [BLOCKS*BITS-1:0] shown_a, shown_b;
            assign a_data = shown_a[WIDTH-1:0];
            assign b_data = shown_b[WIDTH-1:0];
            for (i = 0; i < BLOCKS; i = i + 1) begin : block
                wire [8:0] d = {{(9 - BITS){1'b0}}, written[i*BITS+:BITS]};
                wire [8:0] qa, qb;
                assign shown_a[i*BITS+:BITS] = qa[BITS-1:0];
                assign shown_b[i*BITS+:BITS] = qb[BITS-1:0];
                DP16KD #(
                    .DATA_WIDTH_A(BITS), .DATA_WIDTH_B(BITS),
                    .REGMODE_A("OUTREG"), .REGMODE_B("OUTREG"),
                    .WRITEMODE_A("NORMAL"), .WRITEMODE_B("NORMAL"),
                    .RESETMODE("SYNC"), .ASYNC_RESET_RELEASE("SYNC"),
                    .CSDECODE_A("0b000"), .CSDECODE_B("0b000"), .GSR("DISABLED")
                ) ram (
                    .CLKA(clock), .CEA(1'b1), .OCEA(1'b1), .WEA(a_write), .RSTA(1'b0),
                    .CSA2(1'b0), .CSA1(1'b0), .CSA0(1'b0),
                    .CLKB(clock), .CEB(1'b1), .OCEB(1'b1), .WEB(1'b0), .RSTB(1'b0),
                    .CSB2(1'b0), .CSB1(1'b0), .CSB0(1'b0),
                    .ADA13(pins_a[13]), .ADA12(pins_a[12]), .ADA11(pins_a[11]),
                    .ADA10(pins_a[10]), .ADA9(pins_a[9]), .ADA8(pins_a[8]), .ADA7(pins_a[7]),
                    .ADA6(pins_a[6]), .ADA5(pins_a[5]), .ADA4(pins_a[4]), .ADA3(pins_a[3]),
                    .ADA2(pins_a[2]), .ADA1(pins_a[1]), .ADA0(pins_a[0]),
                    .ADB13(pins_b[13]), .ADB12(pins_b[12]), .ADB11(pins_b[11]),
                    .ADB10(pins_b[10]), .ADB9(pins_b[9]), .ADB8(pins_b[8]), .ADB7(pins_b[7]),
                    .ADB6(pins_b[6]), .ADB5(pins_b[5]), .ADB4(pins_b[4]), .ADB3(pins_b[3]),
                    .ADB2(pins_b[2]), .ADB1(pins_b[1]), .ADB0(pins_b[0]),
                    .DIA17(1'b0), .DIA16(1'b0), .DIA15(1'b0), .DIA14(1'b0), .DIA13(1'b0),
                    .DIA12(1'b0), .DIA11(1'b0), .DIA10(1'b0), .DIA9(1'b0), .DIA8(d[8]),
                    .DIA7(d[7]), .DIA6(d[6]), .DIA5(d[5]), .DIA4(d[4]), .DIA3(d[3]),
                    .DIA2(d[2]), .DIA1(d[1]), .DIA0(d[0]),
                    .DIB17(1'b0), .DIB16(1'b0), .DIB15(1'b0), .DIB14(1'b0), .DIB13(1'b0),
                    .DIB12(1'b0), .DIB11(1'b0), .DIB10(1'b0), .DIB9(1'b0), .DIB8(1'b0),
                    .DIB7(1'b0), .DIB6(1'b0), .DIB5(1'b0), .DIB4(1'b0), .DIB3(1'b0),
                    .DIB2(1'b0), .DIB1(1'b0), .DIB0(1'b0),
                    .DOA8(qa[8]), .DOA7(qa[7]), .DOA6(qa[6]), .DOA5(qa[5]), .DOA4(qa[4]),
                    .DOA3(qa[3]), .DOA2(qa[2]), .DOA1(qa[1]), .DOA0(qa[0]),
                    .DOB8(qb[8]), .DOB7(qb[7]), .DOB6(qb[6]), .DOB5(qb[5]), .DOB4(qb[4]),
                    .DOB3(qb[3]), .DOB2(qb[2]), .DOB1(qb[1]), .DOB0(qb[0])
                );
            end
        end else begin : inferred
            (* no_rw_check *)
            reg [WIDTH-1:0] memory [0:DEPTH-1];
            reg [WIDTH-1:0] a_fetched, a_registered, b_fetched, b_registered;
            assign a_data = a_registered;
            assign b_data = b_registered;
            always @(posedge clock) begin
                if (a_write) memory[a_address] <= a_write_data;
                else a_fetched <= memory[a_address];
                a_registered <= a_fetched;
                b_fetched <= memory[b_address];
                b_registered <= b_fetched;
            end
        end
    endgenerate
endmodule
