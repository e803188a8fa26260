//! Property of the reader of known answers: any text is a list of cases of finite matrices, or an error that says what
//! is missing.

use crate::case::{Case, size};

/// A JSON file of any bytes.
pub fn file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Case::list(text) {
        Ok(cases) => {
            for case in cases {
                let moved = case.one_ulp_away(1);
                for (x, y) in case.inputs.iter().zip(&moved) {
                    assert!(size(x).is_finite() && x.nrows() == y.nrows() && x.ncols() == y.ncols(), "{}", case.id);
                }
            }
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}
