//! Writes a TFLite flatbuffer of whatever it is told, right or wrong.

use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, VOffsetT, WIPOffset};

/// Position of a field's entry in the vtable, which starts with two 16-bit sizes.
const fn entry(field: VOffsetT) -> VOffsetT {
    4 + 2 * field
}

/// What a model file says.
pub(crate) struct File {
    pub(crate) version: u32,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) inputs: Vec<i32>,
    pub(crate) outputs: Vec<i32>,
}

/// An activation, or a constant if it has data.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<i32>,
    pub(crate) element: i8,
    pub(crate) scales: Vec<f32>,
    pub(crate) zero_points: Vec<i64>,
    pub(crate) axis: i32,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) name: String,
}

/// One operation.
pub(crate) struct Operator {
    pub(crate) code: i32,
    pub(crate) inputs: Vec<i32>,
    pub(crate) outputs: Vec<i32>,
    /// Type of the options, and those of their fields that are there.
    pub(crate) options: Option<(u8, Vec<(VOffsetT, Field)>)>,
}

/// A field of options.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    Byte(i8),
    Int(i32),
    Float(f32),
}

type Table = WIPOffset<flatbuffers::TableFinishedWIPOffset>;
type Builder = FlatBufferBuilder<'static>;

impl File {
    /// The file's bytes.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut builder = Builder::new();
        // Buffer 0 is empty: the one of tensors without data.
        let mut buffers = vec![buffer(&mut builder, None)];
        let mut tensors = Vec::with_capacity(self.tensors.len());
        for tensor in &self.tensors {
            let mut index = 0;
            if let Some(data) = &tensor.data {
                index = buffers.len() as u32;
                buffers.push(buffer(&mut builder, Some(data)));
            }
            tensors.push(tensor.write(&mut builder, index));
        }
        let mut codes: Vec<i32> = self.operators.iter().map(|one| one.code).collect();
        codes.sort_unstable();
        codes.dedup();
        let operators: Vec<Table> = self
            .operators
            .iter()
            .map(|operator| {
                let code = codes.iter().position(|&code| code == operator.code);
                operator.write(&mut builder, code.unwrap_or(0) as u32)
            })
            .collect();
        let codes: Vec<Table> = codes
            .iter()
            .map(|&code| {
                let start = builder.start_table();
                builder.push_slot_always(entry(0), code.min(127) as i8);
                builder.push_slot_always(entry(3), code);
                builder.end_table(start)
            })
            .collect();
        let graph = self.graph(&mut builder, &tensors, &operators);
        let graphs = builder.create_vector(&[graph]);
        let codes = builder.create_vector(&codes);
        let buffers = builder.create_vector(&buffers);
        let start = builder.start_table();
        builder.push_slot_always(entry(0), self.version);
        builder.push_slot_always(entry(1), codes);
        builder.push_slot_always(entry(2), graphs);
        builder.push_slot_always(entry(4), buffers);
        let root = builder.end_table(start);
        builder.finish(root, Some("TFL3"));
        builder.finished_data().to_vec()
    }

    fn graph(&self, builder: &mut Builder, tensors: &[Table], operators: &[Table]) -> Table {
        let tensors = builder.create_vector(tensors);
        let operators = builder.create_vector(operators);
        let inputs = builder.create_vector(&self.inputs);
        let outputs = builder.create_vector(&self.outputs);
        let start = builder.start_table();
        builder.push_slot_always(entry(0), tensors);
        builder.push_slot_always(entry(1), inputs);
        builder.push_slot_always(entry(2), outputs);
        builder.push_slot_always(entry(3), operators);
        builder.end_table(start)
    }
}

fn buffer(builder: &mut Builder, data: Option<&[u8]>) -> Table {
    let data = data.map(|data| builder.create_vector(data));
    let start = builder.start_table();
    if let Some(data) = data {
        builder.push_slot_always(entry(0), data);
    }
    builder.end_table(start)
}

impl Tensor {
    fn write(&self, builder: &mut Builder, buffer: u32) -> Table {
        let scales = builder.create_vector(&self.scales);
        let zero_points = builder.create_vector(&self.zero_points);
        let start = builder.start_table();
        builder.push_slot_always(entry(2), scales);
        builder.push_slot_always(entry(3), zero_points);
        builder.push_slot_always(entry(6), self.axis);
        let quantization = builder.end_table(start);
        let shape = builder.create_vector(&self.shape);
        let name = builder.create_string(&self.name);
        let start = builder.start_table();
        builder.push_slot_always(entry(0), shape);
        builder.push_slot_always(entry(1), self.element);
        builder.push_slot_always(entry(2), buffer);
        builder.push_slot_always(entry(3), name);
        builder.push_slot_always(entry(4), quantization);
        builder.end_table(start)
    }
}

impl Operator {
    fn write(&self, builder: &mut Builder, code: u32) -> Table {
        let inputs = builder.create_vector(&self.inputs);
        let outputs = builder.create_vector(&self.outputs);
        let options = self.options.as_ref().map(|(kind, fields)| {
            let start = builder.start_table();
            for &(field, value) in fields {
                match value {
                    Field::Byte(value) => builder.push_slot_always(entry(field), value),
                    Field::Int(value) => builder.push_slot_always(entry(field), value),
                    Field::Float(value) => builder.push_slot_always(entry(field), value),
                }
            }
            let table: Table = builder.end_table(start);
            (*kind, table)
        });
        let start = builder.start_table();
        builder.push_slot_always(entry(0), code);
        builder.push_slot_always(entry(1), inputs);
        builder.push_slot_always(entry(2), outputs);
        if let Some((kind, table)) = options {
            builder.push_slot_always(entry(3), kind);
            builder.push_slot_always::<WIPOffset<UnionWIPOffset>>(entry(4), table.as_union_value());
        }
        builder.end_table(start)
    }
}
