// Shows the proof of the write engine what is on its way through a delay: what entered last is lowest.
wire [7*$bits(entry)-1:0] f_line = {delayed, stage5, stage4, stage3, stage2, stage1, stage0};
