//! Progress on a terminal, silence elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::Duration;

/// A progress bar on the standard error, if that is a terminal and nobody asked for quiet.
pub struct Progress {
    bar: ProgressBar,
    shown: bool,
}

impl Progress {
    /// A bar of `total` steps.
    pub fn bar(quiet: bool, total: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {elapsed} {msg}");
        Self::styled(quiet, ProgressBar::new(total as u64), style)
    }

    #[cfg(feature = "train")]
    /// A bar for work of which only the share done is known ([`Progress::at`]).
    pub fn share(quiet: bool) -> Self {
        let style = ProgressStyle::with_template("{bar:24} {percent:>3} % {elapsed} {msg}");
        Self::styled(quiet, ProgressBar::new(1000), style)
    }

    /// A spinner, for work whose length is not known.
    pub fn spinner(quiet: bool, message: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        let progress = Self::styled(quiet, ProgressBar::new_spinner(), style);
        progress.bar.set_message(message);
        if progress.shown {
            progress.bar.enable_steady_tick(Duration::from_millis(100));
        }
        progress
    }

    fn styled(
        quiet: bool,
        bar: ProgressBar,
        style: Result<ProgressStyle, indicatif::style::TemplateError>,
    ) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        if !shown {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Progress { bar, shown }
    }

    /// Says what is being done.
    pub fn say(&self, message: impl Into<Cow<'static, str>>) {
        self.bar.set_message(message);
    }

    #[cfg(feature = "train")]
    /// Of the work of [`Progress::share`] a share of 0..=1 is done; says what is being done, and how many seconds are
    /// left if that is known.
    pub fn at(&self, share: f64, what: &str, left: Option<f64>) {
        self.bar
            .set_position((share.clamp(0.0, 1.0) * 1000.0) as u64);
        self.bar.set_message(match left {
            Some(left) => format!("about {:.0} min left: {what}", (left / 60.0).ceil()),
            None => what.to_owned(),
        });
    }

    #[cfg(feature = "train")]
    /// Runs something that prints, with the bar out of its way.
    pub fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// One step done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// Prints a line on the standard error, above the bar if there is one.
    pub fn warn(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Prints a line above the bar, on a terminal only.
    pub fn note(&self, line: &str) {
        if self.shown {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
