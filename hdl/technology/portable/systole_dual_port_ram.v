// Memory of which both ports read and port A writes, too; data come two cycles after their address,
// the second register being the block RAM's own.
//
// Nobody may use what port A shows of a cycle in which it wrote, nor what port B reads of the word
// that port A writes in the same cycle: on a device these are anything, here what was there before.
module systole_dual_port_ram #(
    parameter WIDTH = 8,
    parameter DEPTH = 2048,
    parameter ADDRESS = 11
) (
    input wire clock,
    input wire a_write,
    input wire [ADDRESS-1:0] a_address,
    input wire [WIDTH-1:0] a_write_data,
    output reg [WIDTH-1:0] a_data,
    input wire [ADDRESS-1:0] b_address,
    output reg [WIDTH-1:0] b_data
);
    (* no_rw_check *)
    reg [WIDTH-1:0] memory [0:DEPTH-1];
    reg [WIDTH-1:0] a_fetched, b_fetched;

    always @(posedge clock) begin
        a_fetched <= memory[a_address];
        a_data <= a_fetched;
        b_fetched <= memory[b_address];
        b_data <= b_fetched;
        if (a_write) memory[a_address] <= a_write_data;
    end
endmodule
