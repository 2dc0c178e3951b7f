//! The part of the TFLite schema (version 3) that is read, over the `flatbuffers` crate.
//!
//! Each table names its fields by their place in the public schema. The same list drives the
//! verifier, which runs over the whole file before anything is read: afterwards every accessor
//! finds what it expects.

use flatbuffers::{
    Follow, ForwardsUOffset, InvalidFlatbuffer, Table, VOffsetT, Vector, Verifiable, Verifier,
};

/// Position of a field's entry in the vtable, which starts with two 16-bit sizes.
const fn entry(field: VOffsetT) -> VOffsetT {
    4 + 2 * field
}

/// Declares a table: a view, its verifier, and an accessor for each field (`None` if absent).
macro_rules! table {
    (
        $(#[$about:meta])*
        $name:ident<$a:lifetime> {
            $( $(#[$text:meta])* $field:ident = $number:literal : $kind:ty ),+ $(,)?
        }
        $( union $verify_union:path )?
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        pub(super) struct $name<$a>(Table<$a>);

        impl<$a> Follow<$a> for $name<$a> {
            type Inner = $name<$a>;

            // SAFETY: the caller vouches for a table at `location`, as `Follow` demands.
            unsafe fn follow(buffer: &$a [u8], location: usize) -> Self {
                // SAFETY: as above.
                $name(unsafe { Table::new(buffer, location) })
            }
        }

        impl<$a> Verifiable for $name<$a> {
            fn run_verifier(
                verifier: &mut Verifier,
                position: usize,
            ) -> Result<(), InvalidFlatbuffer> {
                let table = verifier.visit_table(position)?
                    $( .visit_field::<$kind>(stringify!($field), entry($number), false)? )+;
                $( let table = $verify_union(table)?; )?
                table.finish();
                Ok(())
            }
        }

        impl<$a> $name<$a> {
            $(
                $(#[$text])*
                pub(super) fn $field(self) -> Option<<$kind as Follow<$a>>::Inner> {
                    // SAFETY: a view exists only of a verified buffer, and the verifier checked
                    // this field with this type.
                    unsafe { self.0.get::<$kind>(entry($number), None) }
                }
            )+
        }
    };
}

type Tables<'a, T> = ForwardsUOffset<Vector<'a, ForwardsUOffset<T>>>;
type Numbers<'a, T> = ForwardsUOffset<Vector<'a, T>>;

table! {
    /// The file.
    Model<'a> {
        /// Version of the schema.
        version = 0: u32,
        /// Operators that are used.
        operator_codes = 1: Tables<'a, OperatorCode<'a>>,
        /// Graphs; the first is the main one.
        subgraphs = 2: Tables<'a, SubGraph<'a>>,
        /// Constant data.
        buffers = 4: Tables<'a, Buffer<'a>>,
    }
}

table! {
    /// An operator of the model.
    OperatorCode<'a> {
        /// The operator, in files from before there were more than 127.
        deprecated_builtin_code = 0: i8,
        /// Name of an operator that is not built in.
        custom_code = 1: ForwardsUOffset<&'a str>,
        /// The operator.
        builtin_code = 3: i32,
    }
}

table! {
    /// A graph.
    SubGraph<'a> {
        /// Activations and constants.
        tensors = 0: Tables<'a, Tensor<'a>>,
        /// Indices of the inputs.
        inputs = 1: Numbers<'a, i32>,
        /// Indices of the outputs.
        outputs = 2: Numbers<'a, i32>,
        /// Operators in execution order.
        operators = 3: Tables<'a, Operator<'a>>,
    }
}

table! {
    /// An activation or a constant.
    Tensor<'a> {
        /// Dimensions, the batch among them.
        shape = 0: Numbers<'a, i32>,
        /// Element type, one of `element`.
        element = 1: i8,
        /// Index of the buffer that holds its data.
        buffer = 2: u32,
        /// Its name.
        name = 3: ForwardsUOffset<&'a str>,
        /// How integers stand for real numbers.
        quantization = 4: ForwardsUOffset<Quantization<'a>>,
        /// Present if only some of the values are stored: an offset that is not followed.
        sparsity = 6: u32,
    }
}

table! {
    /// How integers stand for real numbers.
    Quantization<'a> {
        /// One scale, or one per channel.
        scale = 2: Numbers<'a, f32>,
        /// As many zero points.
        zero_point = 3: Numbers<'a, i64>,
        /// Dimension of the channels.
        dimension = 6: i32,
    }
}

table! {
    /// One operation.
    Operator<'a> {
        /// Index into the operator codes.
        code = 0: u32,
        /// Indices of the inputs; -1 stands for none.
        inputs = 1: Numbers<'a, i32>,
        /// Indices of the outputs.
        outputs = 2: Numbers<'a, i32>,
        /// Which table the options are.
        options_type = 3: u8,
    }
    union verify_options
}

/// Field of an operator that holds its options.
const OPTIONS: VOffsetT = entry(4);

type OperatorVerifier<'v, 'o, 'b> = flatbuffers::TableVerifier<'v, 'o, 'b>;

