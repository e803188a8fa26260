//! Gradient checking by properties.
