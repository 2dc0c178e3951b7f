//! Structures that carry a table of their own fields, so that documentation and decoders can
//! be derived from the type that software uses.

/// One field of a queue entry, an instruction or another memory layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name of the field in the Rust type.
    pub name: &'static str,
    /// Offset from the start of the structure in bytes.
    pub offset: usize,
    /// Size in bytes.
    pub bytes: usize,
    /// What it means, in a sentence.
    pub description: &'static str,
}

impl Field {
    /// Index of the 64-bit word that holds the field (no field crosses a word, but reserved ones).
    pub const fn word(self) -> usize {
        self.offset / 8
    }

    /// Position of the field's lowest bit in its 64-bit word.
    pub const fn bit(self) -> usize {
        (self.offset % 8) * 8
    }
}

/// Finds a field by name. Meant for constant evaluation: a misspelt name fails the build.
pub(crate) const fn find(fields: &'static [Field], name: &str) -> Field {
    let mut index = 0;
    while index < fields.len() {
        if same(fields[index].name, name) {
            return fields[index];
        }
        index += 1;
    }
    panic!("no such field")
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Declares a `repr(C)` plain-old-data structure of a stated size with a table of its fields.
macro_rules! layout {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident : $size:literal {
            $( $(#[doc = $text:literal])+ $field:ident : $kind:ty ),+ $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name {
            $( $(#[doc = $text])+ pub $field: $kind ),+
        }

        impl $name {
            /// Every field, in order.
            pub const FIELDS: &'static [$crate::Field] = &[
                $( $crate::Field {
                    name: stringify!($field),
                    offset: core::mem::offset_of!($name, $field),
                    bytes: core::mem::size_of::<$kind>(),
                    description: concat!($($text),+),
                } ),+
            ];

            /// The field with this name; an unknown name panics, in a constant at build time.
            pub const fn field(name: &str) -> $crate::Field {
                $crate::layout::find(Self::FIELDS, name)
            }
        }

        const _: () = assert!(core::mem::size_of::<$name>() == $size);
    };
}

pub(crate) use layout;
