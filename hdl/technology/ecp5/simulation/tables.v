// Lookup tables of Lattice ECP5 as yosys' own cell: in Verilog, one expression each. That they are
// what yosys' `cells_sim.v` says is part of the proofs of netlists (`hdl/tests/netlists`).
module LUT4(input A, B, C, D, output Z);
    parameter [15:0] INIT = 16'h0000;
    \$lut #(.WIDTH(4), .LUT(INIT)) table_(.A({D, C, B, A}), .Y(Z));
endmodule
