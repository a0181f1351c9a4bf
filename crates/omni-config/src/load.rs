//! `Loader`: finds the file, reads file and environment, chooses the profile, and overlays the layers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};

use crate::config::{Config, Sources};
use crate::error::{ConfigError, Origin, unknown};

/// The file that is read when none is named.
const FILE: &str = "omni.toml";
/// What holds when there is no file.
const EMBEDDED: &str = "[default.storage.main]\nprovider = \"local\"\npath = \"./omni-data\"\n";
/// The contracts that have instances.
const SECTIONS: &[&str] = &["storage"];
/// The sections that are one table, for the whole program.
pub(crate) const TABLES: &[&str] = &["telemetry"];
/// What the names of our environment variables begin with.
const PREFIX: &str = "OMNI_";
/// The name of the layer of the environment, by which its values are recognised.
pub(crate) const ENVIRONMENT: &str = "environment";

/// Reads a configuration from a chosen place; [`Config::load`] is the conventional one.
#[derive(Clone)]
pub struct Loader {
    text: Option<String>,
    file: Option<PathBuf>,
    folder: PathBuf,
    profile: Option<String>,
    environment: BTreeMap<String, OsString>,
}

impl Loader {
    /// The conventional places: `omni.toml` in the current directory, or the file that `OMNI_CONFIG`
    /// names; the profile that `OMNI_PROFILE` names; the environment of this process.
    #[must_use]
    pub fn new() -> Self {
        Self {
            text: None,
            file: None,
            folder: PathBuf::new(),
            profile: None,
            environment: BTreeMap::new(),
        }
        .environment(std::env::vars_os())
    }

    /// Reads this file, whatever `OMNI_CONFIG` says. It must exist.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Looks for `omni.toml` in this folder instead of the current directory.
    #[must_use]
    pub fn folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.folder = path.into();
        self
    }

    /// Reads this TOML text instead of a file.
    #[must_use]
    pub fn text(mut self, toml: impl Into<String>) -> Self {
        self.text = Some(toml.into());
        self
    }

    /// Selects this profile, whatever `OMNI_PROFILE` says.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Uses these variables instead of the environment of this process.
    #[must_use]
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: Into<OsString>,
    {
        let ours = |(name, value): (N, V)| {
            let name = name.as_ref().to_str()?;
            name.starts_with(PREFIX).then(|| (name.to_owned(), value.into()))
        };
        self.environment = variables.into_iter().filter_map(ours).collect();
        self
    }

    /// Reads and checks everything that can be checked without knowing the providers.
    ///
    /// # Errors
    ///
    /// A named file or profile that does not exist, a file that cannot be read or is not TOML, an
    /// unknown section, a variable that names no setting, an instance without a provider.
    pub fn load(self) -> Result<Config, ConfigError> {
        let (text, origin) = self.source()?;
        let profiles = parse(&text, &origin)?;
        let (variables, names) = self.variables()?;
        let figment = Figment::new()
            .merge(Layer("file", profiles))
            .merge(Layer(ENVIRONMENT, Map::from([(Profile::Global, variables)])));
        let mut layers = figment.data().map_err(|error| {
            ConfigError::new(error.to_string().replace('\n', " ")).origin(origin.clone())
        })?;

        let mut known: Vec<String> = layers
            .keys()
            .filter(|profile| **profile != Profile::Global)
            .map(|profile| profile.to_string().to_ascii_lowercase())
            .collect();
        if !known.iter().any(|name| name == "default") {
            known.push("default".to_owned());
            known.sort_unstable();
        }
        let selected = self.selected(&known, &origin)?;

        let mut values = Dict::new();
        let default = selected != Profile::Default;
        let order = default.then_some(Profile::Default).into_iter();
        for profile in order.chain([selected.clone(), Profile::Global]) {
            overlay(&mut values, layers.remove(&profile).unwrap_or_default());
        }
        let sources = Arc::new(Sources {
            figment,
            origin,
            names,
            profile: selected.to_string().to_ascii_lowercase(),
        });
        Config::new(sources, known, values)
    }

    /// The text to read and where it comes from.
    fn source(&self) -> Result<(String, Origin), ConfigError> {
        if let Some(text) = &self.text {
            return Ok((text.clone(), Origin::Text));
        }
        let variable = self.variable("OMNI_CONFIG").map(PathBuf::from);
        let by_variable = self.file.is_none() && variable.is_some();
        let named = self.file.clone().or(variable);
        let required = named.is_some();
        let path = named.unwrap_or_else(|| self.folder.join(FILE));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok((text, Origin::File(path))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                Ok((EMBEDDED.to_owned(), Origin::Embedded))
            }
            Err(error) => {
                let hint = if by_variable { ", which OMNI_CONFIG names" } else { "" };
                Err(ConfigError::new(format!("cannot read the configuration file{hint}: {error}"))
                    .origin(Origin::File(path)))
            }
        }
    }

    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.get(name).filter(|value| !value.is_empty())
    }

    fn selected(&self, known: &[String], origin: &Origin) -> Result<Profile, ConfigError> {
        let variable =
            self.variable("OMNI_PROFILE").map(|name| name.to_string_lossy().into_owned());
        let by_variable = self.profile.is_none() && variable.is_some();
        let Some(name) = self.profile.clone().or(variable) else {
            return Ok(Profile::Default);
        };
        if known.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Ok(Profile::new(&name));
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let chosen = if by_variable { "; OMNI_PROFILE selects it" } else { "" };
        let problem = unknown("profile", &name, &known);
        Err(ConfigError::new(format!("{problem}{chosen}")).origin(origin.clone()))
    }

    /// The settings of the environment, all as text, and the variable of each key.
    fn variables(&self) -> Result<(Dict, BTreeMap<String, String>), ConfigError> {
        let mut settings = Dict::new();
        let mut names = BTreeMap::new();
        for (name, value) in &self.environment {
            let Some(path) = setting(name)? else { continue };
            let wrong = |problem: &str| {
                Err(ConfigError::new(problem)
                    .key(path.join("."))
                    .origin(Origin::Environment(name.clone())))
            };
            let Some(text) = value.to_str() else {
                return wrong("the value is not valid UTF-8");
            };
            let value = Value::String(Tag::Default, text.to_owned());
            if insert(&mut settings, &path, value).is_none() {
                return wrong("another variable sets the same key, or a part of it");
            }
            names.insert(path.join("."), name.clone());
        }
        Ok((settings, names))
    }
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts and values may hold secrets.
        f.debug_struct("Loader")
            .field("file", &self.file)
            .field("profile", &self.profile)
            .field("environment", &self.environment.keys())
            .finish_non_exhaustive()
    }
}

