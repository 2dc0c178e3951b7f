// The queue engine: rings, one completion for each entry, nothing after a failure, progress.

reg f_past = 0;
always @(posedge clock) f_past <= 1;

// --- what the surroundings promise -----------------------------------------------------------
// Reset comes first. Engines are busy from the cycle after their start and for less than F_SLOW cycles.
// Rings stay while the queue is enabled or a command is under way.
localparam F_SLOW = 4;
reg [2:0] f_read = 0, f_write = 0, f_run = 0, f_interrupt = 0; // cycles that each is still busy
(* anyseq *) wire [2:0] f_length;
always @(posedge clock) begin
    f_read <= read_start ? f_length : f_read - (f_read != 0);
    f_write <= write_start ? f_length : f_write - (f_write != 0);
    f_run <= run_start ? f_length : f_run - (f_run != 0);
    f_interrupt <= interrupt_valid ? f_interrupt + 1 : 0;
end
always @(*) begin
    assume(reset == !f_past);
    assume(f_length != 0 && f_length < F_SLOW);
    assume(read_busy == (f_read != 0) && write_busy == (f_write != 0) && run_busy == (f_run != 0));
    if (f_interrupt == F_SLOW - 1) assume(interrupt_ready);
end
always @(posedge clock) if (f_past && $past(enable || enabled$q || processing)) begin
    assume($stable(submission_base) && $stable(submission_entries));
    assume($stable(completion_base) && $stable(completion_entries));
end
// The host acknowledges only completions that have been written.
wire [15:0] f_unread = completion_at$q >= completion_head$q ? completion_at$q - completion_head$q
    : completion_at$q + completion_entries[15:0] - completion_head$q;
wire [15:0] f_acknowledged = doorbell[15:0] >= completion_head$q ? doorbell[15:0] - completion_head$q
    : doorbell[15:0] + completion_entries[15:0] - completion_head$q;
always @(*) if (ring_completion && doorbell < completion_entries) assume(f_acknowledged <= f_unread);

// --- one command ---------------------------------------------------------------------------------
reg f_open = 0, f_answered = 0, f_load_failed = 0, f_cleared = 0;
wire f_is_fetch = read_start && state$q == QueueState$FetchWait;
wire f_is_answer = write_start && write_port == port_completion;
always @(posedge clock) begin
    if (f_is_fetch) {f_open, f_answered, f_load_failed, f_cleared} <= 4'b1000;
    if (f_is_answer) f_answered <= 1;
    if (completed) f_open <= 0;
    if (slot_clear) f_cleared <= 1;
    if (f_cleared && f_read == 0 && !reads$q && read_failed && (state$q == QueueState$LoadProgramWait
        || state$q == QueueState$LoadParametersWait || state$q == QueueState$LoadWeightsWait)) f_load_failed <= 1;
    if (reset) f_open <= 0;
end
wire f_fatal = state$q == QueueState$Fatal;
wire f_works = enabled$q && !f_fatal; // the rings were looked at and found good
wire f_waits = state$q == QueueState$Idle && has_work && !doomed$q;

always @(*) if (f_past) begin
    one_entry_at_a_time: assert(!f_is_fetch || !f_open);
    completes_what_was_fetched: assert(!completed || f_open && f_answered);
    answers_once: assert(!f_is_answer || f_open && !f_answered);
    reads_when_free: assert(!read_start || !read_busy);
    writes_when_free: assert(!write_start || !write_busy);
    runs_when_free: assert(!run_start || !run_busy);
    nothing_after_a_failure: assert(!f_fatal || !read_start && !write_start && !run_start && !completed
        && !slot_fill && !interrupt_valid);
    a_failure_has_a_code: assert(!f_fatal || fatal_code != 0);
    if (f_is_fetch) fetches_the_head: assert(read_address == submission_base + 64 * head$q && read_row_bytes == 64 && read_rows == 1);
    if (f_is_answer) answers_at_the_tail: assert(write_address == completion_base + 16 * completion_at$q
        && write_row_bytes == 16 && completion_high[48] == phase$q);
    if (f_works) begin
        rings_are_possible: assert(submission_entries >= 2 && submission_entries <= entries_limit
            && completion_entries >= 2 && completion_entries <= entries_limit);
        indices_are_inside: assert(head$q < submission_entries && tail$q < submission_entries
            && completion_at$q < completion_entries && completion_head$q < completion_entries);
        no_more_than_fit: assert(f_unread < completion_entries);
        if (processing && state$q != QueueState$Interrupt)
            there_is_a_free_place: assert(f_unread < completion_entries - 1);
    end
    if (slot_fill) whole_models_only: assert(f_cleared && !f_load_failed && is_load);
    if (run_start) runs_a_model: assert(accepted$q);
    // What the read engine relies on.
    if (read_start && state$q == QueueState$LoadParametersWait) parameters_are_there: assert(read_row_bytes != 0);
    if (read_start && state$q == QueueState$LoadWeightsWait) weights_are_there: assert(read_rows != 0);
