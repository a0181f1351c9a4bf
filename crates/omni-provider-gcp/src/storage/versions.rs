//! Listing all stored generations: by key, newest first.

use google_cloud_storage::model::Object;
use omni_contracts::storage::{Capability, PageToken, Prefix, VersionEntry, VersionPage};
use omni_contracts::{Error, Result};

use super::describe;
use super::list::Span;
use super::provider::GcsStorage;

/// What a page comes to, as long as it has room.
struct Page<'t> {
    entries: Vec<VersionEntry>,
    limit: usize,
    /// The name and the generation that the page begins after.
    after: Option<(&'t str, i64)>,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    /// Takes in all generations of one name, which the service has oldest first.
    fn take(&mut self, mut generations: Vec<Object>) -> Result<()> {
        generations.sort_by_key(|object| std::cmp::Reverse(object.generation));
        for object in &generations {
            let passed = self
                .after
                .is_some_and(|(name, last)| object.name == name && object.generation >= last);
            if !passed && !self.is_full() {
                self.entries.push(VersionEntry {
                    object: describe::entry(object)?,
                    current: object.delete_time.is_none(),
                });
            }
        }
        Ok(())
    }
}

impl GcsStorage {
    pub(crate) async fn try_list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        self.capabilities.expect(Capability::Versioning)?;
        if limit == Some(0) {
            return Err(Error::invalid("the limit must be at least 1"));
        }
        let max = self.capabilities.limits.max_page_size;
        let scope = ["versions", prefix.as_str()];
        let after = match token {
            None => None,
            Some(token) => Some(place(token.open(&scope)?)?),
        };
        let limit = limit.map_or(max, |limit| limit.min(max));
        let mut page = Page { entries: Vec::new(), limit, after };
        let span = Span {
            start: after.map_or_else(String::new, |(name, _)| name.to_owned()),
            versions: true,
            ..Span::prefix(prefix.as_str())
        };
        for span in span.visible() {
            self.fill(&mut page, &span, max).await?;
        }
        let next = page.entries.last().filter(|_| page.is_full()).map(|last| {
            let place = format!("{}\n{}", last.object.version, last.object.key.as_str());
            PageToken::sealed(&scope, &place)
        });
        Ok(VersionPage { entries: page.entries, next })
    }

    /// Takes in what a span holds, name by name.
    async fn fill(&self, page: &mut Page<'_>, span: &Span, max: usize) -> Result<()> {
        let mut token = None;
        let mut same: Vec<Object> = Vec::new();
        while !page.is_full() {
            let listed = self.bucket.span(span, max, token).await?;
            for object in listed.objects {
                if same.first().is_some_and(|first| first.name != object.name) {
                    page.take(std::mem::take(&mut same))?;
                }
                same.push(object);
            }
            token = listed.next;
            if token.is_none() {
                return page.take(same);
            }
        }
        Ok(())
    }
}

/// The name and the generation that a token holds.
fn place(text: &str) -> Result<(&str, i64)> {
    text.split_once('\n')
        .and_then(|(generation, name)| Some((name, generation.parse().ok()?)))
        .ok_or_else(|| Error::invalid("the page token does not continue this listing"))
}

#[cfg(test)]
mod tests {
    use google_cloud_wkt::Timestamp;

    use super::*;

    #[test]
    fn newest_first_after_what_was_passed() {
        let object = |generation: i64| {
            let time = Timestamp::try_from("2026-01-02T03:04:05Z").unwrap();
            let object = Object::new().set_name("a").set_generation(generation);
            let object = object.set_create_time(time);
            if generation < 9 { object.set_delete_time(time) } else { object }
        };
        let mut page = Page { entries: Vec::new(), limit: 2, after: Some(place("9\na").unwrap()) };
        page.take([3, 5, 7, 9].map(object).to_vec()).unwrap();
        let seen: Vec<_> = page.entries.iter().map(|e| e.object.version.as_str()).collect();
        assert_eq!(seen, ["7", "5"]);
        assert!(page.is_full() && page.entries.iter().all(|entry| !entry.current));
        let mut page = Page { entries: Vec::new(), limit: 2, after: None };
        page.take([5, 9].map(object).to_vec()).unwrap();
        assert_eq!(page.entries.iter().map(|e| e.current).collect::<Vec<_>>(), [true, false]);
        assert!(place("x").is_err() && place("x\ny").is_err());
    }
}
