//! Composed and rewritten objects, by the JSON API.

use serde_json::{Value, json};

use crate::client::{Answer, Fake};

const OBJECTS: &str = "/storage/v1/b/bucket/o";

async fn post(fake: &Fake, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    fake.send("POST", &format!("{OBJECTS}/{path}"), &headers, body).await
}

#[tokio::test]
async fn objects_are_composed() {
    let fake = Fake::start();
    let first = fake.put("a/1", "1234").await.is(200).generation();
    fake.put("2", "56789").await.is(200);
    let sources = json!([{ "name": "a/1", "generation": first.to_string() }, { "name": "2" }]);
    let body = json!({
        "sourceObjects": sources,
        "destination": { "contentType": "a/b", "metadata": { "k": "v" } },
    });
    let made = post(&fake, "all%2Fone/compose?ifGenerationMatch=0", &body).await.is(200).json();
    assert_eq!(made["name"], "all/one");
    assert_eq!((&made["size"], &made["crc32c"]), (&json!("9"), &json!("4waSgw==")));
    assert_eq!((&made["contentType"], &made["metadata"]["k"]), (&json!("a/b"), &json!("v")));
    assert_eq!(made["componentCount"], 2);
    assert_eq!(fake.read("all%2Fone").await.is(200).body, "123456789");

    post(&fake, "all%2Fone/compose?ifGenerationMatch=0", &body).await.is(412);
    let of = |sources: Value| json!({ "sourceObjects": sources, "destination": {} });
    let stale = of(json!([{ "name": "a/1", "generation": "1" }]));
    post(&fake, "x/compose", &stale).await.is(404);
    let unmet = of(json!([{ "name": "2", "objectPreconditions": { "ifGenerationMatch": "1" } }]));
    post(&fake, "x/compose", &unmet).await.is(412);
    for wrong in
        [json!({}), of(json!([])), of(json!([{}])), of(json!([{ "name": "2", "generation": "x" }]))]
    {
        post(&fake, "x/compose", &wrong).await.is(400);
    }
    fake.get(&format!("{OBJECTS}/x/compose")).await.is(405);
    let gone = json!({ "sourceObjects": [{ "name": "2" }] });
    post(&fake, "moved/compose?deleteSourceObjects=true", &gone).await.is(200);
    fake.read("2").await.is(404);
}

#[tokio::test]
async fn objects_are_rewritten() {
    let fake = Fake::start();
    let body = json!({ "sourceObjects": [{ "name": "part" }], "destination": { "metadata": { "k": "v" } } });
    fake.put("part", "content").await.is(200);
    let source = post(&fake, "from/compose", &body).await.is(200).generation();
    // Without a body, all is as with the source; with one, nothing is.
    let like = post(&fake, "from/rewriteTo/b/bucket/o/to%2F1", &Value::Null).await.is(200).json();
    assert_eq!((&like["done"], &like["objectSize"]), (&json!(true), &json!("7")));
    assert_eq!(like["resource"]["metadata"]["k"], "v");
    let path =
        format!("from/rewriteTo/b/bucket/o/to%2F2?sourceGeneration={source}&ifGenerationMatch=0");
    let described = json!({ "contentType": "a/b", "metadata": {} });
    let other = post(&fake, &path, &described).await.is(200).json();
    assert_eq!(other["resource"]["contentType"], "a/b");
    assert_eq!(other["resource"].get("metadata"), None);
    assert_eq!(fake.read("to%2F2").await.is(200).body, "content");
    post(&fake, &path, &described).await.is(412);
    post(&fake, "from/rewriteTo/b/bucket/o/x?sourceGeneration=1", &described).await.is(404);
    post(&fake, "from/rewriteTo/b/bucket/o/x?ifSourceGenerationMatch=1", &described).await.is(412);
    post(&fake, "from/rewriteTo/b/nobody/o/x", &described).await.is(404);
    post(&fake, "from/rewriteTo/b/bucket/o/x?maxBytesRewrittenPerCall=7", &described).await.is(400);
    fake.get(&format!("{OBJECTS}/from/rewriteTo/b/bucket/o/x")).await.is(405);
}

#[tokio::test]
async fn a_large_object_is_rewritten_in_steps() {
    let fake = Fake::start();
    fake.put("large", vec![7; (1 << 20) + 1]).await.is(200);
    let path = "large/rewriteTo/b/bucket/o/copy?maxBytesRewrittenPerCall=1048576";
    let first = post(&fake, path, &Value::Null).await.is(200).json();
    assert_eq!((&first["done"], first.get("resource")), (&json!(false), None));
    assert_eq!(first["totalBytesRewritten"], "1048576");
    fake.read("copy").await.is(404);
    let token = first["rewriteToken"].as_str().unwrap();
    let last = post(&fake, &format!("{path}&rewriteToken={token}"), &Value::Null).await.is(200);
    assert_eq!(last.json()["resource"]["size"], "1048577");
    assert_eq!(fake.read("copy").await.is(200).body.len(), (1 << 20) + 1);
}
