// Shows the proof of the write engine what is on its way through a delay.
wire [$bits(entry)-1:0] f_first = stage0, f_second = stage1;
