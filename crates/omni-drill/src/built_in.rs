//! The drills that come with the program. They start what they need, and touch nothing that is configured.

/// A drill that comes with the program.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Its plan.
    pub text: &'static str,
}

/// All of them.
static BUILT_IN: &[BuiltIn] = &[
    BuiltIn { name: "async", text: include_str!("plans/async.toml") },
    BuiltIn { name: "network", text: include_str!("plans/network.toml") },
    BuiltIn { name: "program", text: include_str!("plans/program.toml") },
    BuiltIn { name: "random", text: include_str!("plans/random.toml") },
    BuiltIn { name: "s3-to-azure", text: include_str!("plans/s3-to-azure.toml") },
    BuiltIn { name: "s3-to-folder", text: include_str!("plans/s3-to-folder.toml") },
    BuiltIn { name: "s3-to-s3", text: include_str!("plans/s3-to-s3.toml") },
    BuiltIn { name: "stale-standby", text: include_str!("plans/stale-standby.toml") },
];

/// The drills that come with the program.
#[must_use]
pub fn built_in() -> &'static [BuiltIn] {
    BUILT_IN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plan;

    #[test]
    fn each_is_a_plan() {
        for built_in in BUILT_IN {
            let plan = Plan::from_toml(built_in.text);
            assert!(plan.is_ok_and(|plan| !plan.title.is_empty()), "{}", built_in.name);
        }
    }
}
