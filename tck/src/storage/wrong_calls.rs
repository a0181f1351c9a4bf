//! Calls that must fail, as data: each with the kind that it must fail with. One table serves the
//! clauses about capabilities, validation, outcome and errors. The store that they are made on is in
//! `scene`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    Attributes, ByteRange, Capability, CompleteOptions, CopyOptions, Crc32c, DeleteOptions,
    GetOptions, Key, ListRequest, PageToken, Part, PresignMethod, PutOptions, ReadCondition,
    UploadId, Version, WriteCondition, WriteId,
};

use super::inputs::{KIB, failing_after, long, short};
use super::scene::{MARKER, Scene, WrongCall, content, described, first_part, prefix_of};

impl Scene {
    /// Calls that need a capability which is not declared; all their arguments are valid.
    pub(super) fn unsupported(&self) -> Vec<WrongCall> {
        let declared = self.store.capabilities();
        let missing = Capability::ALL.iter().filter(|capability| !declared.has(**capability));
        missing.flat_map(|capability| self.needing(*capability)).collect()
    }

    fn needing(&self, capability: Capability) -> Vec<WrongCall> {
        let kind = ErrorKind::Unsupported;
        let mut calls = Vec::new();
        let if_match = || WriteCondition::IfMatch(self.current.clone());
        match capability {
            Capability::ConditionalCreate => {
                for to in [&self.free, &self.taken] {
                    let options = PutOptions { condition: WriteCondition::IfAbsent, ..described() };
                    calls.extend(self.puts(kind, "IfAbsent, not declared", to, &options));
                    let named = PutOptions { write_id: WriteId::new("w-1").ok(), ..options };
                    calls.extend(self.puts(
                        kind,
                        "IfAbsent and write id, not declared",
                        to,
                        &named,
                    ));
                }
            }
            Capability::ConditionalUpdate => {
                for to in [&self.free, &self.taken] {
                    let options = PutOptions { condition: if_match(), ..described() };
                    calls.extend(self.puts(kind, "IfMatch, not declared", to, &options));
                }
            }
            Capability::ConditionalCopy => {
                for to in [&self.free, &self.taken] {
                    for condition in [WriteCondition::IfAbsent, if_match()] {
                        let what = format!("{condition:?}, not declared");
                        let options = CopyOptions { condition, ..CopyOptions::default() };
                        calls.push(self.copy(kind, &what, &self.source, to, options));
                    }
                }
            }
            Capability::ConditionalDelete => {
                for at in [&self.free, &self.taken] {
                    let if_match = Some(self.current.clone());
                    let options = DeleteOptions { if_match, ..DeleteOptions::default() };
                    calls.push(self.delete(kind, "if_match, not declared", at, options));
                }
            }
            Capability::ConditionalMultipart => {
                for condition in [WriteCondition::IfAbsent, if_match()] {
                    let what = format!("{condition:?}, not declared");
                    let options = CompleteOptions { condition, ..CompleteOptions::default() };
                    calls.push(self.complete(
                        kind,
                        &what,
                        &self.taken,
                        self.parts.clone(),
                        options,
                    ));
                }
            }
            Capability::ConditionalRead => {
                let now = Some(SystemTime::now());
                let none = ReadCondition::default;
                let conditions = [
                    ReadCondition { if_match: Some(self.current.clone()), ..none() },
                    ReadCondition { if_none_match: Some(self.stale.clone()), ..none() },
                    ReadCondition { if_modified_since: Some(UNIX_EPOCH), ..none() },
                    ReadCondition { if_unmodified_since: now, ..none() },
                ];
                for condition in conditions {
                    for at in [&self.free, &self.taken] {
                        let options =
                            GetOptions { condition: condition.clone(), ..GetOptions::default() };
                        calls.extend(self.reads(kind, "a condition, not declared", at, &options));
                    }
                }
            }
            Capability::Multipart => calls.extend(self.multipart(kind)),
            Capability::Presign => {
                for method in METHODS {
                    let expiry = Duration::from_secs(60);
                    calls.push(self.presign(kind, "not declared", method, expiry));
                }
            }
            Capability::Versioning => {
                for version in [&self.current, &self.stale] {
                    for at in [&self.free, &self.taken] {
                        let version = Some(version.clone());
                        let read = GetOptions { version: version.clone(), ..GetOptions::default() };
                        calls.extend(self.reads(kind, "a version, not declared", at, &read));
                        let options = DeleteOptions { version, ..DeleteOptions::default() };
                        calls.push(self.delete(kind, "a version, not declared", at, options));
                    }
                }
                for prefix in ["", "scene/", "none"] {
                    calls.push(self.list_versions(kind, "not declared", prefix, None, None));
                }
            }
            _ => {}
        }
        calls
    }

