//! Turns the protocol's description into Rust, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "proto/inference.proto";
    println!("cargo::rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["proto"])?;
    tonic_prost_build::configure()
        // Tensors stay in the memory that they arrived in.
        .bytes(".")
        // Nearly always empty: no hash table for nothing.
        .btree_map(".")
        .build_client(true)
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
