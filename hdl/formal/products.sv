// The laws of multiplication that the proof of bounds uses, for all numbers of a few bits.
(* anyconst *) wire [5:0] f_i, f_n, f_s;
wire [11:0] f_small = f_i * f_s, f_great = f_n * f_s;
always @(*) begin
    if (f_i <= f_n) grows_with_the_count: assert(f_small <= f_great);
    if (f_i != 0) is_no_less_than_a_factor: assert(f_small >= f_s);
    if (f_n[2:0] == 0) whole_words_stay_whole: assert(f_great[2:0] == 0);
    if (f_n == 0) nothing_stays_nothing: assert(f_great == 0);
    if (f_s == 1) one_is_neutral: assert(f_small == f_i);
    if (f_s == 8) eight_shifts: assert(f_small == {f_i[5:0], 3'd0});
end
