//! Files: what is written is read, and whatever is wrong with a file is named.

use pullback::{Leaves, Shape};
use pullback_learned::{FileError, GmLstm, GmLstmOptions, GmLstmParams, VERSION};
use pullback_manifolds::rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

#[path = "../../../fuzz/src/parsing/damage.rs"]
#[allow(unreachable_pub)] // These are public modules of the fuzz crate.
mod damage;
#[path = "../../../fuzz/src/parsing/optimizers.rs"]
#[allow(unreachable_pub)]
mod optimizer_files;

fn example() -> (GmLstm, GmLstmParams) {
    let net = GmLstm::new(GmLstmOptions { hidden: 3, start_as_descent: false, ..GmLstmOptions::new(4, 2, 0.1) });
    let params = net.init(&mut rng(1));
    (net, params)
}

/// A tensor by name, type, shape and bytes.
type Raw = (String, Dtype, Vec<usize>, Vec<u8>);

/// The file of the example, taken apart, changed and put together again.
fn changed(
    change: impl FnOnce(&mut Vec<Raw>, &mut HashMap<String, String>),
) -> Result<(GmLstm, GmLstmParams), FileError> {
    let (net, params) = example();
    let bytes = net.to_bytes(&params).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut raw: Vec<Raw> =
        file.iter().map(|(n, t)| (n.to_string(), t.dtype(), t.shape().to_vec(), t.data().to_vec())).collect();
    let mut metadata = header.metadata().clone().unwrap();
    change(&mut raw, &mut metadata);
    let views = raw.iter().map(|(n, d, s, b)| (n.clone(), TensorView::new(*d, s.clone(), b).unwrap()));
    GmLstm::from_bytes(&safetensors::serialize(views, Some(metadata)).unwrap())
}

#[test]
fn what_is_written_is_read_bit_by_bit() {
    let (net, params) = example();
    assert_eq!(GmLstm::from_bytes(&net.to_bytes(&params).unwrap()).unwrap(), (net.clone(), params.clone()));
    assert_eq!(changed(|_, _| ()).unwrap(), (net.clone(), params.clone()));
    let path = std::env::temp_dir().join(format!("pullback-learned-{}.safetensors", std::process::id()));
    net.save(&params, &path).unwrap();
    net.save(&params, &path).unwrap();
    let read = GmLstm::load(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), (net, params));
}

#[test]
fn tensors_have_names_and_row_major_shapes() {
    let (net, params) = example();
    let bytes = net.to_bytes(&params).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let w = file.tensor("step.weight1").unwrap();
    assert_eq!((w.shape(), w.dtype()), (&[3, 8][..], Dtype::F64));
    let second = f64::from_le_bytes(w.data()[8..16].try_into().unwrap());
    assert_eq!(second, params.step.weight1.member(0)[(0, 1)]);
    assert_eq!(file.len(), params.shapes().len());
    assert_eq!(params.step.weight1.shape(), Shape::mat(3, 8));
}

#[test]
fn truncated_and_damaged_files_are_errors_at_every_length() {
    let (net, params) = example();
    let bytes = net.to_bytes(&params).unwrap();
    for n in (0..bytes.len()).step_by(7) {
        assert!(matches!(GmLstm::from_bytes(&bytes[..n]), Err(FileError::Damaged(_))), "{n} bytes");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(GmLstm::from_bytes(&longer), Err(FileError::Damaged(_))));
    let mut header = bytes.clone();
    header[0] ^= 0xff;
    assert!(matches!(GmLstm::from_bytes(&header), Err(FileError::Damaged(_))));
    let mut json = bytes;
    json[8] = b'x';
    assert!(matches!(GmLstm::from_bytes(&json), Err(FileError::Damaged(_))));
}

