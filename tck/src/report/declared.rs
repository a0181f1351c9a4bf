//! What a provider declares, in the form in which reports keep it.

use std::time::Duration;

use omni_contracts::storage::Capabilities;
use serde::{Deserialize, Serialize};

/// The declarations of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The product, as the provider names itself.
    pub product: String,
    /// The names of the capabilities, in alphabetical order.
    pub capabilities: Vec<String>,
    /// What an acknowledged write survives.
    pub durability: String,
    /// The longest time until a listing shows a write, in nanoseconds.
    pub list_delay_ns: u64,
    /// The precision of times, in nanoseconds.
    pub time_precision_ns: u64,
    /// The largest object, in bytes; `None`: only space limits it.
    pub max_object_size: Option<u64>,
    /// The smallest part but the last, in bytes.
    pub min_part_size: u64,
    /// The most entries of a page.
    pub max_page_size: usize,
    /// The longest time that a presigned URL works, in nanoseconds.
    pub max_presign_expiry_ns: Option<u64>,
    /// Ranges at most this many bytes apart are read as one.
    pub coalesce_gap: u64,
}

impl Declared {
    pub(crate) fn new(product: &str, capabilities: &Capabilities) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let limits = &capabilities.limits;
        Self {
            product: product.to_owned(),
            capabilities: capabilities.iter().map(|known| known.to_string()).collect(),
            durability: capabilities.durability.to_string(),
            list_delay_ns: nanos(capabilities.list_delay),
            time_precision_ns: nanos(capabilities.time_precision),
            max_object_size: limits.max_object_size,
            min_part_size: limits.min_part_size,
            max_page_size: limits.max_page_size,
            max_presign_expiry_ns: limits.max_presign_expiry.map(nanos),
            coalesce_gap: limits.coalesce_gap,
        }
    }

    /// Durability and limits, as people read them: name and value.
    #[must_use]
    pub fn limits(&self) -> Vec<(&'static str, String)> {
        let time = |nanos: u64| match nanos {
            0 => "none".to_owned(),
            nanos => format!("{:?}", Duration::from_nanos(nanos)),
        };
        let largest = self.max_object_size.map_or("unlimited".to_owned(), bytes);
        let expiry = self.max_presign_expiry_ns.map_or("none".to_owned(), time);
        vec![
            ("durability", self.durability.clone()),
            ("largest object", largest),
            ("smallest part", bytes(self.min_part_size)),
            ("entries of a page", self.max_page_size.to_string()),
            ("delay of listings", time(self.list_delay_ns)),
            ("precision of times", time(self.time_precision_ns)),
            ("gap of vectored reads", bytes(self.coalesce_gap)),
            ("longest presigned URL", expiry),
        ]
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
