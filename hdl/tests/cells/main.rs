//! Simulation models of ECP5 cells (`hdl/technology/ecp5/simulation`) against Lattice's
//! documentation, read a second time in Rust: FPGA-TN-02205 for the multiplier, FPGA-TN-02204 for
//! the block RAM. Random inputs go through the Rust half; the Verilog half must show the same,
//! cycle for cycle.

mod multiplier;
mod ram;
mod replay;
#[path = "../support/verilator.rs"]
mod verilator;

use rand::{SeedableRng, rngs::SmallRng};

#[test]
fn models_of_cells_do_what_the_documentation_says() {
    let mut random = SmallRng::seed_from_u64(0x1a77);
    let mut cells = multiplier::cells(&mut random);
    cells.extend(ram::cells(&mut random));
    let text = replay::run("cells", &cells, |models| models);
    assert!(
        text.contains("all cells agree") && !text.contains("differs"),
        "{text}"
    );
}

#[test]
fn a_wrong_model_is_found() {
    let mut random = SmallRng::seed_from_u64(0x1a77);
    let mut cells = ram::cells(&mut random);
    cells.retain(|cell| cell.has("DATA_WIDTH_A", "18"));
    let text = replay::run("cells_mistaken", &cells, |models| {
        let wrong = models.replace(
            "18: enabled = {2{{9{address[1]}}",
            "18: enabled = {2{{9{address[0]}}",
        );
        assert_ne!(wrong, models);
        wrong
    });
    assert!(text.contains("differs"), "{text}");
}
