//! How random programs are chosen: mostly what works, often what collides, now and then what must be
//! refused. Only operations of declared capabilities.

use std::fmt;
use std::ops::RangeInclusive;

use omni_contracts::storage::{Capabilities, Capability, Durability, PartNumber};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Union};
use rand::RngExt;
use rand::rngs::StdRng;

use super::program::{
    ATTRIBUTES, Checksum, Edge, Form, KEYS, NESTED, Op, Owner, PREFIXES, Parts, Reading, Slice,
    Source, Step, When, Which,
};
use crate::deviation::LeftOut;
use crate::reference::Content;

/// The lengths of programs.
const BURSTS: RangeInclusive<usize> = 5..=40;

/// The length of a long program: some faults show only after a while.
const MANY_BURSTS: RangeInclusive<usize> = 100..=200;

/// How many keys a program uses: few, so that its steps meet.
const RING: RangeInclusive<usize> = 2..=7;

const NUMBERS: [u16; 4] = [1, 2, 3, PartNumber::MAX];

/// Sizes at the edges of buffers; the usual buffer has 64 KiB.
const SIZES: [u64; 14] =
    [0, 1, 2, 15, 255, 4095, 4096, 4097, 65_535, 65_536, 65_536, 65_537, 65_537, 70_000];

/// Sizes of several buffers; seldom, for they take their time.
const LARGE: [u64; 4] = [131_072, 262_145, 1_048_576, 1_048_577];

/// How long a program is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Short,
    Long,
}

/// Programs of the operations that `capabilities` declare, on a few keys that `rng` chooses.
pub(super) fn programs(
    capabilities: &Capabilities,
    left_out: Option<LeftOut>,
    rng: &mut StdRng,
    length: Length,
) -> impl Strategy<Value = Vec<Step>> + use<> {
    // Half of the keys are those that are each other's beginnings.
    let mut key = || {
        let choice = if rng.random() { NESTED } else { KEYS.len() };
        rng.random_range(0..choice)
    };
    let ring: Vec<usize> = (0..*RING.end()).map(|_| key()).collect();
    let ring = ring[..rng.random_range(RING)].to_vec();
    let bursts = match length {
        Length::Short => BURSTS,
        Length::Long => MANY_BURSTS,
    };
    vec(burst(capabilities, left_out, &ring), bursts).prop_map(|bursts| bursts.concat())
}

/// A few steps that belong together; most often one.
fn burst(
    capabilities: &Capabilities,
    left_out: Option<LeftOut>,
    ring: &[usize],
) -> BoxedStrategy<Vec<Step>> {
    let has = |capability| capabilities.has(capability);
    let step =
        |op: BoxedStrategy<Op>| (0..2_usize, op).prop_map(|(handle, op)| Step { handle, op });
    let key = || select(ring.to_vec());
    let small = Source { content: Content::new(1, 16), form: Form::Whole };
    let plain = move |key, source, attributes| Op::Put {
        key,
        source,
        attributes,
        checksum: Checksum::None,
        when: When::Always,
        named: false,
    };
    // The same bytes again are another version.
    let twice = (key(), source(), attributes())
        .prop_map(move |(key, source, attributes)| plain(key, source, attributes))
        .prop_flat_map(move |put| vec(step(Just(put).boxed()), 2));
    // Every key, and a listing with small pages.
    let fill: Vec<Op> = ring.iter().map(|key| plain(*key, small, 0)).collect();
    let fill = (Just(fill), listing(ring, select(vec![1_usize, 2, 3]).prop_map(Some).boxed()))
        .prop_map(|(puts, list)| {
            let ops = puts.into_iter().chain([list]);
            ops.map(|op| Step { handle: 0, op }).collect()
        });
    let one = step(ops(capabilities, left_out, ring).boxed()).prop_map(|step| vec![step]);
    let mut bursts = vec![(30, one.boxed()), (1, twice.boxed())];
    if capabilities.list_delay.is_zero() {
        bursts.push((2, fill.boxed()));
    }
    if has(Capability::ConditionalCreate) || has(Capability::ConditionalUpdate) {
        let when = when(has(Capability::ConditionalCreate), has(Capability::ConditionalUpdate));
        let repeated = (key(), source(), when, attributes(), 0..2_usize, 0..2_usize).prop_map(
            |(key, source, when, attributes, first, second)| {
                let checksum = Checksum::None;
                let put = Op::Put { key, source, checksum, when, named: true, attributes };
                let repeat = Op::RepeatPut { key };
                vec![Step { handle: first, op: put }, Step { handle: second, op: repeat }]
            },
        );
        bursts.push((2, repeated.boxed()));
    }
    if has(Capability::Multipart) {
        let conditional = has(Capability::ConditionalMultipart);
        let part = (select(NUMBERS.to_vec()), source()).prop_map(|(number, source)| {
            Op::UploadPart { upload: 0, owner: Owner::Own, number, source }
        });
        let create = (key(), attributes())
            .prop_map(|(key, attributes)| Op::CreateUpload { key, attributes });
        let complete = (stated_parts(), when(conditional, conditional), checksum()).prop_map(
            |(parts, when, checksum)| Op::CompleteUpload {
                upload: 0,
                owner: Owner::Own,
                parts,
                when,
                checksum,
            },
        );
        let list = Just(Op::ListParts { upload: 0, owner: Owner::Own });
        let parts = vec(step(part.boxed()), 1..5);
        let upload = (step(create.boxed()), parts, step(list.boxed()), step(complete.boxed()))
            .prop_map(|(create, parts, list, complete)| {
                [create].into_iter().chain(parts).chain([list, complete]).collect()
            });
        bursts.push((3, upload.boxed()));
    }
    Union::new_weighted(bursts).boxed()
}

