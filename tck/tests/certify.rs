//! Certifies the providers of this repository, one test line per clause.

use std::process::ExitCode;
use std::sync::Arc;

use tck::{Subject, subjects};

fn main() -> ExitCode {
    let subjects: Vec<Arc<dyn Subject>> = vec![
        #[cfg(feature = "provider-azure")]
        Arc::new(subjects::Blob),
        #[cfg(feature = "provider-local")]
        Arc::new(subjects::Local),
        #[cfg(feature = "provider-memory")]
        Arc::new(subjects::Memory::default()),
        #[cfg(feature = "provider-aws")]
        Arc::new(subjects::S3::on_ministack()),
        #[cfg(feature = "provider-aws")]
        Arc::new(subjects::S3::on_moto()),
    ];
    tck::main(subjects)
}
