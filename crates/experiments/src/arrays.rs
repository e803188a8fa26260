//! Arrays of unsigned bytes in NumPy's `.npy` and in IDX, the format of MNIST; arrays of doubles and of unsigned 16-bit
//! integers in `.npy`. What the numbers mean is not known here.
//!
//! The readers are strict and small: they accept what `numpy.save` writes and what the MNIST files are, borrow the
//! entries from the file, and allocate nothing that the file's own length does not bound. (A general reader of `.npy`
//! takes the length of the header from the file before it looks whether the file is that long, and multiplies sizes
//! that overflow.)

use std::fmt;

/// An array of bytes in C order (the last index runs fastest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes<'a> {
    /// The sizes. None is a single entry.
    pub shape: Vec<usize>,
    /// As many entries as the sizes multiply to.
    pub entries: &'a [u8],
}

/// An array of doubles in C order.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubles {
    /// The sizes. None is a single entry.
    pub shape: Vec<usize>,
    /// As many entries as the sizes multiply to.
    pub entries: Vec<f64>,
}

/// An array of unsigned 16-bit integers in C order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shorts {
    /// The sizes. None is a single entry.
    pub shape: Vec<usize>,
    /// As many entries as the sizes multiply to.
    pub entries: Vec<u16>,
}

/// What is wrong with a file.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// There is no whole header.
    #[error("no {format} header could be read ({why})")]
    Header {
        /// Of this format.
        format: Format,
        /// What is the matter.
        why: &'static str,
    },
    /// Entries that are not unsigned bytes.
    #[error("its entries are of type {got}, expected {expected}")]
    Type {
        /// How the format calls the type that is read.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
    /// Columns first.
    #[error("it is in Fortran order; write it in C order (`numpy.ascontiguousarray`)")]
    Fortran,
    /// The file is shorter or longer than its header says.
    #[error("the header promises {} entries of shape {shape:?}, and {}", promised(.shape), compared(.shape, .got))]
    Length {
        /// The sizes in the header.
        shape: Vec<usize>,
        /// The entries that follow it.
        got: usize,
    },
}

/// The text of `Display`, so that `unwrap()` and `main` print a sentence.
impl std::fmt::Debug for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// NumPy's.
    Npy,
    /// That of MNIST.
    Idx,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Npy => ".npy",
            Format::Idx => "IDX",
        })
    }
}

fn product(shape: &[usize]) -> Option<usize> {
    // A zero anywhere makes the array empty, whatever the other sizes.
    if shape.contains(&0) { Some(0) } else { shape.iter().try_fold(1usize, |n, k| n.checked_mul(*k)) }
}

fn promised(shape: &[usize]) -> String {
    product(shape).map_or_else(|| "more than a machine can hold".into(), |n| n.to_string())
}

fn compared(shape: &[usize], got: &usize) -> String {
    match product(shape) {
        Some(n) if n < *got => format!("{} more follow them", got - n),
        _ => format!("the file ends before that, after {got}"),
    }
}

impl<'a> Bytes<'a> {
    /// Reads either format, by its first bytes.
    ///
    /// # Errors
    /// As [`Bytes::from_npy`] or [`Bytes::from_idx`].
    pub fn read(file: &'a [u8]) -> Result<Self, Malformed> {
        if file.starts_with(&[0, 0]) { Self::from_idx(file) } else { Self::from_npy(file) }
    }

    /// Reads `.npy` of version 1 to 3 with entries `|u1` in C order.
    ///
    /// # Errors
    /// [`Malformed`], and says what is.
    pub fn from_npy(file: &'a [u8]) -> Result<Self, Malformed> {
        let (shape, entries) = npy(file, "|u1", 1)?;
        Ok(Bytes { shape, entries })
    }

    /// Reads IDX, uncompressed, with entries of type 8: `[0, 0, 8, dimensions]`, the sizes as big-endian words of 32
    /// bits, the entries (LeCun, Cortes and Burges, *The MNIST database*).
    ///
    /// # Errors
    /// [`Malformed`], and says what is.
    pub fn from_idx(file: &'a [u8]) -> Result<Self, Malformed> {
        let bad = |why| Malformed::Header { format: Format::Idx, why };
        let [0, 0, kind, dimensions, rest @ ..] = file else { return Err(bad("the file does not begin with 0, 0")) };
        if *kind != 8 {
            return Err(Malformed::Type { expected: "8", got: kind.to_string() });
        }
        let (sizes, entries) = rest.split_at_checked(4 * usize::from(*dimensions)).ok_or(bad("the file ends in it"))?;
        let (words, _) = sizes.as_chunks::<4>();
        let shape: Vec<usize> = words.iter().map(|w| u32::from_be_bytes(*w) as usize).collect();
        whole(shape, entries, 1).map(|(shape, entries)| Bytes { shape, entries })
    }
}