end
// The entry stays while its command is under way.
always @(posedge clock) if (f_past && $past(f_open && state$q != QueueState$FetchWait))
    assume($stable(parameter_count) && $stable(weight_count) && $stable(is_load));
always @(posedge clock) if (f_past && $past(state$q == QueueState$Judge)) assume($stable(is_run));
always @(posedge clock) if (f_past && !reset && $past(f_past)) begin
    failures_stay: assert(!$past(f_fatal) || f_fatal);
    if (accepts$q) accepts_what_is_right: assert(verdict$q == success && $past(well_formed && aligned && (!is_run || slot_holds_model)));
    if (run_start) runs_after_the_check: assert($past(is_run && slot_holds_model && well_formed && aligned, 2));
    if (f_is_fetch) fetches_when_there_is_work: assert($past(f_waits && head$q != tail$q, 2));
    if ($past(f_waits)) begins_when_there_is_work: assert(state$q == QueueState$Fetch);
    if ($past(ring_submission && enable && f_works && doorbell >= submission_entries))
        bad_doorbells_are_kept: assert(doomed$q);
    if ($past(state$q == QueueState$Idle && doomed$q)) bad_doorbells_end_it: assert(f_fatal);
    if ($past(completed && next_completion$q == 0)) phase_turns: assert(phase$q != $past(phase$q));
end

// Successors of the indices and their entries, as they are when the registers have followed.
wire [15:0] f_completion_then = completion_at$q + 16'd1, f_head_then = head$q + 16'd1;
wire f_followed = completion_after$q == f_completion_then && answer_at$q == completion_base + 16 * completion_at$q;
wire f_wraps = f_completion_then == completion_entries[15:0];
wire f_turned = next_completion$q == (f_wraps ? 0 : f_completion_then) && completion_wraps$q == f_wraps;
wire f_head_followed = head_after$q == f_head_then && submission_at$q == submission_base + 64 * head$q;
wire f_head_turned = next_head$q == (f_head_then == submission_entries[15:0] ? 0 : f_head_then);

// --- progress: a command ends within F_COMMAND cycles ------------------------------------------
localparam F_COMMAND = 45 + F_SLOW;
reg [7:0] f_age = 0;
always @(posedge clock) f_age <= processing ? f_age + 1 : 0;
always @(*) if (f_past) begin
    progress: assert(f_age <= F_COMMAND);

