//! STO-146 and STO-180 to STO-182: capabilities are honest, arguments are checked first.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use omni_contracts::ErrorKind;
use omni_contracts::storage::{PresignMethod, PresignRequest};

use super::inputs::{key, payload, put};
use super::scene::{Scene, keys_of};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-146",
        presign_expiry_is_bounded,
        "compare the expiry with 0 and with `limits.max_presign_expiry` before signing"
    ),
    check!(
        "STO-180",
        undeclared_is_unsupported,
        "call `Capabilities::expect` before anything else in the method, and before reading the body"
    ),
    check!(
        "STO-181",
        capabilities_are_constant,
        "compute the capabilities once, from the settings alone"
    ),
    check!(
        "STO-182",
        invalid_arguments_come_first,
        "validate every argument before looking at the store, and before reading the body"
    ),
];

async fn presign_expiry_is_bounded(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let at = key("presigned/a b");
    ok("put", put(&*store, &at, payload(1, 10)).await)?;
    let limit = store.capabilities().limits.max_presign_expiry;
    let above = limit.map(|limit| [limit + Duration::from_secs(1), limit * 2, Duration::MAX]);
    let methods =
        [PresignMethod::Delete, PresignMethod::Get, PresignMethod::Head, PresignMethod::Put];
    for method in methods {
        let sign = |expires_in| {
            let (store, at) = (Arc::clone(&store), at.clone());
            async move {
                let request = PresignRequest { method, expires_in, content_type: None };
                store.presign(&at, &request).await
            }
        };
        for wrong in std::iter::once(Duration::ZERO).chain(above.into_iter().flatten()) {
            let situation = format!("presign {method:?} for {wrong:?}, the limit is {limit:?}");
            fails_with(situation, ErrorKind::InvalidArgument, sign(wrong).await)?;
        }
        for good in [Some(Duration::from_secs(60)), limit].into_iter().flatten() {
            let before = SystemTime::now();
            let situation = format!("presign {method:?} for {good:?}, the limit is {limit:?}");
            let url = ok(situation.clone(), sign(good).await)?;
            holds(
                format!("{situation}: when it stops working"),
                url.expires_at > before,
                "a time to come",
                url.expires_at,
            )?;
        }
    }
    Ok(())
}

async fn undeclared_is_unsupported(cx: &Context) -> Outcome {
    let scene = Scene::set(cx).await?;
    let mut calls = scene.unsupported();
    let before = scene.look(keys_of(&calls)).await?;
    for call in &mut calls {
        let result = call.run().await;
        fails_with(call.situation.clone(), ErrorKind::Unsupported, result)?;
        holds(
            format!("{}: the streamed source", call.situation),
            !call.asked_its_source(),
            "a source that was not asked for bytes",
            "it was asked",
        )?;
        scene.is_as(&before, &call.situation).await?;
    }
    Ok(())
}

async fn capabilities_are_constant(cx: &Context) -> Outcome {
    let first = cx.open().await?;
    let declared = first.capabilities().clone();
    let (name, layers) = (first.name().to_owned(), first.layers());
    holds("the declared page size", declared.limits.max_page_size > 0, "at least 1", 0)?;
    let scene = Scene::set(cx).await?;
    let handles = [first, Arc::clone(&scene.store), cx.open().await?];
    let used = || -> Outcome {
        for (number, handle) in handles.iter().enumerate() {
            let situation = format!("of instance {number} on the same settings");
            equal(format!("capabilities {situation}"), &declared, handle.capabilities())?;
            equal(format!("name {situation}"), &name, &handle.name().to_owned())?;
            equal(format!("layers {situation}"), &layers, &handle.layers())?;
        }
        Ok(())
    };
    used()?;
    let calls = scene.unsupported().into_iter().chain(scene.invalid()).chain(scene.refused());
    for mut call in calls {
        // Only what it leaves behind in the declaration matters here.
        let _outcome = call.run().await;
        used()?;
    }
    ok("check", scene.store.check().await)?;
    for handle in &handles {
        ok("put", put(&**handle, &scene.free, payload(1, 10)).await)?;
        ok("delete", handle.delete(&scene.free, &Default::default()).await)?;
    }
    used()?;
    let again = cx.open().await?;
    equal("capabilities of an instance on a used store", &declared, again.capabilities())
}

async fn invalid_arguments_come_first(cx: &Context) -> Outcome {
    let scene = Scene::set(cx).await?;
    let mut calls = scene.invalid();
    let before = scene.look(keys_of(&calls)).await?;
    for call in &mut calls {
        let result = call.run().await;
        fails_with(call.situation.clone(), call.kind, result)?;
        scene.is_as(&before, &call.situation).await?;
    }
    Ok(())
}