impl Doubles {
    /// Reads `.npy` of version 1 to 3 with entries `<f8` in C order.
    ///
    /// # Errors
    /// [`Malformed`], and says what is.
    pub fn from_npy(file: &[u8]) -> Result<Self, Malformed> {
        let (shape, bytes) = npy(file, "<f8", 8)?;
        let (words, _) = bytes.as_chunks::<8>();
        Ok(Doubles { shape, entries: words.iter().map(|w| f64::from_le_bytes(*w)).collect() })
    }
}

impl Shorts {
    /// Reads `.npy` of version 1 to 3 with entries `<u2` in C order.
    ///
    /// # Errors
    /// [`Malformed`], and says what is.
    pub fn from_npy(file: &[u8]) -> Result<Self, Malformed> {
        let (shape, bytes) = npy(file, "<u2", 2)?;
        let (words, _) = bytes.as_chunks::<2>();
        Ok(Shorts { shape, entries: words.iter().map(|w| u16::from_le_bytes(*w)).collect() })
    }
}

/// The sizes and the bytes of a `.npy` whose entries are of this type, `width` bytes each.
fn npy<'a>(file: &'a [u8], expected: &'static str, width: usize) -> Result<(Vec<usize>, &'a [u8]), Malformed> {
    let bad = |why| Malformed::Header { format: Format::Npy, why };
    let rest = file.strip_prefix(b"\x93NUMPY").ok_or(bad("the file does not begin with \\x93NUMPY"))?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [0 | 4.., ..] => return Err(bad("its version is not 1, 2 or 3")),
        _ => return Err(bad("the file ends in it")),
    };
    let (header, entries) = rest.split_at_checked(length).ok_or(bad("the file ends in it"))?;
    let header = std::str::from_utf8(header).map_err(|_| bad("it is not text"))?;
    let Dictionary { descr, fortran_order, shape } = Dictionary::parse(header).map_err(bad)?;
    if descr != expected {
        return Err(Malformed::Type { expected, got: descr.into() });
    }
    if fortran_order && shape.len() > 1 {
        return Err(Malformed::Fortran);
    }
    whole(shape, entries, width)
}

/// Are there as many bytes as entries of this width need? A part of an entry too many counts as one.
fn whole(shape: Vec<usize>, bytes: &[u8], width: usize) -> Result<(Vec<usize>, &[u8]), Malformed> {
    let needed = product(&shape).and_then(|n| n.checked_mul(width));
    match needed {
        Some(n) if n == bytes.len() => Ok((shape, bytes)),
        Some(n) if n < bytes.len() => Err(Malformed::Length { shape, got: bytes.len().div_ceil(width) }),
        _ => Err(Malformed::Length { shape, got: bytes.len() / width }),
    }
}

/// The header of a `.npy`: a Python dictionary with these keys, in any order.
struct Dictionary<'a> {
    descr: &'a str,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl<'a> Dictionary<'a> {
    fn parse(text: &'a str) -> Result<Self, &'static str> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let body = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or("it is no dictionary")?;
        let mut rest = body.trim_start();
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            let value = after.trim_start().strip_prefix(':').ok_or("a key has no value")?.trim_start();
            rest = match key {
                "descr" => set(&mut descr, quoted(value).map_err(|_| "the type is not a plain one")?)?,
                "fortran_order" => set(&mut fortran_order, truth(value)?)?,
                "shape" => set(&mut shape, sizes(value)?)?,
                _ => return Err("it has a key that is not descr, fortran_order or shape"),
            };
            rest = rest.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err("a comma is missing"),
            };
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Dictionary { descr, fortran_order, shape }),
            _ => Err("one of descr, fortran_order and shape is missing"),
        }
    }
}

fn set<'a, T>(slot: &mut Option<T>, (value, rest): (T, &'a str)) -> Result<&'a str, &'static str> {
    if slot.replace(value).is_some() { Err("a key stands twice") } else { Ok(rest) }
}

fn quoted(text: &str) -> Result<(&str, &str), &'static str> {
    let inner = text.strip_prefix('\'').ok_or("a quote is missing")?;
    inner.split_once('\'').ok_or("a quote is missing")
}

fn truth(text: &str) -> Result<(bool, &str), &'static str> {
    let is = |word: &str, value| text.strip_prefix(word).map(|rest| (value, rest));
    is("True", true).or_else(|| is("False", false)).ok_or("fortran_order is not True or False")
}

fn sizes(text: &str) -> Result<(Vec<usize>, &str), &'static str> {
    let (inner, rest) = text.strip_prefix('(').and_then(|t| t.split_once(')')).ok_or("the shape is no tuple")?;
    let inner = inner.trim();
    let inner = inner.strip_suffix(',').unwrap_or(inner);
    let size = |s: &str| s.trim().parse::<usize>().map_err(|_| "a size is not a whole number");
    let list = if inner.is_empty() { vec![] } else { inner.split(',').map(size).collect::<Result<_, _>>()? };
    Ok((list, rest))
}
