//! Files: what is written is read, and whatever is wrong with a file is named.

use pullback::{Leaves, Shape};
use pullback_learned::*;
use pullback_manifolds::{Grassmann, Manifold, Product, Retraction, Stiefel, StiefelMetric, rng};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

#[path = "../../../fuzz/src/parsing/damage.rs"]
#[allow(unreachable_pub)] // These are public modules of the fuzz crate.
mod damage;
#[path = "../../../fuzz/src/parsing/optimizers.rs"]
#[allow(unreachable_pub)]
mod optimizer_files;

type Net = Each<GmLstm>;

fn example() -> Trained<Net> {
    let options = GmLstmOptions { hidden: 3, start_as_descent: false, ..GmLstmOptions::new(4, 2) };
    let net = Each::new(GmLstm::new(options), Update::new(0.1));
    let params = net.init(&mut rng(1));
    Trained::new(net, params)
}

fn from() -> Provenance {
    Provenance::new(&Grassmann::new(4, 2), "digits 0 to 4, seed 7")
}

/// A tensor by name, type, shape and bytes.
type Raw = (String, Dtype, Vec<usize>, Vec<u8>);

/// The file of the example, taken apart, changed and put together again.
fn changed(change: impl FnOnce(&mut Vec<Raw>, &mut HashMap<String, String>)) -> Result<Stored<Net>, FileError> {
    let bytes = example().to_bytes(&from()).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut raw: Vec<Raw> =
        file.iter().map(|(n, t)| (n.to_string(), t.dtype(), t.shape().to_vec(), t.data().to_vec())).collect();
    let mut metadata = header.metadata().clone().unwrap();
    change(&mut raw, &mut metadata);
    let views = raw.iter().map(|(n, d, s, b)| (n.clone(), TensorView::new(*d, s.clone(), b).unwrap()));
    Stored::<Net>::from_bytes(&safetensors::serialize(views, Some(metadata)).unwrap())
}

#[test]
fn what_is_written_is_read_bit_by_bit() {
    let trained = example();
    let stored = Stored { trained: trained.clone(), provenance: from() };
    assert_eq!(Stored::<Net>::from_bytes(&trained.to_bytes(&from()).unwrap()).unwrap(), stored);
    assert_eq!(changed(|_, _| ()).unwrap(), stored);
    let path = std::env::temp_dir().join(format!("pullback-learned-{}.safetensors", std::process::id()));
    trained.save(&path, &from()).unwrap();
    trained.save(&path, &from()).unwrap();
    let read = Stored::<Net>::load(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), stored);
}

/// Written, read, the same.
fn there_and_back<O: Saved + PartialEq>(optimizer: O, parameters: O::Params) {
    let trained = Trained::new(optimizer, parameters);
    let bytes = trained.to_bytes(&from()).unwrap();
    assert!(bytes == trained.to_bytes(&from()).unwrap(), "equal optimisers are equal files");
    let read = Stored::<O>::from_bytes(&bytes).unwrap();
    assert!(read.trained == trained, "{}", trained.optimizer.name());
    assert!(matches!(Stored::<O>::from_bytes(&bytes[..bytes.len() / 2]), Err(FileError::Damaged(_))));
    // No architecture takes another's file.
    let other = Stored::<Net>::from_bytes(&bytes).unwrap_err().to_string();
    assert!(other.contains("gm-lstm"), "{other}");
}

#[test]
fn every_architecture_is_stored() {
    for options in [RmmOptions::paper(3), RmmOptions::gradient_free(3)] {
        let net = Each::new(Rmm::new(options), Update::as_printed());
        let params = net.init(&mut rng(1));
        there_and_back(net, params);
    }
    for sides in [Sides::Both, Sides::Rows, Sides::Columns, Sides::Scalar] {
        let net = Each::new(Subspace::new(SubspaceOptions::paper(sides)), Update::new(0.3));
        let params = net.init(&mut rng(1));
        there_and_back(net, params);
    }
    let net = Equivariant::new(EquivariantOptions::default());
    let params = net.init(&mut rng(1));
    there_and_back(net, params);
}

#[test]
fn an_optimiser_for_another_manifold_says_what_differs() {
    let stored = || changed(|_, _| ()).unwrap();
    assert!(stored().on(&Grassmann::new(4, 2)).is_ok());
    assert_eq!(stored().provenance.data, "digits 0 to 4, seed 7");
    let refused = |m: &dyn Manifold| stored().on(m).unwrap_err().to_string();
    let text = refused(&Grassmann::new(4, 2).with(Retraction::Qr));
    assert!(text.contains("Polar") && text.contains("Qr"), "{text}");
    let text = refused(&Grassmann::new(5, 2));
    assert!(
        text.contains("Gr(4, 2)") && text.contains("Gr(5, 2)") && text.contains("`n: 4` there, `n: 5` here"),
        "{text}"
    );
    assert!(refused(&Stiefel::new(4, 2)).contains("Stiefel"));
    // The equivariant and the subspace optimiser serve any size, and not any metric.
    let net = Equivariant::new(EquivariantOptions::default());
    let trained = Trained::new(net.clone(), net.init(&mut rng(1)));
    let bytes = trained.to_bytes(&Provenance::new(&Stiefel::new(4, 2), "")).unwrap();
    let on = |m: &dyn Manifold| Stored::<Equivariant>::from_bytes(&bytes).unwrap().on(m);
    assert!(on(&Stiefel::new(40, 12)).is_ok());
    assert!(
        on(&Stiefel::new(4, 2).with_metric(StiefelMetric::Canonical)).unwrap_err().to_string().contains("Canonical")
    );
    assert!(on(&Product::new((Stiefel::new(4, 2), Stiefel::new(4, 2)))).is_err());
}

