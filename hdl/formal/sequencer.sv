// The sequencer: what is under way, what may begin, and that every run ends.

reg f_past = 0;
always @(posedge clock) f_past <= 1;

// --- what the surroundings promise -----------------------------------------------------------
// Reset comes first. The engines are busy from the cycle after their start and for less than
// F_SLOW cycles, the compute unit says so a cycle longer; the trace can use the write engine, as long
// and not while a store begins.
localparam F_SLOW = 4;
reg [2:0] f_compute = 0, f_read = 0, f_write = 0, f_trace = 0; // cycles that each is still busy
reg f_works = 0;
(* anyseq *) wire [2:0] f_length;
(* anyseq *) wire f_trace_wants;
always @(posedge clock) begin
    f_works <= f_compute != 0;
    f_compute <= compute_start ? f_length : f_compute - (f_compute != 0);
    f_read <= read_start ? f_length : f_read - (f_read != 0);
    f_write <= write_start || f_trace_wants ? f_length : f_write - (f_write != 0);
    f_trace <= f_trace_wants ? f_length : f_trace - (f_trace != 0);
end
always @(*) begin
    assume(reset == !f_past);
    assume(f_length != 0 && f_length < F_SLOW);
    assume(compute_busy == (f_compute != 0 || f_works));
    assume(read_busy == (f_read != 0));
    assume(write_busy == (f_write != 0));
    if (write_busy || write_start || state$q == SequencerState$Idle || state$q == SequencerState$Stop
        || state$q == SequencerState$Finished) assume(!f_trace_wants);
    // Without requests the trace finishes: it has room, and is idle when nothing is to be written.
    assume(trace_room);
    assume(trace_idle == (f_trace == 0));
end
always @(posedge clock) if (f_past && $past(busy)) begin
    assume($stable(rows) && $stable(group_rows) && $stable(program_count));
    assume($stable(weight_base) && $stable(parameter_base));
end
always @(*) assume(rows != 0 && group_rows != 0);

// --- never two at a time in a unit, limits, no lost start ---------------------------------------
wire [63:0] f_word = decoder$words$0;
wire f_needs_compute = f_word[23:16] == 0, f_needs_load = f_word[31:24] == 0, f_needs_store = f_word[39:32] == 0;
wire f_starts = compute_start || read_start || write_start;
always @(*) if (f_past) begin
    if (compute_start) one_computation: assert(f_compute == 0);
    if (read_start) one_read: assert(!read_busy);
    if (write_start) one_write: assert(!write_busy);
    if (write_start) store_is_announced: assert(takes_writer);
    if (f_starts && f_needs_compute) compute_limit_is_kept: assert(f_compute == 0);
    if (f_starts && f_needs_load) load_limit_is_kept: assert(!read_busy);
    if (f_starts && f_needs_store) store_limit_is_kept: assert(!write_busy || f_trace != 0);
    begins_when_checked: assert(!f_starts || state$q == SequencerState$Dispatch);
    counted_when_begun: assert(!f_starts || instruction_done);
end
// Dispatch is entered from Check only, when all its results have come and fit.
always @(posedge clock) if (f_past && !reset) begin
    if (state$q == SequencerState$Dispatch && $past(state$q) != SequencerState$Dispatch)
        dispatched_after_the_check: assert($past(state$q) == SequencerState$Check
            && $past(step$q) == ($past(decoder$is_compute) ? last_compute : last_transfer) && $past(!checked$q || extent$fits));
    // The compute unit takes its operands in the cycle after the start.
    if ($past(compute_start)) operands_are_held: assert($stable({words$0, words$1, words$2, words$3, words$4,
        words$5, words$6, words$7, group, is_matrix, is_pool, column_tiles, steps, origin, line_step,
        row_skip, first_tile, first_parameter, residual_parameter}));
    // Nothing is forgotten while it runs, and the end is reported once.
    if ($past(busy) && !busy) ends_when_all_is_done: assert(f_compute == 0 && !read_busy && !(f_write != 0));
    if ($past(read_active && read_failed && !read_busy)) read_errors_are_kept: assert(read_error$q);
    if ($past(write_active && write_failed && !write_busy)) write_errors_are_kept: assert(write_error$q);
    if ($past(read_error$q && busy) && !busy) read_errors_are_reported: assert(status == dma_read_error);
    if ($past(write_error$q && busy) && !busy)
        write_errors_are_reported: assert(status == dma_write_error || status == dma_read_error);
end

