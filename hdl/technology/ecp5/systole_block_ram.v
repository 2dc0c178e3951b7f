// Memory with a port that writes and one that reads; data come two cycles after their address.
//
// It is made of DP16KDs with their output registers, which a synthesizer doesn't use: without them
// data come late in the cycle, and each bit takes a flip-flop elsewhere. Few words more than blocks
// hold are in LUTs. What is deeper than a block of words of 4 bits is left to the synthesizer.
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
            // Blocks of 2048 words, and what is left in others, take less than blocks of 4096.
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
            wire write_high = write_valid && write_address[ADDRESS-1];
            if (DEPTH <= 2048 + 64) begin : luts
                localparam HIGH = $clog2(DEPTH - 2048);
                (* ram_style = "distributed", no_rw_check *)
                reg [WIDTH-1:0] memory [0:DEPTH-2048-1];
                reg [WIDTH-1:0] fetched, registered;
                assign high = registered;
                always @(posedge clock) begin
                    fetched <= memory[read_address[HIGH-1:0]];
                    registered <= fetched;
                    if (write_high) memory[write_address[HIGH-1:0]] <= write_data;
                end
            end else begin : few
                systole_block_ram #(.WIDTH(WIDTH), .DEPTH(DEPTH - 2048), .ADDRESS(10)) upper (
                    .clock(clock), .write_valid(write_high),
                    .write_address(write_address[9:0]), .write_data(write_data),
                    .read_address(read_address[9:0]), .data(high)
                );
            end
        end else if (DEPTH <= 4096) begin : blocks
            wire [BLOCKS*WORD-1:0] d = write_data;
            wire [BLOCKS*WORD-1:0] q;
            assign data = q[WIDTH-1:0];
            for (i = 0; i < BLOCKS; i = i + 1) begin : block
                wire [35:0] word;
                assign q[i*WORD +: WORD] = word[WORD-1:0];
                systole_ecp5_block #(.WORD(WORD)) ram (
                    .clock(clock), .a_write(write_valid),
                    .a_address({{(14 - ADDRESS){1'b0}}, write_address}),
                    .d({{(36 - WORD){1'b0}}, d[i*WORD +: WORD]}), .a_data(),
                    .b_address({{(14 - ADDRESS){1'b0}}, read_address}), .b_data(word)
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
