//! Mutants of the sections "Settling" and "Leases": MSG-024 to MSG-038.

use std::time::Duration;

use omni_contracts::messaging::{MessagingProvider, Receipt, Subscription};
use omni_contracts::{Error, ErrorKind, Result};

use super::MessagingMutant;
use super::sabotage::{Place, Receive, Settle};

type Mutant = MessagingMutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("MSG-024", "ack_extends", "an acknowledgement is only a long lease").ack(
        |place, mut ack| {
            Box::pin(async move {
                ack.time = Duration::from_secs(70);
                ack.extend(place).await
            })
        },
    ),
    Mutant::new("MSG-024", "forgets_every_third", "every third acknowledgement is lost").ack(
        |place, ack| {
            Box::pin(async move {
                place.notes().calls += 1;
                if place.notes().calls % 3 == 0 {
                    return ack.receipts.iter().map(|_| Ok(())).collect();
                }
                ack.ack(place).await
            })
        },
    ),
    Mutant::new("MSG-025", "acks_are_cumulative", "what was delivered before is acknowledged, too")
        .ack(|place, ack| Box::pin(acknowledge_all_before(place, ack))),
    Mutant::new(
        "MSG-025",
        "reject_takes_a_neighbour",
        "a rejection takes what was delivered next, too",
    )
    .reject(|place, mut reject| {
        Box::pin(async move {
            let number = reject.receipts.len();
            let next = reject.receipts.first().and_then(|receipt| neighbour(place, receipt));
            reject.receipts.extend(next);
            let mut results = reject.reject(place).await;
            results.truncate(number);
            results
        })
    }),
    Mutant::new("MSG-025", "nack_takes_a_neighbour", "what was delivered next is given back, too")
        .nack(|place, mut nack| {
            Box::pin(async move {
                let number = nack.receipts.len();
                let next = nack.receipts.first().and_then(|receipt| neighbour(place, receipt));
                nack.receipts.extend(next);
                let mut results = nack.nack(place).await;
                results.truncate(number);
                results
            })
        }),
    Mutant::new("MSG-026", "one_result", "there is one result for all receipts").ack(
        |place, ack| {
            Box::pin(async move {
                let mut results = ack.ack(place).await;
                results.truncate(1);
                results
            })
        },
    ),
    Mutant::new("MSG-026", "stops_at_the_first", "what follows a bad receipt is not done").ack(
        |place, mut ack| {
            Box::pin(async move {
                let all = ack.receipts.len();
                let known = |receipt: &Receipt| receipt.as_str().starts_with(char::is_numeric);
                let bad = ack.receipts.iter().position(|receipt| !known(receipt));
                ack.receipts.truncate(bad.map_or(all, |bad| bad + 1));
                let mut results = ack.ack(place).await;
                results.resize_with(all, || Err(Error::invalid("a receipt before it is bad")));
                results
            })
        },
    ),
    Mutant::new("MSG-027", "second_ack_fails", "acknowledging again fails").ack(|place, ack| {
        Box::pin(async move {
            let results = ack.ack(place).await;
            let once = |(result, receipt): (Result<()>, &Receipt)| {
                let mut notes = place.notes();
                if notes.settled.contains(receipt) {
                    return Err(Error::new(ErrorKind::LeaseLost, "it is settled"));
                }
                notes.settled.push(receipt.clone());
                result
            };
            results.into_iter().zip(&ack.receipts).map(once).collect()
        })
    }),
    Mutant::new("MSG-028", "any_text_is_a_receipt", "a text that is no receipt succeeds").ack(
        |place, ack| {
            Box::pin(async move {
                let forgiven = |result: Result<()>| match result {
                    Err(error) if error.kind() == ErrorKind::InvalidArgument => Ok(()),
                    result => result,
                };
                ack.ack(place).await.into_iter().map(forgiven).collect()
            })
        },
    ),
    Mutant::new(
        "MSG-028",
        "receipts_of_any_subscription",
        "a receipt gives back in any subscription",
    )
    .nack(|place, nack| {
        Box::pin(async move {
            for topic in place.inner.list_topics().await.unwrap_or_default() {
                let names = place.inner.list_subscriptions(&topic).await.unwrap_or_default();
                for name in names {
                    let of = Subscription::new(topic.clone(), name);
                    place.inner.nack(&of, &nack.receipts, nack.time).await;
                }
            }
            nack.nack(place).await
        })
    }),
    Mutant::new("MSG-029", "late_ack_succeeds", "an acknowledgement after the lease is a success")
        .ack(|place, ack| {
            Box::pin(async move {
                let forgiven = |result: Result<()>| match result {
                    Err(error) if error.kind() == ErrorKind::LeaseLost => Ok(()),
                    result => result,
                };
                ack.ack(place).await.into_iter().map(forgiven).collect()
            })
        }),
    Mutant::new("MSG-029", "late_ack_settles", "a late acknowledgement settles the new delivery")
        .ack(|place, mut ack| {
            Box::pin(async move {
                ack.receipts = ack.receipts.iter().map(|one| newest(place, one)).collect();
                ack.ack(place).await
            })
        }),
    Mutant::new("MSG-029", "late_reject_settles", "a late rejection settles the new delivery")
        .reject(|place, mut reject| {
            Box::pin(async move {
                reject.receipts = reject.receipts.iter().map(|one| newest(place, one)).collect();
                reject.reject(place).await
            })
        }),
    Mutant::new("MSG-030", "delivers_once", "what was received is never delivered again").receive(
        |place, receive| {
            Box::pin(async move {
                let some = receive.from(place).await?;
                let receipts: Vec<_> = some.iter().map(|one| one.receipt.clone()).collect();
                place.inner.ack(&receive.of, &receipts).await;
                Ok(some)
            })
        },
    ),
    Mutant::new("MSG-030", "leases_last_longer", "leases last twice as long")
        .set(|set| set.lease *= 2)
        .delivered(|delivery| delivery.lease /= 2),
    Mutant::new("MSG-030", "leases_end_early", "leases end a tenth too early")
        .set(|set| set.lease = set.lease * 9 / 10)
        .delivered(|delivery| delivery.lease = delivery.lease * 10 / 9),
    Mutant::new("MSG-031", "does_not_lease", "what is received is not leased").receive(
        |place, receive| {
            Box::pin(async move {
                let some = receive.from(place).await?;
                let receipts: Vec<_> = some.iter().map(|one| one.receipt.clone()).collect();
                place.inner.nack(&receive.of, &receipts, Duration::from_secs(1)).await;
                Ok(some)
            })
        },
    ),
    Mutant::new("MSG-032", "gives_up_after_ten", "after ten deliveries a message is gone").receive(
        |place, receive| {
            Box::pin(async move {
                let (old, some): (Vec<_>, Vec<_>) =
                    receive.from(place).await?.into_iter().partition(|one| one.attempt > 10);
                let receipts: Vec<_> = old.into_iter().map(|one| one.receipt).collect();
                place.inner.ack(&receive.of, &receipts).await;
                Ok(some)
            })
        },
    ),
    Mutant::new("MSG-033", "attempts_are_not_counted", "each delivery is the first")
        .delivered(|delivery| delivery.attempt = 1),
    Mutant::new("MSG-033", "loses_headers", "delivered again, a message has no headers").delivered(
        |delivery| {
            if delivery.attempt > 1 {
                delivery.headers.clear();
            }
        },
    ),
    Mutant::new("MSG-033", "published_anew", "the time of publication is that of the delivery")
        .delivered(|delivery| delivery.published += Duration::from_secs(delivery.attempt.into())),
    Mutant::new("MSG-034", "forgets_what_is_dropped", "what is not settled soon is given back")
        .set(|set| set.lease /= 2),
    Mutant::new(
        "MSG-035",
        "nack_waits_for_the_lease",
        "what is given back comes when its lease ends",
    )
    .nack(|_, nack| Box::pin(async move { nack.receipts.iter().map(|_| Ok(())).collect() })),
    Mutant::new("MSG-036", "ignores_delays", "what is given back with a delay comes at once").nack(
        |place, nack| {
            Box::pin(async move { Settle { time: Duration::ZERO, ..nack }.nack(place).await })
        },
    ),
    Mutant::new("MSG-036", "delays_are_short", "delays of more than 10 s are 10 s").nack(
        |place, mut nack| {
            Box::pin(async move {
                nack.time = nack.time.min(Duration::from_secs(10));
                nack.nack(place).await
            })
        },
    ),
    Mutant::new("MSG-037", "does_not_extend", "an extension does nothing").extend(|_, extend| {
        Box::pin(async move { extend.receipts.iter().map(|_| Ok(())).collect() })
    }),
    Mutant::new("MSG-037", "extends_from_the_end", "an extension counts from the end of the lease")
        .extend(|place, mut extend| {
            Box::pin(async move {
                extend.time += Duration::from_secs(15);
                extend.extend(place).await
            })
        }),
    Mutant::new(
        "MSG-038",
        "loses_what_was_before",
        "a crash loses what was delivered before an ack",
    )
    .ack(|place, ack| Box::pin(acknowledge_all_before(place, ack))),
];

