//! Products of weights, for devices whose sums carry them.
//!
//! An array of inner products computes (x0 + w1)(x1 + w0) - x0 x1 = x0 w0 + x1 w1 + w0 w1 for each
//! pair of rows. The last term is known here, so biases take it back: the sum over all tiles of
//! an output, in 32 bits that wrap as the device's do.

use systole_regs::image::Parameter;

use super::Target;

/// Takes the products of the weights of an output's row pairs from its bias. The tiles are those
/// of one MATRIX, the parameters those of its outputs in order.
pub(super) fn fold(
    tiles: &[i8],
    input_tiles: usize,
    parameters: &mut [Parameter],
    target: &Target,
) {
    let blocks = tiles.chunks_exact(input_tiles * target.tile_bytes());
    for (parameters, tiles) in parameters.chunks_mut(target.columns).zip(blocks) {
        // Tiles lie row by row, one after the other, so all their pairs of rows do.
        for pair in tiles.chunks_exact(2 * target.columns) {
            let (even, odd) = pair.split_at(target.columns);
            for ((parameter, &even), &odd) in parameters.iter_mut().zip(even).zip(odd) {
                let product = i32::from(even) * i32::from(odd);
                parameter.bias = parameter.bias.wrapping_sub(product);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use systole_regs::configuration::ECP5_85F;

    #[test]
    fn each_output_loses_the_products_of_its_own_weights() {
        let target = Target {
            rows: 4,
            columns: 2,
            ..Target::from(&ECP5_85F)
        };
        // Two blocks of two columns, of two tiles each; the last block has one output.
        let mut tiles = vec![0_i8; 4 * 8];
        tiles[..8].copy_from_slice(&[1, -128, 2, -128, 3, 5, 4, 6]);
        tiles[8..12].copy_from_slice(&[10, 0, 10, 7]);
        tiles[16..20].copy_from_slice(&[-3, 9, 7, 9]);
        let mut parameters = vec![Parameter::default(); 3];
        parameters[2].bias = i32::MAX;
        fold(&tiles, 2, &mut parameters, &target);
        let biases = [0, 1, 2].map(|index: usize| parameters[index].bias);
        assert_eq!(
            biases,
            [
                -(2 + 12 + 100),
                -(128 * 128 + 30),
                i32::MAX.wrapping_add(21)
            ]
        );
    }
}
