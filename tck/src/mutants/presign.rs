//! Mutants of the section "Presigned requests": STO-145 to STO-147.

use std::time::{Duration, SystemTime};

use omni_contracts::storage::{PresignMethod, PresignedUrl};

use super::gate::LIMIT;
use super::{Base, Mutant};

const fn mutant(clause: &'static str, name: &'static str, wrong: &'static str) -> Mutant {
    Mutant::new(clause, name, wrong).on(Base::Presigning)
}

pub(super) const MUTANTS: &[Mutant] = &[
    mutant("STO-145", "presigns_any_method", "a presigned request works with every method")
        .granted(|grant| grant.method = None),
    mutant("STO-145", "presigns_the_store", "a presigned request works with every key")
        .granted(|grant| grant.key = None),
    mutant("STO-145", "presigns_reading_as_writing", "who may read may write instead").granted(
        |grant| {
            if grant.method == Some(PresignMethod::Get) {
                grant.method = Some(PresignMethod::Put);
            }
        },
    ),
    mutant("STO-145", "forgets_the_content_type", "a presigned put stores no content type")
        .granted(|grant| grant.content_type = None),
    mutant("STO-145", "forgets_a_header", "a header that the signature covers is not told")
        .presigned(|_, url| url.headers.clear()),
    mutant("STO-146", "presigns_for_ever", "presigned requests do not expire")
        .granted(|grant| grant.until = None),
    mutant("STO-146", "presigns_for_an_hour_more", "presigned requests work longer than is told")
        .granted(|grant| grant.until = grant.until.map(|until| until + 3600))
        .presigned(|request, url| {
            url.expires_at = SystemTime::now() + request.expires_in;
        }),
    mutant("STO-146", "tells_another_end", "a wrong time of expiry is told")
        .presigned(|_, url| url.expires_at += Duration::from_secs(3600)),
    mutant("STO-146", "does_not_sign_the_end", "the time of expiry in the URL can be altered")
        .granted(|grant| grant.signs_end = false),
    mutant("STO-146", "shortens_what_is_too_long", "an expiry above the limit becomes the limit")
        .asked_to_sign(|request| request.expires_in = request.expires_in.min(LIMIT)),
    mutant("STO-146", "lengthens_no_time", "an expiry of zero becomes a minute").asked_to_sign(
        |request| {
            if request.expires_in.is_zero() {
                request.expires_in = Duration::from_secs(60);
            }
        },
    ),
    mutant("STO-147", "encodes_too_little", "what has a meaning in URLs is not encoded").presigned(
        |_, url| {
            change_path(url, |path| path.replace("%23", "#").replace("%3F", "?"));
        },
    ),
    mutant("STO-147", "leaves_percent_signs", "percent signs of the key are not encoded")
        .presigned(|_, url| change_path(url, |path| path.replace("%25", "%"))),
    mutant("STO-147", "writes_spaces_as_plus", "a space in the path becomes a plus")
        .presigned(|_, url| change_path(url, |path| path.replace("%20", "+"))),
    mutant("STO-147", "encodes_twice", "escapes in the path are escaped again")
        .presigned(|_, url| change_path(url, |path| path.replace('%', "%25"))),
    mutant("STO-147", "folds_case", "keys are presigned in lower case").presigned(|_, url| {
        change_path(url, str::to_lowercase);
    }),
];

fn change_path(url: &mut PresignedUrl, change: impl Fn(&str) -> String) {
    if let Some((path, query)) = url.url.split_once('?') {
        url.url = format!("{}?{query}", change(path));
    }
}
