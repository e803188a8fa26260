//! Which operation a number that is not finite comes from. Runs only after one was found, so it may take its time: a
//! sweep is repeated one operation at a time. What counts as finite, and when to ask, is not decided here.

use crate::dual::Dual;
use crate::eager::Eager;
use crate::error::{Line, Origin};
use crate::record::Inner;
use crate::scratch::mark_depends;
use crate::store::{Buf, Store};
use crate::value::Value;
use crate::views::{Numbers, Pairs};
use crate::{Scalar, Shape};

/// An entry of a result that is not finite, and the operation that made it.
pub(crate) struct Found {
    pub(crate) primitive: &'static str,
    pub(crate) index: usize,
    pub(crate) value: f64,
    pub(crate) line: Line,
}

/// The first entry that is NaN or infinite.
pub(crate) fn first_bad<T: Scalar>(data: &[T]) -> Option<(usize, f64)> {
    data.iter().position(|x| !x.is_finite()).map(|i| (i, data[i].f64()))
}

/// The first recorded operation that made NaN or infinity out of finite inputs.
pub(crate) fn overflow<T: Scalar>(inner: &Inner<T>) -> Option<Found> {
    let bad = |id: u32| first_bad(&inner.vals[id as usize].buf);
    inner.ops.iter().filter(|rec| rec.inputs.iter().all(|&i| bad(i).is_none())).find_map(|rec| {
        let (index, value) = (rec.first..rec.first + rec.outs).find_map(bad)?;
        Some(Found { primitive: rec.called(), index, value, line: rec.line.line })
    })
}

/// Where the value `id`, which is not finite, comes from: back through operations to one whose inputs are finite, or to
/// a leaf.
pub(crate) fn value<T: Scalar>(inner: &Inner<T>, id: u32) -> Origin {
    recorded(inner, id, inner.ops.len())
}

/// The same, where the operations from number `derivative` on are those of recorded derivatives.
pub(crate) fn recorded<T: Scalar>(inner: &Inner<T>, id: u32, derivative: usize) -> Origin {
    let bad = |id: u32| first_bad(&inner.vals[id as usize].buf);
    let mut id = id;
    loop {
        let k = inner.ops.partition_point(|rec| rec.first <= id);
        let maker = k.checked_sub(1).map(|k| (k, &inner.ops[k])).filter(|(_, rec)| id < rec.first + rec.outs);
        let Some((k, rec)) = maker else {
            let line = inner.leaves.binary_search_by_key(&id, |leaf| leaf.0).ok().map(|k| inner.leaves[k].1);
            return match (line, bad(id)) {
                (Some(_), Some((index, value))) => Origin::Input { name: None, index, value, line },
                _ => Origin::Unknown,
            };
        };
        match rec.inputs.iter().find(|&&i| bad(i).is_some()) {
            Some(&earlier) => id = earlier,
            None if k < derivative => return Origin::Value { primitive: rec.called(), line: rec.line.line },
            None => return Origin::Derivative { primitive: rec.called(), line: rec.line.line },
        }
    }
}

/// A sweep over values of one kind, repeated one operation at a time.
pub(crate) struct Again<'a, T: Scalar> {
    pub(crate) inner: &'a Inner<T>,
    pub(crate) store: &'a Store<T>,
}

impl<'a, T: Scalar> Again<'a, T> {
    /// The operation `k` turned finite numbers into others: because its own value is not finite, or in its derivative.
    fn blame(&self, k: usize) -> Origin {
        let rec = &self.inner.ops[k];
        let involved = rec.inputs.iter().copied().chain(rec.first..rec.first + rec.outs);
        let bad = |id: &u32| first_bad(&self.inner.vals[*id as usize].buf).is_some();
        match involved.into_iter().find(bad) {
            Some(id) => value(self.inner, id),
            None => Origin::Derivative { primitive: rec.called(), line: rec.line.line },
        }
    }

