//! `cp`, `put` and `get`: bytes between files and storages, in any direction.

use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use omni_storage::{Attributes, Key, Storage, transfer};
use serde_json::json;

use super::Context;
use crate::address::{Address, Place};
use crate::files;
use crate::output::{Exit, Outcome, print, size};
use crate::progress;

/// Write a file, or standard input, to an object.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The file, or - for standard input.
    source: Place,
    /// The object; a folder (ending in /) takes the file's name.
    target: Address,
    /// Fail when an object has the key.
    #[arg(long)]
    if_absent: bool,
    /// The content type.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// User metadata, any number of times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

impl Put {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let key = target_key(&self.source, &self.target)?;
        let storage = context.storage(&self.target.instance).await?;
        let bar = progress::bytes(key.as_str(), None);
        let body = match &self.source {
            Place::Standard => files::standard_input(&bar),
            Place::Local(path) => files::read(path, &bar).await?,
            Place::Remote(address) => {
                return Err(Exit::usage(format!("{address} is in a storage; use cp")));
            }
        };
        let attributes = Attributes {
            content_type: self.content_type,
            metadata: self.metadata.into_iter().collect(),
            ..Attributes::default()
        };
        let mut put = storage.put(&key, body).attributes(attributes);
        if self.if_absent {
            put = put.if_absent();
        }
        let meta = put.await?;
        bar.finish_and_clear();
        let address = self.target.with_path(key.as_str());
        let value = json!({
            "put": address.to_string(), "size": meta.size, "version": meta.version.as_str(),
        });
        print(context.form, &value, &format!("{address}  {}  {}", size(meta.size), meta.version))
    }
}

/// Read an object into a file.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The object.
    source: Address,
    /// The file, a folder that takes the object's name, or - for standard output.
    #[arg(default_value = ".")]
    target: Place,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let copy = Copy {
            source: Place::Remote(self.source),
            target: self.target,
            recursive: false,
            parallel: 1,
        };
        copy.run(context).await
    }
}

/// Copy objects and files, in any direction.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// What to copy: an object, a file, or - for standard input.
    source: Place,
    /// Where to: an object, a file, a folder (ending in /, or existing), or - for standard output.
    target: Place,
    /// Copy a folder with everything below it.
    #[arg(short, long)]
    recursive: bool,
    /// How many objects at once, with --recursive.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
}

impl Copy {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let route = Route::open(context, &self.source, &self.target).await?;
        if !self.recursive {
            let step = self.single()?;
            let bar = progress::bytes(&step.to_string(), None);
            let bytes = route.copy(&step, &bar).await?;
            bar.finish_and_clear();
            if self.target == Place::Standard {
                return Ok(());
            }
            let value = json!({
                "from": step.source.to_string(), "to": step.target.to_string(), "size": bytes,
            });
            return print(context.form, &value, &format!("{step}  {}", size(bytes)));
        }
        let bar = progress::items("copying", None);
        let Steps { steps, skipped } = self.steps(&route).await?;
        bar.set_length(steps.len() as u64);
        let silent = ProgressBar::hidden();
        let (route, silent, bar) = (&route, &silent, &bar);
        let copied: Vec<u64> = stream::iter(steps)
            .map(|step| async move {
                let bytes = route.copy(&step, silent).await?;
                bar.inc(1);
                Ok::<_, Exit>(bytes)
            })
            .buffer_unordered(self.parallel.into())
            .try_collect()
            .await?;
        bar.finish_and_clear();
        let bytes = copied.iter().sum();
        let value = json!({
            "from": self.source.to_string(), "to": self.target.to_string(),
            "objects": copied.len(), "bytes": bytes, "skipped": skipped,
        });
        let mut text = format!(
            "{} -> {}  {} objects, {}",
            self.source,
            self.target,
            copied.len(),
            size(bytes)
        );
        if skipped > 0 {
            text.push_str(&format!("; {skipped} skipped, neither files nor folders"));
        }
        print(context.form, &value, &text)
    }

    /// The one step of a copy that is not recursive, with the name filled in for a folder.
    fn single(&self) -> Outcome<Step> {
        let target = match (&self.source, &self.target) {
            (_, Place::Remote(address)) => {
                let key = match &self.source {
                    Place::Remote(source) if address.is_folder() => {
                        let key = source.key().map_err(Exit::usage)?;
                        format!("{}{}", address.path, last_segment(key.as_str()))
                    }
                    source => target_key(source, address)?.to_string(),
                };
                Place::Remote(address.with_path(key))
            }
            (Place::Remote(source), Place::Local(path)) if is_folder(path) => {
                let key = source.key().map_err(Exit::usage)?;
                Place::Local(path.join(last_segment(key.as_str())))
            }
            (_, target) => target.clone(),
        };
        Ok(Step { source: self.source.clone(), target })
    }

    /// Every step of a recursive copy.
    async fn steps(&self, route: &Route) -> Outcome<Steps> {
        let target = |name: &str| match &self.target {
            Place::Remote(address) => {
                Ok(Place::Remote(address.with_path(format!("{}{name}", address.folder()))))
            }
            Place::Local(folder) => Ok(Place::Local(folder.join(name))),
            Place::Standard => Err(Exit::usage("a folder cannot be copied to standard output")),
        };
        match (&self.source, &route.source) {
            (Place::Remote(address), Some(storage)) => {
                let folder = address.folder();
                let mut entries = storage.list(&folder).stream();
                let mut steps = Vec::new();
                while let Some(entry) = entries.next().await {
                    let entry = entry?;
                    let Some(object) = entry.as_object() else { continue };
                    if !object.key.is_portable() {
                        return Err(Exit::failed(format!(
                            "{}: the key is not portable, copy it alone under another name",
                            address.with_path(object.key.as_str())
                        )));
                    }
                    let name = &object.key.as_str()[folder.len()..];
                    let source = Place::Remote(address.with_path(object.key.as_str()));
                    steps.push(Step { source, target: target(name)? });
                }
                if steps.is_empty() && !folder.is_empty() {
                    let folder = address.with_path(folder);
                    return Err(Exit::failed(format!("no object is below {folder}")));
                }
                Ok(Steps { steps, skipped: 0 })
            }
            (Place::Local(folder), _) => {
                let step = |(path, name): (PathBuf, String)| {
                    Ok(Step { source: Place::Local(path), target: target(&name)? })
                };
                let walk = files::walk(folder)?;
                let steps = walk.files.into_iter().map(step).collect::<Outcome<_>>()?;
                Ok(Steps { steps, skipped: walk.skipped })
            }
            _ => Err(Exit::usage("standard input is not a folder")),
        }
    }
}

