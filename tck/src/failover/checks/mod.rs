//! The checks, by the chapters of the specification.

mod one_primary;
mod opening;
mod replication;
mod returning;
mod switching;
mod told;

use super::{FailoverCheck, check};

pub(super) const CHECKS: &[FailoverCheck] = &[
    check!("FAI-001", opening::contradictions_are_refused),
    check!("FAI-002", opening::what_is_lacking_is_named),
    check!("FAI-003", opening::what_all_declare_is_declared),
    check!("FAI-004", opening::places_that_are_not_allowed_get_nothing),
    check!("FAI-005", opening::a_mirror_requires_all),
    check!("FAI-010", replication::acknowledged_is_everywhere),
    check!("FAI-011", replication::who_lacks_a_write_is_out),
    check!("FAI-012", replication::too_few_take_nothing),
    check!("FAI-013", replication::programs_write_in_one_order),
    check!("FAI-014", replication::what_was_given_up_is_settled),
    check!("FAI-015", replication::what_is_noted_arrives),
    check!("FAI-016", replication::nobody_far_behind_may_take_over),
    check!("FAI-020", switching::calls_go_on),
    check!("FAI-021", switching::who_answers_stays_primary),
    check!("FAI-022", switching::hanging_calls_are_carried),
    check!("FAI-023", switching::who_is_out_does_not_lead),
    check!("FAI-024", switching::nothing_acknowledged_is_missing),
    check!("FAI-025", switching::foreign_versions_do_not_hold),
    check!("FAI-026", switching::own_objects_are_ones_own),
    check!("FAI-027", switching::listings_are_whole),
    check!("FAI-028", switching::streams_are_read_once),
    check!("FAI-029", switching::reads_go_on_where_only_reads_may),
    check!("FAI-030", one_primary::programs_follow_one_primary),
    check!("FAI-031", one_primary::nothing_is_acknowledged_by_the_old_primary_alone),
    check!("FAI-032", one_primary::late_conditions_replace_nothing),
    check!("FAI-033", one_primary::nothing_is_written_without_the_witness),
    check!("FAI-034", one_primary::who_returns_does_not_lead),
    check!("FAI-040", returning::a_member_returns_with_everything),
    check!("FAI-041", returning::a_member_returns_after_its_time),
    check!("FAI-042", returning::conflicts_are_kept_and_listed),
    check!("FAI-043", returning::old_objects_are_no_conflicts),
    check!("FAI-044", returning::deletes_are_made_up_for),
    check!("FAI-045", returning::a_return_is_completed_by_the_next),
    check!("FAI-046", returning::writes_during_a_return_arrive),
    check!("FAI-047", returning::a_member_returns_under_load),
    check!("FAI-050", told::gauges_are_the_status),
];
