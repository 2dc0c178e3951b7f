// The DMA read engine as an AXI4 master, and what it hands on.

reg f_past = 0;
always @(posedge clock) f_past <= 1;

// --- what the surroundings promise -----------------------------------------------------------
// Operands are whole words and not empty; reset comes first, then only while idle. The
// memory answers only what was asked for, with as many beats.
wire f_accept = start && !busy && !abort && !reset;
always @(*) begin
    if (!f_past) assume(reset);
    else if (reset) assume(!busy);
    if (f_accept) begin
        assume(address[2:0] == 0 && stride[2:0] == 0);
        assume(rows != 0 && row_bytes != 0 && row_bytes <= 32'hffff_fff8);
    end
end

reg [3:0] f_outstanding = 0; // bursts asked for and not answered
reg [15:0] f_pending = 0;    // beats asked for and not received
wire f_asked = ar_valid && ar_ready;
wire f_received = r_valid && r_ready;
wire [3:0] f_outstanding_then = f_outstanding - (f_received && r_last);
wire [15:0] f_pending_then = f_pending - f_received;
always @(*) begin
    if (r_valid) assume(f_outstanding != 0);
    // Each burst that is left has 1 to 64 beats.
    assume(f_pending_then >= f_outstanding_then);
    assume(f_pending_then <= 64 * f_outstanding_then);
end
always @(posedge clock) begin
    f_outstanding <= f_outstanding_then + f_asked;
    f_pending <= f_pending_then + (f_asked ? ar_length + 16'd1 : 16'd0);
end

// --- the transfer as it should be ------------------------------------------------------------
reg f_started = 0, f_aborted = 0, f_error = 0;
reg [63:0] f_row_base;                              // host address of the row that is asked for
reg [31:0] f_row_stride, f_row_beats, f_done;       // beats of the row that were asked for
reg [15:0] f_rows, f_rows_left = 0;
reg [31:0] f_target_base, f_target_stride, f_got;   // the same for what is received
reg [1:0] f_held = 0;                               // good beats received and not handed out
reg [31:0] f_target, f_later_target;                // the older one's, and the younger one's
reg [63:0] f_beat, f_later_beat;
wire f_good = f_received && r_response == 0;
wire f_handed = data_valid && data_ready;
wire [31:0] f_then_done = f_done + ar_length + 1;
always @(posedge clock) begin
    if (f_handed) {f_beat, f_target} <= {f_later_beat, f_later_target};
    if (f_good) begin
        {f_later_beat, f_later_target} <= {r_data, f_target_base + 8 * f_got};
        if (f_held == f_handed) {f_beat, f_target} <= {r_data, f_target_base + 8 * f_got};
    end
    f_held <= f_held + f_good - f_handed;
    if (busy && abort) f_aborted <= 1;
    if (f_asked) begin
        f_done <= f_then_done;
        if (f_then_done == f_row_beats) begin
            f_done <= 0;
            f_row_base <= f_row_base + f_row_stride;
            f_rows_left <= f_rows_left - 1;
        end
    end
    if (f_received) begin
        if (r_response != 0) f_error <= 1;
        f_got <= f_got + 1;
        if (f_got + 1 == f_row_beats) begin
            f_got <= 0;
            f_target_base <= f_target_base + f_target_stride;
        end
    end
    if (f_accept) begin
        {f_started, f_aborted, f_error} <= 3'b100;
        {f_row_base, f_row_stride, f_rows_left} <= {address, stride, rows};
        f_row_beats <= row_bytes / 8 + (row_bytes % 8 != 0);
        f_rows <= rows;
        {f_target_base, f_target_stride} <= {destination, destination_stride};
        {f_done, f_got} <= 0;
    end
    if (reset) {f_started, f_held} <= 0;
end

always @(posedge clock) if (f_past && !reset) begin
    // AXI: an address stays until it is taken.
    if ($past(ar_valid && !ar_ready && !reset))
        address_stays: assert(ar_valid && $stable(ar_address) && $stable(ar_length));
    if ($past(data_valid && !data_ready && !reset))
        beat_stays: assert(data_valid && $stable(data) && $stable(data_address) && $stable(data_port));
    // After an error or in an abort nothing more is asked for.
    if (ar_valid && !$past(ar_valid)) nothing_after_an_error: assert(!$past(failed) && !$past(abort));
end
always @(*) if (f_past) begin
    if (ar_valid) begin
        burst_is_aligned: assert(ar_address[2:0] == 0);
        burst_is_short: assert(ar_length < 64);
        burst_stays_in_4_kib: assert(ar_address[11:3] + ar_length < 512);
        burst_is_next: assert(ar_address == f_row_base + 8 * f_done);
        burst_stays_in_row: assert(f_rows_left != 0 && f_then_done > f_done && f_then_done <= f_row_beats);
    end
    // Each good beat is handed out, once, in order, and nothing else.
    if (f_held != 0) beat_is_handed_out: assert(data_valid && data == f_beat && data_address == f_target);
    if (data_valid) beat_was_received: assert(f_held != 0);
    outstanding_is_counted: assert(outstanding$q == f_outstanding);
    outstanding_is_limited: assert(f_outstanding <= 8);
    if (ar_valid) there_is_room: assert(f_outstanding < 8);
    if (f_outstanding != 0 || ar_valid || data_valid) busy_until_done: assert(busy);
    if (busy || f_started) errors_are_reported: assert(failed == f_error);
    if (!busy && f_started && !failed && !f_aborted)
        all_was_read: assert(f_rows_left == 0 && f_pending == 0);

`ifndef F_MISTAKEN
    // What makes the induction close: registers mean what the model counts.
    assert(captures$q == !busy);
    assert(f_held <= 2 && spare_valid$q == (f_held == 2));
    if (spare_valid$q) assert(spare_data$q == f_later_beat && spare_address$q == f_later_target);
    assert(!row_ended$q || busy && (state$q == ReaderState$Approach || state$q == ReaderState$Idle));
    if (busy) begin
        assert(f_started);
        assert(f_row_beats != 0 && f_row_beats <= 32'h1fff_ffff);
        assert(row_stride$q == f_row_stride && row_stride$q[2:0] == 0);
        assert(target_stride$q == f_target_stride);
        assert(target$q == f_target_base + 8 * f_got);
        assert(rows_left$q == f_rows_left);
        if (state$q == ReaderState$Prepare) begin
            assert(f_row_beats == (row_beats$q + 7) / 8 && row_beats$q != 0 && row_beats$q <= 32'hffff_fff8);
            assert(f_done == 0 && f_got == 0 && f_rows_left != 0 && cursor$q == f_row_base && cursor$q[2:0] == 0);
            assert(f_outstanding == 0 && !out_valid$q);
        end else begin
            assert(row_beats$q == f_row_beats && one_beat$q == (f_row_beats == 1));
            assert(next_target$q == f_target_base + f_target_stride);
            assert(f_got < f_row_beats && receive_left$q == f_row_beats - f_got);
            assert(receives_last$q == (receive_left$q == 1));
        end
        if (state$q == ReaderState$Approach || state$q == ReaderState$Measure || state$q == ReaderState$Address) begin
            assert(f_rows_left != 0 && f_done < f_row_beats && beats_left$q == f_row_beats - f_done);
            assert(next_row$q == f_row_base + (row_ended$q ? 0 : f_row_stride) && f_row_base[2:0] == 0);
            assert(cursor$q == f_row_base + 8 * f_done);
        end
        if (state$q == ReaderState$Measure) assert(few$q == (beats_left$q[28:7] == 0)
            && to_boundary$q == (cursor$q[11:9] == 7 ? 7'd64 - {1'b0, cursor$q[8:3]} : 7'd64));
        if (state$q == ReaderState$Idle && !failed && !f_aborted) assert(f_rows_left == 0);
        if (ar_valid) assert(burst$q == ar_length + 1 && burst$q <= 64 && ends_row$q == (burst$q == beats_left$q)
            && last_row$q == (rows_left$q == 1));
    end else assert(state$q == ReaderState$Idle);
    assert(f_pending >= f_outstanding && f_pending <= 64 * f_outstanding);
`endif
end

always @(posedge clock) if (f_past && !reset) begin
    two_rows_are_read: cover($fell(busy) && !failed && !f_aborted && f_rows == 2 && f_row_beats == 2);
    several_are_outstanding: cover(f_outstanding == 3);
    stops_at_a_boundary: cover(f_asked && ar_address[11:3] + ar_length == 511 && f_then_done < f_row_beats);
    an_error_ends_it: cover($fell(busy) && failed);
    an_abort_ends_it: cover($fell(busy) && f_aborted && f_rows_left != 0);
end
