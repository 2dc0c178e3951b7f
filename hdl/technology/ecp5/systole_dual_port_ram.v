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
    localparam BLOCKS = (WIDTH + BITS - 1) / BITS;

    genvar i;
    generate
        if (DEPTH <= 16384) begin : blocks
            wire [BLOCKS*BITS-1:0] written = {{(BLOCKS * BITS - WIDTH){1'b0}}, a_write_data};
            wire [BLOCKS*BITS-1:0] shown_a, shown_b;
            assign a_data = shown_a[WIDTH-1:0];
            assign b_data = shown_b[WIDTH-1:0];
            for (i = 0; i < BLOCKS; i = i + 1) begin : block
                wire [17:0] from_a;
                wire [35:0] from_b;
                assign shown_a[i*BITS+:BITS] = from_a[BITS-1:0];
                assign shown_b[i*BITS+:BITS] = from_b[BITS-1:0];
                systole_ecp5_block #(.WORD(BITS)) ram (
                    .clock(clock), .a_write(a_write),
                    .a_address({{(14 - ADDRESS){1'b0}}, a_address}),
                    .d({{(36 - BITS){1'b0}}, written[i*BITS+:BITS]}), .a_data(from_a),
                    .b_address({{(14 - ADDRESS){1'b0}}, b_address}), .b_data(from_b)
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