    /// Every call of the multipart interface, without fault of its own.
    fn multipart(&self, kind: ErrorKind) -> Vec<WrongCall> {
        let what = "multipart, not declared";
        let part =
            Part { number: first_part(), size: 1, version: self.current.clone(), checksum: None };
        let parts = vec![part];
        vec![
            self.create_upload(kind, what, &self.free, described()),
            self.create_upload(kind, what, &self.taken, described()),
            self.upload_part(kind, what, &self.taken, None),
            self.list_parts(kind, what, &self.taken, &self.upload),
            self.complete(kind, what, &self.taken, parts, CompleteOptions::default()),
            self.abort(kind, what, &self.taken),
            self.list_uploads(kind, what, "", None),
        ]
    }

    /// Calls with an argument that the contract forbids, often with something else wrong besides.
    pub(super) fn invalid(&self) -> Vec<WrongCall> {
        let declared = self.store.capabilities();
        let has = |capability| declared.has(capability);
        let kind = ErrorKind::InvalidArgument;
        let (free, taken) = (&self.free, &self.taken);
        let wrong_key = Key::native("scene//wrong");
        let bad = || Arc::new(forbidden());
        let wrong_sum = Some(Crc32c::from_u32(1));
        let mut calls = Vec::new();

        for name in ["scene/taken/", "/scene/taken", "scene/./taken", "scene/a\nb", ""] {
            calls.extend(self.puts(
                kind,
                "a key that is not portable",
                &Key::native(name),
                &described(),
            ));
        }
        let both = PutOptions { attributes: bad(), checksum: wrong_sum, ..PutOptions::default() };
        for to in [free, taken, &wrong_key] {
            calls.extend(self.puts(kind, "forbidden attributes and a wrong checksum", to, &both));
            let what = "forbidden attributes and a failing source";
            let body = failing_after(content(70_000), &[5000], None);
            calls.push(self.put(kind, what, to, body, both.clone()));
        }
        let missing = Key::native("scene/none");
        let plain = CopyOptions::default;
        let described = || CopyOptions { attributes: Some(bad()), ..plain() };
        calls.push(self.copy(kind, "to a key that is not portable", taken, &wrong_key, plain()));
        calls.push(self.copy(
            kind,
            "of nothing to a key that is not portable",
            &missing,
            &wrong_key,
            plain(),
        ));
        calls.push(self.copy(kind, "onto itself", taken, taken, plain()));
        calls.push(self.copy(kind, "of nothing onto itself", &missing, &missing, plain()));
        calls.push(self.copy(kind, "with forbidden attributes", &self.source, taken, described()));
        calls.push(self.copy(
            kind,
            "of nothing with forbidden attributes",
            &missing,
            taken,
            described(),
        ));
        calls.push(self.copy(
            kind,
            "onto itself with forbidden attributes",
            taken,
            taken,
            described(),
        ));
        let other_source = CopyOptions { source_version: Some(self.stale.clone()), ..described() };
        calls.push(self.copy(
            kind,
            "of another version with forbidden attributes",
            taken,
            free,
            other_source,
        ));

        let backwards = ByteRange::Bounded { start: 9, end: 3 };
        for at in [free, taken] {
            for range in [backwards, ByteRange::Bounded { start: u64::MAX, end: 0 }] {
                let options = GetOptions { range, ..GetOptions::default() };
                calls.push(self.get(kind, "a range that ends before it starts", at, options));
            }
            let ranges = vec![ByteRange::from(0..2), backwards, ByteRange::from(0..3)];
            let what = "one range that ends before it starts";
            calls.push(self.get_ranges(kind, what, at, ranges, GetOptions::default()));
        }
        if has(Capability::ConditionalRead) {
            let condition =
                ReadCondition { if_match: Some(self.stale.clone()), ..ReadCondition::default() };
            let options = GetOptions { range: backwards, condition, ..GetOptions::default() };
            let what = "a range that ends before it starts and a condition that does not hold";
            calls.push(self.get(kind, what, taken, options));
        }
        if has(Capability::ConditionalCreate) {
            let options = PutOptions { condition: WriteCondition::IfAbsent, ..both.clone() };
            calls.extend(self.puts(kind, "IfAbsent and forbidden attributes", taken, &options));
        }
        if has(Capability::ConditionalUpdate) {
            let condition = WriteCondition::IfMatch(self.stale.clone());
            let options = PutOptions { condition, ..both };
            calls.extend(self.puts(
                kind,
                "a stale IfMatch and forbidden attributes",
                taken,
                &options,
            ));
        }
        if has(Capability::ConditionalCopy) {
            let options = CopyOptions { condition: WriteCondition::IfAbsent, ..described() };
            calls.push(self.copy(
                kind,
                "IfAbsent and forbidden attributes",
                &self.source,
                taken,
                options,
            ));
        }

        for prefix in ["", "scene/", "none"] {
            let request = ListRequest::prefix(prefix_of(prefix));
            let no_limit = ListRequest { limit: Some(0), ..request.clone() };
            calls.push(self.list(kind, "a limit of 0", no_limit.clone()));
            let no_text = ListRequest { delimiter: Some(String::new()), ..request.clone() };
            calls.push(self.list(kind, "an empty delimiter", no_text));
            let token = Some(PageToken::new("\u{1f600} nobody made this"));
            calls.push(self.list(
                kind,
                "a limit of 0 and a wrong token",
                ListRequest { token: token.clone(), ..no_limit },
            ));
            calls.push(self.list(
                kind,
                "a token that nobody made",
                ListRequest { token, ..request },
            ));
        }
        if has(Capability::Versioning) {
            calls.push(self.list_versions(kind, "a limit of 0", "", None, Some(0)));
            let what = "a token that nobody made";
            calls.push(self.list_versions(kind, what, "", Some("\u{1f600} nobody"), None));
        }
        if has(Capability::Multipart) {
            calls.extend(self.invalid_uploads());
        }
        if has(Capability::Presign) {
            for method in METHODS {
                calls.push(self.presign(kind, "an expiry of 0", method, Duration::ZERO));
            }
        }
        calls
    }

