//! `Section`: one configured instance, from which a provider extracts its own settings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use figment::value::{Dict, Tag, Value};
use omni_contracts::storage::Capabilities;
use omni_contracts::{Error, ErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::Sources;
use crate::deserialize::{Problem, Wrong, extract};
use crate::error::{ConfigError, Origin, unknown};

/// The keys that belong to Omni and not to the provider.
const RESERVED: &[&str] = &["labels", "layers", "provider", "require"];

/// The one of them that is a table.
const LAYERS: &str = "layers";

/// One configured instance: `[default.storage.main]`, with profile and environment applied.
#[derive(Clone)]
pub struct Section {
    sources: Arc<Sources>,
    key: String,
    name: String,
    reserved: Reserved,
    stated: Value,
    layers: Value,
    settings: Value,
}

/// A setting as it was stated, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The key from its root, such as `storage.main.path`.
    pub key: String,
    /// The value; `***` when the name of the key says that it may be a secret.
    pub value: String,
    /// Where it was stated.
    pub origin: Origin,
}

/// What is said of the place of an instance, such as `residency = "eu"`.
pub type Labels = BTreeMap<String, String>;

#[derive(Clone, Default, Deserialize)]
struct Reserved {
    #[serde(default)]
    labels: Labels,
    provider: String,
    #[serde(default)]
    require: Vec<String>,
}

impl Section {
    pub(crate) fn new(
        sources: Arc<Sources>,
        contract: &str,
        name: &str,
        instance: &Value,
    ) -> Result<Self, ConfigError> {
        let mut section = Self {
            sources,
            key: format!("{contract}.{name}"),
            name: name.to_owned(),
            reserved: Reserved::default(),
            stated: instance.clone(),
            layers: Value::Dict(instance.tag(), Dict::new()),
            settings: instance.clone(),
        };
        let mut reserved = Dict::new();
        if let Value::Dict(_, settings) = &mut section.settings {
            for key in RESERVED {
                reserved.extend(settings.remove_entry(*key));
            }
        }
        if let Some(layers) = reserved.remove(LAYERS) {
            section.layers = layers;
        }
        let reserved = Value::Dict(instance.tag(), reserved);
        section.reserved =
            extract(&reserved, &section.sources).map_err(|wrong| section.error(wrong))?;
        Ok(section)
    }

    /// A table that is no instance: all its keys are settings.
    pub(crate) fn of_table(sources: Arc<Sources>, key: &str, table: &Value) -> Self {
        Self {
            sources,
            key: key.to_owned(),
            name: String::new(),
            reserved: Reserved::default(),
            stated: table.clone(),
            layers: Value::Dict(table.tag(), Dict::new()),
            settings: table.clone(),
        }
    }

