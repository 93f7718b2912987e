//! `Link`: how fast, how long and how lossy a path is.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};

/// The properties of a path, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Bits a second; as fast as this machine can if `None`.
    pub rate: Option<u64>,
    /// From one end to the other, with an empty queue.
    pub delay: Duration,
    /// The part of the packets that is lost at random, 0 to 1.
    pub loss: f64,
    /// What may wait for being sent, in bytes; a packet that finds more waiting is dropped.
    pub queue_bytes: u64,
    /// Where the random losses start: the same seed and packets, the same losses.
    pub seed: u64,
}

impl Link {
    /// A path of so many megabits a second and milliseconds there and back, which loses so many percent of the packets each
    /// way. Its queue holds what is under way on a full path, at least 256 KiB.
    #[must_use]
    pub fn new(megabits: u64, round_trip_ms: f64, loss_percent: f64) -> Self {
        let in_flight = (megabits as f64 * 1e6 / 8.0 * round_trip_ms / 1e3) as u64;
        Self {
            rate: Some(megabits * 1_000_000),
            delay: Duration::from_secs_f64(round_trip_ms / 2e3),
            loss: loss_percent / 100.0,
            queue_bytes: in_flight.max(QUEUE_BYTES_MIN),
            seed: 1,
        }
    }

    /// The path that a name stands for: `g1`, `m100`, `m300`, `m50`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "g1" => Some(Self::new(1000, 1.0, 0.0)),
            "m100" => Some(Self::new(100, 40.0, 0.0)),
            "m300" => Some(Self::new(300, 100.0, 0.1)),
            "m50" => Some(Self::new(50, 80.0, 1.0)),
            _ => None,
        }
    }
}

impl FromStr for Link {
    type Err = Error;

    /// Reads a name, or `MEGABITS:ROUND_TRIP_MS:LOSS_PERCENT`.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(link) = Self::named(text) {
            return Ok(link);
        }
        let parts: Vec<&str> = text.split(':').collect();
        let [megabits, round_trip, loss] = parts[..] else {
            bail!("no link {text:?}: say g1, m100, m300, m50, or MEGABITS:ROUND_TRIP_MS:LOSS_PERCENT");
        };
        let number = |text: &str| text.parse::<f64>().with_context(|| format!("{text:?} in a link"));
        Ok(Self::new(
            megabits.parse().with_context(|| format!("{megabits:?} in a link"))?,
            number(round_trip)?,
            number(loss)?,
        ))
    }
}

/// The queue of a short or slow path, in bytes.
const QUEUE_BYTES_MIN: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_written_as_a_name_or_as_three_numbers() {
        assert_eq!("m50".parse::<Link>().unwrap(), Link::new(50, 80.0, 1.0));
        assert_eq!("50:80:1".parse::<Link>().unwrap(), Link::new(50, 80.0, 1.0));
        assert!("m51".parse::<Link>().is_err() && "50:80".parse::<Link>().is_err() && "x:1:0".parse::<Link>().is_err());
    }

    #[test]
    fn the_queue_holds_what_a_full_path_has_under_way() {
        assert_eq!(Link::new(300, 100.0, 0.0).queue_bytes, 3_750_000);
        assert_eq!(Link::new(1, 1.0, 0.0).queue_bytes, QUEUE_BYTES_MIN);
    }
}
