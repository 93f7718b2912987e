//! What is tried in the lab. Each scenario sets up machines of its own.

mod emulator;
mod transfers;

use anyhow::Result;

/// A scenario.
pub(crate) type Scenario = fn() -> Result<()>;

/// All of them, in the order they run.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    ("a_link_is_no_faster_than_it_says", emulator::is_no_faster_than_it_says),
    ("a_link_loses_what_its_seed_says", emulator::loses_what_its_seed_says),
    ("a_link_that_is_cut_carries_nothing_and_then_again", emulator::is_cut_and_mended),
    ("a_router_passes_on_and_its_firewall_does_not", emulator::is_routed_and_filtered),
    ("a_file_arrives_over_a_long_link", transfers::over_a_long_link),
    ("a_file_arrives_over_a_lossy_link", transfers::over_a_lossy_link),
    ("a_file_arrives_over_data_channels_alone", transfers::over_data_channels_alone),
    ("small_files_cost_no_round_trip_each", transfers::small_files),
    ("a_cut_in_the_middle_loses_nothing", transfers::cut_in_the_middle),
];
