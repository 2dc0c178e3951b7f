// Finding frames: each begins anew after a flag, and only whole ones are good.
//
// What the receiver gives is any sequence of bytes and breaks: it is cut off.

reg f_past = 0;
always @(posedge clock) f_past <= 1;
always @(*) assume(reset == !f_past);
always @(*) assume(!(receiver$valid && receiver$broken));

wire f_flag = receiver$valid && receiver$data == 8'h7e;
wire f_escape = receiver$valid && receiver$data == 8'h7d;
wire f_byte = receiver$valid && !f_flag && !f_escape;

// Bytes of the frame so far, up to six; whether something was wrong with it; an escape is open.
reg [2:0] f_count = 0;
reg f_wrong = 0, f_escaped = 0;
always @(posedge clock) begin
    if (f_byte && f_count != 6) f_count <= f_count + 1;
    if (receiver$broken || f_escape && f_escaped) f_wrong <= 1;
    if (receiver$valid) f_escaped <= f_escape;
    if (f_flag || reset) {f_count, f_wrong, f_escaped} <= 0;
end

always @(posedge clock) if (f_past && !reset && !$past(reset)) begin
    if ($past(f_flag)) a_frame_begins_as_the_first_did: assert(count$q == 0 && !escaped$q && !bad$q
        && check$value == 32'hffffffff);
    a_flag_ends_what_had_bytes: assert(ended == $past(f_flag && f_count != 0));
    if (good) only_whole_frames_are_good: assert(ended && $past(f_count == 6 && !f_wrong && !f_escaped));
    if (good) with_the_right_check: assert($past(check$value, 2) == 32'hdebb20e3);
    bytes_come_as_they_are: assert(valid == $past(f_byte));
    if (valid) without_their_escape: assert(data == ($past(receiver$data) ^ ($past(f_escaped) ? 8'h20 : 8'h00)));
end
always @(*) if (f_past && !reset) begin
    it_knows_the_length: assert(count$q == f_count);
    it_knows_what_was_wrong: assert(bad$q == f_wrong && escaped$q == f_escaped);
end

always @(posedge clock) if (f_past && !reset) begin
    cover(good && ended);
    cover(ended && !good);
    cover(valid && $past(f_escaped));
end