    /// The instance's name, such as `main`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The provider's name as it is configured; it may be an alias.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.reserved.provider
    }

    /// What is said of its place, for those who decide what may be kept there.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.reserved.labels
    }

    /// The provider's own settings, without the keys that belong to Omni.
    ///
    /// Values of the environment are texts and become what the field's type asks for; an integer or a
    /// boolean in the file becomes a text where the field is one. Every key that the struct does not
    /// have is refused.
    ///
    /// # Errors
    ///
    /// An unknown key, a missing key, a wrong type, a value out of bounds.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        extract(&self.settings, &self.sources).map_err(|wrong| self.error(wrong))
    }

    /// What the table `layers` of the instance says, which is for what stands around the provider; read
    /// as [`settings`](Self::settings) are.
    ///
    /// # Errors
    ///
    /// As [`settings`](Self::settings).
    pub fn layers<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let wrong = |wrong: Wrong| self.error(wrong.below(LAYERS.to_owned(), &self.layers));
        extract(&self.layers, &self.sources).map_err(wrong)
    }

    /// Checks `require = [...]` against what the opened provider declares.
    ///
    /// # Errors
    ///
    /// A requirement that is unknown or not met.
    pub fn check_required(&self, capabilities: &Capabilities) -> Result<(), ConfigError> {
        for requirement in &self.reserved.require {
            if let Err(error) = capabilities.require(requirement) {
                let place = self.place("require", self.tag_of("require"));
                return Err(ConfigError::new(error.message())
                    .key(format!("{}.require", self.key))
                    .value(requirement.clone())
                    .origin(place)
                    .profile(&self.sources.profile));
            }
        }
        Ok(())
    }

    /// The same instance with one setting replaced, as if it had been stated so.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        let mut section = self.clone();
        for settings in [&mut section.stated, &mut section.settings] {
            if let Value::Dict(_, table) = settings {
                table.insert(key.to_owned(), Value::from(value));
            }
        }
        section
    }

    /// Every setting that is stated, with its origin, in alphabetical order.
    #[must_use]
    pub fn stated(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        flatten(&self.sources, &self.key, &self.stated, &mut settings);
        settings
    }

    /// An error about the `provider` key.
    pub(crate) fn wrong_provider(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(problem)
            .key(format!("{}.provider", self.key))
            .value(self.provider().to_owned())
            .origin(self.place("provider", self.tag_of("provider")))
            .profile(&self.sources.profile)
    }

    /// An error with which the provider, or what stands around it, refused to open. About the
    /// configuration, it names the instance; ours do already.
    #[must_use]
    pub fn placed(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Configuration || error.message().contains(&self.key) {
            return error;
        }
        let placed = ConfigError::new(error.message())
            .key(&self.key)
            .origin(self.place("", self.stated.tag()))
            .profile(&self.sources.profile);
        placed.into()
    }

    fn error(&self, wrong: Wrong) -> ConfigError {
        let mut key = self.key.clone();
        let mut local = String::new();
        for part in wrong.path.iter().rev() {
            let dot = if part.starts_with('[') { "" } else { "." };
            key = format!("{key}{dot}{part}");
            local = format!("{local}{dot}{part}");
        }
        let problem = match wrong.problem {
            Problem::Text(text) => text,
            Problem::UnknownKey(word, allowed) => {
                let is_instance = wrong.path.len() == 1 && !self.name.is_empty();
                let ours = if is_instance { RESERVED } else { &[] };
                unknown("key", &word, &[allowed, ours].concat())
            }
        };
        let tag = wrong.place.as_ref().map_or(self.stated.tag(), |place| place.tag);
        let error = ConfigError::new(problem)
            .origin(self.place(local.trim_start_matches('.'), tag))
            .value(wrong.place.and_then(|place| place.value))
            .profile(&self.sources.profile);
        error.key(key)
    }

    fn place(&self, key: &str, tag: Tag) -> Origin {
        self.sources.origin_of(&format!("{}.{key}", self.key), tag)
    }

    fn tag_of(&self, key: &str) -> Tag {
        self.stated.find_ref(key).map_or(Tag::Default, Value::tag)
    }
}

fn flatten(sources: &Sources, key: &str, value: &Value, settings: &mut Vec<Setting>) {
    if let Value::Dict(_, table) = value {
        for (name, value) in table {
            flatten(sources, &format!("{key}.{name}"), value, settings);
        }
        return;
    }
    let name = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    let secret = ["secret", "password", "token", "credential", "key", "sas"]
        .iter()
        .any(|word| name.contains(word));
    // Fields of requests are what credentials stand in, whatever their names.
    let secret = secret || key.contains(".headers.");
    settings.push(Setting {
        key: key.to_owned(),
        value: if secret { "***".to_owned() } else { shown(value) },
        origin: sources.origin_of(key, value.tag()),
    });
}

/// A value as TOML would have it, near enough for people.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_, items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        other => crate::deserialize::scalar(other).unwrap_or_default(),
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The settings may hold secrets.
        f.debug_struct("Section")
            .field("key", &self.key)
            .field("provider", &self.reserved.provider)
            .field("require", &self.reserved.require)
            .finish_non_exhaustive()
    }
}
