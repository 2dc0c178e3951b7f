// A sum of which one operand is chosen of two.
module systole_choose_add #(
    parameter WIDTH = 32
) (
    input wire choose,
    input wire [WIDTH-1:0] chosen,
    input wire [WIDTH-1:0] other,
    input wire [WIDTH-1:0] term,
    output wire [WIDTH-1:0] sum
);
    assign sum = (choose ? chosen : other) + term;
endmodule