/// The key path that a variable sets; `None` for names of ours that are no settings.
fn setting(name: &str) -> Result<Option<Vec<String>>, ConfigError> {
    let rest = name[PREFIX.len()..].to_ascii_lowercase();
    let wrong = |problem: String| {
        Err(ConfigError::new(problem).origin(Origin::Environment(name.to_owned())))
    };
    let form = "a setting is named OMNI_STORAGE__INSTANCE__KEY, or OMNI_TELEMETRY__KEY, with two \
                underscores between the parts";
    if rest.starts_with("tck_") {
        return Ok(None);
    }
    let path: Vec<String> = rest.split("__").map(str::to_owned).collect();
    if path.len() == 1 {
        let single = known_sections().any(|section| {
            rest.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        });
        return if single { wrong(form.to_owned()) } else { Ok(None) };
    }
    let is_table = TABLES.contains(&path[0].as_str());
    if !is_table && !SECTIONS.contains(&path[0].as_str()) {
        let known: Vec<_> = known_sections().collect();
        return wrong(format!("{}; {form}", unknown("section", &path[0], &known)));
    }
    if path.len() < if is_table { 2 } else { 3 } || path.iter().any(String::is_empty) {
        return wrong(form.to_owned());
    }
    Ok(Some(path))
}

/// Everything that may stand in a profile.
fn known_sections() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().chain(TABLES).copied()
}

/// Puts `value` at `path`; `None` when something is there, or on the way, already.
fn insert(table: &mut Dict, path: &[String], value: Value) -> Option<()> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return match table.insert(first.clone(), value) {
            None => Some(()),
            Some(_) => None,
        };
    }
    let inner =
        table.entry(first.clone()).or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
    match inner {
        Value::Dict(_, inner) => insert(inner, rest, value),
        _ => None,
    }
}

