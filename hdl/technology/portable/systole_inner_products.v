// Winograd's inner products of two rows with the weights of two columns, two cycles after the
// operands, for any device: two multipliers. Devices that share one take turns at double the clock,
// which is twice as fast and rises with it; they have both products in the second half of a cycle.
module systole_inner_products (
    input wire clock,
    /* verilator lint_off UNUSEDSIGNAL */
    input wire double_clock,
    /* verilator lint_on UNUSEDSIGNAL */
    input wire signed [7:0] x0, x1,
    input wire signed [7:0] left_w0, left_w1,
    input wire signed [7:0] right_w0, right_w1,
    output reg signed [17:0] left_product, right_product
);
    reg signed [8:0] left_even, left_odd, right_even, right_odd;

    always @(posedge clock) begin
        left_even <= {x0[7], x0} + {left_w1[7], left_w1};
        left_odd <= {x1[7], x1} + {left_w0[7], left_w0};
        right_even <= {x0[7], x0} + {right_w1[7], right_w1};
        right_odd <= {x1[7], x1} + {right_w0[7], right_w0};
        left_product <= left_even * left_odd;
        right_product <= right_even * right_odd;
    end
endmodule
