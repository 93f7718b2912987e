//! Sizes, rates and times for people.

use std::time::Duration;

/// A number of bytes in decimal units, three digits: `1.24 GB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let (scaled, unit) = scale(bytes, bytes);
    format!("{scaled} {unit}")
}

/// How much of a total, in the total's unit: `1.24/2.00 GB`.
pub(crate) fn bytes_of(bytes: u64, total: u64) -> String {
    let (part, _) = scale(bytes, total);
    let (whole, unit) = scale(total, total);
    format!("{part}/{whole} {unit}")
}

/// A rate in bytes a second: `94.1 MB/s`.
pub(crate) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", bytes(bytes_per_second as u64))
}

/// A duration to a useful precision: `8s`, `2m05s`, `1h02m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A short time: `0.4 s`, or `21 ms`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ ..100 => format!("{} ms", ms.max(1)),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// A number of things: `1 file`, `3 files`.
pub(crate) fn count(number: usize, singular: &str, plural: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{number} {plural}") }
}

/// `bytes` in the unit that suits `of`.
fn scale(bytes: u64, of: u64) -> (String, &'static str) {
    let mut unit = 0;
    let mut size = 1_u64;
    while unit + 1 < UNITS.len() && of / size >= 1000 {
        unit += 1;
        size *= 1000;
    }
    if unit == 0 {
        return (bytes.to_string(), UNITS[0]);
    }
    let scaled = bytes as f64 / size as f64;
    let decimals = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    (format!("{scaled:.decimals$}"), UNITS[unit])
}

const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.00 kB");
        assert_eq!(bytes(94_123_456), "94.1 MB");
        assert_eq!(bytes(u64::MAX), "18447 PB");
        assert_eq!(bytes_of(1_240_000_000, 2_000_000_000), "1.24/2.00 GB");
        assert_eq!(bytes_of(5_000_000, 2_000_000_000), "0.01/2.00 GB");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(duration(Duration::from_secs(8)), "8s");
        assert_eq!(duration(Duration::from_secs(125)), "2m05s");
        assert_eq!(duration(Duration::from_secs(3720)), "1h02m");
        assert_eq!(seconds(Duration::from_millis(7_140)), "7.1 s");
        assert_eq!(seconds(Duration::from_millis(100)), "0.1 s");
        assert_eq!(seconds(Duration::from_micros(21_900)), "21 ms");
        assert_eq!(seconds(Duration::ZERO), "1 ms");
    }
}