#[test]
fn other_formats_versions_and_options_are_named() {
    for key in ["format", "version", "kind"] {
        let other = changed(|_, m| {
            m.insert(key.into(), "2000".into());
        });
        assert!(matches!(other, Err(FileError::Foreign { key: k, got: Some(g), .. }) if k == key && g == "2000"));
        let absent = changed(|_, m| {
            m.remove(key);
        });
        assert!(matches!(absent, Err(FileError::Foreign { key: k, got: None, .. }) if k == key));
    }
    let message = changed(|_, m| {
        m.insert("version".into(), "2".into());
    })
    .unwrap_err()
    .to_string();
    assert!(message.contains("\"2\"") && message.contains(VERSION), "{message}");
    let broken = changed(|_, m| {
        m.insert("options".into(), "{\"p\": 4".into());
    });
    assert!(matches!(broken, Err(FileError::Options(_))));
}

#[test]
fn wrong_tensors_are_named() {
    let missing = changed(|t, _| t.retain(|t| t.0 != "step.bias1"));
    assert!(matches!(missing, Err(FileError::Missing { name }) if name == "step.bias1"));
    let unknown = changed(|t, _| t.push(("extra".into(), Dtype::F64, vec![1], vec![0; 8])));
    assert!(matches!(unknown, Err(FileError::Unknown { name }) if name == "extra"));
    let find = |t: &mut Vec<Raw>| t.iter().position(|t| t.0 == "direction.head").unwrap();
    let shape = changed(|t, _| {
        let i = find(t);
        t[i].2 = vec![2, 8];
    });
    assert!(matches!(shape, Err(FileError::Shape { expected, got, .. }) if expected == [4, 4] && got == [2, 8]));
    let kind = changed(|t, _| {
        let i = find(t);
        t[i].1 = Dtype::I64;
    });
    assert!(matches!(kind, Err(FileError::Type { got: Dtype::I64, .. })));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let read = changed(|t, _| {
            let i = find(t);
            t[i].3[24..32].copy_from_slice(&bad.to_le_bytes());
        });
        let Err(FileError::NonFinite { index: 3, value, .. }) = read else { panic!("{bad}: {read:?}") };
        assert!(value == bad || (value.is_nan() && bad.is_nan()));
    }
    let other_size = changed(|_, m| {
        let o = m["options"].replace("\"hidden\":3", "\"hidden\":4");
        m.insert("options".into(), o);
    });
    assert!(matches!(other_size, Err(FileError::Shape { name, .. }) if name == "step.weight1"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = std::path::Path::new("no/such/file.safetensors");
    let (net, params) = example();
    for e in [GmLstm::load(path).unwrap_err(), net.save(&params, path).unwrap_err()] {
        assert!(
            matches!(&e, FileError::Io { path, .. } if path.contains("no/such/file"))
                && e.to_string().contains("no/such")
        );
    }
}

/// The property of the fuzz target `optimizers`, a fixed number of times.
#[test]
fn damaged_files_are_refused_and_not_fatal() {
    let net = GmLstm::new(GmLstmOptions { hidden: 2, ..GmLstmOptions::new(2, 1, 0.1) });
    let bytes = net.to_bytes(&net.init(&mut rng(1))).unwrap();
    optimizer_files::file(&bytes);
    for seed in 0..2000 {
        optimizer_files::file(&damage::damaged(&bytes, seed));
    }
}

/// A mistake that stood here: sizes in the options were made room for before they were compared with the tensors.
#[test]
fn sizes_in_the_options_that_the_file_does_not_hold_cost_nothing() {
    for (old, new, tensor) in [
        ("\"p\":4", "\"p\":4000000000", "direction.head"),
        ("\"hidden\":3", "\"hidden\":9000000000000000000", "step.weight1"),
        ("\"d\":2", "\"d\":18446744073709551615", "step.weight1"),
    ] {
        let found = changed(|_, m| {
            let options = m["options"].replace(old, new);
            assert_ne!(options, m["options"]);
            m.insert("options".into(), options);
        });
        assert!(matches!(&found, Err(FileError::Shape { name, .. }) if name == tensor), "{new}: {found:?}");
    }
}
