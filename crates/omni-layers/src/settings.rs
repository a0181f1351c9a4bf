//! The settings of the layers, and which values they accept.

use std::time::Duration;

use omni_config::ByteSize;
use omni_contracts::{Error, ErrorKind, Result};
use serde::Deserialize;

/// A layer, by its name in configurations and in `layers()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Layer {
    /// Ends a call, with all its attempts, in time.
    Deadline,
    /// Spares a back-end that fails, and the callers their waiting.
    Breaker,
    /// Repeats attempts that failed, where that is safe.
    Retry,
    /// Asks a second time where a read takes long.
    Hedge,
    /// Limits how many attempts begin in a time.
    RateLimit,
    /// Limits how many attempts are under way.
    ConcurrencyLimit,
    /// Gives up an attempt that is not answered.
    AttemptTimeout,
}

impl Layer {
    /// Every layer, outermost first (clause `LAY-003`).
    pub const ORDER: &'static [Self] = &[
        Self::Deadline,
        Self::Breaker,
        Self::Retry,
        Self::Hedge,
        Self::RateLimit,
        Self::ConcurrencyLimit,
        Self::AttemptTimeout,
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Breaker => "breaker",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
            Self::RateLimit => "rate-limit",
            Self::ConcurrencyLimit => "concurrency-limit",
            Self::AttemptTimeout => "attempt-timeout",
        }
    }
}

/// How calls are guarded: the table `layers` of an instance.
///
/// ```toml
/// [default.storage.main.layers]
/// deadline = "20s"
/// retry = { attempts = 6 }
/// concurrency = 64
/// off = ["breaker"]
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LayerSettings {
    /// How long a call may take, with all its attempts and the waits between them; by default `"3m"`.
    /// Longer by what `slowest_transfer` allows. A deadline of the caller holds as it is.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub deadline: Duration,
    /// How long one attempt may take; by default `"1m"`. Longer by what `slowest_transfer` allows.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub attempt_timeout: Duration,
    /// The bytes per second of the slowest network that is waited for: for each of them that a payload
    /// has, `deadline` and `attempt_timeout` are longer by that much; by default `"64KiB"`. Copies,
    /// completions of uploads, reads of many ranges and batches of deletes, which may take minutes, have
    /// ten times as long.
    /// A payload that is a stream takes as long as its source does: only the caller's deadline ends it.
    #[serde(deserialize_with = "ByteSize::bytes")]
    pub slowest_transfer: u64,
    /// How attempts are repeated.
    pub retry: RetrySettings,
    /// When a back-end is left alone, and for how long.
    pub breaker: BreakerSettings,
    /// How many attempts may be under way at once, from all clones of a handle: at least 1; by default
    /// any number. A content that is being read does not count.
    pub concurrency: Option<usize>,
    /// How many attempts may begin, from all clones of a handle; by default any number.
    pub rate: Option<RateSettings>,
    /// After how long without an answer a read is asked for a second time; by default never.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub hedge_after: Option<Duration>,
    /// The layers that are left out, by name: `deadline`, `breaker`, `retry`, `attempt-timeout`.
    pub off: Vec<Layer>,
}

/// How attempts are repeated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How many attempts a call has, the first included: 1 to 100, by default 4.
    pub attempts: u32,
    /// The longest wait before the second attempt, doubled before each further one; by default
    /// `"50ms"`. The wait itself is random, between nothing and that.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub first_wait: Duration,
    /// What the longest wait is never above, unless the back-end asks for more; by default `"5s"`.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub longest_wait: Duration,
    /// How many repeats each call earns, for all calls together: 0 to 1, by default 0.2. With
    /// `reserve`, it keeps repeats from multiplying the load of a back-end that is down.
    pub share: f64,
    /// How many repeats there may be that were not earned: up to 100 000, by default 100.
    pub reserve: u32,
}

/// When a back-end is left alone, and for how long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// The share of failures from which on it is left alone: above 0, at most 1; by default 0.5. Only
    /// `Unavailable` and `Timeout` are failures.
    pub share: f64,
    /// How many calls must have ended within `window` to judge: at least 1, by default 20.
    pub calls: u32,
    /// How long an outcome counts, to a tenth of it; by default `"10s"`.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub window: Duration,
    /// How long it is left alone before one call may try; by default `"5s"`.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub open_for: Duration,
}

/// How many attempts may begin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// How many per second: at least 1.
    pub per_second: u32,
    /// How many at once after a pause; by default as many as per second.
    #[serde(default)]
    pub burst: Option<u32>,
}

