//! What the ranks of a training say to each other, as bytes and back, every number to the bit. How bytes travel, and
//! who says what when, is in `ranks.rs`.
//!
//! A message is a mark, the length of its head in eight bytes, the head as JSON, and the numbers of all its matrices in
//! double precision, little end first; the head says how many matrices stand where, and their sizes. Single numbers
//! stand in the head by their bits, since JSON has neither infinities nor NaN.

use crate::pool::Entry;
use crate::worker::{Contribution, Dropped, Job};
use pullback::{Batch, Scalar, Shape};
use pullback_optim::Numbers;
use serde::{Deserialize, Serialize};

/// Begins every message. The digit is the version of the format.
const MARK: &[u8; 8] = b"pbrank.1";

/// A message as it is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message<T: Scalar> {
    /// From the learner: a worker's groups of a job. `setup` is what both must have in common.
    Job { setup: String, params: Numbers<T>, job: Job<T> },
    /// From a worker: the job has arrived.
    Taken,
    /// From a worker: the contributions of its groups.
    Found(Vec<Contribution<T>>),
    /// From a worker: it cannot go on.
    Failed(String),
    /// From the learner: this training is over, and another one may come.
    Released,
    /// From the learner: there is no more to come.
    Over,
}

/// A message that is not whole, or none of ours.
#[derive(Debug, thiserror::Error)]
#[error("a message between ranks is damaged or foreign: expected {expected}, got {got}")]
pub(crate) struct Damaged {
    pub(crate) expected: String,
    pub(crate) got: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    scalar: String,
    body: Body,
    /// Members, rows and columns of all matrices, in the order in which they stand.
    shapes: Vec<[usize; 3]>,
}

/// A message with the number of matrices where the matrices are.
#[derive(Serialize, Deserialize)]
enum Body {
    Job { setup: String, params: usize, step: usize, horizon: usize, groups: Vec<Vec<(u64, Place)>> },
    Taken,
    Found(Vec<Sums>),
    Failed(String),
    Released,
    Over,
}

#[derive(Serialize, Deserialize)]
struct Place {
    point: usize,
    state: usize,
    instance: u64,
}

#[derive(Serialize, Deserialize)]
struct Sums {
    gradient: usize,
    used: usize,
    loss: u64,
    before: u64,
    arrived: Vec<Place>,
    dropped: Vec<Dropped>,
    rho: Vec<u64>,
    truncated: usize,
    suspect: usize,
    bytes: usize,
}

/// The message of a job.
pub(crate) fn job<T: Scalar>(setup: &str, params: &[Batch<T>], job: &Job<T>) -> Vec<u8> {
    let mut matrices = Writer::default();
    let params = matrices.put(params);
    let mut place = |(id, e): &(u64, Entry<T>)| (*id, matrices.place(e));
    let groups = job.groups.iter().map(|g| g.iter().map(&mut place).collect()).collect();
    matrices.write::<T>(Body::Job { setup: setup.into(), params, step: job.step, horizon: job.horizon, groups })
}

/// The message of contributions.
pub(crate) fn found<T: Scalar>(contributions: &[Contribution<T>]) -> Vec<u8> {
    let mut matrices = Writer::default();
    let mut sums = |c: &Contribution<T>| Sums {
        gradient: matrices.put(&c.gradient),
        used: c.used,
        loss: c.loss.to_bits(),
        before: c.before.to_bits(),
        arrived: c.arrived.iter().map(|e| matrices.place(e)).collect(),
        dropped: c.dropped.clone(),
        rho: c.rho.iter().map(|x| x.to_bits()).collect(),
        truncated: c.truncated,
        suspect: c.suspect,
        bytes: c.bytes,
    };
    let sums = contributions.iter().map(&mut sums).collect();
    matrices.write::<T>(Body::Found(sums))
}

/// The message that a job has arrived.
pub(crate) fn taken() -> Vec<u8> {
    Writer::default().write::<f64>(Body::Taken)
}

