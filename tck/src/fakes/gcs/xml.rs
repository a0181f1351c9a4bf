//! The XML API, as far as signed URLs need it: `/{bucket}/{object}` read, written and deleted.
//!
//! From `cloud.google.com/storage/docs/xml-api/get-object-download`, `.../put-object-upload`,
//! `.../delete-object` and `.../reference-headers`.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use jiff::Timestamp;

use super::State;
use super::conditions::Conditions;
use super::encryption::KeyHash;
use super::fault::{Fault, Kind};
use super::http::{self, Answer, Call};
use super::metadata::{no_content, not_allowed};
use super::object::{Attributes, Content, Object, Stated, crc32c_text};
use super::store::Draft;
use super::{media, signed, upload};

/// A request to an object.
pub(super) async fn serve(server: &State, call: &Call, body: Incoming) -> Answer {
    let answered = object(server, call, body).await;
    let answer = answered.unwrap_or_else(|fault| refused(&fault));
    match call.method {
        Method::HEAD => media::without_body(answer),
        _ => answer,
    }
}

async fn object(server: &State, call: &Call, body: Incoming) -> Result<Answer, Fault> {
    let body = upload::collected(body).await?;
    let (bucket, name) = match call.path.split_first() {
        Some((bucket, name)) if !name.is_empty() => (bucket, name.join("/")),
        _ => return Err(not_allowed(call)),
    };
    let is_signed = signed::check(call, &server.store().signers, Timestamp::now())?;
    let has_credential = is_signed || call.headers.contains_key("authorization");
    server.store().bucket(bucket)?.admit(has_credential)?;
    let conditions = conditions(call)?;
    let generation = call.generation()?;
    match call.method {
        Method::GET | Method::HEAD => {
            let store = server.store();
            let found = store.bucket(bucket)?.object_if(&name, generation, &conditions)?;
            let mut answer = media::read(call, found)?;
            if let Ok(etag) = etag(found).parse() {
                answer.headers_mut().insert("etag", etag);
            }
            Ok(answer)
        }
        Method::PUT => {
            let stated = stated(call)?;
            let attributes = attributes(call)?;
            let content = Content::new(body);
            stated.check(&content)?;
            let draft = Draft::uploaded(attributes, content, KeyHash::of_call(call)?);
            let mut store = server.store();
            Ok(written(store.insert(bucket, &name, draft, &conditions)?))
        }
        Method::DELETE => {
            server.store().delete(bucket, &name, generation, &conditions)?;
            Ok(no_content())
        }
        _ => Err(not_allowed(call)),
    }
}

fn refused(fault: &Fault) -> Answer {
    match fault.status() {
        StatusCode::NOT_MODIFIED => http::refused(fault),
        status => {
            let kind = "application/xml; charset=UTF-8".to_owned();
            http::answer(status, [("content-type", kind)], fault.xml())
        }
    }
}

fn written(object: &Object) -> Answer {
    let headers = [
        ("etag", etag(object)),
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-metageneration", object.metageneration.to_string()),
        ("x-goog-hash", format!("crc32c={}", crc32c_text(object.content.crc32c))),
        ("x-goog-stored-content-length", object.size().to_string()),
    ];
    http::answer(StatusCode::OK, headers, Bytes::new())
}

fn etag(object: &Object) -> String {
    match object.content.md5 {
        Some(md5) => format!("\"{}\"", signed::hex(&md5)),
        None => format!("\"{}\"", object.etag()),
    }
}

fn conditions(call: &Call) -> Result<Conditions, Fault> {
    let number = |name: &str| {
        let wrong = |_| Fault::invalid(format!("Invalid value for {name}"));
        call.header(name).map(|text| text.parse().map_err(wrong)).transpose()
    };
    Ok(Conditions {
        generation: number("x-goog-if-generation-match")?,
        metageneration: number("x-goog-if-metageneration-match")?,
        ..Conditions::default()
    })
}

fn stated(call: &Call) -> Result<Stated, Fault> {
    upload::stated(call)?.and(Stated::parse(None, call.header("content-md5"))?)
}

fn attributes(call: &Call) -> Result<Attributes, Fault> {
    let text = |name: &str| call.header(name).unwrap_or_default().to_owned();
    let mut attributes = Attributes {
        cache_control: text("cache-control"),
        content_disposition: text("content-disposition"),
        content_encoding: text("content-encoding"),
        content_language: text("content-language"),
        content_type: text("content-type"),
        storage_class: text("x-goog-storage-class"),
        ..Attributes::default()
    };
    for (name, value) in &call.headers {
        if let Some(name) = name.as_str().strip_prefix("x-goog-meta-") {
            let wrong = |_| Fault::new(Kind::Invalid, format!("x-goog-meta-{name} is not UTF-8"));
            let value = String::from_utf8(value.as_bytes().to_vec()).map_err(wrong)?;
            attributes.metadata.insert(name.to_owned(), value);
        }
    }
    Ok(attributes)
}
