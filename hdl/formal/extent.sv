// The bounds arithmetic computes what it says, five cycles later, and whether it fits
// a cycle after that.
// Factors are narrowed to 6 bits here, for solvers don't take to multiplication; the test of the
// leaves has the wide ones.
always @(*) assume(count != 0 && count <= 64 && stride < 64 && tiles < 64 && unit < 64);
reg [5:0] f_past = 0;
always @(posedge clock) f_past <= {f_past, 1'b1};
wire [63:0] f_before = 16'(count - 16'd1) * 64'(stride), f_length = 64'(tiles) * 64'(unit);
always @(posedge clock) if (f_past[5]) begin
    end_is_right: assert(finish == ($past(chain, 5) ? $past(finish) : 64'($past(base, 5)))
        + $past(f_before, 5) + $past(f_length, 5));
    fits_is_right: assert(fits == ($past(finish) <= $past(limit, 6)));
end
always @(posedge clock) if (f_past[5]) begin
    one_fits: cover(fits && $past(count, 6) == 3 && $past(stride, 6) == 5 && $past(finish) == 13);
    one_does_not: cover(!fits && $past(chain, 6) && $past(limit, 6) == 32'hffff_ffff);
end
