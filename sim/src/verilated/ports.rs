//! The accelerator's ports as the shim sees them. Keep in step with `shim.cpp`.

/// Inputs of one cycle.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    missing_docs,
    reason = "named as the ports of the accelerator, which document them"
)]
pub struct Inputs {
    pub m_r_data: u64,
    pub s_w_data: u32,
    pub s_aw_address: u16,
    pub s_ar_address: u16,
    pub reset: u8,
    pub s_aw_valid: u8,
    pub s_w_valid: u8,
    pub s_b_ready: u8,
    pub s_ar_valid: u8,
    pub s_r_ready: u8,
    pub m_ar_ready: u8,
    pub m_r_valid: u8,
    pub m_r_response: u8,
    pub m_r_last: u8,
    pub m_aw_ready: u8,
    pub m_w_ready: u8,
    pub m_b_valid: u8,
    pub m_b_response: u8,
    pub interrupt_ready: u8,
}

/// Outputs of one cycle, before the clock's edge.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    missing_docs,
    reason = "named as the ports of the accelerator, which document them"
)]
pub struct Outputs {
    pub m_ar_address: u64,
    pub m_aw_address: u64,
    pub m_w_data: u64,
    pub s_r_data: u32,
    pub interrupt_vector: u16,
    pub s_aw_ready: u8,
    pub s_w_ready: u8,
    pub s_b_valid: u8,
    pub s_ar_ready: u8,
    pub s_r_valid: u8,
    pub m_ar_valid: u8,
    pub m_ar_length: u8,
    pub m_aw_valid: u8,
    pub m_aw_length: u8,
    pub m_w_valid: u8,
    pub m_w_strobe: u8,
    pub m_w_last: u8,
    pub interrupt_valid: u8,
    pub active: u8,
    /// AXI read data is taken.
    pub m_r_ready: u8,
}
