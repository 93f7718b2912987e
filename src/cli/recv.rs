//! `p2pshare recv`.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use p2pshare::storage::sink::{OnExists, SinkOptions};
use p2pshare::{Destination, Event, Events, Invitation, Settings};

use super::args::{OnExistsArg, RecvArgs, parse_invitation};
use super::config::Config;
use super::decide::{Policy, verify};
use super::report::{Exit, Report};
use super::run::{exit_of, report_of, run as run_session, stop_on_signals};
use super::ui::{self, Ui};

pub(crate) async fn run(args: RecvArgs) -> Exit {
    match prepare(&args) {
        Ok(plan) => receive(&args, plan).await,
        Err(report) => ui::fail(&report),
    }
}

/// What was asked for, checked.
struct Plan {
    settings: Settings,
    invitation: Invitation,
    destination: Destination,
    policy: Policy,
}

fn prepare(args: &RecvArgs) -> Result<Plan, Report> {
    let config = Config::load(args.common.config.as_deref())?;
    let settings = super::settings(&args.common, &config)?;
    let invitation = read_invitation(&args.invitation)?;
    let may_ask = std::io::stdin().is_terminal() && !args.common.non_interactive && !args.common.json;
    let yes = args.yes || config.yes.unwrap_or(false);
    if !yes && !may_ask {
        return Err(Report::new(Exit::Usage, "nobody can be asked here whether to take the offer", "Add --yes."));
    }
    let folder = config.output.filter(|_| args.output == Path::new(".")).unwrap_or_else(|| args.output.clone());
    if !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(Report::new(Exit::Disk, message, "Name an existing folder with -o."));
    }
    let on_exists = args.on_exists.or(config.on_exists);
    let asks_on_exists = may_ask && on_exists.is_none_or(|how| how == OnExistsArg::Ask);
    let options = SinkOptions {
        on_exists: on_exists.map_or(OnExists::Rename, to_sink),
        resume: !args.no_resume,
        ..SinkOptions::default()
    };
    let policy = Policy { yes, allow_hidden: args.allow_hidden, folder: folder.clone(), asks_on_exists, may_ask };
    Ok(Plan { settings, invitation, destination: Destination { folder, options }, policy })
}

/// The code or link that was typed; `-` reads a line of standard input.
fn read_invitation(typed: &str) -> Result<Invitation, Report> {
    let mut text = typed.to_owned();
    if typed == "-" {
        text.clear();
        let read = std::io::stdin().lock().read_line(&mut text);
        read.map_err(|error| Report::new(Exit::Usage, format!("no code on standard input: {error}"), ""))?;
    }
    let wrong = |why| Report::new(Exit::Usage, why, "Type the code or the link as the sender shows it.");
    parse_invitation(&text).map_err(wrong)
}

async fn receive(args: &RecvArgs, plan: Plan) -> Exit {
    let Plan { settings, invitation, destination, policy } = plan;
    let mut ui = Ui::new(&args.common, false, false);
    let (stop, interruption) = match stop_on_signals() {
        Ok(both) => both,
        Err(error) => return ui::fail_early(&error.to_string()),
    };
    let (events, reports) = Events::channel();
    let (joined, folder) = (invitation.clone(), destination.folder.clone());
    let session = async move { p2pshare::receive(&joined, &destination, &settings, events, stop).await };
    let mut arrived = Arrived { folder, seen: BTreeSet::new() };
    let result = run_session(session, reports, async |event| match event {
        Event::Offered(peer, request) => {
            ui.offered(peer, &request.offer);
            policy.decide(request).await;
        }
        Event::Verify(peer, request) => {
            ui.asks(peer, &request);
            verify(request, policy.may_ask);
        }
        Event::EntryDone { ref path, .. } => {
            if let Some(path) = arrived.first_seen(path) {
                ui.print(&path.to_string_lossy());
            }
            ui.show(&event);
        }
        Event::Text(ref text) => {
            ui.print(&super::text::untrusted_lines(text));
            ui.show(&event);
        }
        event => ui.show(&event),
    })
    .await;
    match result {
        Ok(summary) => exit_of(&summary),
        Err(error) => ui.fail(&report_of(&error, Some(&invitation), &interruption)),
    }
}

/// The files and folders at the top that arrived.
struct Arrived {
    folder: PathBuf,
    seen: BTreeSet<PathBuf>,
}

impl Arrived {
    /// The place of an entry's top component, the first time that it is seen.
    fn first_seen(&mut self, path: &Path) -> Option<PathBuf> {
        let top = PathBuf::from(path.components().next()?.as_os_str());
        let place = if self.folder == Path::new(".") { top.clone() } else { self.folder.join(&top) };
        self.seen.insert(top).then_some(place)
    }
}

const fn to_sink(how: OnExistsArg) -> OnExists {
    match how {
        OnExistsArg::Ask | OnExistsArg::Rename => OnExists::Rename,
        OnExistsArg::Skip => OnExists::Skip,
        OnExistsArg::Overwrite => OnExists::Overwrite,
        OnExistsArg::Fail => OnExists::Fail,
    }
}