/// Declares the tables of options that are read, by their `options_type`: the verifier and an
/// accessor for each. Options of other operators are never looked at.
macro_rules! options {
    ( $( $(#[$text:meta])* $accessor:ident = $type:literal : $table:ident ),+ $(,)? ) => {
        fn verify_options<'v, 'o, 'b>(
            table: OperatorVerifier<'v, 'o, 'b>,
        ) -> Result<OperatorVerifier<'v, 'o, 'b>, InvalidFlatbuffer> {
            table.visit_union::<u8, _>(
                "options_type",
                entry(3),
                "options",
                OPTIONS,
                false,
                |kind, verifier, position| match kind {
                    $(
                        $type => verifier.verify_union_variant::<ForwardsUOffset<$table>>(
                            stringify!($table),
                            position,
                        ),
                    )+
                    _ => Ok(()),
                },
            )
        }

        impl<'a> Operator<'a> {
            $(
                $(#[$text])*
                pub(super) fn $accessor(self) -> Option<$table<'a>> {
                    if self.options_type() != Some($type) {
                        return None;
                    }
                    // SAFETY: the verifier checked the options as this table, because of their
                    // type.
                    unsafe { self.0.get::<ForwardsUOffset<$table>>(OPTIONS, None) }
                }
            )+
        }
    };
}

options! {
    /// Options of a convolution.
    convolution_options = 1: ConvolutionOptions,
    /// Options of a depthwise convolution.
    depthwise_options = 2: DepthwiseOptions,
    /// Options of a pooling layer.
    pool_options = 5: PoolOptions,
    /// Options of a fully-connected layer.
    fully_connected_options = 8: FullyConnectedOptions,
    /// Options of a softmax.
    softmax_options = 9: SoftmaxOptions,
    /// Options of a concatenation.
    concatenation_options = 10: ConcatenationOptions,
    /// Options of a sum.
    add_options = 11: AddOptions,
    /// Options of a product.
    multiply_options = 21: MultiplyOptions,
}

table! {
    /// Options of CONV_2D.
    ConvolutionOptions<'a> {
        /// One of `padding`.
        padding = 0: i8,
        /// Columns from one output to the next.
        stride_x = 1: i32,
        /// Rows from one output to the next.
        stride_y = 2: i32,
        /// One of `activation`.
        activation = 3: i8,
        /// Columns between two of the kernel's.
        dilation_x = 4: i32,
        /// Rows between two of the kernel's.
        dilation_y = 5: i32,
    }
}

table! {
    /// Options of DEPTHWISE_CONV_2D.
    DepthwiseOptions<'a> {
        /// One of `padding`.
        padding = 0: i8,
        /// Columns from one output to the next.
        stride_x = 1: i32,
        /// Rows from one output to the next.
        stride_y = 2: i32,
        /// One of `activation`.
        activation = 4: i8,
        /// Columns between two of the kernel's.
        dilation_x = 5: i32,
        /// Rows between two of the kernel's.
        dilation_y = 6: i32,
    }
}

table! {
    /// Options of AVERAGE_POOL_2D and MAX_POOL_2D.
    PoolOptions<'a> {
        /// One of `padding`.
        padding = 0: i8,
        /// Columns from one output to the next.
        stride_x = 1: i32,
        /// Rows from one output to the next.
        stride_y = 2: i32,
        /// Columns of the window.
        width = 3: i32,
        /// Rows of the window.
        height = 4: i32,
        /// One of `activation`.
        activation = 5: i8,
    }
}

table! {
    /// Options of SOFTMAX.
    SoftmaxOptions<'a> {
        /// Factor of the exponents.
        beta = 0: f32,
    }
}

table! {
    /// Options of CONCATENATION.
    ConcatenationOptions<'a> {
        /// Dimension; negative ones count from behind.
        axis = 0: i32,
        /// One of `activation`.
        activation = 1: i8,
    }
}

table! {
    /// Options of ADD.
    AddOptions<'a> {
        /// One of `activation`.
        activation = 0: i8,
    }
}

table! {
    /// Options of MUL.
    MultiplyOptions<'a> {
        /// One of `activation`.
        activation = 0: i8,
    }
}

table! {
    /// Options of FULLY_CONNECTED.
    FullyConnectedOptions<'a> {
        /// One of `activation`.
        activation = 0: i8,
        /// Zero for plain weights.
        weights_format = 1: i8,
    }
}

table! {
    /// Constant data.
    Buffer<'a> {
        /// The bytes, little-endian.
        data = 0: Numbers<'a, u8>,
        /// Place of data that lies outside the flatbuffer, 0 or 1 if it doesn't.
        offset = 1: u64,
    }
}

/// Element types.
pub(super) mod element {
    pub(crate) const FLOAT32: i8 = 0;
    pub(crate) const INT32: i8 = 2;
    pub(crate) const UINT8: i8 = 3;
    pub(crate) const INT64: i8 = 4;
    pub(crate) const INT8: i8 = 9;

    /// Name of an element type in the schema.
    pub(crate) fn name(code: i8) -> String {
        const NAMES: &[&str] = &[
            "float32",
            "float16",
            "int32",
            "uint8",
            "int64",
            "string",
            "bool",
            "int16",
            "complex64",
            "int8",
            "float64",
            "complex128",
            "uint64",
            "resource",
            "variant",
            "uint32",
            "uint16",
            "int4",
            "bfloat16",
        ];
        let known = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
        known.map_or_else(|| format!("element type {code}"), |name| (*name).into())
    }
}

/// Fused activation functions.
pub(super) mod activation {
    pub(crate) const NONE: i8 = 0;
    pub(crate) const RELU: i8 = 1;
    pub(crate) const RELU_N1_TO_1: i8 = 2;
    pub(crate) const RELU6: i8 = 3;
}

/// How the border of an image is padded.
pub(super) mod padding {
    pub(crate) const SAME: i8 = 0;
    pub(crate) const VALID: i8 = 1;
}
