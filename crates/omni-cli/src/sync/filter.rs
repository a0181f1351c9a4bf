//! Which names take part.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns over names: `*` stays within a folder, `**` does not.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Filter {
    /// Takes what any of `include` matches, or everything when there is none, but what any of `exclude`
    /// matches.
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, globset::Error> {
        let include = if include.is_empty() { None } else { Some(set(include)?) };
        Ok(Self { include, exclude: set(exclude)? })
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        let included = self.include.as_ref().is_none_or(|include| include.is_match(name));
        included && !self.exclude.is_match(name)
    }
}

fn set(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_matter() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (include, exclude, taken, left) in [
            ("", "", "a a/b", ""),
            ("*.csv", "", "a.csv", "a/b.csv a.txt"),
            ("**/*.csv", "", "a.csv a/b.csv a/b/c.csv", "a.txt"),
            ("", "tmp/**", "tmp a/tmp/x", "tmp/a tmp/a/b"),
            ("a/** b/*", "**/x", "a/b b/c", "a/x b/c/d c"),
        ] {
            let filter = Filter::new(&words(include), &words(exclude)).unwrap();
            for name in taken.split_whitespace() {
                assert!(filter.takes(name), "{include:?} {exclude:?} {name}");
            }
            for name in left.split_whitespace() {
                assert!(!filter.takes(name), "{include:?} {exclude:?} {name}");
            }
        }
        assert!(Filter::new(&["[".to_owned()], &[]).is_err());
    }
}
