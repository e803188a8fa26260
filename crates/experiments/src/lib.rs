//! What the program `pullback-experiments` shares with its tests and its fuzz targets: reading arrays of bytes.

pub mod arrays;
