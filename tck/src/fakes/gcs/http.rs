//! Requests and answers of the protocols in text: paths, parameters, headers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_LENGTH, HeaderName};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tonic::body::Body;

use super::conditions::Conditions;
use super::fault::Fault;

/// The answer to a request.
pub(super) type Answer = Response<Body>;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// As it was sent.
    pub(super) raw_path: String,
    /// The segments of the path, decoded.
    pub(super) path: Vec<String>,
    /// The parameters, decoded.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
}

impl Call {
    pub(super) fn new(parts: Parts) -> Result<Self, Fault> {
        let raw_path = parts.uri.path().to_owned();
        let path = raw_path.trim_start_matches('/').split('/').map(decoded);
        let query =
            parts.uri.query().unwrap_or_default().split('&').filter(|word| !word.is_empty());
        let query = query.map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            Ok((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
        });
        Ok(Self {
            method: parts.method,
            path: path.collect::<Result<_, _>>()?,
            query: query.collect::<Result<_, Fault>>()?,
            headers: parts.headers,
            raw_path,
        })
    }

    /// A parameter, if it is there.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is text, empty when it is not there.
    pub(super) fn text(&self, name: &str) -> String {
        self.parameter(name).unwrap_or_default().to_owned()
    }

    /// A parameter that is a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let parse = |text: &str| {
            let wrong = || Fault::invalid(format!("Invalid value for {name}: {text:?}"));
            text.parse().map_err(|_| wrong())
        };
        self.parameter(name).map(parse).transpose()
    }

    /// A parameter that is true or false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.parameter(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(Fault::invalid(format!("Invalid value for {name}: {text:?}"))),
        }
    }

    /// A header, if it is there and text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The generation that the request is about; `None`: the live one.
    pub(super) fn generation(&self) -> Result<Option<i64>, Fault> {
        self.number("generation")
    }

    /// The conditions of the JSON API.
    pub(super) fn conditions(&self) -> Result<Conditions, Fault> {
        Ok(Conditions {
            generation: self.number("ifGenerationMatch")?,
            not_generation: self.number("ifGenerationNotMatch")?,
            metageneration: self.number("ifMetagenerationMatch")?,
            not_metageneration: self.number("ifMetagenerationNotMatch")?,
        })
    }
}

fn decoded(text: &str) -> Result<String, Fault> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| Fault::invalid(format!("{text:?} is not UTF-8")))
}

/// A whole body.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()))
}

/// An answer with a status, headers and a body. A header that cannot be sent is left out.
pub(super) fn answer(
    status: StatusCode,
    headers: impl IntoIterator<Item = (&'static str, String)>,
    body: impl Into<Bytes>,
) -> Answer {
    let body = body.into();
    let length = body.len();
    let mut answer = Response::new(full(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

/// An answer in JSON.
pub(super) fn json(value: &serde_json::Value) -> Answer {
    let headers = [("content-type", "application/json; charset=UTF-8".to_owned())];
    answer(StatusCode::OK, headers, value.to_string())
}

/// The answer to what is refused in the JSON API.
pub(super) fn refused(fault: &Fault) -> Answer {
    let status = fault.status();
    if status == StatusCode::NOT_MODIFIED {
        let mut answer = answer(status, [], Bytes::new());
        answer.headers_mut().remove(CONTENT_LENGTH);
        return answer;
    }
    answer(status, [("content-type", "application/json; charset=UTF-8".to_owned())], fault.json())
}
