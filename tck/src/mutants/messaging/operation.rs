//! Mutants of the sections from "Order" to "Capabilities and limits": MSG-040 to MSG-092.

use std::time::Duration;

use omni_contracts::Result;
use omni_contracts::messaging::{
    Capability, DeadReason, Depth, Message, MessageId, MessagingProvider, Subscription, TopicName,
};

use super::MessagingMutant;
use super::sabotage::{Place, Publish, Receive};
use super::settling::now;

type Mutant = MessagingMutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("MSG-040", "batches_backwards", "a batch is published from its end").publish(
        |place, mut publish| {
            Box::pin(async move {
                publish.messages.reverse();
                publish.to(place).await.into_iter().rev().collect()
            })
        },
    ),
    Mutant::new("MSG-041", "does_not_order", "an ordered subscription is like any other")
        .set(|set| set.ordered = false),
    Mutant::new("MSG-041", "given_back_goes_last", "what is given back comes after the later ones")
        .nack(|place, nack| {
            Box::pin(async move {
                for receipt in &nack.receipts {
                    publish_again(place, &nack.of, receipt).await;
                }
                nack.ack(place).await
            })
        }),
    Mutant::new("MSG-042", "orders_everything", "all messages are of one key")
        .sent(|message| {
            let key = message.key.replace("all".to_owned());
            message
                .headers
                .insert("real-key".to_owned(), key.map_or(String::new(), |key| format!("={key}")));
        })
        .delivered(|delivery| {
            let key = delivery.headers.remove("real-key").unwrap_or_default();
            delivery.key = key.strip_prefix('=').map(str::to_owned);
        }),
    Mutant::new("MSG-050", "one_more_attempt", "a message is tried once more")
        .set(|set| set.max_deliveries = set.max_deliveries.map(|most| most + 1)),
    Mutant::new("MSG-050", "one_less_attempt", "a message is tried once less")
        .set(|set| set.max_deliveries = set.max_deliveries.map(|most| (most - 1).max(1))),
    Mutant::new("MSG-050", "drops_instead", "what is given up is gone").receive(
        |place, receive| {
            Box::pin(async move {
                if receive.of.is_dead_letters() {
                    place.inner.purge(&receive.of).await?;
                }
                receive.from(place).await
            })
        },
    ),
    Mutant::new("MSG-051", "nacks_do_not_count", "what is given back is tried as if anew").nack(
        |place, nack| {
            Box::pin(async move {
                for receipt in &nack.receipts {
                    publish_again(place, &nack.of, receipt).await;
                }
                nack.ack(place).await
            })
        },
    ),
    Mutant::new("MSG-051", "tells_one_attempt", "a dead letter tells the last attempt alone")
        .delivered(|delivery| {
            if let Some(dead) = &mut delivery.dead {
                dead.attempts = 1;
            }
        }),
    Mutant::new("MSG-052", "does_not_tell_why", "a dead letter tells nothing")
        .delivered(|delivery| delivery.dead = None),
    Mutant::new("MSG-052", "letters_lose_headers", "a dead letter has no headers").delivered(
        |delivery| {
            if delivery.dead.is_some() {
                delivery.headers.clear();
            }
        },
    ),
    Mutant::new("MSG-052", "letters_have_new_ids", "a dead letter has an id of its own").delivered(
        |delivery| {
            if delivery.dead.is_some() {
                delivery.id = MessageId::new("dead");
            }
        },
    ),
    Mutant::new("MSG-052", "origin_is_the_topic", "a dead letter tells another subscription")
        .delivered(|delivery| {
            if let Some(dead) = &mut delivery.dead {
                dead.origin = dead.origin.dead_letters();
            }
        }),
    Mutant::new("MSG-053", "reject_is_nack", "what is rejected is tried again")
        .reject(|place, reject| Box::pin(async move { reject.nack(place).await })),
    Mutant::new("MSG-053", "reject_is_ack", "what is rejected is gone")
        .reject(|place, reject| Box::pin(async move { reject.ack(place).await })),
    Mutant::new("MSG-053", "forgets_the_reason", "the reason of a rejection is lost").reject(
        |place, mut reject| {
            Box::pin(async move {
                reject.reason.clear();
                reject.reject(place).await
            })
        },
    ),
    Mutant::new(
        "MSG-054",
        "one_at_a_time",
        "the first message is tried again and again before others",
    )
    .set(|set| set.max_deliveries = None)
    .receive(|place, receive| {
        Box::pin(async move { Receive { max: 1, ..receive }.from(place).await })
    }),
    Mutant::new("MSG-055", "redrives_copies", "a dead letter returns twice").redrive(
        |place, of| {
            Box::pin(async move {
                let letters = of.dead_letters();
                let some = now(&letters, 1).from(place).await?;
                for delivery in some {
                    publish_again(place, &of, &delivery.receipt).await;
                    place.inner.nack(&letters, &[delivery.receipt], Duration::ZERO).await;
                }
                place.inner.redrive(&of).await
            })
        },
    ),
    Mutant::new("MSG-055", "loses_one", "one of the dead letters is lost").redrive(|place, of| {
        Box::pin(async move {
            let letters = of.dead_letters();
            let lost: Vec<_> = now(&letters, 1).from(place).await?;
            let receipts: Vec<_> = lost.into_iter().map(|one| one.receipt).collect();
            place.inner.ack(&letters, &receipts).await;
            Ok(place.inner.redrive(&of).await? + receipts.len() as u64)
        })
    }),
    Mutant::new("MSG-055", "counts_one_more", "one more is told than returned")
        .redrive(|place, of| Box::pin(async move { Ok(place.inner.redrive(&of).await? + 1) })),
    Mutant::new("MSG-056", "letters_are_given_up", "a dead letter is gone after five deliveries")
        .receive(|place, receive| {
            Box::pin(async move {
                let (old, some): (Vec<_>, Vec<_>) = receive
                    .from(place)
                    .await?
                    .into_iter()
                    .partition(|one| one.dead.is_some() && one.attempt > 5);
                let receipts: Vec<_> = old.into_iter().map(|one| one.receipt).collect();
                place.inner.ack(&receive.of, &receipts).await;
                Ok(some)
            })
        }),
    Mutant::new("MSG-056", "letters_can_be_rejected", "a dead letter that is rejected is gone")
        .reject(|place, reject| {
            Box::pin(async move {
                match reject.of.is_dead_letters() {
                    true => reject.ack(place).await,
                    false => reject.reject(place).await,
                }
            })
        }),
    Mutant::new(
        "MSG-060",
        "starts_at_the_beginning",
        "a new subscription gets what was published before",
    )
    .create_subscription(|place, create| {
        Box::pin(async move {
            let of = &create.of;
            let new = place.inner.describe(of).await.is_err();
            place.inner.create_subscription(of, &create.settings).await?;
            let before = place.notes().messages.clone();
            for (topic, message) in before.into_iter().filter(|_| new) {
                if topic == *of.topic() {
                    place.inner.publish(&topic, &[message]).await;
                }
            }
            Ok(())
        })
    }),
    Mutant::new(
        "MSG-061",
        "subscriptions_share",
        "all subscriptions of a topic share its messages",
    )
    .receive(|place, receive| {
        Box::pin(async move {
            let names = place.inner.list_subscriptions(receive.of.topic()).await?;
            let Some(first) = names.into_iter().next() else { return receive.from(place).await };
            let of = Subscription::new(receive.of.topic().clone(), first);
            Receive { of, ..receive }.from(place).await
        })
    }),
    Mutant::new("MSG-062", "purges_the_topic", "purge empties all subscriptions of the topic")
        .purge(|place, of| Box::pin(async move { purge_all(place, of.topic()).await })),
    Mutant::new("MSG-062", "deletes_the_topic", "deleting a subscription deletes the others")
        .delete_subscription(|place, of| {
            Box::pin(async move { place.inner.delete_topic(of.topic()).await })
        }),
    Mutant::new("MSG-063", "delivers_twice", "some messages are delivered to two receivers")
        .receive(|place, receive| {
            Box::pin(async move {
                let max = receive.max;
                let less = Receive { max: max.div_ceil(2), ..receive };
                let mut some = less.from(place).await?;
                if max > 1 && !some.is_empty() {
                    some.extend(place.notes().deliveries.first().cloned());
                }
                Ok(some)
            })
        }),
    Mutant::new(
        "MSG-064",
        "topics_are_prefixes",
        "a topic gets what those before it in its name get",
    )
    .publish(|place, publish| {
        Box::pin(async move {
            for topic in place.inner.list_topics().await.unwrap_or_default() {
                let longer = topic.as_str().starts_with(publish.topic.as_str());
                if longer && topic != publish.topic {
                    place.inner.publish(&topic, &publish.messages).await;
                }
            }
            publish.to(place).await
        })
    }),
    Mutant::new("MSG-065", "loses_one_in_twenty", "every twentieth message is accepted and lost")
        .publish(|place, publish| {
            Box::pin(async move {
                place.notes().calls += 1;
                if place.notes().calls % 20 == 0 {
                    let lost = |(n, _): (usize, &Message)| Ok(MessageId::new(format!("lost {n}")));
                    return publish.messages.iter().enumerate().map(lost).collect();
                }
                publish.to(place).await
            })
        }),
    Mutant::new(
        "MSG-065",
        "acks_are_cumulative_at_last",
        "an acknowledgement takes others with it",
    )
    .ack(|place, ack| {
        Box::pin(async move {
            let all: Vec<_> = {
                let notes = place.notes();
                let recent = notes.deliveries.iter().rev().take(2);
                recent.map(|one| one.receipt.clone()).collect()
            };
            place.inner.ack(&ack.of, &all).await;
            ack.ack(place).await
        })
    }),
    Mutant::new("MSG-070", "does_not_delay", "delays are ignored")
        .sent(|message| message.delay = Duration::ZERO),
    Mutant::new("MSG-070", "delays_are_short", "delays end a tenth too early")
        .sent(|message| message.delay = message.delay * 9 / 10),
    Mutant::new("MSG-070", "publishing_waits", "publishing waits for the delay").publish(
        |place, mut publish| {
            Box::pin(async move {
                for message in &mut publish.messages {
                    tokio::time::sleep(std::mem::take(&mut message.delay)).await;
                }
                publish.to(place).await
            })
        },
    ),
    Mutant::new("MSG-072", "does_not_expire", "times to live are ignored")
        .sent(|message| message.ttl = None),
    Mutant::new("MSG-072", "expired_is_gone", "what has expired is no dead letter").receive(
        |place, receive| {
            Box::pin(async move {
                let (expired, some): (Vec<_>, Vec<_>) =
                    receive.from(place).await?.into_iter().partition(|one| {
                        one.dead.as_ref().is_some_and(|dead| dead.reason == DeadReason::Expired)
                    });
                let receipts: Vec<_> = expired.into_iter().map(|one| one.receipt).collect();
                place.inner.ack(&receive.of, &receipts).await;
                Ok(some)
            })
        },
    ),
    Mutant::new("MSG-080", "purge_spares_the_leased", "what is leased survives a purge").purge(
        |place, of| {
            Box::pin(async move {
                let ready = now(&of, usize::MAX).from(place).await?;
                let receipts: Vec<_> = ready.into_iter().map(|one| one.receipt).collect();
                place.inner.ack(&of, &receipts).await;
                Ok(())
            })
        },
    ),
    Mutant::new("MSG-080", "purge_takes_the_letters", "purge removes the dead letters, too").purge(
        |place, of| {
            Box::pin(async move {
                place.inner.purge(&of).await?;
                place.inner.purge(&of.dead_letters()).await
            })
        },
    ),
    Mutant::new("MSG-081", "does_not_count_the_leased", "what is leased is not counted").depth(
        |place, of| {
            Box::pin(async move {
                let depth = place.inner.depth(&of).await?;
                Ok(Depth::new(depth.ready, depth.delayed, 0))
            })
        },
    ),
    Mutant::new("MSG-081", "age_stands_still", "the age of the oldest does not grow").depth(
        |place, of| {
            Box::pin(async move {
                let mut depth = place.inner.depth(&of).await?;
                depth.oldest = depth.oldest.map(|_| Duration::from_secs(1));
                Ok(depth)
            })
        },
    ),
    Mutant::new("MSG-089", "check_makes_a_topic", "`check` makes a topic").check(|place, ()| {
        Box::pin(async move { place.inner.create_topic(&TopicName::new("probe")?).await })
    }),
    Mutant::new("MSG-090", "delays_undeclared", "delays work although they are not declared")
        .declared(|declared| *declared = declared.clone().without(&[Capability::Delay])),
    Mutant::new("MSG-090", "fans_out_undeclared", "a second subscription, which is not declared")
        .declared(|declared| *declared = declared.clone().without(&[Capability::FanOut])),
    Mutant::new("MSG-091", "small_bodies", "bodies of at most 16 KiB are declared")
        .declared(|declared| declared.limits.max_body_size = 16 << 10),
    Mutant::new("MSG-091", "long_leases", "leases of at least 1 min are declared")
        .declared(|declared| declared.limits.min_lease = Duration::from_secs(60)),
    Mutant::new("MSG-092", "no_deliveries_is_unlimited", "0 deliveries are taken for no limit")
        .set(|set| set.max_deliveries = set.max_deliveries.filter(|most| *most > 0)),
    Mutant::new("MSG-092", "cuts_leases", "leases out of bounds are cut").set(|set| {
        set.lease = set.lease.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
    }),
    Mutant::new("MSG-092", "cuts_reasons", "long reasons are cut").reject(|place, mut reject| {
        Box::pin(async move {
            reject.reason.truncate(256);
            reject.reject(place).await
        })
    }),
];

/// Publishes the message of a delivery again, to the topic of `of`.
async fn publish_again(
    place: &Place,
    of: &Subscription,
    receipt: &omni_contracts::messaging::Receipt,
) {
    let known = {
        let notes = place.notes();
        notes.deliveries.iter().find(|one| one.receipt == *receipt).cloned()
    };
    let message = known.map_or(Message::new("again"), |known| {
        let mut message = Message::new(known.body);
        (message.headers, message.key) = (known.headers, known.key);
        message
    });
    Publish { topic: of.topic().clone(), messages: vec![message] }.to(place).await;
}

async fn purge_all(place: &Place, topic: &TopicName) -> Result<()> {
    for name in place.inner.list_subscriptions(topic).await? {
        place.inner.purge(&Subscription::new(topic.clone(), name)).await?;
    }
    Ok(())
}
