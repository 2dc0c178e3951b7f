//! Operators that only change shapes. Rows are contiguous, so that nothing moves as long as the
//! batch stays the first dimension.

use super::constant::Data;
use super::node::Node;
use super::pending::Pending;
use super::view::View;
use super::{Activation, Importer, Value};
use crate::import::ImportError;
use crate::model::{RANK_MAX, row_elements};
use std::rc::Rc;

impl Value {
    /// How the file sees a row, if it is an activation.
    fn view(&self) -> Option<&View> {
        match self {
            Value::FloatInput(view) | Value::IntegerInput(view, _) => Some(view),
            Value::Quantized(activation) | Value::Dequantized(activation) => Some(&activation.view),
            Value::Pending(pending) => Some(&pending.view),
            Value::Constant(_) | Value::Unreadable(_) => None,
        }
    }

    /// The same activation seen in another way.
    fn with_view(self, view: View) -> Value {
        match self {
            Value::FloatInput(_) => Value::FloatInput(view),
            Value::IntegerInput(_, element) => Value::IntegerInput(view, element),
            Value::Quantized(activation) => Value::Quantized(Activation { view, ..activation }),
            Value::Dequantized(activation) => Value::Dequantized(Activation { view, ..activation }),
            Value::Pending(pending) => {
                Value::Pending(Rc::new(Pending::clone(&pending).viewed(view)))
            }
            constant @ (Value::Constant(_) | Value::Unreadable(_)) => constant,
        }
    }

    /// The same activation with another shape of as many values.
    fn with_row_shape(self, shape: Vec<usize>) -> Value {
        match self.view().map(|view| view.reshaped(shape)) {
            Some(view) => self.with_view(view),
            None => self,
        }
    }
}

impl Importer {
    pub(super) fn flatten(&mut self, node: &Node) -> Result<Value, ImportError> {
        let value = self.value(node, 0)?.clone();
        let shape = activation_shape(node, &value)?;
        let axis = normal_axis(node, node.integer("axis", 1), shape.len() + 1)?;
        if axis != 1 {
            return Err(node.unsupported("it mixes the batch with other dimensions"));
        }
        let elements = shape.iter().product();
        Ok(value.with_row_shape(vec![elements]))
    }

    pub(super) fn reshape(&mut self, node: &Node) -> Result<Value, ImportError> {
        let Data::I64(target) = &self.constant(node, 1)?.data else {
            return Err(node.damaged("its shape is not int64"));
        };
        let target = target.clone();
        if node.integer("allowzero", 0) != 0 && target.contains(&0) {
            return Err(node.unsupported("it makes an empty tensor"));
        }
        match self.value(node, 0)?.clone() {
            Value::Constant(constant) => {
                let elements = constant.data.len();
                let shape = resolve(&target, &constant.shape, elements)
                    .ok_or_else(|| node.damaged(format!("{target:?} doesn't fit its input")))?;
                let constant = Rc::unwrap_or_clone(constant).reshape(shape);
                let constant = constant
                    .ok_or_else(|| node.unsupported("it reshapes weights with scales per axis"))?;
                Ok(Value::Constant(Rc::new(constant)))
            }
            value => {
                let shape = activation_shape(node, &value)?;
                let elements = shape.iter().product();
                // The batch is -1 or 0 in the target, or a number where the file fixes it.
                let keeps_batch = match target.first() {
                    Some(&(-1 | 0)) => true,
                    Some(&batch) => self.batch.map(|batch| batch as i64) == Some(batch),
                    None => false,
                };
                let row = keeps_batch
                    .then(|| {
                        let mut with_batch = vec![1];
                        with_batch.extend(&shape);
                        let mut target = target.clone();
                        target[0] = 1;
                        resolve(&target, &with_batch, elements)
                    })
                    .flatten();
                match row {
                    Some(row) if row.len() > 1 => Ok(value.with_row_shape(row[1..].to_vec())),
                    _ => Err(node.unsupported(format!(
                        "it makes {target:?} of rows of shape {shape:?}, which doesn't keep rows"
                    ))),
                }
            }
        }
    }

    pub(super) fn squeeze(&mut self, node: &Node) -> Result<Value, ImportError> {
        let value = self.value(node, 0)?.clone();
        let Some(axes) = self.axes(node)? else {
            return Err(node.unsupported("it has no axes, so that it could remove the batch"));
        };
        if let Value::Constant(constant) = value {
            let shape = squeezed(node, &constant.shape, &axes)?;
            return self.reshaped_constant(node, constant, shape);
        }
        let mut shape = vec![0];
        shape.extend(activation_shape(node, &value)?);
        let shape = squeezed(node, &shape, &axes)?;
        if shape.first() != Some(&0) || shape.len() < 2 {
            return Err(node.unsupported("it leaves no dimension beside the batch"));
        }
        Ok(value.with_row_shape(shape[1..].to_vec()))
    }

    pub(super) fn unsqueeze(&mut self, node: &Node) -> Result<Value, ImportError> {
        let value = self.value(node, 0)?.clone();
        let axes = self
            .axes(node)?
            .ok_or_else(|| node.damaged("it has no axes"))?;
        if let Value::Constant(constant) = value {
            let shape = unsqueezed(node, &constant.shape, &axes)?;
            return self.reshaped_constant(node, constant, shape);
        }
        let mut shape = vec![0];
        shape.extend(activation_shape(node, &value)?);
        let shape = unsqueezed(node, &shape, &axes)?;
        if shape.first() != Some(&0) {
            return Err(node.unsupported("it adds a dimension before the batch"));
        }
        Ok(value.with_row_shape(shape[1..].to_vec()))
    }

