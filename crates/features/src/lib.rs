//! This crate has no code: `Cargo.toml` says what it is for.
