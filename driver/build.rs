//! Makes Rust of the kernel's headers for VFIO and PCI: the constants and structures that
//! vfio-user shares with the kernel's own VFIO. Nothing of them is written by hand.

use std::env;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::exit;

use bindgen::callbacks::{DeriveInfo, ParseCallbacks};

/// What bindgen reads.
const HEADER: &str = "src/vfio/kernel.h";

/// Structures that travel in messages: plain old data, without gaps.
const SENT: [&str; 6] = [
    "vfio_device_info",
    "vfio_region_info",
    "vfio_irq_info",
    "vfio_info_cap_header",
    "vfio_region_sparse_mmap_area",
    "vfio_iommu_type1_dma_map",
];

/// Lets their bytes be taken.
#[derive(Debug)]
struct PlainOldData;

impl ParseCallbacks for PlainOldData {
    fn add_derives(&self, info: &DeriveInfo<'_>) -> Vec<String> {
        if SENT.contains(&info.name) {
            vec!["bytemuck::Pod".into(), "bytemuck::Zeroable".into()]
        } else {
            Vec::new()
        }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={HEADER}");
    println!("cargo::rerun-if-env-changed=LIBCLANG_PATH");

    let builder = bindgen::Builder::default()
        .header(HEADER)
        .allowlist_type("vfio_(device_info|region_info|irq_info)")
        .allowlist_type("vfio_info_cap_header")
        .allowlist_type("vfio_region_sparse_mmap_area")
        .allowlist_type("vfio_iommu_type1_(dma_map|dma_unmap|info|info_cap_iova_range)")
        .allowlist_type("vfio_(iova_range|group_status|irq_set)")
        .allowlist_type("vfio_device_(bind_iommufd|attach_iommufd_pt)")
        .allowlist_type("iommu_ioas_(alloc|iova_ranges|map|unmap)|iommu_iova_range")
        .allowlist_type("iommufd_ioas_map_flags|systole_.*_ioctl")
        .allowlist_var("VFIO_(TYPE1v2_IOMMU|API_VERSION|GROUP_FLAGS_.*|IOMMU_INFO_.*)")
        .allowlist_var("VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE")
        .allowlist_var("VFIO_(DEVICE_FLAGS|REGION_INFO|IRQ_INFO|IRQ_SET|DMA_MAP_FLAG)_.*")
        .allowlist_var("VFIO_PCI_.*_INDEX")
        .allowlist_var(
            "PCI_(VENDOR_ID|DEVICE_ID|COMMAND|STATUS|CLASS_REVISION|CAPABILITY_LIST)(_.*)?",
        )
        .allowlist_var(
            "PCI_(CAP_LIST_ID|CAP_LIST_NEXT|CAP_ID_MSIX|MSIX_FLAGS|STD_HEADER_SIZEOF)(_.*)?",
        )
        .prepend_enum_name(false)
        .derive_default(true)
        .layout_tests(false)
        .generate_comments(false)
        .parse_callbacks(Box::new(PlainOldData));

    // bindgen panics where libclang is missing, after saying which files it looked for. Asking
    // for the version first tells this from a panic for any other reason.
    if catch_unwind(bindgen::clang_version).is_err() {
        fail(
            "bindgen found no libclang, which it needs to read the kernel's headers",
            "apt-get install libclang-dev, or set LIBCLANG_PATH to the folder of libclang.so",
        );
    }
    let bindings = builder.generate().unwrap_or_else(|error| {
        fail(
            &format!(
                "the kernel's headers cannot be read: {}",
                error.to_string().trim()
            ),
            "apt-get install linux-libc-dev libclang-dev",
        )
    });
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    if let Err(error) = bindings.write_to_file(folder.join("kernel.rs")) {
        fail(
            &format!("the bindings cannot be written: {error}"),
            "check that the target directory is writable",
        );
    }
}

/// Ends the build with a reason and a remedy.
fn fail(reason: &str, remedy: &str) -> ! {
    eprintln!("\nsystole-driver: {reason}.\nTo go on: {remedy} (`make setup` does it).");
    exit(1);
}
