//! Progress of long work, on standard error, only when a person is looking.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over bytes; a counter when the total is not known. Invisible when standard error is not a
/// terminal.
pub(crate) fn bytes(name: &str, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        None => "{msg} {spinner} {bytes} {binary_bytes_per_sec}",
    };
    styled(bar, template, name)
}

/// A counter of done items.
pub(crate) fn items(name: &str, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{msg} {wide_bar} {pos}/{len} {eta}",
        None => "{msg} {spinner} {pos}",
    };
    styled(bar, template, name)
}

fn styled(bar: ProgressBar, template: &str, name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(name.to_owned());
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    bar
}