/// What was delivered next to that delivery.
fn neighbour(place: &Place, receipt: &Receipt) -> Option<Receipt> {
    let notes = place.notes();
    let at = notes.deliveries.iter().position(|one| one.receipt == *receipt)?;
    notes
        .deliveries
        .get(at + 1)
        .or_else(|| notes.deliveries.get(at.checked_sub(1)?))
        .map(|one| one.receipt.clone())
}

/// The receipt of the newest delivery of the message of that receipt.
fn newest(place: &Place, receipt: &Receipt) -> Receipt {
    let notes = place.notes();
    let known = notes.deliveries.iter().find(|one| one.receipt == *receipt);
    let newest = known.and_then(|known| notes.deliveries.iter().rfind(|one| one.id == known.id));
    newest.map_or(receipt, |newest| &newest.receipt).clone()
}

async fn acknowledge_all_before(place: &Place, ack: Settle) -> Vec<Result<()>> {
    let before: Vec<_> = {
        let notes = place.notes();
        let at =
            |receipt: &Receipt| notes.deliveries.iter().position(|one| one.receipt == *receipt);
        let last = ack.receipts.iter().filter_map(at).max().unwrap_or(0);
        notes.deliveries.iter().take(last).map(|one| one.receipt.clone()).collect()
    };
    place.inner.ack(&ack.of, &before).await;
    ack.ack(place).await
}

/// So that a mutant of another file can receive without waiting.
pub(super) fn now(of: &Subscription, max: usize) -> Receive {
    Receive { of: of.clone(), max, wait: Duration::ZERO }
}