fn ops(
    capabilities: &Capabilities,
    left_out: Option<LeftOut>,
    ring: &[usize],
) -> Union<BoxedStrategy<Op>> {
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
    let list = listing(ring, limit.clone().boxed());
    let own_attributes = match left_out {
        Some(LeftOut::AttributesOfCopies) => Just(None).boxed(),
        None => option::weighted(0.4, attributes()).boxed(),
    };
    let copy = (key(), key(), option::weighted(0.35, which()), copy_when, own_attributes).prop_map(
        |(from, to, source, when, attributes)| Op::Copy { from, to, source, when, attributes },
    );
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
    // Handles on a store in memory are one process; on others they are opened anew now and then.
    if capabilities.durability > Durability::Memory {
        ops.push((1, Just(Op::Reopen).boxed()));
    }
    Union::new_weighted(ops)
}

fn listing(ring: &[usize], limit: BoxedStrategy<Option<usize>>) -> BoxedStrategy<Op> {
    let delimiter = option::weighted(0.6, select(vec!["/", "/", "b", "-", "b/", "\u{301}", "//"]));
    let prefix = Union::new_weighted(vec![(1, Just(0).boxed()), (1, prefix().boxed())]);
    (prefix, delimiter, option::weighted(0.3, select(ring.to_vec())), limit)
        .prop_map(|(prefix, delimiter, start_after, limit)| Op::List {
            prefix,
            delimiter,
            start_after,
            limit,
        })
        .boxed()
}

fn stated_parts() -> BoxedStrategy<Parts> {
    weighted(&[
        (10, Parts::All),
        (3, Parts::AllButFirst),
        (1, Parts::None),
        (1, Parts::Reversed),
        (1, Parts::Repeated),
        (1, Parts::Unreceived),
        (1, Parts::Replaced),
    ])
}

fn multipart(
    key: BoxedStrategy<usize>,
    when: BoxedStrategy<When>,
) -> Vec<(u32, BoxedStrategy<Op>)> {
    let upload = 0..2_usize;
    let owner = weighted(&[(16, Owner::Own), (1, Owner::Other), (1, Owner::Nobody)]);
    let number = select(NUMBERS.to_vec());
    let parts = stated_parts();
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
    let size = Union::new_weighted(vec![(30, select(SIZES.to_vec())), (1, select(LARGE.to_vec()))]);
    (1..1000_u64, size, form)
        .prop_map(|(seed, size, form)| Source { content: Content::new(seed, size), form })
        .boxed()
}

fn checksum() -> BoxedStrategy<Checksum> {
    weighted(&[(10, Checksum::None), (3, Checksum::Right), (1, Checksum::Wrong)])
}

fn which() -> BoxedStrategy<Which> {
    weighted(&[(4, Which::Current), (3, Which::Older), (1, Which::Foreign)])
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

/// Ranges with edges at the ends of the object, at the sizes of blocks, and next to both.
fn range() -> impl Strategy<Value = Slice> + Clone {
    let edge = || {
        let block = (select(SIZES.to_vec()), 0..3_u64)
            .prop_map(|(size, step)| Edge::At((size + step).saturating_sub(1)));
        Union::new_weighted(vec![
            (2, (0..5_u64).prop_map(Edge::At).boxed()),
            (3, (-2..=2_i64).prop_map(Edge::Size).boxed()),
            (3, block.boxed()),
        ])
    };
    Union::new_weighted(vec![
        (4, Just(Slice::Full).boxed()),
        (6, (edge(), edge()).prop_map(|(start, end)| Slice::Bounded(start, end)).boxed()),
        (2, edge().prop_map(Slice::From).boxed()),
        (2, edge().prop_map(Slice::Suffix).boxed()),
        (1, Just(Slice::Bounded(Edge::At(1), Edge::At(u64::MAX))).boxed()),
    ])
    .boxed()
}

fn optional<T: Clone + fmt::Debug + 'static>(
    allowed: bool,
    strategy: BoxedStrategy<T>,
) -> BoxedStrategy<Option<T>> {
    if allowed { option::weighted(0.6, strategy).boxed() } else { Just(None).boxed() }
}

fn weighted<T: Clone + fmt::Debug + 'static>(values: &[(u32, T)]) -> BoxedStrategy<T> {
    let just = |(weight, value): &(u32, T)| (*weight, Just(value.clone()));
    Union::new_weighted(values.iter().map(just).collect()).boxed()
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn attributes_of_copies_can_be_left_out() {
        let capabilities = Capabilities::new(Durability::Memory);
        let with = |left_out| {
            let mut rng = StdRng::seed_from_u64(1);
            let programs = programs(&capabilities, left_out, &mut rng, Length::Long);
            let tree = programs.new_tree(&mut TestRunner::deterministic()).unwrap();
            let copies = tree.current().into_iter().filter_map(|step| match step.op {
                Op::Copy { attributes, .. } => Some(attributes.is_some()),
                _ => None,
            });
            copies.collect::<Vec<_>>()
        };
        assert!(with(None).contains(&true));
        let copies = with(Some(LeftOut::AttributesOfCopies));
        assert!(!copies.is_empty() && !copies.contains(&true), "{copies:?}");
    }
}
