//! What the service refuses, and the codes that say so in each protocol.
//!
//! From `cloud.google.com/storage/docs/json_api/v1/status-codes`,
//! `cloud.google.com/storage/docs/xml-api/reference-status`,
//! `cloud.google.com/storage/docs/request-preconditions` and `google/rpc/code.proto`.

use hyper::StatusCode;
use serde_json::json;
use tonic::{Code, Status};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) message: String,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value that is wrong.
    Invalid,
    /// A value that is not there.
    Required,
    /// A content that has another checksum than was stated.
    BadDigest,
    /// A credential that is missing.
    Unauthenticated,
    /// A signature that is wrong.
    BadSignature,
    /// A signed URL that is too old.
    Expired,
    /// A signed URL of the future.
    Skewed,
    /// A header that is not signed, or signed but not there.
    MalformedHeader,
    /// A key of the customer that is wanted.
    KeyNeeded,
    /// A key of the customer where there is none.
    KeyUnneeded,
    /// A key of the customer that is another one.
    KeyIncorrect,
    /// An algorithm that keys of customers do not have.
    KeyAlgorithm,
    /// A key of the customer that is none.
    KeyFormat,
    /// A hash that is not that of the key.
    KeyHash,
    /// A bucket that does not exist.
    NoBucket,
    /// An object or an upload that does not exist.
    NotFound,
    /// A method that the resource does not have.
    NotAllowed,
    /// A bucket that exists, or that still has objects.
    Conflict,
    /// A condition that does not hold: one of the `Match` kind.
    ConditionNotMet,
    /// A condition that does not hold: one of the `NotMatch` kind.
    NotModified,
    /// A range that the object does not have.
    OutOfRange,
    /// An upload that was cancelled by its client.
    Cancelled,
    /// What this server does not do.
    Unimplemented,
}

impl Fault {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub(super) fn required(what: &str) -> Self {
        Self::new(Kind::Required, format!("Required parameter: {what}"))
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.row().0
    }

    /// The body of an error in the JSON API.
    pub(super) fn json(&self) -> String {
        let (status, reason, ..) = self.kind.row();
        let mut error = json!({"message": self.message, "domain": "global", "reason": reason});
        if self.kind == Kind::ConditionNotMet {
            error["locationType"] = json!("header");
            error["location"] = json!("If-Match");
        }
        let code = status.as_u16();
        json!({"error": {"code": code, "message": self.message, "errors": [error]}}).to_string()
    }

    /// The body of an error in the XML API.
    pub(super) fn xml(&self) -> String {
        let message = self.message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let code = self.kind.row().3;
        format!(
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code>\
             <Message>{message}</Message></Error>"
        )
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        Self::new(fault.kind.row().2, fault.message)
    }
}

impl Kind {
    /// The status code, the reason in JSON, the code of gRPC, and the code in XML.
    fn row(self) -> (StatusCode, &'static str, Code, &'static str) {
        use StatusCode as S;
        let key = |reason, code| (S::BAD_REQUEST, reason, Code::InvalidArgument, code);
        match self {
            Self::Invalid => (S::BAD_REQUEST, "invalid", Code::InvalidArgument, "InvalidArgument"),
            Self::Required => {
                (S::BAD_REQUEST, "required", Code::InvalidArgument, "MissingSecurityHeader")
            }
            Self::BadDigest => (S::BAD_REQUEST, "invalid", Code::InvalidArgument, "BadDigest"),
            Self::Unauthenticated => {
                (S::UNAUTHORIZED, "required", Code::Unauthenticated, "AuthenticationRequired")
            }
            Self::BadSignature => {
                (S::FORBIDDEN, "forbidden", Code::PermissionDenied, "SignatureDoesNotMatch")
            }
            Self::Expired => (S::BAD_REQUEST, "invalid", Code::InvalidArgument, "ExpiredToken"),
            Self::Skewed => {
                (S::FORBIDDEN, "forbidden", Code::PermissionDenied, "RequestTimeTooSkewed")
            }
            Self::MalformedHeader => {
                (S::BAD_REQUEST, "invalid", Code::InvalidArgument, "MalformedSecurityHeader")
            }
            Self::KeyNeeded => key(
                "resourceIsEncryptedWithCustomerEncryptionKey",
                "ResourceIsEncryptedWithCustomerEncryptionKey",
            ),
            Self::KeyUnneeded => key(
                "resourceNotEncryptedWithCustomerEncryptionKey",
                "ResourceNotEncryptedWithCustomerEncryptionKey",
            ),
            Self::KeyIncorrect => {
                key("customerEncryptionKeyIsIncorrect", "CustomerEncryptionKeyIsIncorrect")
            }
            Self::KeyAlgorithm => {
                key("customerEncryptionAlgorithmIsInvalid", "CustomerEncryptionAlgorithmIsInvalid")
            }
            Self::KeyFormat => {
                key("customerEncryptionKeyFormatIsInvalid", "CustomerEncryptionKeyFormatIsInvalid")
            }
            Self::KeyHash => {
                key("customerEncryptionKeySha256IsInvalid", "CustomerEncryptionKeySha256IsInvalid")
            }
            Self::NoBucket => (S::NOT_FOUND, "notFound", Code::NotFound, "NoSuchBucket"),
            Self::NotFound => (S::NOT_FOUND, "notFound", Code::NotFound, "NoSuchKey"),
            Self::NotAllowed => {
                (S::METHOD_NOT_ALLOWED, "methodNotAllowed", Code::Unimplemented, "MethodNotAllowed")
            }
            Self::Conflict => {
                (S::CONFLICT, "conflict", Code::AlreadyExists, "BucketNameUnavailable")
            }
            Self::ConditionNotMet => (
                S::PRECONDITION_FAILED,
                "conditionNotMet",
                Code::FailedPrecondition,
                "PreconditionFailed",
            ),
            Self::NotModified => (S::NOT_MODIFIED, "notModified", Code::Aborted, "NotModified"),
            Self::OutOfRange => (
                S::RANGE_NOT_SATISFIABLE,
                "requestedRangeNotSatisfiable",
                Code::OutOfRange,
                "InvalidRange",
            ),
            Self::Cancelled => (
                StatusCode::from_u16(499).unwrap_or(S::GONE),
                "cancelled",
                Code::Cancelled,
                "NoSuchUpload",
            ),
            Self::Unimplemented => {
                (S::NOT_IMPLEMENTED, "notImplemented", Code::Unimplemented, "NotImplemented")
            }
        }
    }
}
