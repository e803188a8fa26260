//! Properties of the readers, one file for a kind of file: any bytes are something whole or a typed error, and cost no
//! more than their length allows.

pub mod arrays;
pub mod damage;
pub mod known_answers;
pub mod optimizers;
