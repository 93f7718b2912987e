//! Runs p2pshare on machines of the lab: slow links, long ones, lossy ones, and such that break.
//!
//! `tests/net/run` builds p2pshare and runs this. `lab --list` names the scenarios, `lab WORD` runs those with the word in
//! their name, `lab --check` says what keeps this machine from it. `P2PSHARE` names another binary than the one beside this
//! one. Figures are printed and never a reason to fail.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

#[cfg(target_os = "linux")]
mod scenarios;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;
    use std::time::Instant;

    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        scenarios::ALL.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    if let Some(obstacle) = p2pshare_net::obstacle() {
        eprintln!("{obstacle}");
        return ExitCode::from(NOT_HERE);
    }
    if words.iter().any(|word| word == "--check") {
        return ExitCode::SUCCESS;
    }
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let wanted: Vec<_> = scenarios::ALL.iter().filter(|(name, _)| is_wanted(name)).collect();
    let mut failed = Vec::new();
    for (name, scenario) in &wanted {
        let start = Instant::now();
        println!("--- {name}");
        match scenario() {
            Ok(()) => println!("    passed ({:.1} s)", start.elapsed().as_secs_f64()),
            Err(error) => {
                println!("    FAILED ({:.1} s): {error:#}", start.elapsed().as_secs_f64());
                failed.push(*name);
            }
        }
    }
    println!("{} passed, {} failed", wanted.len() - failed.len(), failed.len());
    failed.iter().for_each(|name| println!("FAILED: {name}"));
    if failed.is_empty() && !wanted.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("the lab needs Linux");
    std::process::ExitCode::from(NOT_HERE)
}

/// The exit code that says that nothing could be run.
const NOT_HERE: u8 = 77;
