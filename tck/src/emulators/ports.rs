//! Free ports of the loopback address, and where they are filled in.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// `count` ports that were free a moment ago. Somebody else may take one before the server does: it
/// then does not come up, and other ports are tried.
pub(super) fn free(count: usize) -> io::Result<Vec<u16>> {
    // All are held until the last is known, so that none is given twice.
    let held = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let held: Vec<_> = held.collect::<io::Result<_>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// Fills in `{port}`, `{port2}` and so on.
pub(super) fn fill_in(text: &str, ports: &[u16]) -> String {
    let mut text = text.to_owned();
    for (number, port) in (1..).zip(ports) {
        let placeholder =
            if number == 1 { "{port}".to_owned() } else { format!("{{port{number}}}") };
        text = text.replace(&placeholder, &port.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_filled_in() {
        let ports = free(3).unwrap();
        assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
        assert_eq!(fill_in("a{port3}:{port}{port2}{port4}", &[1, 2, 3]), "a3:12{port4}");
    }
}
