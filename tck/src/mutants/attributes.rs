//! Mutants of the section "Attributes": STO-110 to STO-116.

use std::sync::Arc;

use omni_contracts::ErrorKind;
use omni_contracts::storage::Attributes;

use super::Mutant;
use super::atomicity::put_in_two_steps;
use super::sabotage::fail;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-110", "guesses_content_types", "an absent content type is filled in").options(
        |options| {
            let attributes = Arc::make_mut(&mut options.attributes);
            attributes.content_type.get_or_insert("application/octet-stream".to_owned());
        },
    ),
    Mutant::new("STO-110", "adds_a_charset", "text gets a charset").options(|options| {
        if options.attributes.content_type.as_deref() == Some("text/plain") {
            Arc::make_mut(&mut options.attributes).content_type =
                Some("text/plain; charset=utf-8".to_owned());
        }
    }),
    Mutant::new("STO-110", "lower_cases_fields", "content fields come back in lower case")
        .options(|options| each_field(&mut options.attributes, |value| value.to_ascii_lowercase())),
    Mutant::new("STO-110", "forgets_languages", "the content language is not stored")
        .options(|options| Arc::make_mut(&mut options.attributes).content_language = None),
    Mutant::new("STO-110", "forgets_dispositions", "the content disposition is not stored")
        .options(|options| Arc::make_mut(&mut options.attributes).content_disposition = None),
    Mutant::new("STO-110", "forgets_cache_control", "get does not report the cache control")
        .got(|meta| Arc::make_mut(&mut meta.attributes).cache_control = None),
    Mutant::new("STO-110", "mixes_fields_up", "encoding and language are swapped").options(
        |options| {
            let attributes = Arc::make_mut(&mut options.attributes);
            std::mem::swap(&mut attributes.content_encoding, &mut attributes.content_language);
        },
    ),
    Mutant::new("STO-111", "trims_values", "metadata loses spaces at the ends")
        .options(|options| each_value(&mut options.attributes, |value| value.trim().to_owned())),
    Mutant::new("STO-111", "lower_cases_values", "metadata comes back in lower case")
        .options(|options| each_value(&mut options.attributes, |value| value.to_ascii_lowercase())),
    Mutant::new("STO-111", "drops_what_is_not_ascii", "metadata loses characters beyond ASCII")
        .options(|options| {
            each_value(&mut options.attributes, |value| value.replace(|c: char| !c.is_ascii(), ""));
        }),
    Mutant::new("STO-111", "reads_latin_1", "metadata is read back in another encoding").described(
        |meta| {
            each_value(&mut meta.attributes, |value| value.bytes().map(char::from).collect());
        },
    ),
    Mutant::new("STO-111", "drops_empty_values", "metadata without a value is dropped").options(
        |options| {
            Arc::make_mut(&mut options.attributes).metadata.retain(|_, value| !value.is_empty());
        },
    ),
    Mutant::new("STO-111", "folds_lines", "line ends in metadata become spaces").options(
        |options| each_value(&mut options.attributes, |value| value.replace(['\r', '\n'], " ")),
    ),
    Mutant::new("STO-111", "decodes_values", "percent sequences in metadata are decoded").options(
        |options| {
            each_value(&mut options.attributes, |value| {
                value.replace("%20", " ").replace("%41", "A").replace("%25", "%")
            });
        },
    ),
    Mutant::new("STO-111", "keeps_ten_entries", "metadata after the tenth name is dropped")
        .options(|options| {
            let attributes = Arc::make_mut(&mut options.attributes);
            while attributes.metadata.len() > 10 {
                attributes.metadata.pop_last();
            }
        }),
    Mutant::new("STO-111", "streams_have_no_metadata", "a streamed put stores no metadata").put(
        |store, mut put| {
            Box::pin(async move {
                if put.is_streamed() {
                    put.options.attributes.validate()?;
                    Arc::make_mut(&mut put.options.attributes).metadata.clear();
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-112", "merges_metadata", "an overwrite adds to the metadata of before").put(
        |store, mut put| {
            Box::pin(async move {
                if let Ok(old) = store.meta(&put.key).await {
                    let attributes = Arc::make_mut(&mut put.options.attributes);
                    for (name, value) in &old.attributes.metadata {
                        attributes.metadata.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new(
        "STO-112",
        "keeps_what_is_not_stated",
        "an overwrite without attributes keeps them",
    )
    .put(|store, mut put| {
        Box::pin(async move {
            if let Ok(old) = store.meta(&put.key).await
                && put.options.attributes.is_empty()
            {
                put.options.attributes = old.attributes;
            }
            put.to(&*store.inner).await
        })
    }),
    Mutant::new("STO-112", "keeps_the_content_type", "an overwrite keeps the content type").put(
        |store, mut put| {
            Box::pin(async move {
                if let Ok(old) = store.meta(&put.key).await
                    && put.options.attributes.content_type.is_none()
                {
                    let attributes = Arc::make_mut(&mut put.options.attributes);
                    attributes.content_type = old.attributes.content_type.clone();
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-113", "cuts_large_metadata", "metadata above 1024 bytes is cut").options(
        |options| {
            let size = |attributes: &Attributes| {
                attributes.metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
            };
            let mut total: usize = size(&options.attributes);
            while total > 1024 {
                Arc::make_mut(&mut options.attributes).metadata.pop_last();
                total = size(&options.attributes);
            }
        },
    ),
    Mutant::new("STO-113", "takes_less_metadata", "metadata of 1024 bytes is refused").put(
        |store, put| {
            Box::pin(async move {
                let metadata = &put.options.attributes.metadata;
                match metadata.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() >= 1024 {
                    true => fail(ErrorKind::InvalidArgument),
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-113", "cuts_many_entries", "metadata above 64 entries is cut").options(
        |options| {
            let metadata = &mut Arc::make_mut(&mut options.attributes).metadata;
            while metadata.len() > 64 {
                metadata.pop_last();
            }
        },
    ),
    Mutant::new("STO-113", "takes_fewer_entries", "metadata of 64 entries is refused").put(
        |store, put| {
            Box::pin(async move {
                match put.options.attributes.metadata.len() >= 64 {
                    true => fail(ErrorKind::InvalidArgument),
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-113", "counts_characters", "metadata is limited in characters, not bytes")
        .options(|options| {
            let metadata = &options.attributes.metadata;
            let characters = metadata.iter().map(|(n, v)| n.len() + v.chars().count());
            if characters.sum::<usize>() <= 1024 && options.attributes.validate().is_err() {
                each_value(&mut options.attributes, |value| {
                    value.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
                });
            }
        }),
    Mutant::new("STO-113", "corrects_names", "metadata names are made to fit").options(|options| {
        let attributes = Arc::make_mut(&mut options.attributes);
        attributes.metadata = std::mem::take(&mut attributes.metadata)
            .into_iter()
            .map(|(name, value)| (name.to_lowercase().replace('-', "_"), value))
            .collect();
    }),
    Mutant::new("STO-113", "stores_then_refuses", "what has wrong attributes is stored without")
        .put(|store, mut put| {
            Box::pin(async move {
                let valid = put.options.attributes.validate();
                if valid.is_err() && put.key.is_portable() {
                    put.options.attributes = Attributes::none();
                    put.to(&*store.inner).await?;
                    return fail(ErrorKind::InvalidArgument);
                }
                put.to(&*store.inner).await
            })
        }),
    Mutant::new("STO-114", "cleans_fields", "characters that are not allowed are dropped").options(
        |options| {
            each_field(&mut options.attributes, |value| {
                value.replace(|c: char| !c.is_ascii_graphic() && c != ' ', "").trim().to_owned()
            });
        },
    ),
    Mutant::new("STO-114", "takes_any_content_type", "a content type that is none is left out")
        .options(|options| {
            let attributes = Arc::make_mut(&mut options.attributes);
            let content_type = attributes.content_type.take();
            attributes.content_type = content_type.filter(|text| text.contains('/'));
        }),
    Mutant::new("STO-114", "empty_is_absent", "an empty content field is taken for an absent one")
        .options(|options| {
            each_field_option(&mut options.attributes, |value| {
                value.take_if(|value| value.is_empty());
            });
        }),
    Mutant::new("STO-115", "attributes_come_second", "attributes are set after the content")
        .put(|store, put| Box::pin(put_in_two_steps(store, put))),
    Mutant::new("STO-115", "head_and_content_are_two_reads", "get reads attributes, then content")
        .get(|store, get| {
            Box::pin(async move {
                let described = get.clone().head(&*store.inner).await;
                tokio::task::yield_now().await;
                let mut found = get.from(&*store.inner).await?;
                if let Ok(meta) = described {
                    found.meta.attributes = meta.attributes;
                }
                Ok(found)
            })
        }),
    Mutant::new("STO-116", "decodes_gzip", "what looks compressed loses its encoding on get").got(
        |meta| {
            let attributes = Arc::make_mut(&mut meta.attributes);
            attributes.content_encoding.take_if(|encoding| encoding == "gzip");
        },
    ),
    Mutant::new("STO-116", "unwraps_gzip", "get cuts the header off compressed content").read(
        Some(|content| match content.starts_with(&[0x1f, 0x8b]) {
            true => content.slice(2..),
            false => content,
        }),
    ),
];

fn each_value(attributes: &mut Arc<Attributes>, change: fn(&str) -> String) {
    if !attributes.metadata.is_empty() {
        for value in Arc::make_mut(attributes).metadata.values_mut() {
            *value = change(value);
        }
    }
}

fn each_field(attributes: &mut Arc<Attributes>, change: fn(&str) -> String) {
    let attributes = Arc::make_mut(attributes);
    for field in fields(attributes) {
        *field = field.take().map(|value| change(&value));
    }
}

fn each_field_option(attributes: &mut Arc<Attributes>, change: fn(&mut Option<String>)) {
    fields(Arc::make_mut(attributes)).into_iter().for_each(change);
}

fn fields(attributes: &mut Attributes) -> [&mut Option<String>; 5] {
    [
        &mut attributes.cache_control,
        &mut attributes.content_disposition,
        &mut attributes.content_encoding,
        &mut attributes.content_language,
        &mut attributes.content_type,
    ]
}
