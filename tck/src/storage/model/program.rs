//! Random programs: what their steps are, and the keys and attributes that they are about.
//!
//! Steps name versions and uploads by their place in the program ("the current version"), so that a
//! program stays meaningful when steps are taken out of it.

use std::sync::{Arc, LazyLock};

use omni_contracts::storage::Attributes;

use crate::reference::Content;

/// One operation, on one of two handles.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) handle: usize,
    pub(super) op: Op,
}

/// An operation. Keys, prefixes and attributes are places in the lists below.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Put {
        key: usize,
        source: Source,
        checksum: Checksum,
        when: When,
        named: bool,
        attributes: usize,
    },
    RepeatPut {
        key: usize,
    },
    Get {
        key: usize,
        range: Slice,
        reading: Reading,
    },
    GetRanges {
        key: usize,
        ranges: Vec<Slice>,
        reading: Reading,
    },
    Head {
        key: usize,
        reading: Reading,
    },
    Delete {
        key: usize,
        if_match: Option<Which>,
    },
    DeleteVersion {
        key: usize,
        which: Which,
    },
    DeleteMany {
        keys: Vec<usize>,
    },
    DeleteFolder {
        key: usize,
    },
    List {
        prefix: usize,
        delimiter: Option<&'static str>,
        start_after: Option<usize>,
        limit: Option<usize>,
    },
    ListVersions {
        prefix: usize,
        limit: Option<usize>,
    },
    Copy {
        from: usize,
        to: usize,
        source: Option<Which>,
        when: When,
        attributes: Option<usize>,
    },
    CreateUpload {
        key: usize,
        attributes: usize,
    },
    UploadPart {
        upload: usize,
        owner: Owner,
        number: u16,
        source: Source,
    },
    ListParts {
        upload: usize,
        owner: Owner,
    },
    CompleteUpload {
        upload: usize,
        owner: Owner,
        parts: Parts,
        when: When,
        checksum: Checksum,
    },
    AbortUpload {
        upload: usize,
        owner: Owner,
    },
    ListUploads {
        prefix: usize,
    },
    Reopen,
}

/// A range whose edges may depend on the size of the object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slice {
    Full,
    Bounded(Edge, Edge),
    From(Edge),
    Suffix(Edge),
}

/// An edge of a range.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge {
    At(u64),
    /// So many bytes after the size of the object, or before it.
    Size(i64),
}

/// Content on its way in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) content: Content,
    pub(super) form: Form,
}

/// How content is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// Chunks of this many bytes, empty ones between.
    Stream {
        chunk: usize,
        stated: bool,
    },
    /// A stream that fails half way.
    Fails,
    /// A stream that ends one byte before its stated length.
    Short,
    /// A stream that goes on one byte after its stated length.
    Long,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    None,
    Right,
    Wrong,
}

/// The condition of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Always,
    IfAbsent,
    IfMatch(Which),
}

/// A version of the key at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Current,
    Older,
    Foreign,
}

/// The conditions of a read, and the version to read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) version: Option<Which>,
    pub(super) if_match: Option<Which>,
    pub(super) if_none_match: Option<Which>,
    /// In whole seconds after the object's own time.
    pub(super) if_modified_since: Option<i64>,
    pub(super) if_unmodified_since: Option<i64>,
}

/// Whether an upload is used with its key, with another one, or was never begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Own,
    Other,
    Nobody,
}

/// The parts that completing states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    All,
    AllButFirst,
    None,
    Reversed,
    Repeated,
    /// One more, which was not received.
    Unreceived,
    /// The first one as it was before it was sent again.
    Replaced,
}

/// How many of the keys, from the first, are beginnings of each other, or nearly.
pub(super) const NESTED: usize = 7;

/// Keys that collide in as many ways as possible.
pub(super) static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let longest = [&*"k".repeat(240); 4].join("/") + "/" + &"k".repeat(60);
    [
        "a",
        "a/b",
        "a-b",
        "a/b/c",
        "ab",
        "a/b-c",
        "a/c",
        "A",
        "a b",
        " a",
        "%61",
        "\u{e9}",
        "e\u{301}",
        "\u{1f600}/\u{1f600}",
        "~",
        ".tmp/x",
        "\u{fffc}",
        &longest,
    ]
    .map(str::to_owned)
    .into()
});

/// Beginnings of those keys, and of none.
pub(super) static PREFIXES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut prefixes: Vec<_> =
        ["", "a", "a/", "a/b", "e", "b", "%", "kkk"].map(str::to_owned).into();
    prefixes.extend(KEYS.iter().cloned());
    prefixes
});

/// Attributes: none, some, and as many as there may be.
pub(super) static ATTRIBUTES: LazyLock<Vec<Arc<Attributes>>> = LazyLock::new(|| {
    let metadata = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let full = "\u{e4}".repeat((1024 - "a9_".len()) / 2);
    [
        Attributes::default(),
        Attributes {
            content_type: Some("text/plain; charset=utf-8".into()),
            metadata: metadata(&[("a", "1"), ("b", "")]),
            ..Attributes::default()
        },
        Attributes {
            content_encoding: Some("gzip".into()),
            metadata: metadata(&[("a", " \u{1f600}\r\n%41 "), ("a_", "2")]),
            ..Attributes::default()
        },
        Attributes {
            cache_control: Some("max-age=60, public".into()),
            content_disposition: Some("attachment; filename=\"a b\"".into()),
            content_encoding: Some("br".into()),
            content_language: Some("de, en".into()),
            content_type: Some("application/x-a+b".into()),
            metadata: metadata(&[("a9_", &full)]),
        },
    ]
    .map(Arc::new)
    .into()
});
