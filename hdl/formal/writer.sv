// The DMA write engine as an AXI4 master: bursts, their data, their responses.

reg f_past = 0;
always @(posedge clock) f_past <= 1;

// --- what the surroundings promise -----------------------------------------------------------
// Operands are whole words and not empty; reset comes first, then only while idle. The
// memory answers each burst once, after its data.
wire f_accept = start && !busy && !abort && !reset;
always @(*) begin
    if (!f_past) assume(reset);
    else if (reset) assume(!busy);
    if (f_accept) begin
        assume(address[2:0] == 0 && stride[2:0] == 0);
        assume(rows != 0 && row_bytes != 0 && row_bytes <= 32'hffff_fff8);
    end
end

reg [3:0] f_outstanding = 0; // bursts announced and not answered
reg [15:0] f_pending = 0;    // beats announced and not written
wire f_announced = aw_valid && aw_ready;
wire f_written = w_valid && w_ready;
wire f_entered = source_valid && source_ready;
wire [3:0] f_outstanding_then = f_outstanding - b_valid;
always @(*) begin
    if (b_valid) assume(f_outstanding != 0);
    // What isn't written belongs to bursts of at most 64 beats that aren't answered.
    assume(f_pending <= 64 * f_outstanding_then);
end
always @(posedge clock) begin
    f_outstanding <= f_outstanding_then + f_announced;
    f_pending <= f_pending - f_written + (f_announced ? aw_length + 16'd1 : 16'd0);
end

// --- the transfer as it should be ------------------------------------------------------------
reg f_started = 0, f_aborted = 0, f_error = 0;
reg [63:0] f_row_base;                               // host address of the row
reg [31:0] f_row_stride, f_row_bytes, f_row_beats;
reg [31:0] f_source_base, f_source_stride;           // source address of the row
reg [31:0] f_done, f_read;                           // its beats: announced, read at the source
reg [6:0] f_burst_left = 0;                          // beats of the burst still to read
reg [15:0] f_rows, f_rows_left = 0;
wire [31:0] f_then_done = f_done + aw_length + 1;
wire [7:0] f_strobe;
genvar f_i;
for (f_i = 0; f_i < 8; f_i = f_i + 1)
    assign f_strobe[f_i] = 8 * f_read + f_i < f_row_bytes;
always @(posedge clock) begin
    if (busy && abort) f_aborted <= 1;
    if (b_valid && b_response != 0) f_error <= 1;
    if (f_announced) {f_done, f_burst_left} <= {f_then_done, 7'(aw_length + 1)};
    if (f_entered) begin
        f_read <= f_read + 1;
        f_burst_left <= f_burst_left - 1;
        if (f_read + 1 == f_row_beats) begin
            {f_done, f_read} <= 0;
            f_row_base <= f_row_base + f_row_stride;
            f_source_base <= f_source_base + f_source_stride;
            f_rows_left <= f_rows_left - 1;
        end
    end
    if (f_accept) begin
        {f_started, f_aborted, f_error} <= 3'b100;
        {f_row_base, f_row_stride, f_rows_left, f_rows} <= {address, stride, rows, rows};
        {f_source_base, f_source_stride} <= {source, source_stride};
        f_row_bytes <= row_bytes;
        f_row_beats <= row_bytes / 8 + (row_bytes % 8 != 0);
        {f_done, f_read} <= 0;
    end
    if (reset) f_started <= 0;
end

// A beat that is read at the source, chosen by the solver, is tagged: it must be written after
// as many others as were under way, with its own strobes, last flag and data.
(* anyseq *) wire f_choose;
reg [3:0] f_age = 0; // 0: no beat is tagged; 1 to 7: cycles since it was read; 8: in the FIFO
reg [4:0] f_flying = 0, f_ahead;
reg [63:0] f_data;
reg [7:0] f_tag_strobe;
reg f_tag_last;
wire f_out = f_age == 8 && f_written && f_ahead == 0;
always @(posedge clock) begin
    f_flying <= f_flying + f_entered - f_written;
    if (f_age != 0 && f_written) f_ahead <= f_ahead - 1;
    if (f_age != 0 && f_age < 8) f_age <= f_age + 1;
    if (f_age == 7) f_data <= source_data;
    if (f_out) f_age <= 0;
    if (f_entered && f_choose && (f_age == 0 || f_out)) begin
        f_age <= 1;
        f_ahead <= f_flying - f_written;
        f_tag_strobe <= f_strobe;
        f_tag_last <= f_burst_left == 1;
    end
    if (reset) {f_age, f_flying} <= 0;
end

// Inside of the blocks that it is made of; flattening connects these names.
(* hierconn *) wire [4:0] \fifo.f_head ;
(* hierconn *) wire [4:0] \fifo.f_tail ;
(* hierconn *) wire [4:0] \fifo.f_place ;
(* hierconn *) wire [72:0] \fifo.f_placed ;
(* hierconn *) wire [6:0] \push.f_line ;
(* hierconn *) wire [6:0] \push_last.f_line ;
(* hierconn *) wire [55:0] \push_strobe.f_line ;
wire [6:0] f_line = \push.f_line ;
wire [6:0] f_last_line = \push_last.f_line ;
wire [55:0] f_strobe_line = \push_strobe.f_line ;
// Place of the tagged beat in the delay, and what entered after it.
wire [2:0] f_stage = f_age - 1;
wire [6:0] f_after = f_line & ~(7'h7f << f_stage);
wire [4:0] f_level = \fifo.f_tail - \fifo.f_head ;
assign \fifo.f_place = f_ahead;

always @(posedge clock) if (f_past && !reset) begin
    // AXI: what is offered stays until it is taken.
    if ($past(aw_valid && !aw_ready && !reset))
        address_stays: assert(aw_valid && $stable(aw_address) && $stable(aw_length));
    if ($past(w_valid && !w_ready && !reset))
        beat_stays: assert(w_valid && $stable(w_data) && $stable(w_strobe) && $stable(w_last));
    if (aw_valid && !$past(aw_valid)) nothing_after_an_error: assert(!$past(failed) && !$past(abort));
end
always @(*) if (f_past) begin
    if (aw_valid) begin
        burst_is_aligned: assert(aw_address[2:0] == 0);
        burst_is_short: assert(aw_length < 64);
        burst_stays_in_4_kib: assert(aw_address[11:3] + aw_length < 512);
        burst_is_next: assert(aw_address == f_row_base + 8 * f_done);
        burst_stays_in_row: assert(f_rows_left != 0 && f_then_done > f_done && f_then_done <= f_row_beats);
        burst_before_is_read: assert(f_burst_left == 0);
    end
    if (source_valid) begin
        reads_what_was_announced: assert(f_burst_left != 0 && f_rows_left != 0);
        reads_the_next_beat: assert(source_address == f_source_base + 8 * f_read);
    end
    if (f_entered) bytes_are_counted: assert(beat_bytes == $countones(f_strobe));
    if (!f_entered) nothing_else_is_counted: assert(beat_bytes == 0);
    if (f_age == 8 && f_ahead == 0) begin
        beat_is_offered: assert(w_valid);
        last_is_right: assert(w_last == f_tag_last);
        strobe_is_right: assert(w_strobe == f_tag_strobe);
        data_is_right: assert(w_data == f_data);
    end
    if (w_valid) nothing_else_is_offered: assert(f_flying != 0);
    count_is_right: assert(f_pending == f_flying + f_burst_left);
    fifo_has_room: assert(!(fifo$push && f_level == 16));
    fifo_has_a_head: assert(!fifo$pop || fifo$valid);
    outstanding_is_counted: assert(outstanding$q == f_outstanding);
    outstanding_is_limited: assert(f_outstanding <= 8);
    if (aw_valid) there_is_room: assert(f_outstanding < 8);
    if (f_outstanding != 0 || aw_valid || w_valid || f_flying != 0) busy_until_done: assert(busy);
    if (busy || f_started) errors_are_reported: assert(failed == f_error);
    if (!busy && f_started && !failed && !f_aborted)
        all_was_written: assert(f_rows_left == 0 && f_pending == 0);

`ifndef F_MISTAKEN
    // What makes the induction close: registers mean what the model counts,
    assert(captures$q == !busy);
    if (busy) begin
        assert(f_started);
        assert(f_row_beats != 0);
        assert(f_row_beats == f_row_bytes / 8 + (f_row_bytes % 8 != 0) && f_row_bytes <= 32'hffff_fff8);
        assert(tail_bytes$q == (f_row_bytes % 8 == 0 ? 8 : f_row_bytes % 8));
        assert(row_stride$q == f_row_stride && row_stride$q[2:0] == 0);
        assert(pointer_stride$q == f_source_stride);
        assert(rows_left$q == f_rows_left + (state$q == WriterState$Turn));
        if (state$q == WriterState$Prepare) begin
            assert(row_beats$q == f_row_bytes && f_done == 0 && f_read == 0 && f_rows_left != 0);
            assert(cursor$q == f_row_base && cursor$q[2:0] == 0 && pointer$q == f_source_base);
            assert(f_outstanding == 0);
        end else assert(row_beats$q == f_row_beats && next_pointer$q == f_source_base + (state$q == WriterState$Turn ? 0 : f_source_stride));
        if (state$q == WriterState$Approach || state$q == WriterState$Measure || state$q == WriterState$Address || state$q == WriterState$Stream) begin
            assert(f_rows_left != 0 && f_read < f_row_beats && beats_left$q == f_row_beats - f_read);
            assert(next_row$q == f_row_base + f_row_stride && f_row_base[2:0] == 0);
            assert(cursor$q == f_row_base + 8 * f_done);
            assert(pointer$q == f_source_base + 8 * f_read);
            assert(f_done <= f_row_beats && f_done == f_read + f_burst_left);
        end
        if (state$q == WriterState$Turn)
            assert(next_row$q == f_row_base && f_row_base[2:0] == 0 && f_done == 0 && f_read == 0);
        if (state$q == WriterState$Measure) assert(few$q == (beats_left$q[28:7] == 0)
            && to_boundary$q == (cursor$q[11:9] == 7 ? 7'd64 - {1'b0, cursor$q[8:3]} : 7'd64));
        if (state$q == WriterState$Idle && !failed && !f_aborted) assert(f_rows_left == 0);
        if (aw_valid) assert(burst$q == aw_length + 1 && burst_left$q == burst$q && burst$q <= 64);
        if (aw_valid || state$q == WriterState$Stream || state$q == WriterState$Turn) assert(last_row$q == (rows_left$q == 1));
        if (state$q == WriterState$Stream) assert(ends_burst$q == (burst_left$q == 1) && ends_row$q == (beats_left$q == 1));
    end else assert(state$q == WriterState$Idle);
    if (state$q == WriterState$Stream)
        assert(burst_left$q == f_burst_left && f_burst_left != 0 && f_burst_left <= 64 && f_outstanding != 0);
    else assert(f_burst_left == 0);
    assert(f_outstanding != 0 || f_pending == 0);
    // beats under way are in the stages of the delay or in the FIFO,
    assert(f_flying <= 16 && credits$q == 16 - f_flying);
    assert(f_flying == f_level + $countones(f_line));
    assert(f_level <= 16);
    // and so is the tagged one.
    assert(f_age <= 8);
    if (f_age != 0) assert(f_ahead < f_flying);
    if (f_age != 0 && f_age < 8) assert(f_line[f_stage] && f_strobe_line[8*f_stage+:8] == f_tag_strobe
        && f_last_line[f_stage] == f_tag_last && f_ahead == f_flying - 1 - $countones(f_after));
    if (f_age == 8) assert(f_ahead < f_level
        && \fifo.f_placed  == {f_tag_last, f_tag_strobe, f_data});
`endif
end

always @(posedge clock) if (f_past && !reset) begin
    two_rows_are_written: cover($fell(busy) && !failed && !f_aborted && f_rows == 2);
    a_partial_beat_is_written: cover(f_written && w_strobe == 8'h07 && w_last);
    stops_at_a_boundary: cover(f_announced && aw_address[11:3] + aw_length == 511 && f_then_done < f_row_beats);
    an_error_ends_it: cover($fell(busy) && failed);
    an_abort_ends_it: cover($fell(busy) && f_aborted && f_rows_left != 0);
end
