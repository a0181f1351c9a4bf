//! Random programs: what their steps are, how they are chosen, and how they read.
//!
//! Steps name versions and uploads by their place in the program ("the current version"), so that a
//! program stays meaningful when steps are taken out of it.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use omni_contracts::storage::{Attributes, ByteRange, Capabilities, Capability, Durability};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Union};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::reference::Content;

/// The lengths of programs.
const STEPS: RangeInclusive<usize> = 8..=60;

/// How many keys a program uses: few, so that its steps meet.
const RING: RangeInclusive<usize> = 2..=4;

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
        range: ByteRange,
        reading: Reading,
    },
    GetRanges {
        key: usize,
        ranges: Vec<ByteRange>,
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
const NESTED: usize = 7;

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
        "\u{ffff}",
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
    let full = "\u{e4}".repeat((2048 - "a9_".len()) / 2);
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

const SIZES: [u64; 16] = [
    0, 1, 2, 15, 255, 1000, 4095, 4096, 4097, 16_384, 65_535, 65_536, 65_537, 131_072, 262_145,
    1_048_577,
];

/// Programs of the operations that `capabilities` declare, on a few keys that `rng` chooses.
pub(super) fn programs(
    capabilities: &Capabilities,
    rng: &mut StdRng,
) -> impl Strategy<Value = Vec<Step>> + use<> {
    // Half of the keys are those that are each other's beginnings.
    let mut key = || {
        let choice = if rng.random() { NESTED } else { KEYS.len() };
        rng.random_range(0..choice)
    };
    let ring: Vec<usize> = (0..*RING.end()).map(|_| key()).collect();
    let ring = ring[..rng.random_range(RING)].to_vec();
    // Handles on a store in memory are one process; on others they are opened anew now and then.
    let reopen = capabilities.durability > Durability::Memory;
    let op = ops(capabilities, &ring, reopen);
    let step = (0..2_usize, op).prop_map(|(handle, op)| Step { handle, op });
    vec(step, STEPS)
}

fn ops(capabilities: &Capabilities, ring: &[usize], reopen: bool) -> Union<BoxedStrategy<Op>> {
    let has = |capability| capabilities.has(capability);
    let key = || select(ring.to_vec());
    let put_when = when(has(Capability::ConditionalCreate), has(Capability::ConditionalUpdate));
    let copy_when = when(has(Capability::ConditionalCopy), has(Capability::ConditionalCopy));
    let complete_when =
        when(has(Capability::ConditionalMultipart), has(Capability::ConditionalMultipart));
    let if_match = optional(has(Capability::ConditionalDelete), which());
    let reading = reading(has(Capability::ConditionalRead), has(Capability::Versioning));
    let limit = option::weighted(0.7, select(vec![1, 2, 3, 5, 1000, 100_000]));

    let put = (key(), source(), checksum(), put_when, any::<bool>(), attributes()).prop_map(
        |(key, source, checksum, when, named, attributes)| Op::Put {
            key,
            source,
            checksum,
            when,
            named,
            attributes,
        },
    );
    let get = (key(), range(), reading.clone()).prop_map(|(key, range, reading)| Op::Get {
        key,
        range,
        reading,
    });
    let get_ranges = (key(), vec(range(), 0..5), reading.clone())
        .prop_map(|(key, ranges, reading)| Op::GetRanges { key, ranges, reading });
    let list = (
        prefix(),
        option::weighted(0.6, select(vec!["/", "b", "-", "b/", "\u{301}", "//"])),
        option::weighted(0.3, key()),
        limit.clone(),
    )
        .prop_map(|(prefix, delimiter, start_after, limit)| Op::List {
            prefix,
            delimiter,
            start_after,
            limit,
        });
    let copy = (
        key(),
        key(),
        option::weighted(0.2, which()),
        copy_when,
        option::weighted(0.4, attributes()),
    )
        .prop_map(|(from, to, source, when, attributes)| Op::Copy {
            from,
            to,
            source,
            when,
            attributes,
        });
    let mut ops = vec![
        (16, put.boxed()),
        (9, get.boxed()),
        (3, get_ranges.boxed()),
        (4, (key(), reading).prop_map(|(key, reading)| Op::Head { key, reading }).boxed()),
        (4, (key(), if_match).prop_map(|(key, if_match)| Op::Delete { key, if_match }).boxed()),
        (1, vec(key(), 0..6).prop_map(|keys| Op::DeleteMany { keys }).boxed()),
        (1, (0..NESTED).prop_map(|key| Op::DeleteFolder { key }).boxed()),
        (4, copy.boxed()),
    ];
    if capabilities.list_delay.is_zero() {
        ops.push((5, list.boxed()));
    }
    if has(Capability::ConditionalCreate) || has(Capability::ConditionalUpdate) {
        ops.push((2, key().prop_map(|key| Op::RepeatPut { key }).boxed()));
    }
    if has(Capability::Versioning) {
        let delete = (key(), which()).prop_map(|(key, which)| Op::DeleteVersion { key, which });
        let list = (prefix(), limit).prop_map(|(prefix, limit)| Op::ListVersions { prefix, limit });
        ops.extend([(2, delete.boxed()), (3, list.boxed())]);
    }
    if has(Capability::Multipart) {
        ops.extend(multipart(key().boxed(), complete_when));
    }
    if reopen {
        ops.push((1, Just(Op::Reopen).boxed()));
    }
    Union::new_weighted(ops)
}

fn multipart(
    key: BoxedStrategy<usize>,
    when: BoxedStrategy<When>,
) -> Vec<(u32, BoxedStrategy<Op>)> {
    let upload = 0..2_usize;
    let owner = weighted(&[(16, Owner::Own), (1, Owner::Other), (1, Owner::Nobody)]);
    let number = select(vec![1_u16, 2, 3, 10_000]);
    let parts = weighted(&[
        (10, Parts::All),
        (2, Parts::AllButFirst),
        (1, Parts::None),
        (1, Parts::Reversed),
        (1, Parts::Repeated),
        (1, Parts::Unreceived),
        (1, Parts::Replaced),
    ]);
    let create =
        (key, attributes()).prop_map(|(key, attributes)| Op::CreateUpload { key, attributes });
    let part = (upload.clone(), owner.clone(), number, source()).prop_map(
        |(upload, owner, number, source)| Op::UploadPart { upload, owner, number, source },
    );
    let complete = (upload.clone(), owner.clone(), parts, when, checksum()).prop_map(
        |(upload, owner, parts, when, checksum)| Op::CompleteUpload {
            upload,
            owner,
            parts,
            when,
            checksum,
        },
    );
    let used = (upload, owner);
    vec![
        (3, create.boxed()),
        (8, part.boxed()),
        (4, complete.boxed()),
        (1, used.clone().prop_map(|(upload, owner)| Op::ListParts { upload, owner }).boxed()),
        (1, used.prop_map(|(upload, owner)| Op::AbortUpload { upload, owner }).boxed()),
        (1, prefix().prop_map(|prefix| Op::ListUploads { prefix }).boxed()),
    ]
}

fn prefix() -> impl Strategy<Value = usize> + Clone {
    0..PREFIXES.len()
}

fn attributes() -> impl Strategy<Value = usize> + Clone {
    0..ATTRIBUTES.len()
}

fn source() -> impl Strategy<Value = Source> + Clone {
    let chunk = select(vec![1, 700, 4096, 65_536, 100_000]);
    let form = Union::new_weighted(vec![
        (6, Just(Form::Whole).boxed()),
        (
            5,
            (chunk, any::<bool>())
                .prop_map(|(chunk, stated)| Form::Stream { chunk, stated })
                .boxed(),
        ),
        (1, select(vec![Form::Fails, Form::Short, Form::Long]).boxed()),
    ]);
    (1..1000_u64, select(SIZES.to_vec()), form)
        .prop_map(|(seed, size, form)| Source { content: Content::new(seed, size), form })
        .boxed()
}

fn checksum() -> BoxedStrategy<Checksum> {
    weighted(&[(10, Checksum::None), (3, Checksum::Right), (1, Checksum::Wrong)])
}

fn which() -> BoxedStrategy<Which> {
    weighted(&[(6, Which::Current), (3, Which::Older), (1, Which::Foreign)])
}

/// Write conditions, of the forms that are declared.
fn when(create: bool, update: bool) -> BoxedStrategy<When> {
    let mut forms = vec![(6, Just(When::Always).boxed())];
    if create {
        forms.push((2, Just(When::IfAbsent).boxed()));
    }
    if update {
        forms.push((3, which().prop_map(When::IfMatch).boxed()));
    }
    Union::new_weighted(forms).boxed()
}

/// Mostly unconditional reads; a read of a stated version has no further conditions.
fn reading(conditions: bool, versions: bool) -> BoxedStrategy<Reading> {
    let offset = || option::weighted(0.3, -1..=1_i64);
    let conditional =
        (option::weighted(0.3, which()), option::weighted(0.3, which()), offset(), offset())
            .prop_map(|(if_match, if_none_match, if_modified_since, if_unmodified_since)| {
                Reading {
                    version: None,
                    if_match,
                    if_none_match,
                    if_modified_since,
                    if_unmodified_since,
                }
            });
    let mut forms = vec![(6, Just(Reading::default()).boxed())];
    if conditions {
        forms.push((2, conditional.boxed()));
    }
    if versions {
        let of_version = |which| Reading { version: Some(which), ..Reading::default() };
        forms.push((2, which().prop_map(of_version).boxed()));
    }
    Union::new_weighted(forms).boxed()
}

/// Ranges whose edges are the sizes of objects, or next to them.
fn range() -> impl Strategy<Value = ByteRange> + Clone {
    let edge = || {
        (select(SIZES.to_vec()), 0..3_u64).prop_map(|(size, step)| (size + step).saturating_sub(1))
    };
    Union::new_weighted(vec![
        (4, Just(ByteRange::Full).boxed()),
        (4, (edge(), edge()).prop_map(|(start, end)| ByteRange::Bounded { start, end }).boxed()),
        (2, (0..5_u64, edge()).prop_map(|(start, end)| ByteRange::Bounded { start, end }).boxed()),
        (2, edge().prop_map(ByteRange::From).boxed()),
        (2, edge().prop_map(ByteRange::Suffix).boxed()),
        (1, Just(ByteRange::Bounded { start: 1, end: u64::MAX }).boxed()),
    ])
    .boxed()
}

fn optional<T: Clone + fmt::Debug + 'static>(
    allowed: bool,
    strategy: BoxedStrategy<T>,
) -> BoxedStrategy<Option<T>> {
    if allowed { option::weighted(0.4, strategy).boxed() } else { Just(None).boxed() }
}

fn weighted<T: Clone + fmt::Debug + 'static>(values: &[(u32, T)]) -> BoxedStrategy<T> {
    let just = |(weight, value): &(u32, T)| (*weight, Just(value.clone()));
    Union::new_weighted(values.iter().map(just).collect()).boxed()
}
