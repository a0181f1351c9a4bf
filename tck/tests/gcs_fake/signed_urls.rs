//! Signed URLs, made here as the documentation describes them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tck::fakes::gcs::NewBucket;

use crate::client::Fake;

/// Who signs.
struct Signer {
    email: String,
    key: KeyPair,
}

/// What is signed.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    /// Sorted, with the host.
    headers: &'a [(&'a str, &'a str)],
    made: Timestamp,
    seconds: u32,
}

impl Signer {
    fn of(fake: &Fake) -> Self {
        let file: Value = serde_json::from_str(fake.server.service_account_key().unwrap()).unwrap();
        let pem = file["private_key"].as_str().unwrap();
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = KeyPair::from_pkcs8(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
        Self { email: file["client_email"].as_str().unwrap().to_owned(), key }
    }

    /// The path and parameters of a signed URL.
    fn sign(&self, asked: Asked<'_>) -> String {
        let Asked { method, path, headers, made, seconds } = asked;
        let stamp = made.strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/auto/storage/goog4_request", &stamp[..8]);
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let credential = format!("{}/{scope}", self.email).replace('@', "%40").replace('/', "%2F");
        let query = format!(
            "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential={credential}&X-Goog-Date={stamp}\
             &X-Goog-Expires={seconds}&X-Goog-SignedHeaders={}",
            names.join("%3B")
        );
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names = names.join(";");
        let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
        let hash = hex(digest(&SHA256, request.as_bytes()).as_ref());
        let text = format!("GOOG4-RSA-SHA256\n{stamp}\n{scope}\n{hash}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
        format!("{path}?{query}&X-Goog-Signature={}", hex(&signature))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_signed_url_does_what_was_signed_and_nothing_else() {
    let fake = Fake::with(&NewBucket { private: true, ..NewBucket::named("bucket") });
    let signer = Signer::of(&fake);
    let host = fake.endpoint.strip_prefix("http://").unwrap().to_owned();
    let now = Timestamp::now();
    let only_host = [("host", host.as_str())];
    let get = Asked {
        method: "GET",
        path: "/bucket/a/b%20c",
        headers: &only_host,
        made: now,
        seconds: 60,
    };
    let typed = [("content-type", "a/b"), ("host", host.as_str()), ("x-goog-meta-k", "v")];
    let put = signer.sign(Asked { method: "PUT", headers: &typed, ..get });
    let sent = [("content-type", "a/b"), ("x-goog-meta-k", "v")];
    let written = fake.send("PUT", &put, &sent, "content").await.is(200);
    assert!(written.header("etag").starts_with('"'));
    // Without the headers that were signed, or with others.
    let code = |body: &[u8], code: &str| {
        let body = String::from_utf8_lossy(body);
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{body}");
    };
    code(&fake.send("PUT", &put, &sent[..1], "x").await.is(400).body, "MalformedSecurityHeader");
    let other = [("content-type", "c/d"), ("x-goog-meta-k", "v")];
    code(&fake.send("PUT", &put, &other, "x").await.is(403).body, "SignatureDoesNotMatch");

    let url = signer.sign(get);
    let read = fake.get(&url).await.is(200);
    assert_eq!((read.body.as_ref(), read.header("content-type")), (&b"content"[..], "a/b"));
    assert_eq!(read.header("x-goog-meta-k"), "v");
    let part = fake.send("GET", &url, &[("range", "bytes=0-2")], "").await.is(206);
    assert_eq!(part.body, "con");
    let unsigned = [("x-goog-if-generation-match", "1")];
    fake.send("GET", &url, &unsigned, "").await.is(400);
    let no_port = [("host", host.split(':').next().unwrap())];
    fake.get(&signer.sign(Asked { headers: &no_port, ..get })).await.is(200);
    let elsewhere = [("host", "example.com")];
    fake.get(&signer.sign(Asked { headers: &elsewhere, ..get })).await.is(403);
    let head = signer.sign(Asked { method: "HEAD", ..get });
    let head = fake.send("HEAD", &head, &[], "").await.is(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("7", 0));

    code(&fake.send("DELETE", &url, &[], "").await.is(403).body, "SignatureDoesNotMatch");
    for changed in [
        url.replace("/bucket/a/b", "/bucket/a/c"),
        url.replace("X-Goog-Expires=60", "X-Goog-Expires=61"),
        url.replace("kit%40kit", "other%40kit"),
        format!("{url}&generation=1"),
        url[..url.len() - 2].to_owned(),
    ] {
        code(&fake.get(&changed).await.is(403).body, "SignatureDoesNotMatch");
    }
    let old = signer.sign(Asked { made: now - SignedDuration::from_secs(120), ..get });
    code(&fake.get(&old).await.is(400).body, "ExpiredToken");
    let future = signer.sign(Asked { made: now + SignedDuration::from_hours(1), ..get });
    code(&fake.get(&future).await.is(403).body, "RequestTimeTooSkewed");
    for seconds in [0, 604_801] {
        fake.get(&signer.sign(Asked { seconds, ..get })).await.is(400);
    }
    let delete = signer.sign(Asked { method: "DELETE", ..get });
    fake.send("DELETE", &delete, &[], "").await.is(204);
    code(&fake.get(&url).await.is(404).body, "NoSuchKey");
    code(&fake.get("/bucket/a").await.is(401).body, "AuthenticationRequired");
}