/// The message of a failure.
pub(crate) fn failed(why: &str) -> Vec<u8> {
    Writer::default().write::<f64>(Body::Failed(why.into()))
}

/// The message that a training is over.
pub(crate) fn released() -> Vec<u8> {
    Writer::default().write::<f64>(Body::Released)
}

/// The message of the end.
pub(crate) fn over() -> Vec<u8> {
    Writer::default().write::<f64>(Body::Over)
}

impl<T: Scalar> Message<T> {
    /// Reads a message. No room is made for more numbers than there are bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let Some(rest) = bytes.strip_prefix(MARK) else {
            let start = &bytes[..bytes.len().min(MARK.len())];
            return Err(damaged(format!("the mark {:?}", text(MARK)), format!("{:?}", text(start))));
        };
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| cut(8, rest.len()))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (head, numbers) = rest.split_at_checked(length).ok_or_else(|| cut(length, rest.len()))?;
        let head: Head = serde_json::from_slice(head).map_err(|e| damaged("the head of a message", e.to_string()))?;
        let mut matrices = Reader::new(&head.shapes, numbers)?;
        let message = match head.body {
            Body::Taken => Message::Taken,
            Body::Failed(why) => Message::Failed(why),
            Body::Released => Message::Released,
            Body::Over => Message::Over,
            _ if head.scalar != T::NAME => return Err(damaged(format!("numbers of {}", T::NAME), head.scalar)),
            Body::Job { setup, params, step, horizon, groups } => {
                let params = matrices.take(params)?;
                let mut group = |g: Vec<(u64, Place)>| {
                    g.into_iter().map(|(id, place)| Ok((id, matrices.entry(&place)?))).collect::<Result<Vec<_>, _>>()
                };
                let groups = groups.into_iter().map(&mut group).collect::<Result<Vec<_>, Damaged>>()?;
                Message::Job { setup, params, job: Job { step, horizon, groups } }
            }
            Body::Found(all) => {
                Message::Found(all.into_iter().map(|sums| matrices.sums(sums)).collect::<Result<_, _>>()?)
            }
        };
        match matrices.shapes.len() {
            0 => Ok(message),
            left => Err(damaged("a place for every matrix", format!("{left} without one"))),
        }
    }
}

/// Gathers the matrices of a message.
#[derive(Default)]
struct Writer {
    shapes: Vec<[usize; 3]>,
    numbers: Vec<u8>,
}

impl Writer {
    fn put<T: Scalar>(&mut self, list: &[Batch<T>]) -> usize {
        for b in list {
            let s = b.shape();
            self.shapes.push([s.batch, s.rows, s.cols]);
            self.numbers.reserve(8 * b.data().len());
            b.data().iter().for_each(|x| self.numbers.extend_from_slice(&x.f64().to_le_bytes()));
        }
        list.len()
    }

    fn place<T: Scalar>(&mut self, e: &Entry<T>) -> Place {
        Place { point: self.put(&e.point), state: self.put(&e.state), instance: e.instance }
    }

    fn write<T: Scalar>(self, body: Body) -> Vec<u8> {
        let head = Head { scalar: T::NAME.into(), body, shapes: self.shapes };
        // Text, whole numbers and lists of them: there is nothing in a head that JSON cannot say.
        let head = serde_json::to_vec(&head).unwrap_or_default();
        [MARK, &(head.len() as u64).to_le_bytes()[..], &head, &self.numbers].concat()
    }
}

/// Hands the matrices of a message out again.
struct Reader<'a> {
    shapes: std::slice::Iter<'a, [usize; 3]>,
    numbers: &'a [[u8; 8]],
}

impl<'a> Reader<'a> {
    fn new(shapes: &'a [[usize; 3]], bytes: &'a [u8]) -> Result<Self, Damaged> {
        let all = shapes.iter().try_fold(0_usize, |sum, s| sum.checked_add(count(s)?));
        match bytes.as_chunks() {
            (numbers, []) if Some(numbers.len()) == all => Ok(Reader { shapes: shapes.iter(), numbers }),
            _ => Err(damaged(
                all.map_or("numbers that can be counted".into(), |n| format!("{n} numbers of eight bytes")),
                format!("{} bytes", bytes.len()),
            )),
        }
    }

