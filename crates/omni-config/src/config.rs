//! `Config`: what was loaded, and its instances.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use figment::Figment;
use figment::value::{Dict, Tag, Value};
use serde::de::DeserializeOwned;

use crate::error::{ConfigError, Origin, unknown};
use crate::load::TABLES;
use crate::{Loader, Section, Setting};

/// A configuration with its profile selected and its environment applied. Cheap to clone.
#[derive(Clone)]
pub struct Config {
    sources: Arc<Sources>,
    profiles: Arc<[String]>,
    values: Arc<Dict>,
}

/// Where the values come from.
pub(crate) struct Sources {
    /// Knows which layer a value belongs to, by its tag.
    pub(crate) figment: Figment,
    /// What was read besides the environment.
    pub(crate) origin: Origin,
    /// The environment variable of each key that one sets.
    pub(crate) names: BTreeMap<String, String>,
    /// The selected profile.
    pub(crate) profile: String,
}

impl Config {
    /// Reads the conventional places: `omni.toml` or what `OMNI_CONFIG` names, the profile
    /// `OMNI_PROFILE`, and the environment. Without a file, `storage.main` is the embedded default: the
    /// provider `local` at `./omni-data`.
    ///
    /// Relative paths in settings are relative to the current directory, wherever the file is.
    ///
    /// # Errors
    ///
    /// As [`Loader::load`].
    pub fn load() -> Result<Self, ConfigError> {
        Loader::new().load()
    }

    pub(crate) fn new(
        sources: Arc<Sources>,
        profiles: Vec<String>,
        values: Dict,
    ) -> Result<Self, ConfigError> {
        let config = Self { sources, profiles: profiles.into(), values: Arc::new(values) };
        // An instance without a provider is most often a misspelt name in a variable.
        let contracts = config.values.keys().filter(|key| !TABLES.contains(&key.as_str()));
        for contract in contracts {
            for name in config.instances(contract) {
                config.section(contract, name)?;
            }
        }
        Ok(config)
    }

    /// The name of the selected profile.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.sources.profile
    }

    /// The names of all profiles.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.iter().map(String::as_str)
    }

    /// The file that was read; `None` when the embedded default or a text is in force.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.sources.file()
    }

    /// The names of the configured instances of a contract, such as `storage`, in alphabetical order.
    pub fn instances(&self, contract: &str) -> impl Iterator<Item = &str> {
        let instances = self.values.get(contract).and_then(Value::as_dict);
        instances.into_iter().flat_map(|instances| instances.keys().map(String::as_str))
    }

    /// The table of a section that is for the whole program, such as `telemetry`; `None` where none is
    /// stated. Read as the settings of an instance are.
    ///
    /// # Errors
    ///
    /// As [`Section::settings`].
    pub fn table<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let table = self.values.get(name).filter(|_| TABLES.contains(&name));
        let read = |table| Section::of_table(Arc::clone(&self.sources), name, table).settings();
        table.map(read).transpose()
    }

    /// What is stated in the table of a section that is for the whole program, as
    /// [`Section::stated`]; nothing where there is none.
    #[must_use]
    pub fn stated_table(&self, name: &str) -> Vec<Setting> {
        let table = self.values.get(name).filter(|_| TABLES.contains(&name));
        let stated = |table| Section::of_table(Arc::clone(&self.sources), name, table).stated();
        table.map(stated).unwrap_or_default()
    }

    /// The same without that table: for a program that works on the same instances, but is not the one
    /// that the table is for.
    #[must_use]
    pub fn without_table(&self, name: &str) -> Self {
        let mut config = self.clone();
        if TABLES.contains(&name) {
            Arc::make_mut(&mut config.values).remove(name);
        }
        config
    }

    /// The same with one setting of an instance replaced, as if it had been stated so: for tools that put
    /// something between an instance and its back-end.
    ///
    /// ```
    /// # use omni_config::Loader;
    /// let config = Loader::new().text("[default.storage.main]\nprovider = 'local'\npath = 'a'").load()?;
    /// let config = config.with_setting("storage", "main", "path", "b")?;
    /// assert_eq!(config.section("storage", "main")?.stated()[0].value, "b");
    /// # Ok::<_, omni_config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such instance.
    pub fn with_setting(
        &self,
        contract: &str,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<Self, ConfigError> {
        self.section(contract, name)?;
        let mut config = self.clone();
        let values = Arc::make_mut(&mut config.values);
        if let Some(Value::Dict(_, instances)) = values.get_mut(contract)
            && let Some(Value::Dict(_, settings)) = instances.get_mut(name)
        {
            settings.insert(key.to_owned(), Value::from(value));
        }
        Ok(config)
    }

    /// Whether the table of a section that is for the whole program is stated.
    #[must_use]
    pub fn has_table(&self, name: &str) -> bool {
        TABLES.contains(&name) && self.values.contains_key(name)
    }

    /// An error about the table of a section that is for the whole program, which names its place.
    #[must_use]
    pub fn wrong_table(&self, name: &str, problem: &str) -> ConfigError {
        let tag = self.values.get(name).map_or(Tag::Default, Value::tag);
        ConfigError::new(problem)
            .key(name)
            .origin(self.sources.origin_of(&format!("{name}."), tag))
            .profile(self.profile())
    }

    /// One instance of a contract.
    ///
    /// # Errors
    ///
    /// There is no such instance (the message lists those that are configured), or its `provider` or
    /// `require` is missing or has the wrong type.
    pub fn section(&self, contract: &str, name: &str) -> Result<Section, ConfigError> {
        let instances = self.values.get(contract).and_then(Value::as_dict);
        match instances.and_then(|instances| instances.get(name)) {
            Some(instance) => Section::new(Arc::clone(&self.sources), contract, name, instance),
            None => {
                let known: Vec<&str> = self.instances(contract).collect();
                Err(ConfigError::new(unknown("instance", name, &known))
                    .key(format!("{contract}.{name}"))
                    .origin(self.sources.origin.clone())
                    .profile(self.profile()))
            }
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may hold secrets.
        f.debug_struct("Config")
            .field("origin", &self.sources.origin)
            .field("profile", &self.sources.profile)
            .field("storage", &self.instances("storage").collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
