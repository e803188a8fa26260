//! The part of the program `pullback-experiments` that its tests and fuzz targets use too: reading arrays from bytes.

pub mod arrays;
