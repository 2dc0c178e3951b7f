// Shows the proof of the write engine the FIFO's pointers, and a place behind its head.
wire [4:0] f_head = head, f_tail = tail;
wire [4:0] f_place;
wire [72:0] f_placed = beats[4'(head + f_place)];
