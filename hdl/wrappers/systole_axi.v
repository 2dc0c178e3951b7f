// The accelerator with the port names and the constant signals that vendors' and LiteX's AXI
// components expect: for parts with a PCIe block, in place of the serial link.
//
//   s_axi_*  AXI4-Lite slave, 64 KiB: BAR0
//   m_axi_*  AXI4 master, 64 bits: DMA to host memory
//   irq_*    one request for a message-signalled interrupt, held until it is acknowledged
//
//   AMD DMA/Bridge Subsystem in AXI Bridge mode (PG194, PG195):
//     m_axib_* -- SmartConnect (AXI4 to AXI4-Lite) --> s_axi_*
//     m_axi_*  -- SmartConnect (width) --------------> s_axib_*
//     axi_aclk, axi_aresetn --> aclk, aresetn; 0 --> aclk_double; usr_irq_req[0], usr_irq_ack[0] --> irq_req, irq_ack
//   LitePCIe (frontend/axi.py, frontend/wishbone.py):
//     LitePCIeWishboneBridge -- Wishbone2AXILite --> s_axi_*
//     m_axi_* --> LitePCIeAXI4Slave(endpoint, data_width=64)
//     irq_req --> an interrupt of LitePCIeMSI, irq_ack = irq_req
module systole_axi(
    input wire aclk,
    // Twice as fast and rising with it, for ECP5's shared multipliers; else 0.
    input wire aclk_double,
    input wire aresetn,

    input wire [15:0] s_axi_awaddr,
    input wire [2:0] s_axi_awprot,
    input wire s_axi_awvalid,
    output wire s_axi_awready,
    input wire [31:0] s_axi_wdata,
    input wire [3:0] s_axi_wstrb,
    input wire s_axi_wvalid,
    output wire s_axi_wready,
    output wire [1:0] s_axi_bresp,
    output wire s_axi_bvalid,
    input wire s_axi_bready,
    input wire [15:0] s_axi_araddr,
    input wire [2:0] s_axi_arprot,
    input wire s_axi_arvalid,
    output wire s_axi_arready,
    output wire [31:0] s_axi_rdata,
    output wire [1:0] s_axi_rresp,
    output wire s_axi_rvalid,
    input wire s_axi_rready,

    output wire [0:0] m_axi_arid,
    output wire [63:0] m_axi_araddr,
    output wire [7:0] m_axi_arlen,
    output wire [2:0] m_axi_arsize,
    output wire [1:0] m_axi_arburst,
    output wire m_axi_arlock,
    output wire [3:0] m_axi_arcache,
    output wire [2:0] m_axi_arprot,
    output wire m_axi_arvalid,
    input wire m_axi_arready,
    input wire [0:0] m_axi_rid,
    input wire [63:0] m_axi_rdata,
    input wire [1:0] m_axi_rresp,
    input wire m_axi_rlast,
    input wire m_axi_rvalid,
    output wire m_axi_rready,
    output wire [0:0] m_axi_awid,
    output wire [63:0] m_axi_awaddr,
    output wire [7:0] m_axi_awlen,
    output wire [2:0] m_axi_awsize,
    output wire [1:0] m_axi_awburst,
    output wire m_axi_awlock,
    output wire [3:0] m_axi_awcache,
    output wire [2:0] m_axi_awprot,
    output wire m_axi_awvalid,
    input wire m_axi_awready,
    output wire [63:0] m_axi_wdata,
    output wire [7:0] m_axi_wstrb,
    output wire m_axi_wlast,
    output wire m_axi_wvalid,
    input wire m_axi_wready,
    input wire [0:0] m_axi_bid,
    input wire [1:0] m_axi_bresp,
    input wire m_axi_bvalid,
    output wire m_axi_bready,

    output wire irq_req,
    // The MSI-X vector that the driver has chosen; stands while irq_req does.
    output wire [10:0] irq_vector,
    input wire irq_ack
);
    // BAR0 answers every access.
    assign s_axi_bresp = 2'b00;
    assign s_axi_rresp = 2'b00;

    // One id, incrementing bursts of whole beats, normal bufferable memory, data accesses.
    assign m_axi_arid = 1'b0;
    assign m_axi_arsize = 3'd3;
    assign m_axi_arburst = 2'b01;
    assign m_axi_arlock = 1'b0;
    assign m_axi_arcache = 4'b0011;
    assign m_axi_arprot = 3'b000;
    assign m_axi_awid = 1'b0;
    assign m_axi_awsize = 3'd3;
    assign m_axi_awburst = 2'b01;
    assign m_axi_awlock = 1'b0;
    assign m_axi_awcache = 4'b0011;
    assign m_axi_awprot = 3'b000;

    // The accelerator's reset is synchronous, as aresetn is to aclk.
    reg reset = 1'b1;
    always @(posedge aclk) reset <= ~aresetn;

    // A request falls for a cycle after its acknowledgement, so that the next one is seen.
    wire interrupt_valid;
    reg pause = 1'b0;
    always @(posedge aclk) pause <= interrupt_valid & irq_ack & ~pause & ~reset;
    assign irq_req = interrupt_valid & ~pause;

    top accelerator(
        .clock(aclk),
        .double_clock(aclk_double),
        .reset(reset),
        .s_aw_valid(s_axi_awvalid),
        .s_aw_address(s_axi_awaddr),
        .s_aw_ready(s_axi_awready),
        .s_w_valid(s_axi_wvalid),
        .s_w_data(s_axi_wdata),
        .s_w_strobe(s_axi_wstrb),
        .s_w_ready(s_axi_wready),
        .s_b_valid(s_axi_bvalid),
        .s_b_ready(s_axi_bready),
        .s_ar_valid(s_axi_arvalid),
        .s_ar_address(s_axi_araddr),
        .s_ar_ready(s_axi_arready),
        .s_r_valid(s_axi_rvalid),
        .s_r_data(s_axi_rdata),
        .s_r_ready(s_axi_rready),
        .m_ar_valid(m_axi_arvalid),
        .m_ar_address(m_axi_araddr),
        .m_ar_length(m_axi_arlen),
        .m_ar_ready(m_axi_arready),
        .m_r_valid(m_axi_rvalid),
        .m_r_data(m_axi_rdata),
        .m_r_response(m_axi_rresp),
        .m_r_last(m_axi_rlast),
        .m_r_ready(m_axi_rready),
        .m_aw_valid(m_axi_awvalid),
        .m_aw_address(m_axi_awaddr),
        .m_aw_length(m_axi_awlen),
        .m_aw_ready(m_axi_awready),
        .m_w_valid(m_axi_wvalid),
        .m_w_data(m_axi_wdata),
        .m_w_strobe(m_axi_wstrb),
        .m_w_last(m_axi_wlast),
        .m_w_ready(m_axi_wready),
        .m_b_valid(m_axi_bvalid),
        .m_b_response(m_axi_bresp),
        .m_b_ready(m_axi_bready),
        .interrupt_valid(interrupt_valid),
        .interrupt_vector(irq_vector),
        .interrupt_ready(irq_ack & irq_req),
        // The clock runs always here.
        .active()
    );
endmodule
