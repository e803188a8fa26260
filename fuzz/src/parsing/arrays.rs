//! Property of the readers of arrays of bytes: any file is an array or a typed error, and an array reads back as
//! itself.

use crate::arrays::{Bytes, Doubles, Malformed, Shorts};

/// A `.npy` or IDX file of any bytes.
pub fn file(bytes: &[u8]) {
    for read in [Bytes::read(bytes), Bytes::from_npy(bytes), Bytes::from_idx(bytes)] {
        match read {
            Ok(array) => {
                assert!(bytes.ends_with(array.entries), "entries that are not in the file");
                reads_back(&array.shape, array.entries);
            }
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
    let doubles = Doubles::from_npy(bytes).map(|a| (a.shape, a.entries.len()));
    let shorts = Shorts::from_npy(bytes).map(|a| (a.shape, a.entries.len()));
    for read in [doubles, shorts] {
        match read {
            Ok((shape, count)) => assert!(shape.contains(&0) || shape.iter().product::<usize>() == count, "{shape:?}"),
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
}

/// What both formats write for an array is read as that array, if the sizes are those of the entries, and refused by
/// its length if not.
pub fn reads_back(shape: &[usize], entries: &[u8]) {
    let count = shape.iter().try_fold(1usize, |n, k| n.checked_mul(*k));
    let right = count == Some(entries.len()) || (shape.contains(&0) && entries.is_empty());
    let mut files = vec![npy(shape, entries)];
    if shape.len() < 256 && shape.iter().all(|k| u32::try_from(*k).is_ok()) {
        files.push(idx(shape, entries));
    }
    for file in files {
        match Bytes::read(&file) {
            Ok(array) => {
                assert!(right && array.shape == shape && array.entries == entries, "{shape:?} reads as {array:?}")
            }
            Err(e) => assert!(!right && matches!(e, Malformed::Length { .. }), "{shape:?}: {e}"),
        }
    }
}

/// As `numpy.save` writes it, but for the padding.
pub fn npy(shape: &[usize], entries: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|k| format!("{k}, ")).collect();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}), }}\n", sizes.trim_end());
    let length = u32::try_from(header.len()).expect("a short header").to_le_bytes();
    [b"\x93NUMPY\x02\x00", &length[..], header.as_bytes(), entries].concat()
}

/// IDX, with sizes below 2³².
pub fn idx(shape: &[usize], entries: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, u8::try_from(shape.len()).expect("fewer than 256 sizes")];
    file.extend(shape.iter().flat_map(|k| u32::try_from(*k).expect("a size below 2^32").to_be_bytes()));
    file.extend(entries);
    file
}