    fn take<T: Scalar>(&mut self, n: usize) -> Result<Numbers<T>, Damaged> {
        let mut list = Vec::new();
        for _ in 0..n {
            let Some(s) = self.shapes.next() else {
                return Err(damaged(format!("{n} more matrices"), list.len().to_string()));
            };
            let (here, rest) = self.numbers.split_at(count(s).unwrap_or(0));
            self.numbers = rest;
            let numbers: Vec<T> = here.iter().map(|x| T::of(f64::from_le_bytes(*x))).collect();
            list.push(Batch::from_slice(Shape::batch(s[0], s[1], s[2]), &numbers));
        }
        Ok(Numbers(list))
    }

    fn entry<T: Scalar>(&mut self, place: &Place) -> Result<Entry<T>, Damaged> {
        Ok(Entry { point: self.take(place.point)?, state: self.take(place.state)?, instance: place.instance })
    }

    fn sums<T: Scalar>(&mut self, s: Sums) -> Result<Contribution<T>, Damaged> {
        Ok(Contribution {
            gradient: self.take(s.gradient)?,
            used: s.used,
            loss: f64::from_bits(s.loss),
            before: f64::from_bits(s.before),
            arrived: s.arrived.iter().map(|p| self.entry(p)).collect::<Result<_, _>>()?,
            dropped: s.dropped,
            rho: s.rho.into_iter().map(f64::from_bits).collect(),
            truncated: s.truncated,
            suspect: s.suspect,
            bytes: s.bytes,
        })
    }
}

