//! Certifies the providers of this repository, one test line per clause. With `OMNI_TCK_CONFIG=file`,
//! the instances of that configuration instead: their stores must be empty, and are emptied.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use omni_storage::{Loader, Result, registry};
use tck::subjects::Pool;
use tck::{Evidence, Subject, subjects};

fn main() -> ExitCode {
    let subjects = match std::env::var_os("OMNI_TCK_CONFIG") {
        None => own(),
        Some(file) => match configured(file) {
            Ok(subjects) => subjects,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(2);
            }
        },
    };
    tck::main(subjects)
}

fn own() -> Vec<Arc<dyn Subject>> {
    vec![
        #[cfg(feature = "provider-azure")]
        Arc::new(subjects::Blob),
        #[cfg(feature = "failover")]
        Arc::new(subjects::Failover::default()),
        #[cfg(feature = "provider-local")]
        Arc::new(subjects::Local),
        #[cfg(feature = "provider-memory")]
        Arc::new(subjects::Memory::default()),
        #[cfg(feature = "provider-memory")]
        Arc::new(subjects::MemoryTopics::default()),
        #[cfg(feature = "provider-aws")]
        Arc::new(subjects::S3::on_ministack()),
        #[cfg(feature = "provider-aws")]
        Arc::new(subjects::S3::on_moto()),
        #[cfg(feature = "provider-gcp")]
        Arc::new(subjects::Gcs::plain()),
        #[cfg(feature = "provider-gcp")]
        Arc::new(subjects::Gcs::by_http()),
        #[cfg(feature = "provider-gcp")]
        Arc::new(subjects::Gcs::versioned()),
    ]
}

/// A subject for each provider that the configuration names, on as many stores as it names.
fn configured(file: OsString) -> Result<Vec<Arc<dyn Subject>>> {
    let config = Arc::new(Loader::new().file(file).load()?.without_table("telemetry"));
    let mut stores: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in config.instances("storage") {
        let provider = config.section("storage", name)?.provider().to_owned();
        stores.entry(provider).or_default().push(name.to_owned());
    }
    let subject = |(provider, stores): (String, Vec<String>)| {
        let (config, name) = (Arc::clone(&config), format!("{provider}-configured"));
        let open = move |store: &str| {
            let section = config.section("storage", store);
            async move { registry()?.open(section?).await }
        };
        Arc::new(Pool::new(name, Evidence::Configured { provider }, stores, open)) as _
    };
    Ok(stores.into_iter().map(subject).collect())
}
