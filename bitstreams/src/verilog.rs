//! What the top must know of the Verilog around it: the ports of modules, as RustHDL writes them.

use crate::board::Direction;
use crate::error::FlowError;

/// A port of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its direction.
    pub direction: Direction,
    /// Its bits.
    pub width: u32,
}

impl Port {
    /// The range of a declaration, with a space where there is one.
    pub fn range(&self) -> String {
        if self.width == 1 {
            String::new()
        } else {
            format!("[{}:0] ", self.width - 1)
        }
    }
}

/// The ports of a module.
///
/// # Errors
/// If there is no such module.
pub fn ports(verilog: &str, module: &str) -> Result<Vec<Port>, FlowError> {
    let header = format!("module {module}(");
    let body = verilog
        .split_once(&header)
        .map(|(_, rest)| rest)
        .and_then(|rest| rest.split_once("endmodule"))
        .map(|(body, _)| body)
        .ok_or_else(|| FlowError::Ports(format!("there is no module {module}")))?;
    Ok(body.lines().filter_map(port).collect())
}

/// A declaration such as `input wire  [15:0] s_aw_address;`.
fn port(line: &str) -> Option<Port> {
    let mut words = line.trim().trim_end_matches([';', ',']).split_whitespace();
    let direction = match words.next()? {
        "input" => Direction::Input,
        "output" => Direction::Output,
        _ => return None,
    };
    let mut width = 1;
    let mut name = None;
    for word in words {
        match word {
            "wire" | "reg" | "logic" => {}
            range if range.starts_with('[') => {
                let (high, _) = range.strip_prefix('[')?.split_once(':')?;
                width = high.parse::<u32>().ok()? + 1;
            }
            word => name = Some(word.to_owned()),
        }
    }
    Some(Port {
        name: name?,
        direction,
        width,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_as_rusthdl_writes_them() {
        let text = "module a(x);\n input wire x;\nendmodule\nmodule top(clock,s_w_data);\n\n    \
                    input wire  clock;\n    output reg  [31:0] s_w_data;\n  reg [3:0] q;\nendmodule\n";
        let ports = ports(text, "top").expect("the module is there");
        assert_eq!(ports.len(), 2);
        assert_eq!(ports[1].range(), "[31:0] ");
        assert_eq!(ports[1].direction, Direction::Output);
        assert!(super::ports(text, "b").is_err());
    }
}
