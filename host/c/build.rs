//! Gives the shared library the name that programs are linked to.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The number changes when programs have to be compiled again.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsystole.so.0");
}
