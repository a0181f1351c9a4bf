//! The kit's own server of Google Cloud Storage, to be looked at with curl: `gcs [port]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let port = match std::env::args().nth(1).map(|text| text.parse()).transpose() {
        Ok(port) => port.unwrap_or(0),
        Err(error) => {
            eprintln!("the argument is no port: {error}");
            return ExitCode::FAILURE;
        }
    };
    match tck::fakes::gcs::Gcs::start_on(port) {
        Ok(server) => println!("{}", server.endpoint()),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    loop {
        std::thread::park();
    }
}
