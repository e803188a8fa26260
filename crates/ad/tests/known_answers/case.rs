//! One known answer: how it is read, and the two measures a comparison needs. What is compared with what is not known
//! here.

use pullback::faer::Mat;
use serde_json::Value as Json;
use std::fmt;
use std::path::Path;

/// A primitive at one point: values and derivatives that no derivative formula took part in.
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) op: String,
    pub(crate) params: Json,
    pub(crate) inputs: Vec<Mat<f64>>,
    pub(crate) outputs: Option<Vec<Mat<f64>>>,
    pub(crate) tangents: Vec<Mat<f64>>,
    pub(crate) jvp: Option<Vec<Mat<f64>>>,
    pub(crate) cotangents: Vec<Mat<f64>>,
    pub(crate) vjp: Option<Vec<Mat<f64>>>,
    pub(crate) hvp: Option<Vec<Mat<f64>>>,
    /// The verdict that must be reported instead of a derivative.
    pub(crate) expect: Option<String>,
}

/// What is missing in a file of known answers, or does not fit.
#[derive(Debug)]
pub(crate) struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn malformed<T>(what: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(what.into()))
}

/// Rows or columns of a matrix without entries.
const LONGEST_EMPTY: usize = 1000;

fn matrix(m: &Json) -> Result<Mat<f64>, Malformed> {
    let size = |k: &str| m[k].as_u64().and_then(|n| usize::try_from(n).ok());
    let (Some(rows), Some(cols)) = (size("rows"), size("cols")) else {
        return malformed("`rows` and `cols` of a matrix are whole numbers");
    };
    let data = m["data"].as_array().and_then(|l| l.iter().map(Json::as_f64).collect::<Option<Vec<f64>>>());
    let Some(data) = data else { return malformed("`data` of a matrix is a list of numbers") };
    if rows.checked_mul(cols) != Some(data.len()) {
        return malformed(format!("`data` of a {rows} x {cols} matrix has {} entries", data.len()));
    }
    // Whoever goes through its columns, though none has an entry, would take that long.
    if rows.max(cols) > data.len().max(LONGEST_EMPTY) {
        return malformed(format!("a {rows} x {cols} matrix without entries has more than {LONGEST_EMPTY} of them"));
    }
    Ok(Mat::from_fn(rows, cols, |i, j| data[j * rows + i]))
}

/// `None` where there is no list.
fn matrices(list: &Json) -> Result<Option<Vec<Mat<f64>>>, Malformed> {
    list.as_array().map(|l| l.iter().map(matrix).collect()).transpose()
}

impl Case {
    fn read(c: &Json) -> Result<Self, Malformed> {
        let text = |k: &str| c[k].as_str().map(str::to_string);
        let needed = |k: &str| text(k).ok_or_else(|| Malformed(format!("`{k}` of a case is missing")));
        Ok(Case {
            id: needed("id")?,
            op: needed("op")?,
            params: c["params"].clone(),
            inputs: matrices(&c["inputs"])?.ok_or_else(|| Malformed("`inputs` of a case are missing".into()))?,
            outputs: matrices(&c["outputs"])?,
            tangents: matrices(&c["tangents"])?.unwrap_or_default(),
            jvp: matrices(&c["jvp"])?,
            cotangents: matrices(&c["cotangents"])?.unwrap_or_default(),
            vjp: matrices(&c["vjp"])?,
            hvp: matrices(&c["hvp"])?,
            expect: text("expect"),
        })
    }

    /// The cases of a file.
    pub(crate) fn list(text: &str) -> Result<Vec<Case>, Malformed> {
        let list: Json = serde_json::from_str(text).map_err(|e| Malformed(e.to_string()))?;
        let Some(list) = list.as_array() else { return malformed("a file is a list of cases") };
        list.iter().map(Case::read).collect()
    }

    /// Every case of every file of a folder, in the order of the names.
    pub(crate) fn folder(path: &Path) -> Vec<Case> {
        let list = std::fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut files: Vec<_> = list.map(|f| f.expect("a readable folder").path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "json"));
        files.sort();
        let read = |f: &std::path::PathBuf| {
            let text = std::fs::read_to_string(f).unwrap_or_else(|e| panic!("{}: {e}", f.display()));
            Case::list(&text).unwrap_or_else(|e| panic!("{}: {e}", f.display()))
        };
        files.iter().flat_map(read).collect()
    }

    /// A derivative that exists only for this combination of the outputs: a tie that the cotangents weigh equally.
    pub(crate) fn is_tied(&self) -> bool {
        self.jvp.is_none() && self.expect.is_none() && self.vjp.is_some()
    }

    /// The inputs with every entry moved by one unit in the last place, up or down at random.
    pub(crate) fn one_ulp_away(&self, seed: u64) -> Vec<Mat<f64>> {
        let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut moved = |x: f64| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            match x {
                0.0 => 0.0,
                x if s >> 40 & 1 == 0 => x.next_up(),
                x => x.next_down(),
            }
        };
        self.inputs.iter().map(|m| Mat::from_fn(m.nrows(), m.ncols(), |i, j| moved(m[(i, j)]))).collect()
    }
}

/// The largest entry in modulus; NaN if one is.
pub(crate) fn size(m: &Mat<f64>) -> f64 {
    let entries = (0..m.ncols()).flat_map(|j| (0..m.nrows()).map(move |i| m[(i, j)].abs()));
    entries.fold(0.0, |s, x| if x.is_nan() || s.is_nan() { f64::NAN } else { s.max(x) })
}
