//! What is generated from the definition of the command line: completions and the manual.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;
use super::report::Exit;

pub(crate) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "p2pshare", &mut script);
    print(&script)
}

pub(crate) fn manual() -> Exit {
    match page() {
        Ok(page) => print(&page),
        Err(_) => Exit::Other,
    }
}

/// One page for all: the commands are sections of it.
fn page() -> std::io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let whole = Man::new(command.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let mut section = Vec::new();
        let man = Man::new(subcommand.clone());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        writeln!(page, ".SH \"{}\"", subcommand.get_bin_name().unwrap_or_default().to_uppercase())?;
        page.extend(String::from_utf8_lossy(&section).replace(".SH ", ".SS ").bytes());
    }
    let mut extra = Vec::new();
    whole.render_extra_section(&mut extra)?;
    page.extend(String::from_utf8_lossy(&extra).replacen(".SH EXTRA", ".SH \"EXAMPLES AND EXIT CODES\"", 1).bytes());
    Ok(page)
}

fn print(bytes: &[u8]) -> Exit {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_ok() { Exit::Done } else { Exit::Other }
}