// --- progress ----------------------------------------------------------------------------------
// From one fetch to the next, or to the end, it takes at most F_STEP cycles: 10 to fetch, 2 to decode,
// 16 to check, and what the units take. Each fetch brings the program counter closer to the end of the
// program, and each pass the rows closer to the end of the run; so every run ends.
localparam F_STEP = 10 + 2 + 16 + 4 * F_SLOW;
reg [7:0] f_age = 0;
wire f_fetches = state$q == SequencerState$Fetch && step$q == 0;
always @(posedge clock) f_age <= !busy || f_fetches || state$q == SequencerState$Group && step$q == 0 ? 0 : f_age + 1;
always @(posedge clock) if (f_past && !reset) begin
    // Nothing moves backwards: in a run rows never grow, and in a pass the program counter only does.
    if (busy && $past(busy)) rows_never_grow: assert(rows_left$q <= $past(rows_left$q));
    if (f_fetches && $past(busy) && $past(state$q) != SequencerState$Group)
        program_goes_on: assert(program_counter$q == $past(program_counter$q) + 16'd1);
    if (state$q == SequencerState$Group && $past(state$q) == SequencerState$End)
        rows_shrink: assert(rows_left$q < $past(rows_left$q) && rows_left$q != 0);
end
always @(*) if (f_past) begin
    progress: assert(f_age <= F_STEP);
    if (busy && state$q != SequencerState$Group) inside_the_program: assert(program_counter$q <= program_count);

`ifndef F_MISTAKEN
    // What makes the induction close.
    if (state$q != SequencerState$Idle && state$q != SequencerState$Finished && state$q != SequencerState$Stop)
        assert(group_size$q != 0 && group_size$q <= rows_left$q);
    if (state$q == SequencerState$Group) assert(step$q <= last_group_step && (step$q == 0 || f_age == step$q - 1));
    if (state$q == SequencerState$Fetch) assert(step$q <= 9 && (step$q == 0 || f_age == step$q - 1));
    if (state$q == SequencerState$Fetch && step$q != 0) assert(overrun$q == (program_counter$q == program_count));
    if (state$q == SequencerState$Decode || state$q == SequencerState$Verify || state$q == SequencerState$Skip
        || state$q == SequencerState$End || state$q == SequencerState$Check || state$q == SequencerState$Dispatch
        || state$q == SequencerState$Fetch && step$q > 1) assert(program_counter$q < program_count);
    if (state$q == SequencerState$Decode) assert(f_age == 9);
    if (state$q == SequencerState$Verify) assert(f_age == 10);
    if (state$q == SequencerState$Skip || state$q == SequencerState$End) assert(f_age == 11);
    if (state$q == SequencerState$Check) assert(step$q != 0 && step$q <= last_compute && f_age == 10 + step$q);
    if (state$q == SequencerState$Dispatch) assert(f_age <= 27 + 2 * F_SLOW);
    // What follows the rows has followed them by the end of a group.
    if (state$q == SequencerState$Group && step$q > 0 || state$q == SequencerState$End)
        assert(last_group$q == (rows_left$q == group_size$q) && following_rows$q == rows_left$q - group_size$q);
    if (state$q == SequencerState$Group && step$q > 1 || state$q == SequencerState$End)
        assert(following_group$q == (following_rows$q < group_rows ? following_rows$q : group_rows));
    if (state$q >= SequencerState$Fetch && state$q <= SequencerState$Dispatch)
        assert(last_group$q == last_group$d && following_rows$q == following_rows$d && following_group$q == following_group$d);
    if (state$q == SequencerState$Stop || state$q == SequencerState$Finished) assert(f_age <= F_STEP);
    assert(f_compute < F_SLOW && f_read < F_SLOW && f_write < F_SLOW && f_trace <= f_write);
    assert((f_trace == 0) || (f_trace == f_write));
    if (writing$q) assert(f_trace == 0);
    if (f_read != 0) assert(reading$q);
    if (f_write != 0 && f_trace == 0) assert(writing$q);
`endif
end
always @(posedge clock) if (f_past) begin
    a_pass_ends: cover(group_done && !last_group$q);
    a_run_ends_well: cover(busy && state$q == SequencerState$Finished && result$q == success && in_first_group$q == 0);
    the_end_is_missing: cover(state$q == SequencerState$Finished && result$q == program_overrun);
    it_waits_for_the_trace: cover(state$q == SequencerState$Dispatch && decoder$is_store && f_trace != 0);
end