`ifndef F_MISTAKEN
    // What makes the induction close.
    assert(f_read < F_SLOW && f_write < F_SLOW && f_run < F_SLOW);
    if (state$q == QueueState$Idle || f_fatal || state$q == QueueState$Interrupt) assert(f_write == 0 && f_run == 0 && f_read == 0);
    assert(f_open == (processing && state$q != QueueState$Fetch && state$q != QueueState$Interrupt
        && !(state$q == QueueState$FetchWait && reads$q)) || f_fatal);
    if (f_open && !f_fatal) assert(f_answered == (state$q == QueueState$CompleteWait && !writes$q));
    if (processing) assert(enabled$q);
    if (reads$q) assert(f_read == 0 && (state$q == QueueState$FetchWait || state$q == QueueState$LoadProgramWait
        || state$q == QueueState$LoadParametersWait || state$q == QueueState$LoadWeightsWait));
    if (writes$q) assert(f_write == 0 && (state$q == QueueState$StatisticsWait || state$q == QueueState$CompleteWait));
    if (state$q == QueueState$Idle && enabled$q) begin
        if (step$q >= 1) assert(f_followed && f_head_followed);
        if (step$q >= 2) assert(f_turned && f_head_turned);
        if (step$q == 3 && free_place$q) assert(next_completion$q != completion_head$q);
    end
    if (processing && state$q != QueueState$Interrupt) assert(f_followed && f_turned);
    if (state$q == QueueState$Fetch || state$q == QueueState$FetchWait) assert(f_head_followed && f_head_turned);
    case (state$q)
        QueueState$Fetch: assert(f_age == 0 && f_read == 0 && f_write == 0 && f_run == 0);
        QueueState$FetchWait: assert(f_age + f_read <= 5 && f_write == 0 && f_run == 0 && (!reads$q
            || f_age == 1 && section$q == submission_base + 64 * head$q && request_bytes$q == 64 && request_rows$q == 1));
        QueueState$Lookup: assert(f_age <= 6 + step$q && f_read == 0 && f_write == 0 && f_run == 0);
        QueueState$Judge: assert(f_age <= 10 && step$q == 0 && f_read == 0 && f_write == 0 && f_run == 0);
        QueueState$Check: assert(f_age <= 11 && step$q == 0 && f_read == 0 && f_write == 0 && f_run == 0);
        QueueState$LoadProgram: assert(f_age <= 12 && f_read == 0 && f_write == 0 && (f_cleared || clears$q));
        QueueState$LoadProgramWait: assert(f_age + f_read <= 17 - 4 * reads$q && f_write == 0);
        QueueState$LoadParameters: assert(f_age <= 18 && f_read == 0 && f_write == 0 && parameter_count != 0);
        QueueState$LoadParametersWait: assert(f_age + f_read <= 23 - 4 * reads$q && f_write == 0
            && (!reads$q || request_bytes$q == 16 * parameter_count && parameter_count != 0));
        QueueState$LoadWeights: assert(f_age <= 24 && f_read == 0 && f_write == 0 && weight_count != 0);
        QueueState$LoadWeightsWait: assert(f_age + f_read <= 29 - 4 * reads$q && f_write == 0
            && (!reads$q || request_rows$q == weight_count && weight_count != 0));
        QueueState$Commit: assert(f_age <= 30 && f_read == 0 && f_write == 0);
        QueueState$Run: assert(f_age <= 12 && f_run == 0 && f_read == 0 && f_write == 0 && accepted$q);
        QueueState$RunWait: assert(f_age + f_run <= 16 && f_read == 0 && f_write == 0);
        QueueState$Statistics: assert(f_age <= 31 && f_write == 0 && f_read == 0 && f_run == 0);
        QueueState$StatisticsWait: assert(f_age + f_write <= 36 - 4 * writes$q && f_read == 0 && f_run == 0);
        QueueState$Version: assert(f_age <= 37 + step$q && step$q <= 1 && f_write == 0 && f_read == 0 && f_run == 0);
        QueueState$Complete: assert(f_age <= 39 && f_write == 0 && f_read == 0 && f_run == 0 && answers$q);
        QueueState$CompleteWait: assert(f_age + f_write <= 44 - 4 * writes$q && f_read == 0 && f_run == 0 && answers$q);
        QueueState$Interrupt: assert(f_age <= 45 + f_interrupt && f_interrupt < F_SLOW && step$q == 0);
        default: ;
    endcase
    if (state$q != QueueState$Fetch && state$q <= QueueState$StatisticsWait && state$q >= QueueState$Judge) assert(step$q == 0);
    if (state$q > QueueState$Check && state$q <= QueueState$StatisticsWait) assert(!answers$q);
    if (state$q <= QueueState$Check) assert(!clears$q);
    if (state$q >= QueueState$FetchWait && state$q <= QueueState$Check && !reads$q) assert(!f_cleared && !f_load_failed);
    if (state$q >= QueueState$LoadProgram && state$q <= QueueState$Commit) assert(!f_load_failed && is_load);
    if (state$q > QueueState$LoadProgram && state$q <= QueueState$Commit) assert(f_cleared);
    if (state$q != QueueState$Interrupt) assert(f_interrupt == 0 || state$q == QueueState$Idle);
`endif
end
always @(posedge clock) if (f_past) begin
    a_model_is_loaded: cover(slot_fill);
    a_run_completes: cover(completed && is_run && status$q == success && $past(f_age) > 15);
    an_entry_cannot_be_read: cover(f_fatal && fatal_code == dma_read_error);
    it_waits_for_the_host: cover(state$q == QueueState$Idle && f_works && head$q != tail$q && !has_work && enable);
end