    fn slots<S>(&self) -> Vec<Option<S>> {
        std::iter::repeat_with(|| None).take(self.inner.vals.len()).collect()
    }

    fn depends(&self, x: impl Iterator<Item = u32>) -> Vec<u8> {
        let mut depends = vec![];
        mark_depends(&mut depends, 0, self.inner.vals.len(), x, &self.inner.ops);
        depends
    }

    /// Of a reverse sweep to `x` from the cotangents that `plant` gives.
    pub(crate) fn reverse(&self, plant: impl Fn(&mut [Option<Buf<T>>]), x: impl Iterator<Item = u32>) -> Origin {
        let (depends, mut slots) = (self.depends(x), self.slots());
        plant(&mut slots);
        let bad = |slot: &Option<Buf<T>>| slot.as_ref().is_some_and(|b| first_bad(b).is_some());
        let mut found = if slots.iter().any(bad) { Origin::Given } else { Origin::Unknown };
        for k in (0..self.inner.ops.len()).rev().take_while(|_| found == Origin::Unknown).collect::<Vec<_>>() {
            let numbers = Numbers { inner: self.inner, store: self.store, leads: &[] };
            T::reverse_numbers(&numbers, k..k + 1, 0, &depends, &mut slots);
            if self.inner.ops[k].inputs.iter().any(|&i| bad(&slots[i as usize])) {
                found = self.blame(k);
                break;
            }
        }
        slots.into_iter().flatten().for_each(|b| self.store.put(b));
        found
    }

    /// Of a forward sweep from the tangents that `plant` gives. Also the tangents.
    pub(crate) fn forward(&self, plant: impl Fn(&mut [Option<Buf<T>>])) -> (Origin, Vec<Option<Buf<T>>>) {
        let mut slots = self.slots();
        plant(&mut slots);
        let bad = |slot: &Option<Buf<T>>| slot.as_ref().is_some_and(|b| first_bad(b).is_some());
        if slots.iter().any(bad) {
            return (Origin::Given, slots);
        }
        for (k, rec) in self.inner.ops.iter().enumerate() {
            let numbers = Numbers { inner: self.inner, store: self.store, leads: &[] };
            T::forward_numbers(&numbers, k..k + 1, 0, &mut slots);
            if (rec.first..rec.first + rec.outs).any(|i| bad(&slots[i as usize])) {
                return (self.blame(k), slots);
            }
        }
        (Origin::Unknown, slots)
    }

    /// Of a reverse sweep over pairs from the number `y` to `x`, whose tangents `plant` gives.
    pub(crate) fn pairs(&self, y: u32, plant: impl Fn(&mut [Option<Buf<T>>]), x: impl Iterator<Item = u32>) -> Origin {
        let (mut found, tangents) = self.forward(plant);
        if found == Origin::Unknown {
            let (depends, mut slots) = (self.depends(x), self.slots());
            let mut one = self.store.take(1);
            one[0] = T::one();
            slots[y as usize] = Some((one, None));
            for k in (0..self.inner.ops.len()).rev() {
                let swept = Some((&tangents[..], 0));
                let pairs = Pairs { inner: self.inner, store: self.store, swept, tangents_only: false };
                T::reverse_pairs(&pairs, k..k + 1, 0, &depends, &mut slots);
                let bad = |i: &u32| {
                    let Some((re, du)) = &slots[*i as usize] else { return false };
                    first_bad(re).or(du.as_ref().and_then(|d| first_bad(d))).is_some()
                };
                if self.inner.ops[k].inputs.iter().any(bad) {
                    found = self.blame(k);
                    break;
                }
            }
            for slot in slots.into_iter().flatten() {
                drop(Dual::<Eager<'_, T>>::unpark(self.store, slot, Shape::SCALAR));
            }
        }
        tangents.into_iter().flatten().for_each(|b| self.store.put(b));
        found
    }
}
