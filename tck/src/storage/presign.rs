//! STO-145 to STO-147: presigned requests, sent by somebody without credentials.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::ErrorKind;
use omni_contracts::storage::{Key, PresignMethod, PresignRequest, PresignedUrl, StorageProvider};
use reqwest::{Client, Method, redirect};

use super::inputs::{
    KIB, brief, has_content, has_no_object, head, key, nasty_keys, payload, put, same_bytes,
};
use crate::check::{Failure, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-145",
        a_presigned_request_is_for_one_method_and_key,
        "sign method and key; return every header that the signature covers"
    ),
    check!(
        "STO-146",
        presigned_requests_expire_and_cannot_be_altered,
        "compare the expiry with 0 and with `limits.max_presign_expiry`, and sign it"
    ),
    check!(
        "STO-147",
        every_key_can_be_presigned,
        "encode each byte of the key once, as the signature has it"
    ),
];

const METHODS: [PresignMethod; 4] =
    [PresignMethod::Get, PresignMethod::Head, PresignMethod::Put, PresignMethod::Delete];

/// How long the requests work that are not meant to expire.
const LONG: Duration = Duration::from_secs(600);

/// What is added to the time at which a request expires, for a back-end whose clock is not ours.
const SKEW: Duration = Duration::from_secs(2);

/// Somebody without credentials.
struct Stranger(Client);

impl Stranger {
    fn new() -> Result<Self, Failure> {
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(LONG).build();
        client.map(Self).map_err(|error| failed("making a client", &error))
    }

    /// Sends a request with what the presigned one asks for; `content` is sent with a put.
    async fn send(
        &self,
        method: PresignMethod,
        presigned: &PresignedUrl,
        content: &Bytes,
    ) -> Result<Answer, Failure> {
        let verb = match method {
            PresignMethod::Delete => Method::DELETE,
            PresignMethod::Get => Method::GET,
            PresignMethod::Head => Method::HEAD,
            PresignMethod::Put => Method::PUT,
        };
        let mut request = self.0.request(verb, &presigned.url);
        for (name, value) in &presigned.headers {
            request = request.header(name, value);
        }
        if method == PresignMethod::Put {
            request = request.body(content.clone());
        }
        let unsent = |error| failed(&format!("sending a presigned {method:?}"), &error);
        let answer = request.send().await.map_err(unsent)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unsent)?;
        Ok(Answer { accepted: status.is_success(), status: status.as_u16(), body })
    }
}

fn failed(situation: &str, error: &reqwest::Error) -> Failure {
    // Neither the failure nor the report may hold a URL that still works.
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Failure::new(situation, "an answer", format!("no request could be made: {cause}"))
}

struct Answer {
    accepted: bool,
    status: u16,
    body: Bytes,
}

impl Answer {
    fn is_accepted(&self, situation: &str) -> Outcome {
        let said = String::from_utf8_lossy(&self.body);
        holds(situation, self.accepted, "success", format!("status {}: {said}", self.status))
    }

    fn is_refused(&self, situation: &str) -> Outcome {
        holds(situation, !self.accepted, "a refusal", format!("status {}", self.status))
    }
}

async fn presign(
    store: &dyn StorageProvider,
    key: &Key,
    method: PresignMethod,
    expires_in: Duration,
) -> Result<PresignedUrl, Failure> {
    let content_type = (method == PresignMethod::Put).then(|| "text/x-omni; a=b".to_owned());
    let request = PresignRequest { method, expires_in, content_type };
    let situation = format!("presign {method:?} of {} for {expires_in:?}", brief(key));
    ok(situation, store.presign(key, &request).await)
}

/// Two objects whose keys differ in one character, and what a presigned request must do to them.
struct Pair {
    store: Arc<dyn StorageProvider>,
    stranger: Stranger,
    one: (Key, Bytes),
    other: (Key, Bytes),
}

impl Pair {
    async fn new(cx: &Context) -> Result<Self, Failure> {
        let one = (key("presigned/k1x7 a"), payload(1, 3 * KIB));
        let other = (key("presigned/k2x7 a"), payload(2, 2 * KIB));
        Ok(Self { store: cx.open().await?, stranger: Stranger::new()?, one, other })
    }

    async fn restore(&self) -> Outcome {
        for (key, content) in [&self.one, &self.other] {
            ok("put", put(&*self.store, key, content.clone()).await)?;
        }
        Ok(())
    }

    async fn is_untouched(&self, situation: &str) -> Outcome {
        for (key, content) in [&self.one, &self.other] {
            has_content(&*self.store, key, content, situation).await?;
        }
        Ok(())
    }

