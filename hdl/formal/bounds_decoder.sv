// Shows the proofs of bounds whether what the decoder compares has been compared; of each byte of
// the instruction it remembers whether it is zero.
wire f_settled = recognized$q == recognized$d && flags_fault$q == flags_fault$d && transfer_fault$q == transfer_fault$d
    && empty_fault$q == empty_fault$d && range_fault$q == range_fault$d && window_fault$q == window_fault$d
    && columns_fault$q == columns_fault$d;
wire f_workspace = is_workspace;
`define F_FILLED(word) {|word[63:56], |word[55:48], |word[47:40], |word[39:32], |word[31:24], |word[23:16], \
    |word[15:8], |word[7:0]}
`ifndef F_MISTAKEN
always @(*) begin
    assert(filled$0$q == `F_FILLED(instruction$0$q) && filled$1$q == `F_FILLED(instruction$1$q));
    assert(filled$2$q == `F_FILLED(instruction$2$q) && filled$3$q == `F_FILLED(instruction$3$q));
    assert(filled$4$q == `F_FILLED(instruction$4$q) && filled$5$q == `F_FILLED(instruction$5$q));
    assert(filled$6$q == `F_FILLED(instruction$6$q) && filled$7$q == `F_FILLED(instruction$7$q));
end
`endif
