// The accelerator behind its serial link: what a board's top contains, without its pins and clock.
//
//            +--------------------------------------+
//  rx -----> | serial_link <= AXI4, AXI4-Lite => top |
//  tx <----- |                                       |
//            +--------------------------------------+
//
// `top` and `serial_link` come from `emit`; their ports have the same names.
module serial_board(
    input wire clock,
    // Twice as fast, where the accelerator takes it.
    input wire double_clock,
    input wire reset,
    input wire rx,
    output wire tx,
    // A command is outstanding, or a bus access under way.
    output wire active
);
    wire s_aw_valid;
    wire [15:0] s_aw_address;
    wire s_aw_ready;
    wire s_w_valid;
    wire [31:0] s_w_data;
    wire [3:0] s_w_strobe;
    wire s_w_ready;
    wire s_b_valid;
    wire s_b_ready;
    wire s_ar_valid;
    wire [15:0] s_ar_address;
    wire s_ar_ready;
    wire s_r_valid;
    wire [31:0] s_r_data;
    wire s_r_ready;
    wire m_ar_valid;
    wire [63:0] m_ar_address;
    wire [7:0] m_ar_length;
    wire m_ar_ready;
    wire m_r_valid;
    wire [63:0] m_r_data;
    wire [1:0] m_r_response;
    wire m_r_last;
    wire m_r_ready;
    wire m_aw_valid;
    wire [63:0] m_aw_address;
    wire [7:0] m_aw_length;
    wire m_aw_ready;
    wire m_w_valid;
    wire [63:0] m_w_data;
    wire [7:0] m_w_strobe;
    wire m_w_last;
    wire m_w_ready;
    wire m_b_valid;
    wire [1:0] m_b_response;
    wire m_b_ready;
    wire interrupt_valid;
    wire [10:0] interrupt_vector;
    wire interrupt_ready;

    serial_link link(
        .clock(clock),
        .reset(reset),
        .rx(rx),
        .tx(tx),
        .s_aw_valid(s_aw_valid),
        .s_aw_address(s_aw_address),
        .s_aw_ready(s_aw_ready),
        .s_w_valid(s_w_valid),
        .s_w_data(s_w_data),
        .s_w_strobe(s_w_strobe),
        .s_w_ready(s_w_ready),
        .s_b_valid(s_b_valid),
        .s_b_ready(s_b_ready),
        .s_ar_valid(s_ar_valid),
        .s_ar_address(s_ar_address),
        .s_ar_ready(s_ar_ready),
        .s_r_valid(s_r_valid),
        .s_r_data(s_r_data),
        .s_r_ready(s_r_ready),
        .m_ar_valid(m_ar_valid),
        .m_ar_address(m_ar_address),
        .m_ar_length(m_ar_length),
        .m_ar_ready(m_ar_ready),
        .m_r_valid(m_r_valid),
        .m_r_data(m_r_data),
        .m_r_response(m_r_response),
        .m_r_last(m_r_last),
        .m_r_ready(m_r_ready),
        .m_aw_valid(m_aw_valid),
        .m_aw_address(m_aw_address),
        .m_aw_length(m_aw_length),
        .m_aw_ready(m_aw_ready),
        .m_w_valid(m_w_valid),
        .m_w_data(m_w_data),
        .m_w_strobe(m_w_strobe),
        .m_w_last(m_w_last),
        .m_w_ready(m_w_ready),
        .m_b_valid(m_b_valid),
        .m_b_response(m_b_response),
        .m_b_ready(m_b_ready),
        .interrupt_valid(interrupt_valid),
        .interrupt_vector(interrupt_vector),
        .interrupt_ready(interrupt_ready)
    );

    top accelerator(
        .clock(clock),
        .double_clock(double_clock),
        .reset(reset),
        .active(active),
        .s_aw_valid(s_aw_valid),
        .s_aw_address(s_aw_address),
        .s_aw_ready(s_aw_ready),
        .s_w_valid(s_w_valid),
        .s_w_data(s_w_data),
        .s_w_strobe(s_w_strobe),
        .s_w_ready(s_w_ready),
        .s_b_valid(s_b_valid),
        .s_b_ready(s_b_ready),
        .s_ar_valid(s_ar_valid),
        .s_ar_address(s_ar_address),
        .s_ar_ready(s_ar_ready),
        .s_r_valid(s_r_valid),
        .s_r_data(s_r_data),
        .s_r_ready(s_r_ready),
        .m_ar_valid(m_ar_valid),
        .m_ar_address(m_ar_address),
        .m_ar_length(m_ar_length),
        .m_ar_ready(m_ar_ready),
        .m_r_valid(m_r_valid),
        .m_r_data(m_r_data),
        .m_r_response(m_r_response),
        .m_r_last(m_r_last),
        .m_r_ready(m_r_ready),
        .m_aw_valid(m_aw_valid),
        .m_aw_address(m_aw_address),
        .m_aw_length(m_aw_length),
        .m_aw_ready(m_aw_ready),
        .m_w_valid(m_w_valid),
        .m_w_data(m_w_data),
        .m_w_strobe(m_w_strobe),
        .m_w_last(m_w_last),
        .m_w_ready(m_w_ready),
        .m_b_valid(m_b_valid),
        .m_b_response(m_b_response),
        .m_b_ready(m_b_ready),
        .interrupt_valid(interrupt_valid),
        .interrupt_vector(interrupt_vector),
        .interrupt_ready(interrupt_ready)
    );
endmodule
