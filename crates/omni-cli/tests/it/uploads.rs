//! `uploads`: what a killed program leaves is seen, and removed only when told to.

use omni_storage::Storage;

use crate::Desk;

#[tokio::test]
async fn unfinished_uploads_are_listed_and_aborted_by_age() {
    let desk = Desk::new();
    let folder = format!(
        "[default.storage.main]\nprovider = \"local\"\npath = {:?}\n",
        desk.path().join("data")
    );
    desk.write("omni.toml", folder);
    {
        let config =
            omni_storage::Loader::new().file(desk.path().join("omni.toml")).load().unwrap();
        let storage = Storage::from_config(&config, "main").await.unwrap();
        for key in ["a/left", "b/left"] {
            let upload = storage.create_upload(key).await.unwrap();
            let number = omni_storage::PartNumber::new(1).unwrap();
            storage.upload_part(key, &upload, number, "part").await.unwrap();
        }
    }
    assert_eq!(desk.ok("ls -r"), "");
    let said = desk.ok("uploads");
    assert!(said.lines().count() == 2 && said.contains("  a/left  "), "{said}");
    assert_eq!(desk.ok("uploads --older-than 1h"), "");
    assert_eq!(desk.ok("uploads --abort --older-than 7d"), "");
    let refused = desk.fails(2, "uploads --abort");
    assert!(refused.contains("--older-than"), "{refused}");
    assert!(desk.fails(2, "uploads --older-than soon").contains("30m, 12h or 7d"));
    let said = desk.ok("uploads main:/a --abort --older-than 0s");
    assert!(
        said.lines().count() == 1 && said.starts_with("aborted") && said.contains("a/left"),
        "{said}"
    );
    let said = desk.ok("--json uploads");
    assert!(said.contains("\"key\":\"b/left\"") && said.lines().count() == 1, "{said}");
}
