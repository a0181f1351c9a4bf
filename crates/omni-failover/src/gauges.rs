//! What a failover tells of itself, for dashboards and alerts: its status as values (`FAI-050`).

use std::sync::atomic::Ordering;

use omni_contracts::Gauge;

use crate::record::Standing;
use crate::shared::Shared;

/// The values as they are now.
pub(crate) fn gauges(shared: &Shared) -> Vec<Gauge> {
    let record = &shared.held().record;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let mut gauges = vec![
        Gauge::new("omni.failover.epoch", record.epoch as f64),
        Gauge::new("omni.failover.switches", count(&shared.switches)),
        Gauge::new("omni.failover.conflicts", count(&shared.conflicts)),
    ];
    let seconds = |duration: std::time::Duration| duration.as_secs_f64();
    gauges.extend(shared.settings.lag().map(|lag| Gauge::new("omni.failover.rpo", seconds(lag))));
    for member in &shared.members {
        let name = &member.name;
        let standing = match record.standing(name) {
            _ if record.primary == **name => 3.0,
            Some(Standing::InSync | Standing::Following) => 2.0,
            Some(Standing::Joining) => 1.0,
            Some(Standing::Out) | None => 0.0,
        };
        let waiting = shared.waiting.count(name) as f64;
        let behind = shared.waiting.behind(name).unwrap_or_default();
        gauges.extend([
            Gauge::of("omni.failover.standing", name, standing),
            Gauge::of("omni.failover.waiting", name, waiting),
            Gauge::of("omni.failover.behind", name, seconds(behind)),
        ]);
    }
    gauges
}