    fn invalid_uploads(&self) -> Vec<WrongCall> {
        let kind = ErrorKind::InvalidArgument;
        let (free, taken) = (&self.free, &self.taken);
        let mut calls = Vec::new();
        for to in [free, taken] {
            let condition = WriteCondition::IfMatch(self.stale.clone());
            let create = |what, options| self.create_upload(kind, what, to, options);
            calls.push(create(
                "IfAbsent",
                PutOptions { condition: WriteCondition::IfAbsent, ..described() },
            ));
            calls.push(create("IfMatch", PutOptions { condition, ..described() }));
            calls.push(create(
                "a checksum",
                PutOptions { checksum: Some(Crc32c::of(b"")), ..described() },
            ));
            calls.push(create(
                "a write id",
                PutOptions { write_id: WriteId::new("w").ok(), ..described() },
            ));
            calls.push(create(
                "forbidden attributes",
                PutOptions { attributes: Arc::new(forbidden()), ..PutOptions::default() },
            ));
        }
        let wrong = Key::native("scene//wrong");
        calls.push(self.create_upload(kind, "a key that is not portable", &wrong, described()));
        let mut twice = self.parts.clone();
        twice.extend_from_slice(&self.parts);
        let first_twice = vec![self.parts[0].clone(), self.parts[0].clone()];
        let reversed: Vec<_> = self.parts.iter().rev().cloned().collect();
        let lists = [
            ("no part", Vec::new()),
            ("a part twice", first_twice),
            ("parts out of order", reversed),
            ("all parts twice", twice),
        ];
        for (what, parts) in lists {
            let plain = CompleteOptions::default;
            calls.push(self.complete(kind, what, taken, parts.clone(), plain()));
            let checksum = Some(Crc32c::from_u32(1));
            let options = CompleteOptions { checksum, ..plain() };
            let what = format!("{what}, and a wrong checksum");
            calls.push(self.complete(kind, &what, taken, parts, options));
        }
        let what = "a token that nobody made";
        calls.push(self.list_uploads(kind, what, "", Some("\u{1f600} nobody")));
        calls
    }