impl Default for LayerSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(180),
            attempt_timeout: Duration::from_secs(60),
            slowest_transfer: 64 << 10,
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
            concurrency: None,
            rate: None,
            hedge_after: None,
            off: Vec::new(),
        }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(5),
            share: 0.2,
            reserve: 100,
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            share: 0.5,
            calls: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
        }
    }
}

impl LayerSettings {
    /// Whether a layer takes part.
    #[must_use]
    pub fn has(&self, layer: Layer) -> bool {
        let stated = match layer {
            Layer::Hedge => self.hedge_after.is_some(),
            Layer::RateLimit => self.rate.is_some(),
            Layer::ConcurrencyLimit => self.concurrency.is_some(),
            Layer::Deadline | Layer::Breaker | Layer::Retry | Layer::AttemptTimeout => true,
        };
        stated && !self.off.contains(&layer)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let retry = &self.retry;
        let breaker = &self.breaker;
        let shortest = Duration::from_millis(1);
        let burst = self.rate.as_ref().and_then(|rate| rate.burst);
        let wrong = [
            (self.deadline < shortest, "deadline must be at least 1ms"),
            (self.attempt_timeout < shortest, "attempt_timeout must be at least 1ms"),
            (self.slowest_transfer == 0, "slowest_transfer must be at least 1 B, per second"),
            (!(1..=100).contains(&retry.attempts), "retry.attempts must be 1 to 100"),
            (retry.first_wait > retry.longest_wait, "retry.first_wait is above longest_wait"),
            (!(0.0..=1.0).contains(&retry.share), "retry.share must be 0 to 1"),
            (retry.reserve > 100_000, "retry.reserve must be at most 100000"),
            (
                !(breaker.share > 0.0 && breaker.share <= 1.0),
                "breaker.share must be above 0 and at most 1",
            ),
            (breaker.calls == 0, "breaker.calls must be at least 1"),
            (breaker.window < 10 * shortest, "breaker.window must be at least 10ms"),
            (breaker.open_for < shortest, "breaker.open_for must be at least 1ms"),
            (self.concurrency == Some(0), "concurrency must be at least 1"),
            (
                self.concurrency > Some(tokio::sync::Semaphore::MAX_PERMITS),
                "concurrency must be less than 2^61",
            ),
            (
                self.rate.as_ref().is_some_and(|rate| rate.per_second == 0),
                "rate.per_second must be at least 1",
            ),
            (burst == Some(0), "rate.burst must be at least 1"),
            (self.hedge_after == Some(Duration::ZERO), "hedge_after must be at least 1us"),
        ];
        match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            None => Ok(()),
            Some((_, problem)) => {
                Err(Error::new(ErrorKind::Configuration, format!("layers: {problem}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_stated_has_its_default() {
        let settings: LayerSettings = toml::from_str(
            "deadline = \"20s\"\nretry = { attempts = 6 }\nconcurrency = 64\noff = [\"breaker\"]",
        )
        .unwrap();
        assert_eq!(settings.deadline, Duration::from_secs(20));
        assert_eq!(settings.retry, RetrySettings { attempts: 6, ..RetrySettings::default() });
        let on: Vec<_> = Layer::ORDER.iter().filter(|layer| settings.has(**layer)).collect();
        assert_eq!(
            on,
            [&Layer::Deadline, &Layer::Retry, &Layer::ConcurrencyLimit, &Layer::AttemptTimeout]
        );
        settings.check().unwrap();
        LayerSettings::default().check().unwrap();
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_what_is_allowed() {
        for (text, named) in [
            ("deadline = \"0s\"", "at least 1ms"),
            ("retry = { attempts = 0 }", "1 to 100"),
            ("retry = { first_wait = \"6s\" }", "above longest_wait"),
            ("retry = { share = 1.5 }", "0 to 1"),
            ("retry = { share = nan }", "0 to 1"),
            ("breaker = { share = 0.0 }", "above 0 and at most 1"),
            ("breaker = { share = nan }", "above 0 and at most 1"),
            ("breaker = { calls = 0 }", "at least 1"),
            ("breaker = { window = \"1ms\" }", "at least 10ms"),
            ("concurrency = 0", "at least 1"),
            ("rate = { per_second = 0 }", "at least 1"),
            ("rate = { per_second = 1, burst = 0 }", "at least 1"),
            ("hedge_after = \"0s\"", "at least"),
            ("slowest_transfer = 0", "at least 1 B"),
        ] {
            let settings: LayerSettings = toml::from_str(text).unwrap();
            let error = settings.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
            assert!(error.message().contains(named), "{text}: {error}");
        }
        for text in ["dead_line = \"1s\"", "off = [\"telemetry\"]", "retry = { tries = 1 }"] {
            assert!(toml::from_str::<LayerSettings>(text).is_err(), "{text}");
        }
    }
}
