//! Mutants of the section "Ranges": STO-030 to STO-038.

use omni_contracts::ErrorKind;
use omni_contracts::storage::ByteRange;
use omni_contracts::storage::ByteRange::{Bounded, From, Suffix};
use tokio::task::yield_now;

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-030", "end_is_inclusive", "the byte at the end is returned too").range(Some(
        |range, _| match range {
            Bounded { start, end } => Ok(Bounded { start, end: end.saturating_add(1) }),
            other => Ok(other),
        },
    )),
    Mutant::new("STO-030", "starts_one_late", "a range that does not start at 0 misses a byte")
        .range(Some(|range, _| match range {
            Bounded { start, end } if 0 < start && start < end => {
                Ok(Bounded { start: start + 1, end })
            }
            other => Ok(other),
        })),
    Mutant::new("STO-030", "aligns_to_pages", "ranges above 4 KiB begin at a multiple of it")
        .range(Some(|range, _| match range {
            Bounded { start, end } => {
                Ok(Bounded { start: if start > 4096 { start & !4095 } else { start }, end })
            }
            other => Ok(other),
        })),
    Mutant::new("STO-031", "past_the_end_is_an_error", "a range that ends after the object fails")
        .range(Some(|range, size| match range {
            Bounded { end, .. } if end > size => Err(ErrorKind::OutOfRange),
            other => Ok(other),
        })),
    Mutant::new("STO-031", "pads_with_zeros", "a range that ends after the object is filled up")
        .get(|store, get| {
            Box::pin(async move {
                let asked = get.options.range;
                let mut found = get.from(&*store.inner).await?;
                if let Bounded { start, end } = asked
                    && end > found.meta.size
                    && end < 1 << 24
                {
                    let mut content = found.body.collect().await?.to_vec();
                    content.resize((end - start) as usize, 0);
                    found.body = content.into();
                }
                Ok(found)
            })
        }),
    Mutant::new("STO-032", "at_the_end_is_an_error", "an open range from the end fails").range(
        Some(|range, size| match range {
            From(start) if start == size => Err(ErrorKind::OutOfRange),
            other => Ok(other),
        }),
    ),
    Mutant::new("STO-032", "open_misses_the_last_byte", "an open range ends a byte early").range(
        Some(|range, size| match range {
            From(start) if start < size => Ok(Bounded { start, end: size - 1 }),
            other => Ok(other),
        }),
    ),
    Mutant::new("STO-033", "suffix_from_the_start", "a suffix counts from the start").range(Some(
        |range, size| match range {
            Suffix(length) if length < size => Ok(From(length)),
            other => Ok(other),
        },
    )),
    Mutant::new("STO-033", "long_suffix_fails", "a suffix longer than the object fails").range(
        Some(|range, size| match range {
            Suffix(length) if length > size => Err(ErrorKind::OutOfRange),
            other => Ok(other),
        }),
    ),
    Mutant::new("STO-033", "suffix_of_zero_is_everything", "a suffix of zero returns the object")
        .range(Some(|range, _| match range {
            Suffix(0) => Ok(ByteRange::Full),
            other => Ok(other),
        })),
    Mutant::new("STO-034", "after_the_end_is_empty", "a range after the end returns nothing")
        .range(Some(|range, size| match range {
            Bounded { start, end } if start > size && end >= start => Ok(From(size)),
            From(start) if start > size => Ok(From(size)),
            other => Ok(other),
        })),
    Mutant::new(
        "STO-034",
        "after_the_end_is_invalid",
        "a range after the end is an invalid argument",
    )
    .range(Some(|range, size| match range {
        Bounded { start, .. } | From(start) if start > size => Err(ErrorKind::InvalidArgument),
        other => Ok(other),
    })),
    Mutant::new(
        "STO-034",
        "one_after_the_end_is_empty",
        "a range one byte after the end returns nothing",
    )
    .range(Some(|range, size| match range {
        From(start) if start == size + 1 => Ok(From(size)),
        other => Ok(other),
    })),
    Mutant::new("STO-034", "starts_have_32_bits", "the start of a range is cut to 32 bits").range(
        Some(|range, _| match range {
            From(start) => Ok(From(start & 0xffff_ffff)),
            other => Ok(other),
        }),
    ),
    Mutant::new("STO-035", "empty_is_an_error", "an empty range fails").range(Some(|range, _| {
        match range {
            Bounded { start, end } if start == end => Err(ErrorKind::InvalidArgument),
            other => Ok(other),
        }
    })),
    Mutant::new("STO-035", "empty_is_a_byte", "an empty range returns a byte").range(Some(
        |range, _| match range {
            Bounded { start, end } if start == end => Ok(Bounded { start, end: end + 1 }),
            other => Ok(other),
        },
    )),
    Mutant::new("STO-035", "nothing_has_no_ranges", "every range of an empty object fails").range(
        Some(|range, size| match range {
            Bounded { .. } | From(_) if size == 0 => Err(ErrorKind::OutOfRange),
            other => Ok(other),
        }),
    ),
    Mutant::new(
        "STO-036",
        "reversed_is_empty",
        "a range that ends before it starts returns nothing",
    )
    .range(Some(|range, size| match range {
        Bounded { start, end } if end < start => Ok(From(size)),
        other => Ok(other),
    })),
    Mutant::new(
        "STO-036",
        "reversed_is_out_of_range",
        "a range that ends before it starts is out of range",
    )
    .range(Some(|range, _| match range {
        Bounded { start, end } if end < start => Err(ErrorKind::OutOfRange),
        other => Ok(other),
    })),
    Mutant::new(
        "STO-036",
        "states_what_was_asked",
        "the range is stated as asked, not as resolved",
    )
    .get(|store, get| {
        Box::pin(async move {
            let asked = get.options.range;
            let mut found = get.from(&*store.inner).await?;
            if let Bounded { start, end } = asked {
                found.range = start..end;
            }
            Ok(found)
        })
    }),
    Mutant::new("STO-037", "ranges_are_sorted", "ranges come back in ascending order").get_ranges(
        |store, mut get| {
            Box::pin(async move {
                let size = store.inner.head(&get.get.key, &get.get.options).await?.size;
                get.ranges.sort_by_key(|range| range.resolve(size).map_or(0, |range| range.start));
                get.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-037", "repeats_are_dropped", "a repeated range comes back once").get_ranges(
        |store, mut get| {
            Box::pin(async move {
                let mut seen = Vec::new();
                get.ranges.retain(|range| {
                    !seen.contains(range) && {
                        seen.push(*range);
                        true
                    }
                });
                get.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-037", "empty_ranges_are_dropped", "an empty range has no result").get_ranges(
        |store, get| {
            Box::pin(async move {
                let mut results = get.from(&*store.inner).await?;
                results.retain(|bytes| !bytes.is_empty());
                Ok(results)
            })
        },
    ),
    Mutant::new(
        "STO-037",
        "overlaps_are_shared_out",
        "a byte of two ranges goes to the first only",
    )
    .get_ranges(|store, mut get| {
        Box::pin(async move {
            let mut done = 0;
            for range in &mut get.ranges {
                if let Bounded { start, end } = range {
                    *start = (*start).max(done).min(*end);
                    done = done.max(*end);
                }
            }
            get.from(&*store.inner).await
        })
    }),
    Mutant::new("STO-038", "ranges_are_read_apart", "each range is read from what is current then")
        .get_ranges(|store, get| {
            Box::pin(async move {
                let mut results = Vec::new();
                for range in &get.ranges {
                    results
                        .push(get.get.of(*range).from(&*store.inner).await?.body.collect().await?);
                    yield_now().await;
                }
                Ok(results)
            })
        }),
];
