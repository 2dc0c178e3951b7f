// The registers as an AXI4-Lite slave, and what a write can change.

reg f_past = 0;
always @(posedge clock) f_past <= 1;

// --- what the surroundings promise: AXI4-Lite, and a bus reset at the start only ---------------
always @(*) assume(bus_reset == !f_past);
always @(posedge clock) if (f_past && !$past(bus_reset)) begin
    if ($past(aw_valid && !aw_ready)) assume(aw_valid && $stable(aw_address));
    if ($past(w_valid && !w_ready)) assume(w_valid && $stable(w_data) && $stable(w_strobe));
    if ($past(ar_valid && !ar_ready)) assume(ar_valid && $stable(ar_address));
end

// --- requests taken and not answered ---------------------------------------------------------
reg [1:0] f_addresses = 0, f_words = 0, f_reads = 0;
reg [2:0] f_write_age = 0, f_read_age = 0; // cycles that a request or its answer has waited for us
wire f_wrote = aw_valid && aw_ready;
always @(posedge clock) begin
    f_addresses <= f_addresses + f_wrote - (b_valid && b_ready);
    f_words <= f_words + (w_valid && w_ready) - (b_valid && b_ready);
    f_reads <= f_reads + (ar_valid && ar_ready) - (r_valid && r_ready);
    f_write_age <= (f_addresses != 0 || aw_valid && w_valid) && !b_valid ? f_write_age + 1 : 0;
    f_read_age <= (f_reads != 0 || ar_valid) && !r_valid ? f_read_age + 1 : 0;
    if (bus_reset) {f_write_age, f_read_age} <= 0;
end
reg [15:0] f_read_address;
always @(posedge clock) if (ar_valid && ar_ready) f_read_address <= ar_address;

always @(posedge clock) if (f_past && !bus_reset && !$past(bus_reset)) begin
    if ($past(b_valid && !b_ready)) write_response_stays: assert(b_valid);
    if ($past(r_valid && !r_ready)) read_response_stays: assert(r_valid && $stable(r_data));
    // What a write can change, and when.
    if ($past((enabled$q || processing) && !reset)) rings_stay_while_in_use: assert($stable(submission_base)
        && $stable(submission_entries) && $stable(completion_base) && $stable(completion_entries)
        && $stable(interrupt_enable) && $stable(interrupt_vector));
    if (!$past(f_wrote || reset)) only_writes_change: assert($stable(enable) && $stable(submission_base)
        && $stable(completion_base) && $stable(interrupt_vector));
    // The known answers.
    if (r_valid && !$past(r_valid) && f_read_address == control_at)
        reads_control: assert(r_data == ($past(enabled$q, 2) | ($past(resetting, 2) << 1)));
    if (r_valid && !$past(r_valid) && f_read_address == cycles_low_at)
        reads_cycles: assert(r_data == $past(cycles[31:0], 2)
            && ($past(reset) || $past(reset, 2) || cycles_high$q == $past(cycles[63:32], 2)));
end
always @(*) if (f_past && !bus_reset) begin
    both_or_none_is_taken: assert((aw_valid && aw_ready) == (w_valid && w_ready));
    one_write_at_a_time: assert(f_addresses <= 1 && f_words == f_addresses);
    one_read_at_a_time: assert(f_reads <= 1);
    a_write_is_answered_once: assert(b_valid == (f_addresses == 1));
    if (r_valid) an_answer_was_asked_for: assert(f_reads == 1);
    writes_are_answered_soon: assert(f_write_age <= 2);
    reads_are_answered_soon: assert(f_read_age <= 4);
    doorbells_ring_when_written: assert(ring_submission
        == (f_wrote && w_strobe == 15 && aw_address == submission_doorbell_at));
    and_only_then: assert(ring_completion == (f_wrote && w_strobe == 15 && aw_address == completion_doorbell_at));
    resets_when_written: assert(reset_request == (f_wrote && w_strobe == 15 && aw_address == control_at && w_data[1]));
    if (ring_submission || ring_completion) with_the_value: assert(doorbell == w_data);

`ifndef F_MISTAKEN
    // What makes the induction close.
    if (f_reads == 1 && !r_valid) assert(read_state$q == ReadState$Match || read_state$q == ReadState$Select);
    assert(write_state$q <= 2);
    assert(aw_ready == (write_state$q == WriteState$Write));
    if (aw_ready) assert(aw_valid && w_valid && f_addresses == 0 && write_value$q == w_data);
    if (aw_ready) assert(whole_word$q == (w_strobe == 15) && write_control$q == (aw_address == control_at));
    if (aw_ready) assert(write_submission_doorbell$q == (aw_address == submission_doorbell_at)
        && write_completion_doorbell$q == (aw_address == completion_doorbell_at));
    if (ar_ready) assert(ar_valid && f_reads == 0 && read_address$q == ar_address);
    if (read_state$q == ReadState$Idle) assert(f_reads == 0 && f_read_age == 0);
    if (read_state$q == ReadState$Address) assert(f_read_age == 1);
    if (read_state$q == ReadState$Match) assert(f_read_age == 2 && f_reads == 1 && read_address$q == f_read_address);
    if (read_state$q == ReadState$Select) assert(f_read_age == 3 && f_reads == 1 && read_address$q == f_read_address);
    if (read_state$q == ReadState$Respond) assert(f_reads == 1 && read_address$q == f_read_address);
    if (write_state$q == WriteState$Idle) assert(f_write_age == 0);
    if (write_state$q == WriteState$Write) assert(f_write_age == 1);
`endif
end

always @(posedge clock) if (f_past && !bus_reset) begin
    a_write_waits_for_its_response: cover(f_addresses == 1 && b_valid && !b_ready);
    a_second_read_is_answered: cover(f_reads == 1 && r_valid && r_ready && $past(ar_valid, 5) && $past(r_valid, 5));
    a_ring_is_set_up: cover(submission_base == 64'h123456789abcde00 && enable);
    a_doorbell_rings: cover(ring_submission && enable);
end
