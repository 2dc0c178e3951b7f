// The FIFO of write beats: order, contents, level.
//
// One push, chosen by the solver, is tagged. Counters of their own say how many words are in the
// FIFO and how many are ahead of the tagged one; the word must come out, unchanged, exactly
// when none is ahead of it.

// The caller keeps these promises; the proof of the write engine shows that it does.
reg [4:0] f_level = 0;
always @(*) begin
    if (f_level == 16) assume(!push);
    if (!valid) assume(!pop);
end
always @(posedge clock)
    if (reset) f_level <= 0;
    else f_level <= f_level + push - pop;

(* anyseq *) wire f_choose;
reg f_tagged = 0;
reg [72:0] f_word;
reg [4:0] f_ahead;
wire f_out = f_tagged && pop && f_ahead == 0;
wire f_in = push && f_choose && (!f_tagged || f_out);
always @(posedge clock) begin
    if (f_tagged && pop) f_ahead <= f_ahead - 1;
    if (f_out) f_tagged <= 0;
    if (f_in) begin
        f_tagged <= 1;
        f_word <= {push_last, push_strobe, push_data};
        f_ahead <= f_level - pop;
    end
    if (reset) f_tagged <= 0;
end

always @(*) begin
    level_is_right: assert(5'(tail - head) == f_level);
    never_overfull: assert(f_level <= 16);
    valid_iff_not_empty: assert(valid == (f_level != 0));
    if (f_tagged) tag_is_inside: assert(f_ahead < f_level);
    if (f_tagged && f_ahead == 0)
        in_order_and_unchanged: assert({last, strobe, data} == f_word);
    // Where the tagged word waits: what makes the induction close.
    if (f_tagged) tag_is_stored: assert(beats[4'(head + f_ahead)] == f_word);
end
always @(posedge clock) begin
    is_filled: cover(f_level == 16);
    passes_behind_others: cover(f_out && $past(f_ahead) == 0 && f_level == 9);
    pushed_and_popped_at_once: cover(push && pop);
end
