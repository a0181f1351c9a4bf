//! `Registry`: from the name of a provider to an opened one. A value, not a global: a facade fills one
//! with its table, and an application adds providers of its own to it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use omni_contracts::{Error, Gauges, Result};

use crate::error::unknown;
use crate::{ConfigError, Labels, Section};

/// The providers of one contract `T`, by name (clauses `CFG-030` to `CFG-034`).
///
/// ```
/// use std::sync::Arc;
/// use omni_config::{Loader, Registry};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> omni_contracts::Result<()> {
/// let mut registry = Registry::<str>::new();
/// registry.register("greeting", |section| async move {
///     Ok(Arc::from(format!("hello {}", section.name())))
/// })?;
/// let config = Loader::new()
///     .environment([("OMNI_STORAGE__MAIN__PROVIDER", "greeting")])
///     .load()?;
/// let opened = registry.open(config.section("storage", "main")?).await?;
/// assert_eq!(&*opened, "hello main");
/// # Ok(())
/// # }
/// ```
pub struct Registry<T: ?Sized> {
    entries: BTreeMap<String, Entry<T>>,
}

type Opening<T> = Pin<Box<dyn Future<Output = Result<Arc<T>>> + Send>>;

type Open<T> = dyn Fn(String) -> Opening<T> + Send + Sync;

type LabelsOf = dyn Fn(&str) -> Result<Labels> + Send + Sync;

/// Opens other instances of the same configuration, for a provider that is made of them, and hears what
/// that tells of itself.
pub struct Instances<T: ?Sized> {
    open: Arc<Open<T>>,
    labels: Arc<LabelsOf>,
    told: Arc<Mutex<Vec<Gauges>>>,
}

impl<T: ?Sized> Instances<T> {
    /// By these functions instances are opened, and their labels are read.
    #[must_use]
    pub fn new<F, L, Opened>(open: F, labels: L) -> Self
    where
        F: Fn(String) -> Opened + Send + Sync + 'static,
        L: Fn(&str) -> Result<Labels> + Send + Sync + 'static,
        Opened: Future<Output = Result<Arc<T>>> + Send + 'static,
    {
        let open: Arc<Open<T>> = Arc::new(move |name| Box::pin(open(name)));
        Self { open, labels: Arc::new(labels), told: Arc::default() }
    }

    /// What is said of the place of the instance of this name; it is not opened.
    ///
    /// # Errors
    ///
    /// `Configuration` when there is no such instance.
    pub fn labels(&self, name: &str) -> Result<Labels> {
        (self.labels)(name)
    }

    /// Opens the instance of this name, with everything that stands around it.
    ///
    /// # Errors
    ///
    /// `Configuration` when there is no such instance; whatever it fails with when it opens.
    pub async fn open(&self, name: &str) -> Result<Arc<T>> {
        (self.open)(name.to_owned()).await
    }

    /// By this function the provider tells of itself as long as it exists, to whoever records that.
    pub fn tell(&self, gauges: Gauges) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(gauges);
    }

    /// What the provider tells of itself, for who has opened it.
    #[must_use]
    pub fn told(&self) -> Vec<Gauges> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T: ?Sized> Clone for Instances<T> {
    fn clone(&self) -> Self {
        Self {
            open: Arc::clone(&self.open),
            labels: Arc::clone(&self.labels),
            told: Arc::clone(&self.told),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Instances<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances").finish_non_exhaustive()
    }
}

enum Entry<T: ?Sized> {
    Alias(String),
    Composed(Arc<dyn Fn(Section, Instances<T>) -> Opening<T> + Send + Sync>),
    Factory(Arc<dyn Fn(Section) -> Opening<T> + Send + Sync>),
    NotCompiled { feature: &'static str },
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Alias(name) => Self::Alias(name.clone()),
            Self::Composed(factory) => Self::Composed(Arc::clone(factory)),
            Self::Factory(factory) => Self::Factory(Arc::clone(factory)),
            Self::NotCompiled { feature } => Self::NotCompiled { feature },
        }
    }
}

impl<T: ?Sized> Registry<T> {
    /// A registry without providers.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    /// Adds a provider: `factory` opens it with the settings of an instance.
    ///
    /// # Errors
    ///
    /// The name is taken, by a provider or an alias.
    pub fn register<F, Opened>(&mut self, name: &str, factory: F) -> Result<(), ConfigError>
    where
        F: Fn(Section) -> Opened + Send + Sync + 'static,
        Opened: Future<Output = Result<Arc<T>>> + Send + 'static,
    {
        let boxed = move |section| -> Opening<T> { Box::pin(factory(section)) };
        self.add(name, Entry::Factory(Arc::new(boxed)))
    }

