// Shows the proofs of bounds whether the units' operands have been computed: those that follow from
// the words, then those that follow from others.
wire f_settled = count$q == count$d && stride$q == stride$d && bytes$q == bytes$d && row_beats$q == row_beats$d
    && columns$q == columns$d && blocks$q == blocks$d && channel_entries$q == channel_entries$d
    && row_steps$q == row_steps$d && lines_out$q == lines_out$d && lines_in$q == lines_in$d
    && tile$q == tile$d && entry$q == entry$d;
wire f_settled_later = tiles$q == tiles$d && all_entries$q == all_entries$d;
wire f_base_is_whole = host_base$q[2:0] == 0, f_first_is_whole = host_first$q[2:0] == 0;
