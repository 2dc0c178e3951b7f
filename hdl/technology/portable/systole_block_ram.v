// Memory with a port that writes and one that reads; data come two cycles after their address, the
// second register being the block RAM's own. Whoever reads what is being written gets either.
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
    output reg [WIDTH-1:0] data
);
    (* no_rw_check *)
    reg [WIDTH-1:0] memory [0:DEPTH-1];
    reg [WIDTH-1:0] fetched;

    always @(posedge clock) begin
        fetched <= memory[read_address];
        data <= fetched;
        if (write_valid) memory[write_address] <= write_data;
    end
endmodule
