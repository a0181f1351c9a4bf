//! B13: the whole compatibility kit on the providers of this repository.

use std::sync::Arc;

use tck::subjects::{Local, Memory};
use tck::{Options, Subject, Verdict};

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, contestant, measure};

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    if !plan.wants("B13") {
        return Ok(Vec::new());
    }
    let once = Plan { rounds: 1, only: plan.only };
    let memory = Bar { words: "at most 10 s", factor: 10.0 };
    let local = Bar { words: "at most 60 s", factor: 60.0 };
    Ok(vec![
        measure(&once, about("memory", memory), vec![kit(|| Arc::new(Memory::default()))]).await?,
        measure(&once, about("local", local), vec![kit(|| Arc::new(Local))]).await?,
    ])
}

fn about(subject: &str, bar: Bar) -> About {
    About { id: "B13", title: format!("the full kit on {subject}"), unit: "ms", bar, operations: 1 }
}

fn kit(subject: fn() -> Arc<dyn Subject>) -> Contestant {
    contestant("omni", move |_| async move {
        let certify = move || tck::certify(subject(), &Options::default(), &mut |_| {});
        let report = tokio::task::spawn_blocking(certify).await?;
        match report.verdict() {
            Verdict::Certified => Ok(()),
            other => Err(format!("{} is {other}", report.subject).into()),
        }
    })
}
