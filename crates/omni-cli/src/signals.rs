//! The signals that end a command early, and the exit codes that say which it was.

use std::io;

use crate::output::Exit;

/// Waits for Ctrl-C, or for the system to ask for the end.
pub(crate) async fn arrive() -> Exit {
    match wait().await {
        Ok(code) => Exit::Interrupted(code),
        Err(error) => Exit::failed(format!("cannot listen for signals: {error}")),
    }
}

/// The exit codes are 128 and the number of the signal, as shells have it.
#[cfg(unix)]
async fn wait() -> io::Result<u8> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(130),
        _ = terminate.recv() => Ok(143),
        _ = hangup.recv() => Ok(129),
    }
}

#[cfg(not(unix))]
async fn wait() -> io::Result<u8> {
    tokio::signal::ctrl_c().await?;
    Ok(130)
}
