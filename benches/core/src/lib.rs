//! Nothing: the measurements are in `benches/core.rs`.