/// What a recursive copy does, and how many entries it leaves out.
struct Steps {
    steps: Vec<Step>,
    skipped: usize,
}

/// One object or file to copy.
struct Step {
    source: Place,
    target: Place,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.source, self.target)
    }
}

/// The storages at the two ends, opened once.
struct Route {
    source: Option<Storage>,
    target: Option<Storage>,
    same: bool,
}

impl Route {
    async fn open(context: &Context, source: &Place, target: &Place) -> Outcome<Self> {
        let open = async |place: &Place| match place {
            Place::Remote(address) => context.storage(&address.instance).await.map(Some),
            _ => Ok(None),
        };
        let same = match (source, target) {
            (Place::Remote(source), Place::Remote(target)) => source.instance == target.instance,
            (Place::Remote(_), _) | (_, Place::Remote(_)) => false,
            _ => return Err(Exit::usage("neither end is in a storage; write one as NAME:/KEY")),
        };
        let source = open(source).await?;
        let target = if same { source.clone() } else { open(target).await? };
        Ok(Self { source, target, same })
    }

    /// Copies one object or file; returns its size.
    async fn copy(&self, step: &Step, bar: &ProgressBar) -> Outcome<u64> {
        let key = |address: &Address| address.key().map_err(Exit::usage);
        match (&step.source, &self.source, &step.target, &self.target) {
            (Place::Remote(from), Some(source), Place::Remote(to), Some(target)) => {
                let (from, to) = (key(from)?, key(to)?);
                let meta = if self.same {
                    source.copy(from, to).await?
                } else {
                    transfer::copy(source, from, target, to).await?.target
                };
                Ok(meta.size)
            }
            (Place::Remote(from), Some(source), to, _) => {
                let object = source.get(key(from)?).await?;
                let bytes = object.meta().size;
                bar.set_length(bytes);
                match to {
                    Place::Local(path) => {
                        if let Some(folder) = path.parent() {
                            tokio::fs::create_dir_all(folder)
                                .await
                                .map_err(|error| not_a_folder(folder, &error))?;
                        }
                        files::write(path, object.stream(), bar).await?;
                    }
                    _ => files::standard_output(object.stream()).await?,
                }
                Ok(bytes)
            }
            (from, _, Place::Remote(to), Some(target)) => {
                let body = match from {
                    Place::Local(path) => files::read(path, bar).await?,
                    _ => files::standard_input(bar),
                };
                Ok(target.put(key(to)?, body).await?.size)
            }
            _ => Err(Exit::usage("neither end is in a storage; write one as NAME:/KEY")),
        }
    }
}

/// The key to write: a folder takes the name of the file.
fn target_key(source: &Place, target: &Address) -> Outcome<Key> {
    if !target.is_folder() {
        return target.key().map_err(Exit::usage);
    }
    let name = match source {
        Place::Local(path) => path.file_name().and_then(|name| name.to_str()),
        _ => None,
    };
    let Some(name) = name else {
        return Err(Exit::usage(format!(
            "{target} names a folder, and {source} has no name to add"
        )));
    };
    Ok(Key::new(format!("{}{name}", target.path))?)
}

/// Names the file that stands where a folder is needed, for the system does not.
fn not_a_folder(folder: &Path, error: &std::io::Error) -> Exit {
    match folder.ancestors().find(|part| part.exists() && !part.is_dir()) {
        Some(file) => Exit::failed(format!("{} is a file, a folder is needed", file.display())),
        None => Exit::file(folder, error),
    }
}

fn last_segment(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