    /// Sends what must be refused, and looks at both objects.
    async fn is_refused(
        &self,
        method: PresignMethod,
        presigned: &PresignedUrl,
        situation: &str,
    ) -> Outcome {
        let answer = self.stranger.send(method, presigned, &payload(3, KIB)).await?;
        answer.is_refused(situation)?;
        self.is_untouched(situation).await
    }
}

async fn a_presigned_request_is_for_one_method_and_key(cx: &Context) -> Outcome {
    let pair = Pair::new(cx).await?;
    for method in METHODS {
        pair.restore().await?;
        let presigned = presign(&*pair.store, &pair.one.0, method, LONG).await?;
        for wrong in METHODS.into_iter().filter(|wrong| may_differ(method, *wrong)) {
            let situation = format!("{wrong:?} with what was presigned for {method:?}");
            pair.is_refused(wrong, &presigned, &situation).await?;
        }
        let elsewhere = of_other_key(&presigned);
        let situation = format!("a presigned {method:?} with another key");
        pair.is_refused(method, &elsewhere, &situation).await?;
        let bare = PresignedUrl { url: path(&presigned).to_owned(), ..presigned.clone() };
        let situation = format!("a presigned {method:?} without its signature");
        pair.is_refused(method, &bare, &situation).await?;
        works(&pair, method, &presigned).await?;
    }
    // A key that is free, too.
    let free = key("presigned/free");
    let presigned = presign(&*pair.store, &free, PresignMethod::Put, LONG).await?;
    let answer = pair.stranger.send(PresignMethod::Put, &presigned, &pair.one.1).await?;
    answer.is_accepted("a presigned put of a key that is free")?;
    has_content(&*pair.store, &free, &pair.one.1, "after a presigned put").await?;
    Ok(())
}

/// What reads an object may also look at it, and the other way round.
fn may_differ(method: PresignMethod, other: PresignMethod) -> bool {
    let reads = |method| matches!(method, PresignMethod::Get | PresignMethod::Head);
    method != other && !(reads(method) && reads(other))
}

fn path(presigned: &PresignedUrl) -> &str {
    presigned.url.split('?').next().unwrap_or_default()
}

fn of_other_key(presigned: &PresignedUrl) -> PresignedUrl {
    let (path, query) = presigned.url.split_once('?').unwrap_or((&presigned.url, ""));
    let url = format!("{}?{query}", path.replace("k1x7", "k2x7"));
    PresignedUrl { url, ..presigned.clone() }
}

async fn works(pair: &Pair, method: PresignMethod, presigned: &PresignedUrl) -> Outcome {
    let (key, content) = &pair.one;
    let new = payload(4, 5 * KIB);
    let situation = format!("a presigned {method:?}");
    // A permission is not spent by being used; but what is deleted cannot be read again.
    for time in 1..=2 {
        let situation = format!("{situation}, time {time}");
        let answer = pair.stranger.send(method, presigned, &new).await?;
        if method == PresignMethod::Delete && time == 2 {
            break;
        }
        answer.is_accepted(&situation)?;
        match method {
            PresignMethod::Get => same_bytes(situation, content, &answer.body)?,
            PresignMethod::Head => same_bytes(situation, &[], &answer.body)?,
            PresignMethod::Put => {
                has_content(&*pair.store, key, &new, &situation).await?;
                let meta = ok("head", head(&*pair.store, key).await)?;
                let seen = meta.attributes.content_type.clone();
                equal(format!("{situation}: type"), &Some("text/x-omni; a=b".to_owned()), &seen)?;
            }
            PresignMethod::Delete => has_no_object(&*pair.store, key, &situation).await?,
        }
    }
    has_content(&*pair.store, &pair.other.0, &pair.other.1, &situation).await?;
    Ok(())
}

async fn presigned_requests_expire_and_cannot_be_altered(cx: &Context) -> Outcome {
    let pair = Pair::new(cx).await?;
    pair.restore().await?;
    expiry_is_bounded(&*pair.store, &pair.one.0).await?;
    let mut short = Vec::new();
    for method in METHODS {
        short.push((
            method,
            presign(&*pair.store, &pair.one.0, method, Duration::from_secs(1)).await?,
        ));
    }
    for method in METHODS {
        let presigned = presign(&*pair.store, &pair.one.0, method, LONG).await?;
        for (name, altered) in alterations(&presigned) {
            let situation = format!("a presigned {method:?} whose {name:?} is altered");
            pair.is_refused(method, &altered, &situation).await?;
        }
    }
    for (method, presigned) in short {
        // Not a guess: nothing is asked before the time that was told.
        if let Ok(left) = (presigned.expires_at + SKEW).duration_since(SystemTime::now()) {
            tokio::time::sleep(left).await;
        }
        let situation = format!("a presigned {method:?} after its time");
        pair.is_refused(method, &presigned, &situation).await?;
    }
    Ok(())
}

