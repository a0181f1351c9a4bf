//! What is certified: layers of any make, and those of `omni-layers`.

use std::sync::Arc;

use omni_contracts::storage::{Intercepted, StorageProvider};
use omni_contracts::{Error, ErrorKind, Result, Scope};
use omni_layers::{LayerSettings, Layers};

/// Layers that can be put around a provider.
pub trait LayersSubject: Send + Sync + 'static {
    /// The name in test lines.
    fn name(&self) -> &str;

    /// Puts layers around `provider`: those that `settings` asks for, the text of a table `layers` as
    /// the specification and configurations have it.
    ///
    /// # Errors
    ///
    /// `Configuration` for settings that are refused.
    fn wrap(&self, settings: &str, provider: Arc<dyn StorageProvider>) -> Result<Wrapped>;
}

/// One set of layers around one provider: makes handles that share what the layers count, each used on
/// behalf of a scope.
pub type Wrapped = Box<dyn Fn(Scope) -> Arc<dyn StorageProvider> + Send + Sync>;

/// The layers of `omni-layers`.
#[derive(Clone, Copy, Debug)]
pub struct OmniLayers;

impl LayersSubject for OmniLayers {
    fn name(&self) -> &str {
        "omni-layers"
    }

    fn wrap(&self, settings: &str, provider: Arc<dyn StorageProvider>) -> Result<Wrapped> {
        let layers = Arc::new(Layers::new(&read(settings)?)?);
        Ok(Box::new(move |scope| {
            Arc::new(Intercepted::new(Arc::clone(&layers), Arc::clone(&provider), scope))
        }))
    }
}

pub(super) fn read(settings: &str) -> Result<LayerSettings> {
    toml::from_str(settings)
        .map_err(|error| Error::new(ErrorKind::Configuration, error.message().to_owned()))
}
