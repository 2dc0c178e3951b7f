// Products as the proof of bounds sees them: any numbers that obey laws of multiplication. Three
// products of anything, i * s = p, are compared with those of the hardware. The laws are proved
// for narrow numbers in products.sv, and that the hardware multiplies in extent.sv.
(* anyseq *) wire [63:0] f_before, f_length;
(* anyconst *) wire [31:0] f_i1, f_i2, f_i3;
(* anyconst *) wire [31:0] f_s1, f_s2, f_s3;
(* anyconst *) wire [47:0] f_p1, f_p2, f_p3;
always @(*) begin
    assume(f_before < 64'h1_0000_0000_0000 && f_length < 64'h1_0000_0000_0000);
    if (f_s1 == stride1 && f_i1 <= count1) assume(f_p1 <= f_before);
    if (f_s2 == stride1 && f_i2 <= count1) assume(f_p2 <= f_before);
    if (f_s3 == stride1 && f_i3 <= count1) assume(f_p3 <= f_before);
    if (f_s1 == unit1 && f_i1 <= tiles1) assume(f_p1 <= f_length);
    if (f_s2 == unit1 && f_i2 <= tiles1) assume(f_p2 <= f_length);
    if (f_s3 == unit1 && f_i3 <= tiles1) assume(f_p3 <= f_length);
    if (unit1 == 1) assume(f_length == tiles1);
    if (unit1 == 8) assume(f_length == {tiles1, 3'd0});
    if (count1 == 0) assume(f_before == 0);
    if (tiles1[2:0] == 0) assume(f_length[2:0] == 0);
    if (f_i1 != 0) assume(f_p1 >= f_s1);
    if (f_i2 != 0) assume(f_p2 >= f_s2);
    if (f_i3 != 0) assume(f_p3 >= f_s3);
end
// In place of the halves of the products.
reg [47:0] f_before2, f_length2;
always @(posedge clock) {f_before2, f_length2} <= {f_before[47:0], f_length[47:0]};