fn count(s: &[usize; 3]) -> Option<usize> {
    s[0].checked_mul(s[1])?.checked_mul(s[2])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn damaged(expected: impl Into<String>, got: impl Into<String>) -> Damaged {
    Damaged { expected: expected.into(), got: got.into() }
}

fn cut(expected: usize, got: usize) -> Damaged {
    damaged(format!("{expected} more bytes"), format!("{got}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback_manifolds::{gaussian, rng};

    fn matrices<T: Scalar>(sizes: &[(usize, usize, usize)]) -> Numbers<T> {
        let r = &mut rng(7);
        Numbers(sizes.iter().map(|&(b, m, n)| gaussian(Shape::batch(b, m, n), r)).collect())
    }

    fn a_job<T: Scalar>() -> Job<T> {
        let entry = |instance, state: &[_]| Entry {
            point: matrices(&[(1, 3, 2), (1, 1, 1)]),
            state: matrices(state),
            instance,
        };
        let groups =
            vec![vec![(0, entry(u64::MAX, &[])), (1, entry(3, &[(1, 2, 2)]))], vec![(2, entry(0, &[(1, 4, 1)]))]];
        Job { step: 17, horizon: 5, groups }
    }

    /// With what JSON cannot say, and with numbers whose last bit a decimal of sixteen digits loses.
    fn a_contribution() -> Contribution {
        let mut gradient: Numbers<f64> = matrices(&[(1, 3, 2), (2, 1, 4), (1, 0, 3)]);
        gradient.0[0].data_mut()[..5].copy_from_slice(&[-0.0, f64::NAN, f64::INFINITY, 5e-324, 0.1 + 0.2]);
        Contribution {
            gradient,
            used: 2,
            loss: f64::NEG_INFINITY,
            before: 1.0 / 3.0,
            arrived: a_job().groups.remove(0).into_iter().map(|(_, e)| e).collect(),
            dropped: vec![Dropped { member: 1, instance: 9, why: "a \"word\"\n".into() }],
            rho: vec![0.1, f64::NAN, -f64::NAN],
            truncated: 1,
            suspect: 2,
            bytes: usize::MAX,
        }
    }

    /// `NaN` is not equal to itself, so that bits are compared: those of everything.
    fn bits(c: &Contribution) -> (Vec<u64>, String) {
        let all = c.gradient.iter().flat_map(|b| b.data()).chain(&c.rho).chain([&c.loss, &c.before]);
        (
            all.map(|x| x.to_bits()).collect(),
            format!("{:?}", (c, c.gradient.iter().map(Batch::shape).collect::<Vec<_>>())),
        )
    }

    #[test]
    fn what_is_read_is_what_was_written_to_the_bit() {
        let sent = vec![a_contribution(), Contribution::default(), a_contribution()];
        let Message::Found(got) = Message::<f64>::read(&found(&sent)).unwrap() else { panic!("contributions") };
        assert_eq!(got.len(), 3);
        assert!(sent.iter().zip(&got).all(|(a, b)| bits(a) == bits(b)));
        assert_eq!(got[0].arrived, sent[0].arrived);

        let (params, sent) = (matrices::<f64>(&[(1, 5, 5), (1, 1, 3)]), a_job());
        let read = Message::read(&job("setup of \u{221e}", &params, &sent)).unwrap();
        assert_eq!(read, Message::Job { setup: "setup of \u{221e}".into(), params, job: sent });
        let (params, sent) = (matrices::<f32>(&[(1, 5, 5)]), a_job::<f32>());
        let read = Message::read(&job("single", &params, &sent)).unwrap();
        assert_eq!(read, Message::Job { setup: "single".into(), params, job: sent });

        assert_eq!(Message::<f32>::read(&taken()).unwrap(), Message::Taken);
        assert_eq!(Message::<f32>::read(&released()).unwrap(), Message::Released);
        assert_eq!(Message::<f32>::read(&over()).unwrap(), Message::Over);
        assert_eq!(Message::<f64>::read(&failed("why")).unwrap(), Message::Failed("why".into()));
    }

    #[test]
    fn a_message_cut_short_or_longer_at_any_byte_is_an_error() {
        let whole = job("s", &matrices::<f64>(&[(1, 2, 2)]), &a_job::<f64>());
        for length in 0..whole.len() {
            let error = Message::<f64>::read(&whole[..length]).unwrap_err();
            assert!(error.expected.len() > 3, "{length}: {error}");
        }
        for more in [1, 8, 16] {
            let longer = [&whole[..], &vec![0; more]].concat();
            assert!(Message::<f64>::read(&longer).is_err());
        }
    }

    #[test]
    fn foreign_messages_are_errors_that_say_what_was_expected() {
        let says = |bytes: &[u8], words: &[&str]| {
            let error = Message::<f64>::read(bytes).unwrap_err().to_string();
            assert!(words.iter().all(|w| error.contains(w)), "{error}");
        };
        says(b"GET / HTTP/1.1\r\n\r\n", &["pbrank.1", "GET / HT"]);
        says(b"pbrank.2aaaaaaaa", &["pbrank.1", "pbrank.2"]);
        says(&job("s", &matrices::<f32>(&[(1, 2, 2)]), &a_job::<f32>()), &["expected numbers of f64", "got f32"]);
        let with = |head: &str| [MARK, &(head.len() as u64).to_le_bytes()[..], head.as_bytes()].concat();
        says(&with("{}"), &["the head of a message", "missing field"]);
        // Sizes that overflow, and more matrices than there are, make no room and no panic.
        let huge = usize::MAX / 2;
        says(&with(&format!(r#"{{"scalar":"f64","body":"Over","shapes":[[{huge},{huge},1]]}}"#)), &["can be counted"]);
        says(&with(r#"{"scalar":"f64","body":"Over","shapes":[[1,1000000,1000000]]}"#), &["1000000000000 numbers"]);
        says(&with(r#"{"scalar":"f64","body":"Over","shapes":[[0,1,1]]}"#), &["1 without one"]);
        let job = r#"{"Job":{"setup":"","params":3,"step":0,"horizon":1,"groups":[]}}"#;
        says(&with(&format!(r#"{{"scalar":"f64","body":{job},"shapes":[]}}"#)), &["expected 3 more matrices, got 0"]);
    }
}
