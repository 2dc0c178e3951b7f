//! Build script: with the feature `rtl`, the Verilated accelerator is made here; without it there
//! is nothing to do.

#[cfg(feature = "netlist")]
mod synthesize;
#[cfg(feature = "rtl")]
mod verilate;

fn main() {
    println!("cargo:rerun-if-changed=build");
    #[cfg(feature = "rtl")]
    if let Err(error) = verilate::build() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
