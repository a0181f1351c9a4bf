//! What a provider declares, in the form in which reports keep it.

use std::time::Duration;

use omni_contracts::{messaging, storage};
use serde::{Deserialize, Serialize};

use crate::Declaration;

/// The declarations of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The product, as the provider names itself.
    pub product: String,
    /// The names of the capabilities, in alphabetical order.
    pub capabilities: Vec<String>,
    /// What is acknowledged survives.
    pub durability: String,
    /// The precision of times, in nanoseconds.
    pub time_precision_ns: u64,
    /// The limits of its contract.
    #[serde(flatten)]
    pub limits: DeclaredLimits,
}

/// The limits of a contract, in the form in which reports keep them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DeclaredLimits {
    /// Of storage.
    Storage {
        /// The longest time until a listing shows a write, in nanoseconds.
        list_delay_ns: u64,
        /// The largest object, in bytes; `None`: only space limits it.
        max_object_size: Option<u64>,
        /// The smallest part but the last, in bytes.
        min_part_size: u64,
        /// The most entries of a page.
        max_page_size: usize,
        /// The longest time that a presigned URL works, in nanoseconds.
        max_presign_expiry_ns: Option<u64>,
        /// Ranges at most this many bytes apart are read as one.
        coalesce_gap: u64,
    },
    /// Of messaging.
    Messaging {
        /// The largest body, in bytes.
        max_body_size: u64,
        /// The most headers.
        max_headers: usize,
        /// The bytes of all headers together.
        max_headers_size: u64,
        /// The shortest lease, in nanoseconds.
        min_lease_ns: u64,
        /// The longest lease, in nanoseconds.
        max_lease_ns: u64,
        /// The largest number of deliveries.
        max_deliveries: u32,
        /// The longest delay, in nanoseconds.
        max_delay_ns: u64,
        /// How long a dedup id is known, in nanoseconds.
        dedup_window_ns: u64,
    },
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Declared {
    pub(crate) fn new(product: &str, declaration: &Declaration) -> Self {
        let (time_precision, limits) = match declaration {
            Declaration::Messaging(declared) => (declared.time_precision, of_messaging(declared)),
            Declaration::Storage(declared) => (declared.time_precision, of_storage(declared)),
        };
        Self {
            product: product.to_owned(),
            capabilities: declaration.capabilities().into_iter().map(str::to_owned).collect(),
            durability: declaration.durability().to_string(),
            time_precision_ns: nanos(time_precision),
            limits,
        }
    }

    /// Durability and limits, as people read them: name and value.
    #[must_use]
    pub fn limits(&self) -> Vec<(&'static str, String)> {
        let time = |nanos: u64| match nanos {
            0 => "none".to_owned(),
            nanos => format!("{:?}", Duration::from_nanos(nanos)),
        };
        let mut limits = vec![
            ("durability", self.durability.clone()),
            ("precision of times", time(self.time_precision_ns)),
        ];
        limits.extend(match self.limits {
            DeclaredLimits::Storage {
                list_delay_ns,
                max_object_size,
                min_part_size,
                max_page_size,
                max_presign_expiry_ns,
                coalesce_gap,
            } => vec![
                ("largest object", max_object_size.map_or("unlimited".to_owned(), bytes)),
                ("smallest part", bytes(min_part_size)),
                ("entries of a page", max_page_size.to_string()),
                ("delay of listings", time(list_delay_ns)),
                ("gap of vectored reads", bytes(coalesce_gap)),
                ("longest presigned URL", max_presign_expiry_ns.map_or("none".to_owned(), time)),
            ],
            DeclaredLimits::Messaging {
                max_body_size,
                max_headers,
                max_headers_size,
                min_lease_ns,
                max_lease_ns,
                max_deliveries,
                max_delay_ns,
                dedup_window_ns,
            } => vec![
                ("largest body", bytes(max_body_size)),
                ("headers", format!("{max_headers} of {} together", bytes(max_headers_size))),
                ("shortest lease", time(min_lease_ns)),
                ("longest lease", time(max_lease_ns)),
                ("most deliveries", max_deliveries.to_string()),
                ("longest delay", time(max_delay_ns)),
                ("window of dedup ids", time(dedup_window_ns)),
            ],
        });
        limits
    }
}

fn of_storage(declared: &storage::Capabilities) -> DeclaredLimits {
    let limits = &declared.limits;
    DeclaredLimits::Storage {
        list_delay_ns: nanos(declared.list_delay),
        max_object_size: limits.max_object_size,
        min_part_size: limits.min_part_size,
        max_page_size: limits.max_page_size,
        max_presign_expiry_ns: limits.max_presign_expiry.map(nanos),
        coalesce_gap: limits.coalesce_gap,
    }
}

fn of_messaging(declared: &messaging::Capabilities) -> DeclaredLimits {
    let limits = &declared.limits;
    DeclaredLimits::Messaging {
        max_body_size: limits.max_body_size as u64,
        max_headers: limits.max_headers,
        max_headers_size: limits.max_headers_size as u64,
        min_lease_ns: nanos(limits.min_lease),
        max_lease_ns: nanos(limits.max_lease),
        max_deliveries: limits.max_deliveries,
        max_delay_ns: nanos(limits.max_delay),
        dedup_window_ns: nanos(limits.dedup_window),
    }
}

/// A number of bytes, exact: in the largest unit that divides it.
fn bytes(number: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| number > 0 && number.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{} {name}", number / unit),
        None => format!("{number} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_exact() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1025), "1025 B");
        assert_eq!(bytes(32 << 20), "32 MiB");
        assert_eq!(bytes(1536 << 20), "1536 MiB");
    }
}
