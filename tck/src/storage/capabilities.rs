//! STO-180 to STO-182: capabilities are honest, arguments are checked first.

use std::sync::Arc;

use omni_contracts::ErrorKind;

use super::inputs::{payload, put};
use super::scene::{Scene, keys_of};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
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

async fn undeclared_is_unsupported(cx: &Context) -> Outcome {
    let scene = Scene::set(cx).await?;
    let mut calls = cx.some(scene.unsupported());
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
    let mut calls = cx.some(scene.invalid());
    let before = scene.look(keys_of(&calls)).await?;
    for call in &mut calls {
        let result = call.run().await;
        fails_with(call.situation.clone(), call.kind, result)?;
        scene.is_as(&before, &call.situation).await?;
    }
    Ok(())
}
