//! Real data of the examples: the handwritten digits of the UCI repository (CC BY 4.0, E. Alpaydin and C. Kaynak) and
//! three textures (CC0), as `crates/experiments` embeds them. Not an example itself.
#![allow(dead_code, unreachable_pub)]

use pullback::faer::Mat;

const IMAGES: &[u8] = include_bytes!("../../../experiments/data/digits/digits_images_8x8_u8.npy");
const LABELS: &[u8] = include_bytes!("../../../experiments/data/digits/digits_labels_u8.npy");
const TEXTURES: [&[u8]; 3] = [
    include_bytes!("../../../experiments/data/textures/brick_256_u8.npy"),
    include_bytes!("../../../experiments/data/textures/grass_256_u8.npy"),
    include_bytes!("../../../experiments/data/textures/gravel_256_u8.npy"),
];
/// The header of a small `.npy` file.
const HEADER: usize = 128;

/// The images `skip..skip + count` of the given digits, one a row of 64 numbers in [0, 1], and their labels as
/// positions in `of`.
pub fn digits(of: &[u8], skip: usize, count: usize) -> (Mat<f64>, Vec<usize>) {
    let place = |k: usize| of.iter().position(|d| *d == LABELS[HEADER + k]);
    let found = (0..LABELS.len() - HEADER).filter_map(|k| Some((k, place(k)?)));
    let chosen: Vec<_> = found.skip(skip).take(count).collect();
    let pixel = |i: usize, j: usize| f64::from(IMAGES[HEADER + 64 * chosen[i].0 + j]) / 16.0;
    (Mat::from_fn(chosen.len(), 64, pixel), chosen.iter().map(|c| c.1).collect())
}

/// The covariance of value and first and second differences over a 32 x 32 window of a texture (brick, grass, gravel),
/// of which there are 49.
pub fn covariance(texture: usize, window: usize) -> Mat<f64> {
    let (row, col) = (window / 7 * 32 + 8, window % 7 * 32 + 8);
    let at = |i: usize, j: usize| f64::from(TEXTURES[texture][HEADER + 256 * i + j]) / 255.0;
    let features = |i: usize, j: usize| {
        let (x, y) = (at(i, j + 1) - at(i, j - 1), at(i + 1, j) - at(i - 1, j));
        let (xx, yy) = (at(i, j + 1) + at(i, j - 1) - 2.0 * at(i, j), at(i + 1, j) + at(i - 1, j) - 2.0 * at(i, j));
        [at(i, j), x.abs(), y.abs(), xx.abs(), yy.abs()]
    };
    let all: Vec<[f64; 5]> = (0..1024).map(|k| features(row + k / 32, col + k % 32)).collect();
    let mean = |a: usize| all.iter().map(|f| f[a]).sum::<f64>() / 1024.0;
    let means: Vec<f64> = (0..5).map(mean).collect();
    Mat::from_fn(5, 5, |a, b| all.iter().map(|f| (f[a] - means[a]) * (f[b] - means[b])).sum::<f64>() / 1023.0)
}
