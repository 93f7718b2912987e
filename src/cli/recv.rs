//! `p2pshare recv`.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the library grow; each place handles what it knows")]

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};
use p2pshare::storage::sink::{OnExists, SinkOptions};
use p2pshare::{Destination, Error, Event, Events, Invitation, Settings, ShareOptions, Stop, Summary};
use tokio::sync::mpsc::UnboundedReceiver;

use super::args::{OnExistsArg, RecvArgs};
use super::config::{Config, parsed};
use super::decide::{Asker, Policy};
use super::parse::{parse_invitation, parse_size};
use super::report::{Exit, Report};
use super::run::{exit_of, report_of, run as run_session, stop_on_signals};
use super::setup;
use super::ui::{self, Ui};

/// Where the files come from.
enum Where {
    From(Invitation),
    Inbox(Box<ShareOptions>),
}

/// What was asked for, checked.
struct Plan {
    settings: Settings,
    place: Where,
    destination: Destination,
    policy: Policy,
    show_qr: bool,
}

pub(crate) async fn run(args: RecvArgs) -> Exit {
    match prepare(&args) {
        Ok(plan) => receive(&args, plan).await,
        Err(report) => ui::fail(&report),
    }
}

fn prepare(args: &RecvArgs) -> Result<Plan, Report> {
    let config = Config::load(args.common.config.as_deref())?;
    let settings = setup::settings(&args.common, &config, !args.invitation.is_empty())?;
    let typed = (!args.invitation.is_empty()).then(|| args.invitation.join(" "));
    let place = match typed {
        Some(typed) => Where::From(read_invitation(&typed)?),
        None => Where::Inbox(Box::new(setup::share(&args.share, &args.common, &config)?)),
    };
    let asker = Asker::new(&args.common);
    let yes = args.yes || config.yes.unwrap_or(false);
    let destination = destination(args, &config)?;
    if !yes && !asker.may_ask {
        return Err(Report::new(Exit::Usage, "nobody can be asked here whether to take the offer", "Add --yes."));
    }
    let max_size = args.max_size.or(parsed(config.max_size.as_deref(), parse_size)?);
    let policy = Policy {
        yes,
        allow_hidden: args.allow_hidden,
        only: globs(&args.only)?,
        max_size: max_size
            .map(std::num::NonZeroU64::get)
            .or_else(|| (yes && !is_stdout(&destination)).then_some(MAX_SIZE)),
        max_files: args.max_files.or(config.max_files),
        folder: match &destination {
            Destination::Folder { path, .. } => Some(path.clone()),
            Destination::Stdout => None,
        },
        asker,
    };
    policy.check_folder()?;
    Ok(Plan { settings, place, destination, policy, show_qr: setup::show_qr(&args.share, &config) })
}

const fn is_stdout(destination: &Destination) -> bool {
    matches!(destination, Destination::Stdout)
}

fn destination(args: &RecvArgs, config: &Config) -> Result<Destination, Report> {
    let folder = args.output.clone().or_else(|| config.output.clone()).unwrap_or_else(|| ".".into());
    if folder == Path::new("-") {
        if std::io::stdout().is_terminal() && !args.force {
            return Err(Report::new(Exit::Usage, "standard output is a terminal", "Redirect it, or add --force."));
        }
        return Ok(Destination::Stdout);
    }
    if !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(Report::new(Exit::Disk, message, "Name an existing folder with -o."));
    }
    let on_exists = match args.on_exists.or(config.on_exists) {
        None | Some(OnExistsArg::Rename) => OnExists::Rename,
        Some(OnExistsArg::Skip) => OnExists::Skip,
        Some(OnExistsArg::Overwrite) => OnExists::Overwrite,
        Some(OnExistsArg::Fail) => OnExists::Fail,
    };
    let options = SinkOptions { on_exists, resume: !args.no_resume, ..SinkOptions::default() };
    Ok(Destination::Folder { path: folder, options })
}

fn globs(patterns: &[String]) -> Result<Option<GlobSet>, Report> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let wrong = |error: globset::Error| Report::new(Exit::Usage, error.to_string(), "Write a pattern such as '*.jpg'.");
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(wrong)?);
    }
    set.build().map(Some).map_err(wrong)
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
    let Plan { settings, place, destination, policy, show_qr } = plan;
    let mut ui = Ui::new(&args.common, false, show_qr);
    let (stop, interruption) = match stop_on_signals() {
        Ok(both) => both,
        Err(error) => return ui::fail_early(&error.to_string()),
    };
    if is_stdout(&destination) {
        ui.keep_off_stdout();
    }
    ui.is_host(matches!(place, Where::Inbox(_)));
    let prints_code = ui.prints_code();
    let mut arrived = Arrived { folder: policy.folder.clone(), seen: BTreeSet::new() };
    let (session, reports, invitation) = start(settings, place, destination, stop);
    let result = run_session(session, reports, async |event| match event {
        Event::Shared { ref code, .. } => {
            if prints_code {
                ui.print(&code.to_string());
            }
            if args.share.copy {
                ui.copy(&code.to_string());
            }
            ui.show(&event);
        }
        Event::Offered(peer, request) => {
            ui.offered(peer, &request.offer);
            policy.decide(request, &ui);
        }
        Event::Verify(peer, request) => {
            ui.asks(peer, &request);
            policy.asker.verify(request);
        }
        Event::PasswordLocked(request) => {
            ui.locked();
            policy.asker.unlock(request);
        }
        Event::PasswordNeeded(_, request) => {
            ui.make_room();
            policy.asker.password(request);
        }
        Event::EntryDone { ref path, .. } => {
            if let Some(path) = arrived.first_seen(path) {
                ui.print(&path.to_string_lossy());
            }
            ui.show(&event);
        }
        Event::Text(ref text) => {
            ui.print(&super::text::untrusted_lines(&text.0));
            ui.show(&event);
        }
        event => ui.show(&event),
    })
    .await;
    match result {
        Ok(summary) => exit_of(&summary),
        Err(error) => ui.fail(&report_of(&error, invitation.as_ref(), &interruption)),
    }
}

type Session = std::pin::Pin<Box<dyn Future<Output = Result<Summary, Error>> + Send>>;

fn start(
    settings: Settings,
    place: Where,
    destination: Destination,
    stop: Stop,
) -> (Session, UnboundedReceiver<Event>, Option<Invitation>) {
    let (events, reports) = Events::channel();
    match place {
        Where::From(invitation) => {
            let joined = invitation.clone();
            let session = async move { p2pshare::receive(&joined, &destination, &settings, events, stop).await };
            (Box::pin(session), reports, Some(invitation))
        }
        Where::Inbox(share) => {
            let session = async move { p2pshare::inbox(&destination, &share, &settings, events, stop).await };
            (Box::pin(session), reports, None)
        }
    }
}

/// The files and folders at the top that arrived.
struct Arrived {
    folder: Option<PathBuf>,
    seen: BTreeSet<PathBuf>,
}

impl Arrived {
    /// The place of an entry's top component, the first time that it is seen.
    fn first_seen(&mut self, path: &Path) -> Option<PathBuf> {
        let top = PathBuf::from(path.components().next()?.as_os_str());
        let place = match &self.folder {
            Some(folder) if folder != Path::new(".") => folder.join(&top),
            Some(_) | None => top.clone(),
        };
        self.seen.insert(top).then_some(place)
    }
}

/// The largest offer that `--yes` takes unless it is told otherwise, in bytes.
const MAX_SIZE: u64 = 10 << 30;
