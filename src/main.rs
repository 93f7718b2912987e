//! The `p2pshare` command.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
