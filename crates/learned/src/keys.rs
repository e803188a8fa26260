//! Random numbers by counters: a generator for every purpose, step and member of a run, from one seed. Whoever draws,
//! and in which order, the numbers are the same; nothing has to be saved to continue a run.

use pullback_manifolds::rng;
use rand_pcg::Pcg64;

/// What random numbers are for. Generators of different purposes have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Which points leave the pool.
    Draw = 1,
    /// The length of an inner loop.
    Horizon,
    /// Where warm-ups start.
    Start,
    /// The instances of a warm-up's members.
    Instance,
    /// Minibatches of warm-ups.
    WarmUp,
    /// Minibatches of inner loops.
    Train,
    /// What the outer loss is measured on.
    Validation,
    /// Minibatches of rollouts.
    Rollout,
    /// Everything of a search for the first scale of steps.
    Scale,
}

#[cfg(test)]
impl Purpose {
    /// All of them.
    pub(crate) const ALL: [Purpose; 9] = {
        use Purpose::{Draw, Horizon, Instance, Rollout, Scale, Start, Train, Validation, WarmUp};
        [Draw, Horizon, Start, Instance, WarmUp, Train, Validation, Rollout, Scale]
    };
}

/// A place in the stream of random numbers. Copy it, send it, ask it twice: it gives the same generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// The key of a purpose within a run.
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        Key(mixed(seed)).at(purpose as u64)
    }

    /// The key number `i` below this one.
    #[must_use]
    pub fn at(self, i: u64) -> Self {
        Key(mixed(self.0 ^ mixed(i.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// The generator that stands here.
    pub fn rng(self) -> Pcg64 {
        rng(self.0)
    }
}

/// A bijection of 64 bits whose results look random for counters (the finaliser of SplitMix64: Steele, Lea & Flood,
/// *Fast splittable pseudorandom number generators*, 2014).
fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_all_different() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..4 {
            for purpose in Purpose::ALL {
                for step in 0..50 {
                    for member in 0..5 {
                        assert!(seen.insert(Key::new(seed, purpose).at(step).at(member).0));
                    }
                }
            }
        }
        assert_eq!(Key::new(3, Purpose::Draw).at(1), Key::new(3, Purpose::Draw).at(1));
    }
}
