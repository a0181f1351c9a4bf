//! `cargo xtask bench`: builds and runs the benchmark package, which is outside the workspace because
//! its peers (opendal, object_store) are its dependencies alone.

use crate::root;
use crate::run::{Outcome, cargo, run};

pub(crate) fn bench(options: &[&str]) -> Outcome {
    let folder = root().join("bench");
    let mut arguments = vec!["run", "--release", "--locked", "--"];
    arguments.extend(options);
    run(&mut cargo(&folder, &arguments))
}
