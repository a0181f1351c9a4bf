//! Listing: pages that begin by name, so that a page token is good for any handle and any time. The
//! area of unfinished uploads is passed over.

use std::ops::Bound;

use google_cloud_storage::model::Object;
use omni_contracts::Result;
use omni_contracts::storage::{ListEntry, ListPage, ListRequest, Prefix};

use super::area::{AFTER_AREA, AREA};
use super::client::Bucket;
use super::describe;
use super::error::Intent;
use super::provider::GcsStorage;

/// Names from `start` on and before `end`, as the service lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) prefix: String,
    pub(crate) delimiter: String,
    pub(crate) start: String,
    /// Empty for no end.
    pub(crate) end: String,
    pub(crate) versions: bool,
}

impl Span {
    /// All names that begin with a text.
    pub(crate) fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    /// The names that callers see: those before the area and those after it. What is rolled up is
    /// rolled up in each, so that a prefix shows only where a visible object has it.
    pub(crate) fn visible(self) -> Vec<Self> {
        if self.prefix.starts_with(AREA) {
            return Vec::new();
        }
        if !AREA.starts_with(&self.prefix) || self.start.as_str() >= AFTER_AREA {
            return vec![self];
        }
        let after = Self { start: AFTER_AREA.to_owned(), ..self.clone() };
        if self.start.as_str() >= AREA {
            return vec![after];
        }
        vec![Self { end: AREA.to_owned(), ..self }, after]
    }
}

/// What one request lists.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Object>,
    pub(crate) prefixes: Vec<String>,
    /// Where the service goes on.
    pub(crate) next: Option<String>,
}

impl Bucket {
    /// Lists at most `limit` names, at least one if there is any.
    pub(crate) async fn span(
        &self,
        span: &Span,
        limit: usize,
        token: Option<String>,
    ) -> Result<Listed> {
        let mut token = token.unwrap_or_default();
        loop {
            let list = self
                .list()
                .set_prefix(&span.prefix)
                .set_delimiter(&span.delimiter)
                .set_lexicographic_start(&span.start)
                .set_lexicographic_end(&span.end)
                .set_versions(span.versions)
                .set_page_size(i32::try_from(limit).unwrap_or(i32::MAX))
                .set_page_token(&token);
            let page = self.ask(Intent::Read, list.send()).await?;
            token = page.next_page_token;
            let found = !page.objects.is_empty() || !page.prefixes.is_empty();
            if found || token.is_empty() {
                let next = Some(token).filter(|token| !token.is_empty());
                return Ok(Listed { objects: page.objects, prefixes: page.prefixes, next });
            }
        }
    }
}

impl GcsStorage {
    pub(crate) async fn try_list(&self, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        let max = self.capabilities.limits.max_page_size;
        let limit = request.limit.map_or(max, |limit| limit.min(max));
        let (start, passed) = match request.scan_start()? {
            None => return Ok(ListPage::default()),
            Some(Bound::Included(start)) => (start, None),
            Some(Bound::Excluded(after)) => (after.clone(), Some(after)),
            Some(Bound::Unbounded) => (String::new(), None),
        };
        let all = Span {
            prefix: request.prefix.as_str().to_owned(),
            delimiter: request.delimiter.clone().unwrap_or_default(),
            start,
            ..Span::default()
        };
        let mut entries: Vec<ListEntry> = Vec::new();
        let mut more = false;
        for span in all.visible() {
            if more || entries.len() >= limit {
                more = true;
                break;
            }
            // The service begins with the name that was passed.
            let wanted = (limit - entries.len() + usize::from(passed.is_some())).min(max);
            let mut listed = self.bucket.span(&span, wanted, None).await?;
            if passed.is_some() && listed.prefixes.is_empty() && listed.next.is_some() {
                let alone =
                    listed.objects.iter().all(|object| Some(&object.name) == passed.as_ref());
                if alone {
                    listed = self.bucket.span(&span, wanted, listed.next).await?;
                }
            }
            more = listed.next.is_some();
            let before = entries.len();
            collect(&listed, passed.as_deref(), &mut entries)?;
            entries[before..].sort_by(|one, other| one.name().cmp(other.name()));
            entries.dedup_by(|one, other| one.name() == other.name() && is_prefix(one, other));
            if entries.len() > limit {
                entries.truncate(limit);
                more = true;
            }
        }
        let next = entries.last().filter(|_| more).map(|last| request.token_after(last.name()));
        Ok(ListPage { entries, next })
    }
}

/// Objects and prefixes come apart; they are one sequence.
fn collect(listed: &Listed, passed: Option<&str>, entries: &mut Vec<ListEntry>) -> Result<()> {
    for object in &listed.objects {
        if Some(&*object.name) != passed {
            entries.push(ListEntry::Object(describe::entry(object)?));
        }
    }
    for prefix in &listed.prefixes {
        entries.push(ListEntry::Prefix(Prefix::new(prefix)?));
    }
    Ok(())
}

/// Whether both are the same prefix, which objects before and after the area have.
fn is_prefix(one: &ListEntry, other: &ListEntry) -> bool {
    matches!((one, other), (ListEntry::Prefix(_), ListEntry::Prefix(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_passed_over() {
        let visible = |prefix: &str, start: &str| {
            let span = Span { start: start.to_owned(), ..Span::prefix(prefix) };
            let spans = span.visible().into_iter();
            spans.map(|span| (span.start, span.end)).collect::<Vec<_>>()
        };
        let own = |text: &str| text.to_owned();
        let before = |start: &str| (own(start), own(AREA));
        let after = (own(AFTER_AREA), String::new());
        assert_eq!(visible("", ""), [before(""), after.clone()]);
        assert_eq!(visible(".omni-uploads/", "."), [before("."), after.clone()]);
        assert_eq!(visible("", ".omni-uploads//x"), std::slice::from_ref(&after));
        assert_eq!(visible("", AREA), [after]);
        assert_eq!(visible("", "b"), [(own("b"), String::new())]);
        assert_eq!(visible("a", ""), [(String::new(), String::new())]);
        assert!(visible(".omni-uploads//", "").is_empty());
        assert!(visible(".omni-uploads//uploads/", "").is_empty());
    }
}