#[test]
fn a_parameter_that_is_not_finite_is_not_written() {
    let mut trained = example();
    trained.parameters.direction.head.data_mut()[5] = f64::NAN;
    let e = trained.to_bytes(&from()).unwrap_err();
    assert!(matches!(&e, FileError::NonFinite { name, index: 5, .. } if name == "direction.head"), "{e}");
}

#[test]
fn tensors_have_names_and_row_major_shapes() {
    let trained = example();
    let params = &trained.parameters;
    let bytes = trained.to_bytes(&from()).unwrap();
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
    let bytes = example().to_bytes(&from()).unwrap();
    for n in (0..bytes.len()).step_by(7) {
        assert!(matches!(Stored::<Net>::from_bytes(&bytes[..n]), Err(FileError::Damaged(_))), "{n} bytes");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Stored::<Net>::from_bytes(&longer), Err(FileError::Damaged(_))));
    let mut header = bytes.clone();
    header[0] ^= 0xff;
    assert!(matches!(Stored::<Net>::from_bytes(&header), Err(FileError::Damaged(_))));
    let mut json = bytes;
    json[8] = b'x';
    assert!(matches!(Stored::<Net>::from_bytes(&json), Err(FileError::Damaged(_))));
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
        m.insert("version".into(), "1".into());
    })
    .unwrap_err()
    .to_string();
    assert!(message.contains("\"1\"") && message.contains(VERSION), "{message}");
    let broken = changed(|_, m| {
        m.insert("options".into(), "{\"p\": 4".into());
    });
    assert!(matches!(broken, Err(FileError::Options(_))));
}

#[test]
fn wrong_tensors_are_named() {
    let missing = changed(|t, _| t.retain(|t| t.0 != "step.bias1"));
    assert!(matches!(missing, Err(FileError::Count { expected: Some(575), got: 572 })), "{missing:?}");
    let renamed = changed(|t, _| {
        let i = t.iter().position(|t| t.0 == "step.bias2").unwrap();
        t.remove(i);
        t.push(("extra".into(), Dtype::F64, vec![1, 1], vec![0; 8]));
    });
    assert!(matches!(renamed, Err(FileError::Unknown { name }) if name == "extra"));
    let split = changed(|t, _| {
        let i = t.iter().position(|t| t.0 == "step.bias1").unwrap();
        t.remove(i);
        let j = t.iter().position(|t| t.0 == "step.bias2").unwrap();
        t[j].2 = vec![4, 1];
        t[j].3 = vec![0; 32];
    });
    assert!(matches!(split, Err(FileError::Missing { name }) if name == "step.bias1"));
    let unknown = changed(|t, _| t.push(("extra".into(), Dtype::F64, vec![0], vec![])));
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
    assert!(matches!(other_size, Err(FileError::Count { .. })));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = std::path::Path::new("no/such/file.safetensors");
    for e in [Stored::<Net>::load(path).unwrap_err(), example().save(path, &from()).unwrap_err()] {
        assert!(
            matches!(&e, FileError::Io { path, .. } if path.contains("no/such/file"))
                && e.to_string().contains("no/such")
        );
    }
}

/// The property of the fuzz target `optimizers`, a fixed number of times.
#[test]
fn damaged_files_are_refused_and_not_fatal() {
    let net = Each::new(GmLstm::new(GmLstmOptions { hidden: 2, ..GmLstmOptions::new(2, 1) }), Update::new(0.1));
    let params = net.init(&mut rng(1));
    let bytes = Trained::new(net, params).to_bytes(&from()).unwrap();
    optimizer_files::file(&bytes);
    for seed in 0..2000 {
        optimizer_files::file(&damage::damaged(&bytes, seed));
    }
}

/// A mistake that stood here: sizes in the options were made room for before they were compared with the tensors.
#[test]
fn sizes_in_the_options_that_the_file_does_not_hold_cost_nothing() {
    for (old, new) in [
        ("\"p\":4", "\"p\":4000000000"),
        ("\"hidden\":3", "\"hidden\":9000000000000000000"),
        ("\"d\":2", "\"d\":18446744073709551615"),
    ] {
        let found = changed(|_, m| {
            let options = m["options"].replace(old, new);
            assert_ne!(options, m["options"]);
            m.insert("options".into(), options);
        });
        assert!(matches!(&found, Err(FileError::Count { .. })), "{new}: {found:?}");
    }
    let net = Equivariant::new(EquivariantOptions { pairs: usize::MAX, ..EquivariantOptions::default() });
    let params = net.init(&mut rng(1));
    let bytes = Trained::new(net, params).to_bytes(&from()).unwrap();
    assert!(matches!(Stored::<Equivariant>::from_bytes(&bytes), Err(FileError::Setting(_))));
}
