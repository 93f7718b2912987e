//! The bare data channel: the bench `bare_channel`, for as many bytes.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Row;

/// Runs the other bench and reads what it prints.
pub(crate) fn row(mib: u64) -> Result<Row> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["bench", "--quiet", "--locked", "--bench", "bare_channel"]).env("MIB", mib.to_string());
    let output = command.output().context("starting cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let number_before = |unit: &str| -> Option<f64> { text.split(unit).next()?.split(' ').next_back()?.parse().ok() };
    let (rate, cpu) = number_before(" MB/s").zip(number_before(" CPU s/GiB")).context("figures in its output")?;
    let cpu_seconds = cpu * mib as f64 / 1024.0;
    Ok(Row { name: "bare data channel", whole: None, flowing: Some(rate), sides: None, cpu_seconds })
}
