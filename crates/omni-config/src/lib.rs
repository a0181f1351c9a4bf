//! Configuration of Omni: one file, profiles, the environment, named instances, and the registry that
//! turns an instance into a provider. Clauses `CFG-` in `docs/spec/config.md`.
//!
//! What lives here: [`Config`] and its [`Loader`], [`Section`] (one instance, whose settings a provider
//! extracts as its own struct), [`Registry`], [`ConfigError`] (the one renderer of configuration
//! errors), and the value types of settings: [`Secret`], [`ByteSize`], [`Duration`].
//! What does not: the names of providers, which stand in the table of each facade (`omni-storage`).
//!
//! ```
//! use omni_config::{ByteSize, Loader};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     path: String,
//!     inline_limit: ByteSize,
//! }
//!
//! let config = Loader::new()
//!     .text(r#"
//!         [default.storage.main]
//!         provider = "local"
//!         path = "./omni-data"
//!         inline_limit = "64KiB"
//!     "#)
//!     .environment([("OMNI_STORAGE__MAIN__PATH", "/data")])
//!     .load()?;
//! let section = config.section("storage", "main")?;
//! assert_eq!(section.provider(), "local");
//! let settings: Settings = section.settings()?;
//! assert_eq!(settings.path, "/data");
//! assert_eq!(settings.inline_limit.as_u64(), 65_536);
//! # Ok::<(), omni_config::ConfigError>(())
//! ```

mod config;
mod deserialize;
mod error;
mod load;
mod quantity;
mod registry;
mod secret;
mod section;

pub use config::Config;
pub use error::{ConfigError, Origin};
pub use load::Loader;
pub use quantity::{ByteSize, Duration};
pub use registry::{Instances, Registry};
pub use secret::Secret;
pub use section::{Labels, Section, Setting};
