//! DMA buffers: their bounds, their addresses, their end.

use proptest::prelude::*;
use systole_driver::Error;

use crate::device::{Rig, Script};

#[test]
fn a_buffer_is_zeroed_aligned_and_mapped_until_dropped() {
    let rig = Rig::new();
    let device = rig.open();
    let buffer = device.allocate(5000).unwrap();
    assert_eq!(buffer.len(), 5000);
    assert!(buffer.iova().0.is_multiple_of(4096));
    let mut data = vec![1; 5000];
    buffer.read(0, &mut data).unwrap();
    assert!(data.iter().all(|&byte| byte == 0));
    assert_eq!(rig.engine().mapping_count(), 1);
    drop(buffer);
    assert_eq!(rig.engine().mapping_count(), 0);
    assert!(rig.engine().violations.is_empty());
}

#[test]
fn bus_addresses_are_used_again() {
    let rig = Rig::new();
    let device = rig.open();
    let first = device.allocate(4096).unwrap().iova();
    let second = device.allocate(4096).unwrap();
    assert_eq!(second.iova(), first);
    let third = device.allocate(4096).unwrap();
    assert_ne!(third.iova(), first);
    assert!(rig.engine().violations.is_empty());
}

#[test]
fn accesses_outside_are_refused_and_write_nothing() {
    let rig = Rig::new();
    let mut buffer = rig.open().allocate(100).unwrap();
    let size = 100;
    for (offset, length) in [(100, 1), (0, 101), (usize::MAX, 2), (101, 0)] {
        let mut data = vec![7; length];
        let error = buffer.write(offset, &data).unwrap_err();
        assert!(
            matches!(error, Error::OutOfBounds { size: 100, .. }),
            "{error}"
        );
        buffer.read(offset, &mut data).unwrap_err();
        buffer.fill(offset, length, 7).unwrap_err();
    }
    buffer.fill(0, usize::MAX, 7).unwrap_err();
    let mut all = vec![1; size];
    buffer.read(0, &mut all).unwrap();
    assert_eq!(all, vec![0; size]);
    buffer.write(size, &[]).unwrap();
}

#[test]
fn lines_are_written_and_read_where_they_belong_or_not_at_all() {
    const SIZE: usize = 64;
    let rig = Rig::new();
    let device = rig.open();
    for (length, line) in [(0, 3), (10, 3), (12, 4), (16, 8), (5, 9), (3, 0)] {
        for pitch in 0..20 {
            for offset in [0, 1, 8, 40] {
                let data: Vec<u8> = (1..=length).collect();
                // Byte by byte, beyond the end as well.
                let mut expected = vec![0; 1024];
                for (index, part) in data.chunks(line.max(1)).enumerate() {
                    expected[offset + index * pitch..][..part.len()].copy_from_slice(part);
                }
                let fits = expected[SIZE..].iter().all(|&byte| byte == 0);
                let mut buffer = device.allocate(SIZE).unwrap();
                let written = buffer.write_lines(offset, &data, line, pitch);
                assert_eq!(written.is_ok(), fits, "{length} {line} {pitch} {offset}");
                let mut all = vec![1; SIZE];
                buffer.read(0, &mut all).unwrap();
                if !fits {
                    assert_eq!(all, [0; SIZE]);
                    let error = buffer.read_lines(offset, &mut vec![0; data.len()], line, pitch);
                    assert!(matches!(error, Err(Error::OutOfBounds { .. })));
                    continue;
                }
                assert_eq!(all, expected[..SIZE]);
                let mut back = vec![0; data.len()];
                buffer.read_lines(offset, &mut back, line, pitch).unwrap();
                // Lines that overlap have overwritten each other.
                if pitch >= line.max(1) {
                    assert_eq!(back, data);
                }
            }
        }
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let rig = Rig::new();
    let device = rig.open();
    for bytes in [0, usize::MAX, usize::MAX / 2] {
        let error = device.allocate(bytes).unwrap_err();
        assert!(
            matches!(error, Error::BufferSize { .. } | Error::System { .. }),
            "{error}"
        );
    }
    // More than the bus addresses there are, though a file may be as large.
    let error = device.allocate(1 << 40).unwrap_err();
    assert!(error.to_string().contains("bus addresses"), "{error}");
    device.allocate(1).unwrap();
}

#[test]
fn a_refused_mapping_is_an_error_and_the_device_stays_usable() {
    let rig = Rig::new();
    let device = rig.open();
    rig.engine().script.refuse_dma = true;
    let error = device.allocate(4096).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("DMA mapping"), "{error}");
    let error = device.queue_pair(Default::default()).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    rig.engine().script = Script::default();
    device.allocate(4096).unwrap();
    device.queue_pair(Default::default()).unwrap();
}

#[test]
fn structures_are_written_and_read_whole() {
    let rig = Rig::new();
    let mut buffer = rig.open().allocate(64).unwrap();
    buffer.write_value(3, &0x0123_4567_89ab_cdef_u64).unwrap();
    assert_eq!(buffer.read_value::<u64>(3).unwrap(), 0x0123_4567_89ab_cdef);
    assert_eq!(buffer.read_value::<u8>(3).unwrap(), 0xef);
    buffer.write_value(57, &0u64).unwrap_err();
    buffer.read_value::<u64>(57).unwrap_err();
}

#[test]
fn a_buffer_behaves_as_a_vector_of_bytes() {
    let rig = Rig::new();
    let device = rig.open();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let access = (
        0usize..200,
        prop::collection::vec(any::<u8>(), 0..100),
        any::<Option<u8>>(),
    );
    let accesses = prop::collection::vec(access, 1..20);
    runner
        .run(&accesses, |accesses| {
            let mut buffer = device.allocate(200).unwrap();
            let mut model = [0; 200];
            for (offset, data, fill) in accesses {
                let place = model.get_mut(offset..offset + data.len());
                let result = match fill {
                    Some(value) => buffer.fill(offset, data.len(), value),
                    None => buffer.write(offset, &data),
                };
                prop_assert_eq!(place.is_some(), result.is_ok());
                match (place, fill) {
                    (Some(place), Some(value)) => place.fill(value),
                    (Some(place), None) => place.copy_from_slice(&data),
                    (None, _) => {}
                }
                let mut back = vec![0; 200 - offset];
                buffer.read(offset, &mut back).unwrap();
                prop_assert_eq!(&back[..], &model[offset..]);
            }
            Ok(())
        })
        .unwrap();
}