/// The profiles of a TOML text, with the shape `profile.section.instance` checked.
fn parse(text: &str, origin: &Origin) -> Result<Map<Profile, Dict>, ConfigError> {
    let wrong = |problem: String| ConfigError::new(problem).origin(origin.clone());
    let tables: Map<String, Value> = Toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let message = error.message().trim().replace('\n', ", ");
        wrong(format!("not valid TOML at line {line}, column {column}: {message}"))
    })?;
    let form = "write a table [default.storage.main]: profile, section, instance";
    let mut profiles = Map::new();
    for (profile, value) in tables {
        if TABLES.contains(&profile.as_str()) {
            let form = format!("write a table [default.{profile}]");
            return Err(wrong(format!("the profile is missing; {form}")).key(profile));
        }
        if SECTIONS.contains(&profile.as_str()) {
            return Err(wrong(format!("the profile is missing; {form}")).key(profile));
        }
        let Value::Dict(_, sections) = value else {
            return Err(wrong(format!("expected the table of a profile; {form}")).key(profile));
        };
        for (section, value) in &sections {
            let place = |error: ConfigError, key: String| error.key(key).profile(&profile);
            let is_table = TABLES.contains(&section.as_str());
            if !is_table && !SECTIONS.contains(&section.as_str()) {
                let known: Vec<_> = known_sections().collect();
                return Err(place(wrong(unknown("section", section, &known)), section.clone()));
            }
            if is_table && value.as_dict().is_none() {
                let problem = format!("expected a table; write [{profile}.{section}]");
                return Err(place(wrong(problem), section.clone()));
            }
            if is_table {
                continue;
            }
            let Value::Dict(_, instances) = value else {
                let problem = format!("expected a table of instances; {form}");
                return Err(place(wrong(problem), section.clone()));
            };
            for (instance, value) in instances {
                if value.as_dict().is_none() {
                    let problem = format!("expected the table of an instance; {form}");
                    return Err(place(wrong(problem), format!("{section}.{instance}")));
                }
            }
        }
        if Profile::Global == profile.as_str() {
            return Err(
                wrong("the profile name is reserved, choose another".to_owned()).key(profile)
            );
        }
        if profiles.insert(Profile::new(&profile), sections).is_some() {
            let problem =
                "the profile stands twice, its name does not depend on upper and lower case";
            return Err(wrong(problem.to_owned()).key(profile));
        }
    }
    Ok(profiles)
}

/// Lays a layer over what is below it, key by key; an instance with another provider than the one
/// below replaces it as a whole, because the settings of one provider mean nothing to another.
fn overlay(base: &mut Dict, layer: Dict) {
    for (section, instances) in layer {
        let Some(below) = base.get_mut(&section) else {
            base.insert(section, instances);
            continue;
        };
        let (Value::Dict(_, below), Value::Dict(_, instances)) = (below, instances) else {
            continue;
        };
        for (name, instance) in instances {
            match below.get_mut(&name) {
                Some(old) if !names_another_provider(old, &instance) => merge(old, instance),
                _ => {
                    below.insert(name, instance);
                }
            }
        }
    }
}

fn names_another_provider(old: &Value, new: &Value) -> bool {
    let provider = |instance: &Value| match instance.find_ref("provider") {
        Some(Value::String(_, name)) => Some(name.clone()),
        _ => None,
    };
    provider(new).is_some_and(|new| provider(old).as_ref() != Some(&new))
}

fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Dict(_, base), Value::Dict(_, over)) => {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(old) => merge(old, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, over) => *base = over,
    }
}

/// One source as figment sees it: a name for its values, and the values by profile.
struct Layer(&'static str, Map<Profile, Dict>);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(self.1.clone())
    }
}

impl Sources {
    /// Where the value with this tag, at this key, was stated. For a key that is missing in a table
    /// that variables made, that is one of them.
    pub(crate) fn origin_of(&self, key: &str, tag: Tag) -> Origin {
        if !self.is_environment(tag) {
            return self.origin.clone();
        }
        let exact = self.names.get(key.split('[').next().unwrap_or(key));
        let table = key.rfind('.').map_or("", |dot| &key[..=dot]);
        let beside = || self.names.iter().find(|(name, _)| name.starts_with(table));
        match exact.or_else(|| beside().map(|(_, name)| name)) {
            Some(name) => Origin::Environment(name.clone()),
            None => self.origin.clone(),
        }
    }

    /// Whether a value is the text of an environment variable.
    pub(crate) fn is_environment(&self, tag: Tag) -> bool {
        self.figment.get_metadata(tag).is_some_and(|metadata| metadata.name == ENVIRONMENT)
    }

    /// The file that was read, if one was.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            _ => None,
        }
    }
}
