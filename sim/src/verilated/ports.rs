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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// No port: the simulation has ended by itself, because a cell is used in a way that its model
    /// doesn't have.
    pub stopped: u8,
}

#[cfg(feature = "netlist")]
impl Outputs {
    /// Every port with its value, for messages.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        macro_rules! named {
            ($($port:ident)+) => {{
                // A port that isn't in the list is an error of the compiler.
                let Outputs { $($port),+ } = *self;
                [$((stringify!($port), u64::from($port))),+].into_iter()
            }};
        }
        named!(
            m_ar_address m_aw_address m_w_data s_r_data interrupt_vector s_aw_ready s_w_ready
            s_b_valid s_ar_ready s_r_valid m_ar_valid m_ar_length m_aw_valid m_aw_length m_w_valid
            m_w_strobe m_w_last interrupt_valid active m_r_ready stopped
        )
    }
}