    /// Adds a provider that is made of other instances: `factory` opens it with the settings of its own,
    /// and opens those.
    ///
    /// # Errors
    ///
    /// The name is taken, by a provider or an alias.
    pub fn register_composed<F, Opened>(
        &mut self,
        name: &str,
        factory: F,
    ) -> Result<(), ConfigError>
    where
        F: Fn(Section, Instances<T>) -> Opened + Send + Sync + 'static,
        Opened: Future<Output = Result<Arc<T>>> + Send + 'static,
    {
        let boxed =
            move |section, instances| -> Opening<T> { Box::pin(factory(section, instances)) };
        self.add(name, Entry::Composed(Arc::new(boxed)))
    }

    /// Adds another name for a provider.
    ///
    /// # Errors
    ///
    /// The alias is taken.
    pub fn alias(&mut self, alias: &str, name: &str) -> Result<(), ConfigError> {
        self.add(alias, Entry::Alias(name.to_owned()))
    }

    /// Notes a provider that exists but is not compiled in, so that a configuration that names it is
    /// told the cargo feature to add. Another provider may still be registered under the name.
    ///
    /// # Errors
    ///
    /// The name is taken.
    pub fn not_compiled(&mut self, name: &str, feature: &'static str) -> Result<(), ConfigError> {
        self.add(name, Entry::NotCompiled { feature })
    }

    /// The names of the providers that can be opened, in alphabetical order, without aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Composed(_) | Entry::Factory(_)))
            .map(|(name, _)| name.as_str())
    }

    /// Whether the provider of an instance is made of other instances.
    #[must_use]
    pub fn is_composed(&self, section: &Section) -> bool {
        matches!(self.resolved(section.provider()), Some(Entry::Composed(_)))
    }

    /// Opens the provider of an instance that is not made of others.
    ///
    /// # Errors
    ///
    /// `Configuration` when there is no such provider, its settings are wrong, or it is made of other
    /// instances; whatever the provider fails with when it opens.
    pub async fn open(&self, section: Section) -> Result<Arc<T>> {
        let alone = section.clone();
        let refusal = move || {
            let problem = "the provider is made of other instances, which cannot be opened here";
            Error::from(alone.wrong_provider(problem))
        };
        let refused = refusal.clone();
        let none = Instances::new(
            move |_| {
                let error = refusal();
                async move { Err(error) }
            },
            move |_| Err(refused()),
        );
        self.open_with(section, none).await
    }

    /// Opens the provider of an instance; one that is made of others takes them from `instances`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with(&self, section: Section, instances: Instances<T>) -> Result<Arc<T>> {
        let named = section.provider();
        match self.resolved(named) {
            Some(Entry::Factory(factory)) => {
                factory(section.clone()).await.map_err(|error| section.placed(error))
            }
            Some(Entry::Composed(factory)) => {
                let opened = factory(section.clone(), instances).await;
                opened.map_err(|error| section.placed(error))
            }
            Some(Entry::NotCompiled { feature }) => {
                let compiled: Vec<_> = self.names().collect();
                let problem = format!(
                    "the provider `{named}` is not compiled in, the cargo feature `{feature}` adds it; \
                     compiled in are {}",
                    compiled.join(", ")
                );
                Err(section.wrong_provider(problem).into())
            }
            Some(Entry::Alias(_)) | None => {
                let compiled: Vec<_> = self.names().collect();
                let problem = unknown("provider", named, &compiled);
                Err(section.wrong_provider(problem).into())
            }
        }
    }

    fn resolved(&self, name: &str) -> Option<&Entry<T>> {
        match self.entries.get(name) {
            Some(Entry::Alias(name)) => self.entries.get(name),
            entry => entry,
        }
    }

    fn add(&mut self, name: &str, entry: Entry<T>) -> Result<(), ConfigError> {
        match self.entries.get(name) {
            None | Some(Entry::NotCompiled { .. }) => {
                self.entries.insert(name.to_owned(), entry);
                Ok(())
            }
            Some(_) => Err(ConfigError::new(format!(
                "a provider is registered under this name already: {name}"
            ))),
        }
    }
}

impl<T: ?Sized> Clone for Registry<T> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone() }
    }
}

impl<T: ?Sized> Default for Registry<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.keys()).finish()
    }
}