    /// Valid calls that the state of the store, or their source, makes fail.
    pub(super) fn refused(&self) -> Vec<WrongCall> {
        let mut calls = self.refused_writes();
        let declared = self.store.capabilities();
        let (free, taken) = (&self.free, &self.taken);
        let missing = Key::native("scene");
        for at in [free, &missing] {
            let kind = ErrorKind::NotFound;
            calls.extend(self.reads(kind, "no such object", at, &GetOptions::default()));
        }
        let kind = ErrorKind::OutOfRange;
        for range in
            [ByteRange::from(101..), ByteRange::from(101..200), ByteRange::from(u64::MAX..)]
        {
            let options = GetOptions { range, ..GetOptions::default() };
            calls.push(self.get(kind, "a range after the end", taken, options));
            let ranges = vec![ByteRange::from(0..1), range];
            let what = "a range after the end";
            calls.push(self.get_ranges(kind, what, taken, ranges, GetOptions::default()));
        }
        if declared.has(Capability::ConditionalRead) {
            let none = ReadCondition::default;
            let later = SystemTime::now() + Duration::from_secs(24 * 3600);
            let conditions = [
                (
                    ErrorKind::PreconditionFailed,
                    ReadCondition { if_match: Some(self.stale.clone()), ..none() },
                ),
                (
                    ErrorKind::PreconditionFailed,
                    ReadCondition { if_match: Some(unknown()), ..none() },
                ),
                (
                    ErrorKind::PreconditionFailed,
                    ReadCondition { if_unmodified_since: Some(UNIX_EPOCH), ..none() },
                ),
                (
                    ErrorKind::NotModified,
                    ReadCondition { if_none_match: Some(self.current.clone()), ..none() },
                ),
                (
                    ErrorKind::NotModified,
                    ReadCondition { if_modified_since: Some(later), ..none() },
                ),
            ];
            for (kind, condition) in conditions {
                let what = format!("{condition:?}");
                let options = GetOptions { condition, ..GetOptions::default() };
                calls.extend(self.reads(kind, &what, taken, &options));
                calls.extend(self.reads(ErrorKind::NotFound, &what, free, &options));
            }
        }
        if declared.has(Capability::Versioning) {
            for at in [free, taken] {
                let options = GetOptions { version: Some(unknown()), ..GetOptions::default() };
                calls.extend(self.reads(ErrorKind::NotFound, "an unknown version", at, &options));
            }
        }
        if declared.has(Capability::Multipart) {
            let unknown = UploadId::new("no-such-upload");
            let kind = ErrorKind::NotFound;
            calls.push(self.list_parts(kind, "no such upload", taken, &unknown));
            calls.push(self.list_parts(kind, "the upload of another key", free, &self.upload));
        }
        calls
    }

    /// The part of [`refused`](Self::refused) that would change something.
    pub(super) fn refused_writes(&self) -> Vec<WrongCall> {
        let declared = self.store.capabilities();
        let has = |capability| declared.has(capability);
        let (free, taken) = (&self.free, &self.taken);
        let mut calls = Vec::new();
        for to in [free, taken] {
            for size in [10, 4 * KIB, 64 * KIB + 1, 1024 * KIB + 1] {
                let kind = ErrorKind::Corrupt;
                let options = PutOptions { checksum: Some(Crc32c::of(b"other")), ..described() };
                calls.extend(self.puts_of(size, kind, "a wrong checksum", to, &options));
                let bytes = || content(size);
                let bodies = [
                    (kind, "a source that ends early", short(bytes(), &[4000], 1)),
                    (kind, "a source that goes on", long(bytes(), &[4000], 1)),
                    (
                        ErrorKind::Unavailable,
                        "a source that fails at the end",
                        failing_after(bytes(), &[4000], Some(size as u64)),
                    ),
                    (
                        ErrorKind::Unavailable,
                        "a source that fails before its stated length",
                        failing_after(bytes(), &[4000], Some(2 * size as u64)),
                    ),
                    (
                        ErrorKind::Unavailable,
                        "a source of unknown length that fails",
                        failing_after(bytes(), &[4000], None),
                    ),
                ];
                for (kind, what, body) in bodies {
                    calls.push(self.put(
                        kind,
                        &format!("{what}, {size} bytes"),
                        to,
                        body,
                        described(),
                    ));
                }
            }
        }
        if has(Capability::ConditionalCreate) {
            let options = PutOptions { condition: WriteCondition::IfAbsent, ..described() };
            calls.extend(self.puts(ErrorKind::AlreadyExists, "IfAbsent", taken, &options));
            let named = PutOptions { write_id: WriteId::new("another").ok(), ..options };
            calls.extend(self.puts(
                ErrorKind::AlreadyExists,
                "IfAbsent and write id",
                taken,
                &named,
            ));
        }
        let failed = ErrorKind::PreconditionFailed;
        let pairs = [(taken, &self.stale), (free, &self.current)];
        for (at, version) in pairs {
            let condition = || WriteCondition::IfMatch(version.clone());
            if has(Capability::ConditionalUpdate) {
                let options = PutOptions { condition: condition(), ..described() };
                calls.extend(self.puts(failed, "IfMatch", at, &options));
            }
            if has(Capability::ConditionalCopy) {
                let options = CopyOptions { condition: condition(), ..CopyOptions::default() };
                calls.push(self.copy(failed, "IfMatch", &self.source, at, options));
            }
            if has(Capability::ConditionalDelete) {
                let if_match = Some(version.clone());
                let options = DeleteOptions { if_match, ..DeleteOptions::default() };
                calls.push(self.delete(failed, "if_match", at, options));
            }
        }
        if has(Capability::ConditionalCopy) {
            let options =
                CopyOptions { condition: WriteCondition::IfAbsent, ..CopyOptions::default() };
            let kind = ErrorKind::AlreadyExists;
            calls.push(self.copy(kind, "IfAbsent", &self.source, taken, options));
        }
        let nothing = Key::native("scene");
        for to in [free, taken] {
            let plain = CopyOptions::default;
            calls.push(self.copy(ErrorKind::NotFound, "of nothing", &nothing, to, plain()));
            let source_version = Some(unknown());
            let options = CopyOptions { source_version, ..plain() };
            calls.push(self.copy(failed, "of an unknown version", &self.source, to, options));
        }
        if has(Capability::Versioning) {
            for at in [free, taken] {
                let version = Some(unknown());
                let options = DeleteOptions { version, ..DeleteOptions::default() };
                calls.push(self.delete(ErrorKind::NotFound, "an unknown version", at, options));
            }
        }
        if has(Capability::Multipart) {
            calls.extend(self.refused_uploads());
        }
        if let Some(most) = declared.limits.max_object_size.filter(|most| *most <= 4 << 20) {
            let size = most as usize + 1;
            for to in [free, taken] {
                let what = "content above the limit";
                calls.extend(self.puts_of(size, ErrorKind::TooLarge, what, to, &described()));
            }
        }
        calls
    }

