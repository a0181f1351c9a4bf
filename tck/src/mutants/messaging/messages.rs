//! Mutants of the sections "Names and administration", "Messages" and "Receiving": MSG-001 to MSG-023.

use std::time::Duration;

use omni_contracts::messaging::{Message, MessageId, MessagingProvider, SubscriptionSettings};
use omni_contracts::{Error, ErrorKind};

use super::MessagingMutant;
use super::sabotage::{Place, Publish, Receive};

type Mutant = MessagingMutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("MSG-001", "folds_case", "names that differ in case are the same")
        .renamed(|name| name.to_lowercase()),
    Mutant::new("MSG-001", "dots_are_dashes", "`.` and `-` are the same in names")
        .renamed(|name| name.replace('.', "-")),
    Mutant::new("MSG-002", "refuses_long_names", "names of more than 63 bytes are refused")
        .renamed(|name| if name.len() > 63 { String::new() } else { name.to_owned() }),
    Mutant::new("MSG-002", "refuses_dots_alone", "names that begin with `.` are refused")
        .renamed(|name| if name.starts_with('.') { String::new() } else { name.to_owned() }),
    Mutant::new("MSG-003", "creating_again_purges", "creating a subscription again empties it")
        .create_subscription(|place, create| {
            Box::pin(async move {
                place.inner.create_subscription(&create.of, &create.settings).await?;
                place.inner.purge(&create.of).await
            })
        }),
    Mutant::new("MSG-003", "takes_other_settings", "creating it with other settings succeeds")
        .create_subscription(|place, create| {
            Box::pin(async move {
                let created = place.inner.create_subscription(&create.of, &create.settings).await;
                match created {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                    created => created,
                }
            })
        }),
    Mutant::new("MSG-004", "keeps_subscriptions", "deleting a subscription does nothing")
        .delete_subscription(|_, _| Box::pin(async { Ok(()) })),
    Mutant::new("MSG-004", "keeps_topics", "deleting a topic does nothing")
        .delete_topic(|_, _| Box::pin(async { Ok(()) })),
    Mutant::new("MSG-004", "deleting_missing_fails", "deleting what is missing is `NotFound`")
        .delete_topic(|place, topic| {
            Box::pin(async move {
                place.inner.list_subscriptions(&topic).await?;
                place.inner.delete_topic(&topic).await
            })
        }),
    Mutant::new("MSG-005", "publish_creates", "publishing to a missing topic creates it").publish(
        |place, publish| {
            Box::pin(async move {
                let _ = place.inner.create_topic(&publish.topic).await;
                publish.to(place).await
            })
        },
    ),
    Mutant::new("MSG-005", "missing_is_empty", "a missing subscription has no messages").receive(
        |place, receive| {
            Box::pin(async move {
                match receive.from(place).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
                    received => received,
                }
            })
        },
    ),
    Mutant::new("MSG-006", "lists_one_page", "only the first 100 topics are listed").list_topics(
        |place, ()| {
            Box::pin(
                async move { Ok(place.inner.list_topics().await?.into_iter().take(100).collect()) },
            )
        },
    ),
    Mutant::new("MSG-006", "lists_unsorted", "topics are listed in another order").list_topics(
        |place, ()| {
            Box::pin(
                async move { Ok(place.inner.list_topics().await?.into_iter().rev().collect()) },
            )
        },
    ),
    Mutant::new("MSG-007", "tells_defaults", "`describe` tells the default settings")
        .told(|settings| *settings = SubscriptionSettings::default()),
    Mutant::new("MSG-010", "bodies_are_texts", "bodies are made valid UTF-8").sent(|message| {
        message.body = String::from_utf8_lossy(&message.body).into_owned().into();
    }),
    Mutant::new("MSG-010", "trims_bodies", "white space around a body is lost").sent(|message| {
        message.body = message.body.trim_ascii().to_vec().into();
    }),
    Mutant::new(
        "MSG-011",
        "drops_empty_messages",
        "an empty message is accepted and not delivered",
    )
    .publish(|place, publish| {
        Box::pin(async move {
            if publish.messages.iter().any(|message| message.body.is_empty()) {
                return vec![Ok(MessageId::new("dropped"))];
            }
            publish.to(place).await
        })
    }),
    Mutant::new("MSG-012", "takes_one_byte_more", "a body above the declared limit is accepted")
        .declared(|declared| declared.limits.max_body_size -= 1),
    Mutant::new(
        "MSG-012",
        "takes_one_header_more",
        "headers above the declared limit are accepted",
    )
    .declared(|declared| declared.limits.max_headers -= 1),
    Mutant::new("MSG-012", "cuts_large_bodies", "bodies are cut at 1 MiB")
        .sent(|message| message.body.truncate(1 << 20)),
    Mutant::new("MSG-013", "lowers_names", "names of headers are made lower case").sent(
        |message| {
            let headers = std::mem::take(&mut message.headers);
            message.headers =
                headers.into_iter().map(|(name, v)| (name.to_lowercase(), v)).collect();
        },
    ),
    Mutant::new("MSG-013", "drops_empty_values", "headers with an empty value are lost")
        .sent(|message| message.headers.retain(|_, value| !value.is_empty())),
    Mutant::new("MSG-013", "keeps_ten_headers", "only the first 10 headers are kept").sent(
        |message| {
            message.headers = std::mem::take(&mut message.headers).into_iter().take(10).collect()
        },
    ),
    Mutant::new("MSG-014", "drops_reserved_headers", "reserved headers are dropped in silence")
        .sent(|message| {
            message.headers.retain(|name, _| !name.to_lowercase().starts_with(Message::RESERVED))
        }),
    Mutant::new("MSG-014", "cuts_long_keys", "keys are cut at 128 bytes").sent(|message| {
        if let Some(key) = &mut message.key {
            key.truncate(Message::MAX_KEY);
        }
    }),
    Mutant::new("MSG-015", "empty_key_is_none", "an empty key is delivered as none")
        .delivered(|delivery| delivery.key = delivery.key.take().filter(|key| !key.is_empty())),
    Mutant::new("MSG-015", "no_key_is_empty", "no key is delivered as an empty one")
        .delivered(|delivery| delivery.key = Some(delivery.key.take().unwrap_or_default())),
    Mutant::new("MSG-016", "id_for_each_delivery", "each delivery has an id of its own").delivered(
        |delivery| delivery.id = MessageId::new(format!("{}{}", delivery.id, delivery.attempt)),
    ),
    Mutant::new("MSG-016", "id_is_the_body", "messages with equal bodies have equal ids")
        .delivered(|delivery| delivery.id = MessageId::new(String::from_utf8_lossy(&delivery.body)))
        .publish(|place, publish| {
            Box::pin(async move {
                let ids = publish.to(place).await.into_iter().zip(&publish.messages);
                let id = |message: &Message| MessageId::new(String::from_utf8_lossy(&message.body));
                ids.map(|(result, message)| result.map(|_| id(message))).collect()
            })
        }),
    Mutant::new("MSG-017", "ignores_dedup_ids", "dedup ids are ignored")
        .sent(|message| message.dedup_id = None),
    Mutant::new("MSG-017", "dedup_in_all_topics", "a dedup id is known in every topic")
        .publish(|place, publish| Box::pin(dedup_everywhere(place, publish))),
    Mutant::new("MSG-017", "tells_another_id", "what is published again is told an id of its own")
        .publish(|place, publish| {
            Box::pin(async move {
                let mut results = publish.to(place).await;
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    place.notes().calls += 1;
                    *result = Ok(MessageId::new(format!("{}", place.notes().calls)));
                }
                results
            })
        }),
    Mutant::new("MSG-019", "publishes_twice", "a publish that is not dropped is made twice")
        .publish(|place, publish| {
            Box::pin(async move {
                publish.to(place).await;
                tokio::task::yield_now().await;
                publish.to(place).await
            })
        }),
    Mutant::new("MSG-020", "all_or_nothing", "one bad message fails the whole batch").publish(
        |place, publish| {
            Box::pin(async move {
                let declared = place.inner.capabilities();
                let bad =
                    publish.messages.iter().any(|message| message.validate(declared).is_err());
                if bad {
                    let failed = |_: &Message| Err(Error::invalid("a message of the batch is bad"));
                    return publish.messages.iter().map(failed).collect();
                }
                publish.to(place).await
            })
        },
    ),
    Mutant::new("MSG-020", "stops_at_the_first", "what follows a bad message is told accepted")
        .publish(|place, mut publish| {
            Box::pin(async move {
                let declared = place.inner.capabilities();
                let bad = publish.messages.iter().position(|one| one.validate(declared).is_err());
                let all = publish.messages.len();
                publish.messages.truncate(bad.map_or(all, |bad| bad + 1));
                let mut results = publish.to(place).await;
                results.resize_with(all, || Ok(MessageId::new("never")));
                results
            })
        }),
    Mutant::new("MSG-020", "results_in_another_order", "results come in another order").publish(
        |place, publish| {
            Box::pin(async move { publish.to(place).await.into_iter().rev().collect() })
        },
    ),
    Mutant::new("MSG-021", "ignores_max", "up to 10 messages are received, whatever was asked for")
        .receive(|place, receive| {
            Box::pin(async move {
                let max = if receive.max == 0 { 0 } else { 10 };
                Receive { max, ..receive }.from(place).await
            })
        }),
    Mutant::new("MSG-021", "none_for_none", "asked for 0 messages, it gives none").receive(
        |place, receive| {
            Box::pin(async move {
                if receive.max == 0 {
                    return Ok(Vec::new());
                }
                receive.from(place).await
            })
        },
    ),
    Mutant::new("MSG-022", "does_not_wait", "`receive` returns at once").receive(
        |place, receive| {
            Box::pin(async move { Receive { wait: Duration::ZERO, ..receive }.from(place).await })
        },
    ),
    Mutant::new("MSG-022", "waits_to_the_end", "`receive` waits although a message has come")
        .receive(|place, receive| {
            Box::pin(async move {
                tokio::time::sleep(receive.wait).await;
                Receive { wait: Duration::ZERO, ..receive }.from(place).await
            })
        }),
    Mutant::new("MSG-022", "looks_every_other_second", "`receive` looks every 2 s").receive(
        |place, receive| {
            Box::pin(async move {
                let end = tokio::time::Instant::now() + receive.wait;
                loop {
                    let some =
                        place.inner.receive(&receive.of, receive.max, Duration::ZERO).await?;
                    let left = end.saturating_duration_since(tokio::time::Instant::now());
                    if !some.is_empty() || left.is_zero() {
                        return Ok(some);
                    }
                    tokio::time::sleep(left.min(Duration::from_secs(2))).await;
                }
            })
        },
    ),
    Mutant::new("MSG-023", "settles_before_it_returns", "what is received is settled already")
        .receive(|place, receive| {
            Box::pin(async move {
                let some = receive.from(place).await?;
                let receipts: Vec<_> = some.iter().map(|one| one.receipt.clone()).collect();
                place.inner.ack(&receive.of, &receipts).await;
                tokio::task::yield_now().await;
                Ok(some)
            })
        }),
];

async fn dedup_everywhere(
    place: &Place,
    publish: Publish,
) -> Vec<omni_contracts::Result<MessageId>> {
    let mut results = Vec::new();
    for message in &publish.messages {
        let known = message.dedup_id.as_ref().and_then(|id| place.notes().known.get(id).cloned());
        if let Some(known) = known {
            results.push(Ok(known));
            continue;
        }
        let sent = place.inner.publish(&publish.topic, std::slice::from_ref(message)).await;
        if let (Some(Ok(id)), Some(dedup_id)) = (sent.first(), &message.dedup_id) {
            place.notes().known.insert(dedup_id.clone(), id.clone());
        }
        results.extend(sent);
    }
    results
}
