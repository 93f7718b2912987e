//! What is generated from the definition of the command line: completions and the manual.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::report::Exit;

pub(crate) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "p2pshare", &mut script);
    print(&script)
}

pub(crate) fn manual() -> Exit {
    let mut page = Vec::new();
    match clap_mangen::Man::new(Cli::command()).render(&mut page) {
        Ok(()) => print(&page),
        Err(_) => Exit::Other,
    }
}

fn print(bytes: &[u8]) -> Exit {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_ok() { Exit::Done } else { Exit::Other }
}