    fn refused_uploads(&self) -> Vec<WrongCall> {
        let (free, taken) = (&self.free, &self.taken);
        let mut calls = Vec::new();
        let bodies = [
            (ErrorKind::Corrupt, "a source that ends early", short(content(9000), &[4000], 1)),
            (ErrorKind::Corrupt, "a source that goes on", long(content(9000), &[4000], 1)),
            (
                ErrorKind::Unavailable,
                "a source that fails",
                failing_after(content(9000), &[4000], None),
            ),
        ];
        for (kind, what, body) in bodies {
            calls.push(self.upload_part(kind, what, taken, Some(body)));
        }
        let missing = ErrorKind::NotFound;
        calls.push(self.upload_part(missing, "the upload of another key", free, None));
        let plain = CompleteOptions::default;
        let all = || self.parts.clone();
        let what = "the upload of another key";
        calls.push(self.complete(missing, what, free, all(), plain()));
        let checksum = Some(Crc32c::of(b"other"));
        let options = CompleteOptions { checksum, ..plain() };
        calls.push(self.complete(ErrorKind::Corrupt, "a wrong checksum", taken, all(), options));
        let mut altered = all();
        altered[1].version = unknown();
        let kind = ErrorKind::InvalidArgument;
        calls.push(self.complete(
            kind,
            "a part that was not acknowledged",
            taken,
            altered,
            plain(),
        ));
        if self.store.capabilities().has(Capability::ConditionalMultipart) {
            let conditions = [
                (ErrorKind::AlreadyExists, WriteCondition::IfAbsent),
                (ErrorKind::PreconditionFailed, WriteCondition::IfMatch(self.stale.clone())),
            ];
            for (kind, condition) in conditions {
                let what = format!("{condition:?}");
                let options = CompleteOptions { condition, ..plain() };
                calls.push(self.complete(kind, &what, taken, all(), options));
            }
        }
        calls
    }
}

const METHODS: [PresignMethod; 4] =
    [PresignMethod::Delete, PresignMethod::Get, PresignMethod::Head, PresignMethod::Put];

/// Attributes that the contract forbids: a field with a line end, and too much metadata.
fn forbidden() -> Attributes {
    Attributes {
        cache_control: Some(format!("no-cache\r\nx: {MARKER}")),
        metadata: [("note".to_owned(), MARKER.repeat(200))].into(),
        ..Attributes::default()
    }
}

#[expect(clippy::unwrap_used, reason = "a constant token, checked by every run")]
fn unknown() -> Version {
    Version::new("nobody-made-this").unwrap()
}
