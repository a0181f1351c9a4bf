//! Emulators: servers that the kit installs, starts and stops by itself, so that a provider with a
//! server behind it is certified on any machine that has Python 3 and Node; and receivers of telemetry.
//!
//! What differs between them is data: see `catalogue`. An emulator is installed once into the build
//! directory (`install`), every dependency at a version that is checked in below `tck/emulators`. A
//! server runs on free ports of 127.0.0.1, keeps its data in a temporary folder, and ends when its
//! handle is dropped or the process that started it dies, however it dies (`supervised`).

mod catalogue;
pub(crate) mod http;
mod install;
mod ports;
mod server;
mod shared;
mod supervised;

use std::time::Duration;

pub use catalogue::{AZURITE, MINISTACK, MOTO, ROTEL, VICTORIA_METRICS};
pub use server::{Launch, Server};
pub use shared::Shared;

use crate::Evidence;

/// An emulator: what it is, how it is installed, and how it is run.
#[derive(Clone, Debug)]
pub struct Emulator {
    /// Its name: small letters, digits and `-`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// How it is installed.
    pub install: Install,
    /// The program, as a path in the folder of the installation; where nothing is installed, a
    /// program of the machine.
    pub program: &'static str,
    /// The arguments of the program. `{port}` is filled in, and `{port2}` and so on where it needs
    /// several.
    pub arguments: &'static [&'static str],
    /// Names and values that are added to the environment of the program, filled in likewise.
    pub environment: &'static [(&'static str, &'static str)],
    /// How many ports it listens on.
    pub ports: usize,
    /// How it shows that it is ready.
    pub ready: Ready,
    /// How long it may take to be ready.
    pub patience: Duration,
    /// What a store is on it; `None` where nothing is stored.
    pub stores: Option<Stores>,
}

impl Emulator {
    /// What a certificate of a provider on this emulator is evidence of.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        Evidence::Emulator { name: self.name.to_owned(), version: self.version.to_owned() }
    }

    /// The variable by which a process hands the endpoints of its server to its workers:
    /// `OMNI_TCK_ENDPOINT_MOTO`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("OMNI_TCK_ENDPOINT_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// How an emulator is installed: from lock files that state every version.
#[derive(Clone, Copy, Debug)]
pub enum Install {
    /// Into a virtual environment of Python, in the folder `venv`.
    Python {
        /// The text of a `requirements.txt`.
        requirements: &'static str,
    },
    /// By `npm ci`, into `node_modules`.
    Npm {
        /// The text of a `package.json`.
        package: &'static str,
        /// The text of its `package-lock.json`.
        lock: &'static str,
        /// The text of a program, which becomes `serve.js`.
        serve: &'static str,
    },
    /// By `install.sh`, from packages of Debian, which are unpacked into the folder `root`.
    Debian {
        /// The text of `install.sh`.
        script: &'static str,
        /// The text of `debian.sources`, which says where packages are.
        sources: &'static str,
        /// The text of `SHA256SUMS`, which says what they are.
        sums: &'static str,
    },
    /// Not at all: the machine has it.
    Nothing,
}

/// How an emulator shows that it is ready: by its answer to a GET on its first port. The others must
/// take connections.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The path that is asked for.
    pub path: &'static str,
    /// The status code of the answer; `None`: any.
    pub status: Option<u16>,
}

/// Stores on an emulator: buckets, or containers. `{endpoint}` and `{store}` are filled in.
#[derive(Clone, Copy, Debug)]
pub struct Stores {
    /// What a PUT makes and a DELETE removes.
    pub url: &'static str,
    /// The value of the `Authorization` header of both; none where it is empty.
    pub authorization: &'static str,
    /// How a provider is configured to use one: names and values.
    pub settings: &'static [(&'static str, &'static str)],
}
