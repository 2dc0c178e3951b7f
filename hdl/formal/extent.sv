// The bounds arithmetic computes what it says, three cycles later.
// Factors are narrowed to 6 bits here, for solvers don't take to multiplication; the test of the
// leaves has the wide ones.
always @(*) assume(count != 0 && count <= 64 && stride < 64 && tiles < 64 && unit < 64);
reg [2:0] f_past = 0;
always @(posedge clock) f_past <= {f_past, 1'b1};
reg [63:0] f_product1, f_product2;
reg [15:0] f_count1;
reg [31:0] f_stride1, f_tiles1;
reg [15:0] f_unit1;
always @(posedge clock) begin
    f_count1 <= count - 16'd1;
    f_stride1 <= stride;
    f_tiles1 <= tiles;
    f_unit1 <= unit;
    f_product1 <= {48'd0, f_count1} * {32'd0, f_stride1};
    f_product2 <= {32'd0, f_tiles1} * {48'd0, f_unit1};
end
always @(posedge clock) if (f_past[2]) begin
    end_is_right: assert(finish == ($past(chain, 3) ? $past(finish) : 64'($past(base, 3)))
        + $past(f_product1) + $past(f_product2));
    fits_is_right: assert(fits == (finish <= $past(limit, 3)));
end
always @(posedge clock) if (f_past[2]) begin
    one_fits: cover(fits && $past(count, 3) == 3 && $past(stride, 3) == 5 && finish == 13);
    one_does_not: cover(!fits && $past(chain, 3) && $past(limit, 3) == 32'hffff_ffff);
end