    pub(super) fn transpose(&mut self, node: &Node) -> Result<Value, ImportError> {
        let constant = match self.value(node, 0)?.clone() {
            Value::Constant(constant) => constant,
            value => return transposed(node, value),
        };
        match node.integers("perm") {
            None | Some([1, 0]) => {
                let constant = Rc::unwrap_or_clone(constant).transpose();
                let constant =
                    constant.ok_or_else(|| node.unsupported("only matrices can be transposed"))?;
                Ok(Value::Constant(Rc::new(constant)))
            }
            Some(order) => Err(node.unsupported(format!("it permutes dimensions as {order:?}"))),
        }
    }

    fn reshaped_constant(
        &self,
        node: &Node,
        constant: Rc<super::Constant>,
        shape: Vec<usize>,
    ) -> Result<Value, ImportError> {
        match Rc::unwrap_or_clone(constant).reshape(shape) {
            Some(constant) => Ok(Value::Constant(Rc::new(constant))),
            None => Err(node.unsupported("it reshapes weights with scales per axis")),
        }
    }

    /// Axes as an attribute (before operator set 13) or as an input.
    pub(super) fn axes(&self, node: &Node) -> Result<Option<Vec<i64>>, ImportError> {
        let axes = match node.integers("axes") {
            Some(axes) => axes,
            None if node.optional_input(1).is_none() => return Ok(None),
            None => match &self.constant(node, 1)?.data {
                Data::I64(axes) => axes,
                _ => return Err(node.damaged("its axes are not int64")),
            },
        };
        if axes.len() > RANK_MAX {
            return Err(node.damaged(format!("it has {} axes", axes.len())));
        }
        Ok(Some(axes.to_vec()))
    }
}

/// An activation with its dimensions permuted, if no value has to move for it.
fn transposed(node: &Node, value: Value) -> Result<Value, ImportError> {
    let order = node.integers("perm").unwrap_or(&[]);
    let shape = activation_shape(node, &value)?;
    let mut row: Vec<usize> = Vec::with_capacity(shape.len());
    for &from in order.iter().skip(1) {
        let from = usize::try_from(from)
            .ok()
            .and_then(|from| from.checked_sub(1));
        match from.filter(|from| *from < shape.len() && !row.contains(from)) {
            Some(from) => row.push(from),
            None => break,
        }
    }
    let is_permutation = order.first() == Some(&0) && row.len() == shape.len();
    let view = value.view().filter(|_| is_permutation);
    match view.and_then(|view| view.permuted(&row)) {
        Some(view) => Ok(value.with_view(view)),
        None => Err(node.unsupported(format!(
            "it permutes rows of shape {shape:?} as {order:?}, which moves more than channels"
        ))),
    }
}

fn activation_shape(node: &Node, value: &Value) -> Result<Vec<usize>, ImportError> {
    let shape = value.view().map(|view| view.shape.clone());
    shape.ok_or_else(|| node.unsupported("its input is a constant"))
}

fn normal_axis(node: &Node, axis: i64, rank: usize) -> Result<usize, ImportError> {
    let normal = if axis < 0 {
        axis.saturating_add(rank as i64)
    } else {
        axis
    };
    usize::try_from(normal)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| node.damaged(format!("there is no axis {axis}")))
}

fn squeezed(node: &Node, shape: &[usize], axes: &[i64]) -> Result<Vec<usize>, ImportError> {
    let mut removed = vec![false; shape.len()];
    for &axis in axes {
        let axis = normal_axis(node, axis, shape.len())?;
        if shape[axis] != 1 {
            return Err(node.unsupported(format!("dimension {axis} is not 1")));
        }
        removed[axis] = true;
    }
    Ok(shape
        .iter()
        .zip(removed)
        .filter(|(_, removed)| !removed)
        .map(|(&size, _)| size)
        .collect())
}

fn unsqueezed(node: &Node, shape: &[usize], axes: &[i64]) -> Result<Vec<usize>, ImportError> {
    let rank = shape.len() + axes.len();
    if rank > RANK_MAX {
        return Err(node.unsupported(format!("it makes {rank} dimensions")));
    }
    let mut added = vec![false; rank];
    for &axis in axes {
        let axis = normal_axis(node, axis, rank)?;
        if std::mem::replace(&mut added[axis], true) {
            return Err(node.damaged(format!("axis {axis} occurs twice")));
        }
    }
    let mut old = shape.iter().copied();
    // As many places are not added as there are old dimensions.
    Ok(added
        .into_iter()
        .map(|added| if added { 1 } else { old.next().unwrap_or(1) })
        .collect())
}

/// Shape with -1 (whatever is left) and 0 (as before) filled in, if it has as many values.
fn resolve(target: &[i64], before: &[usize], elements: usize) -> Option<Vec<usize>> {
    let mut open = None;
    let mut shape = Vec::with_capacity(target.len());
    for (index, &dimension) in target.iter().enumerate() {
        shape.push(match dimension {
            -1 if open.is_none() => {
                open = Some(index);
                1
            }
            0 => *before.get(index)?,
            positive => usize::try_from(positive).ok()?,
        });
    }
    let known = row_elements(&shape)?;
    match open {
        Some(index) if elements.is_multiple_of(known) => shape[index] = elements / known,
        None if known == elements => {}
        _ => return None,
    }
    Some(shape)
}
