//! Spaces with a metric of their own, and quotients of factors: definite, positive, stochastic and low-rank matrices,
//! hyperbolic space. Each under the checker, every operation as a program, against closed forms and known answers.

mod hyperbolic;
mod low_rank;
mod simplex;
mod spd;
mod support;
