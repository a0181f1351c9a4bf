//! `migrate` and `sync` with a service on the other side of a network, which holds what others wrote.

use std::io::{Read, Write};
use std::net::TcpStream;

use tck::emulators::{MINISTACK, Server};

use crate::Desk;

/// Puts an object as a program would that knows nothing of Omni: without a checksum.
fn put_by_another(server: &Server, path: &str, content: &str) {
    let host = server.endpoint().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = content.len();
    let signed = "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/s3/aws4_request, \
                  SignedHeaders=host, Signature=0";
    write!(
        stream,
        "PUT /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {signed}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{content}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn what_others_stored_without_checksums_is_migrated_once() {
    let server = MINISTACK.start().unwrap();
    let settings = server.make_store("foreign").unwrap();
    let settings: Vec<_> =
        settings.iter().map(|(name, value)| format!("{name} = {value:?}\n")).collect();
    let desk = Desk::new();
    desk.write(
        "omni.toml",
        format!(
            "[default.storage.main]\n{}[default.storage.other]\nprovider = \"local\"\npath = \"two\"\n",
            settings.concat()
        ),
    );
    for (path, content) in [("foreign/a", "1"), ("foreign/b/c", "22")] {
        put_by_another(&server, path, content);
    }
    let stated = desk.ok("stat main:/a");
    assert!(!stated.contains("checksum"), "the test needs an object without one: {stated}");
    let said = desk.ok("migrate main:/ other:/");
    assert!(said.contains("2 copied, 3 B"), "{said}");
    assert_eq!(desk.ok("cat other:/b/c"), "22");
    let said = desk.ok("sync main:/ other:/");
    assert!(said.contains("0 copied, 0 B, 2 the same"), "{said}");
    // Of the same size.
    put_by_another(&server, "foreign/a", "2");
    assert!(desk.ok("sync main:/ other:/").contains("1 copied, 1 B, 1 the same"));
    assert_eq!(desk.ok("cat other:/a"), "2");
}
