//! The table of providers: the only place of this crate that names them.

use omni_config::Registry;
use omni_contracts::Result;
use omni_contracts::storage::StorageProvider;

/// The providers that exist, and the cargo feature that compiles each in.
const KNOWN: &[(&str, &str)] = &[
    ("azblob", "azure"),
    ("failover", "failover"),
    ("gcs", "gcp"),
    ("local", "local"),
    ("memory", "memory"),
    ("mirror", "failover"),
    ("s3", "aws"),
];

/// The setting by which a provider's data can be given a place of its own, such as a folder for a
/// test run.
const PLACES: &[(&str, &str)] = &[("local", "path")];

/// The clouds, as names for their object stores.
const ALIASES: &[(&str, &str)] = &[("aws", "s3"), ("azure", "azblob"), ("gcp", "gcs")];

/// The providers that are compiled in. Add your own with [`Registry::register`], then open instances
/// with [`Storage::from_config_with`](crate::Storage::from_config_with).
///
/// # Errors
///
/// `Configuration` when a name stands twice in the table, which a test rules out.
pub fn registry() -> Result<Registry<dyn StorageProvider>> {
    let mut registry = Registry::new();
    for (name, feature) in KNOWN {
        registry.not_compiled(name, feature)?;
    }
    for (alias, name) in ALIASES {
        registry.alias(alias, name)?;
    }
    #[cfg(feature = "aws")]
    registry.register("s3", |section| async move {
        let settings = section.settings()?;
        Ok(std::sync::Arc::new(omni_provider_aws::S3Storage::open(settings).await?) as _)
    })?;
    #[cfg(feature = "azure")]
    registry.register("azblob", |section| async move {
        let settings = section.settings()?;
        Ok(std::sync::Arc::new(omni_provider_azure::BlobStorage::open(settings).await?) as _)
    })?;
    #[cfg(feature = "failover")]
    for name in omni_failover::FailoverSettings::PROVIDERS {
        registry.register_composed(name, |section, instances| async move {
            let labels = |name: &str| instances.labels(name);
            let settings = omni_failover::FailoverSettings::of(&section, labels)?;
            let mut members = Vec::new();
            for name in &settings.members {
                members.push(instances.open(name).await?);
            }
            let witness = instances.open(&settings.witness).await?;
            let opened =
                omni_failover::FailoverStorage::open(section.name(), settings, members, witness);
            let opened = opened.await?;
            instances.tell(opened.gauges());
            Ok(std::sync::Arc::new(opened) as _)
        })?;
    }
    #[cfg(feature = "gcp")]
    registry.register("gcs", |section| async move {
        let settings = section.settings()?;
        Ok(std::sync::Arc::new(omni_provider_gcp::GcsStorage::open(settings).await?) as _)
    })?;
    #[cfg(feature = "local")]
    registry.register("local", |section| async move {
        let settings = section.settings()?;
        Ok(std::sync::Arc::new(omni_provider_local::LocalStorage::open(settings).await?) as _)
    })?;
    #[cfg(feature = "memory")]
    registry.register("memory", |section| async move {
        let settings = section.settings()?;
        Ok(std::sync::Arc::new(omni_provider_memory::MemoryStorage::new(settings)) as _)
    })?;
    Ok(registry)
}

/// The setting that says where a provider keeps its data, for tools that run a configured instance on a
/// place of its own; `None` when there is none.
#[must_use]
pub fn place_setting(provider: &str) -> Option<&'static str> {
    PLACES.iter().find(|(name, _)| *name == provider).map(|(_, setting)| *setting)
}