async fn expiry_is_bounded(store: &dyn StorageProvider, at: &Key) -> Outcome {
    let limit = store.capabilities().limits.max_presign_expiry;
    let above = limit.map(|limit| [limit + Duration::from_secs(1), limit * 2, Duration::MAX]);
    for method in METHODS {
        for wrong in std::iter::once(Duration::ZERO).chain(above.into_iter().flatten()) {
            let request = PresignRequest { method, expires_in: wrong, content_type: None };
            let situation = format!("presign {method:?} for {wrong:?}, the limit is {limit:?}");
            let refused = store.presign(at, &request).await;
            fails_with(situation, ErrorKind::InvalidArgument, refused)?;
        }
        for good in [Some(Duration::from_secs(60)), limit].into_iter().flatten() {
            let (before, slack) = (SystemTime::now(), Duration::from_secs(5));
            let url = presign(store, at, method, good).await?;
            holds(
                format!("presign {method:?} for {good:?}: when it stops working"),
                url.expires_at + slack > before + good
                    && url.expires_at < SystemTime::now() + good + slack,
                format!("{good:?} from now"),
                url.expires_at,
            )?;
        }
    }
    Ok(())
}

/// The request with one parameter changed in one character, for each parameter.
fn alterations(presigned: &PresignedUrl) -> Vec<(String, PresignedUrl)> {
    let (path, query) = presigned.url.split_once('?').unwrap_or((&presigned.url, ""));
    let parameters: Vec<_> = query.split('&').collect();
    let mut all = Vec::new();
    for (at, parameter) in parameters.iter().enumerate() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let Some(altered) = altered(value) else { continue };
        let changed = format!("{name}={altered}");
        let mut parameters = parameters.clone();
        parameters[at] = &changed;
        let url = format!("{path}?{}", parameters.join("&"));
        all.push((name.to_owned(), PresignedUrl { url, ..presigned.clone() }));
    }
    all
}

/// Another value: the first digit or letter that is not part of an escape is the next one.
fn altered(value: &str) -> Option<String> {
    let bytes = value.as_bytes();
    let mut at = 0;
    while at < bytes.len() && !bytes[at].is_ascii_alphanumeric() {
        at += if bytes[at] == b'%' { 3 } else { 1 };
    }
    let next = match *bytes.get(at)? {
        b'9' => '0',
        b'z' => 'a',
        b'Z' => 'A',
        byte => char::from(byte + 1),
    };
    Some(format!("{}{next}{}", &value[..at], &value[at + 1..]))
}

async fn every_key_can_be_presigned(cx: &Context) -> Outcome {
    let (store, stranger) = (cx.open().await?, Stranger::new()?);
    let keys: Vec<_> = nasty_keys().into_iter().zip(100..).collect();
    let write = async |(key, seed): &(Key, u64)| {
        let content = payload(*seed, 100);
        let presigned = presign(&*store, key, PresignMethod::Put, LONG).await?;
        let answer = stranger.send(PresignMethod::Put, &presigned, &content).await?;
        answer.is_accepted(&format!("a presigned put of {}", brief(key)))
    };
    stream::iter(&keys).map(write).buffer_unordered(8).try_collect::<Vec<()>>().await?;
    let read = async |(key, seed): &(Key, u64)| {
        let content = payload(*seed, 100);
        let situation = format!("a presigned get of {}", brief(key));
        has_content(&*store, key, &content, &format!("presigned put of {}", brief(key))).await?;
        let presigned = presign(&*store, key, PresignMethod::Get, LONG).await?;
        let answer = stranger.send(PresignMethod::Get, &presigned, &Bytes::new()).await?;
        answer.is_accepted(&situation)?;
        same_bytes(situation, &content, &answer.body)
    };
    stream::iter(&keys).map(read).buffer_unordered(8).try_collect::<Vec<()>>().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_of_one_parameter_is_another() {
        for (value, expected) in [
            ("2026", Some("3026")),
            ("%2Fz9", Some("%2Fa9")),
            ("--9", Some("--0")),
            ("%2F%3D", None),
            ("", None),
        ] {
            assert_eq!(altered(value).as_deref(), expected, "{value:?}");
        }
        let url = "http://host/path%20a?a=1&empty=&b=x%2F".to_owned();
        let expires_at = SystemTime::UNIX_EPOCH;
        let presigned = PresignedUrl { url, headers: Vec::new(), expires_at };
        let urls: Vec<_> = alterations(&presigned).into_iter().map(|(_, all)| all.url).collect();
        assert_eq!(
            urls,
            ["http://host/path%20a?a=2&empty=&b=x%2F", "http://host/path%20a?a=1&empty=&b=y%2F"]
        );
    }
}
