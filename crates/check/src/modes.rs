//! The ways a derivative can be found, by name.

use std::fmt;
use std::ops::{BitOr, Sub};

/// A set of ways to find derivatives, each of which the check runs and compares with the others.
///
/// ```
/// use pullback_check::{Modes, check};
/// let x0 = faer::mat![[0.3, 0.2]];
/// // Reverse and forward only, and a batch of three.
/// check(|x| x.tanh(), &x0).modes(Modes::REVERSE | Modes::FORWARD | Modes::BATCH).run().assert_ok();
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Modes(u16);

impl Modes {
    /// The reverse sweep: gradients.
    pub const REVERSE: Modes = Modes(1);
    /// Tangents that travel with the values: derivatives along a direction. With [`Modes::REVERSE`], the dot test.
    pub const FORWARD: Modes = Modes(2);
    /// Hessian-vector products by the reverse sweep over pairs.
    pub const FORWARD_OVER_REVERSE: Modes = Modes(4);
    /// Hessian-vector products by the forward sweep over a recorded gradient.
    pub const FORWARD_OVER_RECORDED: Modes = Modes(8);
    /// Hessian-vector products as gradients of `<gradient, v>`.
    pub const REVERSE_OVER_REVERSE: Modes = Modes(16);
    /// Hessian-vector products as gradients of the derivative along `v`: the forward rules, differentiated.
    pub const REVERSE_OVER_FORWARD: Modes = Modes(32);
    /// Second derivatives along `v` by the forward sweep over a forward sweep.
    pub const FORWARD_OVER_FORWARD: Modes = Modes(64);
    /// Recorded at other points and replayed at this one: value, gradient and Hessian-vector product are those of a
    /// fresh run. A choice that was frozen when the tape was recorded shows here and nowhere else.
    pub const REPLAY: Modes = Modes(128);
    /// A batch of three points gives what the three give. For programs that treat the members of a batch alike and
    /// alone.
    pub const BATCH: Modes = Modes(256);
    /// The same with one input left single, for each input in turn: it serves all members, and its cotangent is summed
    /// over them.
    pub const BROADCAST: Modes = Modes(512);

    /// Everything that applies to any program: the default. Not [`Modes::BATCH`] and [`Modes::BROADCAST`], since only
    /// the author knows whether a program treats the members of a batch alike and alone.
    pub const PROGRAM: Modes = Modes(255);
    /// Everything.
    pub const ALL: Modes = Modes(1023);

    const NAMES: [&'static str; 10] = [
        "reverse",
        "forward",
        "forward over reverse",
        "forward over recorded gradient",
        "reverse over reverse",
        "reverse over forward",
        "forward over forward",
        "replay",
        "batch",
        "broadcast",
    ];

    /// Are all of `other` in this set?
    #[must_use]
    pub const fn contains(self, other: Modes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Is any of `other` in this set?
    #[must_use]
    pub const fn intersects(self, other: Modes) -> bool {
        self.0 & other.0 != 0
    }

    /// The names of the modes in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..Self::NAMES.len()).filter(move |i| self.0 & (1 << i) != 0).map(|i| Self::NAMES[i])
    }
}

impl Default for Modes {
    fn default() -> Self {
        Modes::PROGRAM
    }
}

impl BitOr for Modes {
    type Output = Modes;
    fn bitor(self, other: Modes) -> Modes {
        Modes(self.0 | other.0)
    }
}

impl Sub for Modes {
    type Output = Modes;
    /// Those that are not in `other`.
    fn sub(self, other: Modes) -> Modes {
        Modes(self.0 & !other.0)
    }
}

impl fmt::Debug for Modes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(", "))
    }
}
