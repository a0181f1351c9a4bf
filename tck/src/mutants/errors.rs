//! Mutants of the clauses of errors: ERR-001 to ERR-005.

use omni_contracts::{Effect, Error, ErrorKind, Operation};

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("ERR-001", "errors_have_no_place", "an error names neither operation nor provider")
        .error(|error| match error.resource() {
            Some(key) => same(&error).with_resource(key),
            None => same(&error),
        }),
    Mutant::new("ERR-001", "errors_name_another_operation", "every error is one of `get`").error(
        |error| placed(&error, Operation::Get, "memory", error.resource().unwrap_or_default()),
    ),
    Mutant::new("ERR-001", "errors_name_another_provider", "an error names another provider")
        .error(|error| {
            let operation = error.operation().unwrap_or(Operation::Get);
            placed(&error, operation, "disk", error.resource().unwrap_or_default())
        }),
    Mutant::new("ERR-002", "errors_have_no_resource", "an error does not name its key")
        .error(|error| placed(&error, error.operation().unwrap_or(Operation::Get), "memory", "")),
    Mutant::new("ERR-002", "errors_name_a_path", "an error names a path of the back-end").error(
        |error| {
            let operation = error.operation().unwrap_or(Operation::Get);
            let path = format!("/srv/store/{}", error.resource().unwrap_or_default());
            placed(&error, operation, "memory", &path)
        },
    ),
    Mutant::new("ERR-002", "errors_cut_long_keys", "an error names the first 64 bytes of a key")
        .error(|error| {
            let operation = error.operation().unwrap_or(Operation::Get);
            let key: String = error.resource().unwrap_or_default().chars().take(64).collect();
            placed(&error, operation, "memory", &key)
        }),
    Mutant::new("ERR-003", "not_found_is_retryable", "NotFound is said to be worth a retry").error(
        |error| {
            let retryable = error.is_retryable() || error.kind() == ErrorKind::NotFound;
            error.with_retryable(retryable)
        },
    ),
    Mutant::new("ERR-003", "taken_is_retryable", "AlreadyExists is said to be worth a retry")
        .error(|error| {
            let retryable = error.is_retryable() || error.kind() == ErrorKind::AlreadyExists;
            error.with_retryable(retryable)
        }),
    Mutant::new(
        "ERR-003",
        "refusals_are_doubtful",
        "InvalidArgument is said to have unknown effect",
    )
    .error(|error| match error.kind() {
        ErrorKind::InvalidArgument => error.with_effect(Effect::Unknown),
        _ => error,
    }),
    Mutant::new("ERR-003", "preconditions_are_doubtful", "PreconditionFailed has unknown effect")
        .error(|error| match error.kind() {
            ErrorKind::PreconditionFailed => error.with_effect(Effect::Unknown),
            _ => error,
        }),
    Mutant::new("ERR-003", "out_of_range_is_retryable", "OutOfRange is said to be worth a retry")
        .error(|error| {
            let retryable = error.is_retryable() || error.kind() == ErrorKind::OutOfRange;
            error.with_retryable(retryable)
        }),
    Mutant::new("ERR-004", "says_nothing", "messages are empty").error(|error| worded(&error, "")),
    Mutant::new("ERR-004", "says_it_in_lines", "messages span lines")
        .error(|error| worded(&error, &format!("{}\n  at store.rs:42", error.message()))),
    Mutant::new("ERR-004", "repeats_metadata", "a message repeats the user metadata").put(
        |store, put| {
            Box::pin(async move {
                let options = put.options.clone();
                put.to(&*store.inner).await.map_err(|error| {
                    let metadata = &options.attributes.metadata;
                    worded(&error, &format!("{} {metadata:?}", error.message()).replace('\n', " "))
                })
            })
        },
    ),
    Mutant::new("ERR-004", "repeats_content", "a message repeats the content").put(|store, put| {
        Box::pin(async move {
            let (put, content) = put.whole().await?;
            put.to(&*store.inner).await.map_err(|error| {
                let text = String::from_utf8_lossy(&content[..content.len().min(80)]).into_owned();
                worded(&error, &format!("{} of {text:?}", error.message()))
            })
        })
    }),
    Mutant::new("ERR-005", "taken_is_a_failed_precondition", "AlreadyExists is PreconditionFailed")
        .error(|error| told_as(error, ErrorKind::AlreadyExists, ErrorKind::PreconditionFailed)),
    Mutant::new("ERR-005", "missing_is_forbidden", "NotFound is PermissionDenied")
        .error(|error| told_as(error, ErrorKind::NotFound, ErrorKind::PermissionDenied)),
    Mutant::new("ERR-005", "wrong_arguments_are_internal", "InvalidArgument is Internal")
        .error(|error| told_as(error, ErrorKind::InvalidArgument, ErrorKind::Internal)),
    Mutant::new("ERR-005", "out_of_range_is_invalid", "OutOfRange is InvalidArgument")
        .error(|error| told_as(error, ErrorKind::OutOfRange, ErrorKind::InvalidArgument)),
    Mutant::new("ERR-005", "corrupt_is_internal", "Corrupt is Internal")
        .error(|error| told_as(error, ErrorKind::Corrupt, ErrorKind::Internal)),
    Mutant::new(
        "ERR-005",
        "unchanged_is_a_failed_precondition",
        "NotModified is PreconditionFailed",
    )
    .error(|error| told_as(error, ErrorKind::NotModified, ErrorKind::PreconditionFailed)),
];

/// The error without its place.
fn same(error: &Error) -> Error {
    Error::new(error.kind(), error.message().to_owned())
        .with_retryable(error.is_retryable())
        .with_effect(error.effect())
}

fn placed(error: &Error, operation: Operation, provider: &str, resource: &str) -> Error {
    same(error).at(operation, provider, resource)
}

/// The error in other words.
fn worded(error: &Error, message: &str) -> Error {
    reworded(error, error.kind(), message)
}

/// The error as one of another kind, when it is of `kind`.
fn told_as(error: Error, kind: ErrorKind, other: ErrorKind) -> Error {
    if error.kind() == kind { reworded(&error, other, error.message()) } else { error }
}

fn reworded(error: &Error, kind: ErrorKind, message: &str) -> Error {
    let new = Error::new(kind, message.to_owned()).with_effect(error.effect());
    match (error.operation(), error.provider()) {
        (Some(operation), Some(provider)) => {
            new.at(operation, provider, error.resource().unwrap_or_default())
        }
        _ => new,
    }
}
