//! Every example runs, and what it asserts holds. Each is a program that somebody new would write, in under 50 lines.
#![allow(unreachable_pub)]

#[path = "../examples/custom_primitive.rs"]
mod custom_primitive;
#[path = "../examples/gaussian_process.rs"]
mod gaussian_process;
#[path = "../examples/kalman.rs"]
mod kalman;
#[path = "../examples/nearest_rotation.rs"]
mod nearest_rotation;
#[path = "../examples/net.rs"]
mod net;
#[path = "../examples/ppca.rs"]
mod ppca;
#[path = "../examples/riemannian_mean.rs"]
mod riemannian_mean;

macro_rules! runs {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                println!("{}", $name::run().unwrap());
            }
        )*

        #[test]
        fn none_is_forgotten_and_each_is_short() {
            let listed = [$(stringify!($name)),*];
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap();
                // The tour of the README has a test of its own.
                assert!(name == "tour" || listed.contains(&name), "{name} is run by no test");
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines < 50, "{name} has {lines} lines");
            }
        }
    };
}
runs! { custom_primitive gaussian_process kalman nearest_rotation net ppca riemannian_mean }
