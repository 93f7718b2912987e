//! `p2pshare recv`.

use std::io::IsTerminal;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use p2pshare::storage::sink::{OnExists, SinkOptions};
use p2pshare::{Destination, Events, Invitation, Settings, ShareOptions, Stop};
use p2pshare_protocol::entry_path::EntryPath;

use super::args::{OnExistsArg, RecvArgs};
use super::config::Config;
use super::desk::{Desk, Started, exit_of};
use super::only::Only;
use super::parse::parse_invitation;
use super::policy::Policy;
use super::questions::Folder;
use super::report::{Exit, Report};
use super::secret;
use super::setup::{self, Direction};
use super::text::escape;
use super::ui;

/// Where the files come from.
enum Where {
    From(Invitation),
    Inbox(Box<ShareOptions>),
}

pub(crate) async fn run(mut args: RecvArgs) -> Exit {
    let config = match Config::load(args.common.config.as_deref()) {
        Ok(config) => config,
        Err(report) => return ui::fail(&report, args.common.json),
    };
    let names_server = setup::names_server(&args.common, &config);
    config.complete_recv(&mut args);
    let direction = Direction { is_sender: false, is_host: args.invitation.is_empty() };
    let manner = setup::manner(&args.share, &args.common, direction, names_server);
    let mut desk = match Desk::open(&args.common, manner, args.share.copy) {
        Ok(desk) => desk,
        Err(exit) => return exit,
    };
    match receive(&args, &config, &mut desk).await {
        Ok(exit) => exit,
        Err(report) => desk.ui.fail(&report),
    }
}

async fn receive(args: &RecvArgs, config: &Config, desk: &mut Desk) -> Result<Exit, Report> {
    if args.output.as_ref().is_some_and(|output| output == Path::new("-")) {
        desk.ui.keep_off_stdout();
    }
    let typed = args.invitation.join(" ");
    // What can be told to be wrong by itself is told before anything is asked or missing.
    let invitation = if args.invitation.is_empty() || typed == "-" { None } else { Some(read_invitation(&typed)?) };
    let destination = destination(args)?;
    let mut settings = setup::settings(&args.common, config)?;
    let (yes, on_exists) = (args.yes, args.on_exists);
    if !desk.may_ask && (!yes || on_exists == Some(OnExistsArg::Ask)) {
        return Err(nobody_decides(yes));
    }
    let asks_existing = match on_exists {
        Some(how) => how == OnExistsArg::Ask,
        None => !yes,
    };
    let policy = policy(args, asks_existing, &destination)?;
    policy.check_folder()?;
    desk.arrived.folder = policy.folder.as_ref().map(|folder| folder.path.clone());
    desk.policy = Some(policy);
    let place = if args.invitation.is_empty() {
        let mut share = setup::share(&args.share, &args.common, desk).await?;
        if let Some(name) = &args.nearby {
            share.nearby = Some(setup::device_name(name.clone(), config, &args.common, &mut settings)?);
        }
        Where::Inbox(Box::new(share))
    } else {
        settings.password = secret::to_join(&args.common, desk).await?;
        desk.has_password = settings.password.is_some();
        Where::From(match invitation {
            Some(invitation) => invitation,
            None => read_invitation(&desk.line("Code or link: ", false).await?)?,
        })
    };
    let to_pipe = matches!(destination, Destination::Stdout);
    let ended = desk.run(start(settings, place, destination, desk.stop.clone()), args.common.timeout).await;
    let summary = ended.map_err(|report| report.of_pipe(to_pipe))?;
    Ok(exit_of(&summary))
}

fn nobody_decides(yes: bool) -> Report {
    if yes {
        let message = "nobody can be asked here about names that are taken";
        return Report::new(Exit::Usage, message, "Use --on-exists rename, skip, overwrite or fail.");
    }
    Report::new(Exit::Usage, "nobody can be asked here whether to take the offer", "Add --yes.")
}

fn policy(args: &RecvArgs, asks_existing: bool, destination: &Destination) -> Result<Policy, Report> {
    let folder = match destination {
        Destination::Folder { path, options } => Some(Folder { path: path.clone(), options: options.clone() }),
        Destination::File { folder, name, options } => {
            Some(Folder { path: folder.clone(), options: SinkOptions { name: Some(name.clone()), ..options.clone() } })
        }
        Destination::Stdout => None,
    };
    let max_size = args.max_size.map(NonZeroU64::get);
    Ok(Policy {
        yes: args.yes,
        allow_hidden: args.allow_hidden,
        only: if args.only.is_empty() { None } else { Some(Only::new(&args.only)?) },
        max_size: max_size.or_else(|| (args.yes && folder.is_some()).then_some(MAX_SIZE)),
        max_files: args.max_files,
        folder,
        asks_existing,
    })
}

fn destination(args: &RecvArgs) -> Result<Destination, Report> {
    let path: PathBuf = args.output.clone().unwrap_or_else(|| ".".into());
    if path == Path::new("-") {
        if std::io::stdout().is_terminal() && !args.force {
            return Err(Report::new(Exit::Usage, "standard output is a terminal", "Redirect it, or add --force."));
        }
        return Ok(Destination::Stdout);
    }
    let on_exists = match args.on_exists {
        None | Some(OnExistsArg::Ask | OnExistsArg::Rename) => OnExists::Rename,
        Some(OnExistsArg::Skip) => OnExists::Skip,
        Some(OnExistsArg::Overwrite) => OnExists::Overwrite,
        Some(OnExistsArg::Fail) => OnExists::Fail,
    };
    let options = SinkOptions { on_exists, resume: !args.no_resume, ..SinkOptions::default() };
    if path.is_dir() {
        return Ok(Destination::Folder { path, options });
    }
    let (folder, name) = file_in_folder(&path)?;
    Ok(Destination::File { folder, name, options })
}

/// A path that is no folder, as the name of a file in one.
fn file_in_folder(path: &Path) -> Result<(PathBuf, EntryPath), Report> {
    let missing = |folder: &Path| {
        let shown = escape(&folder.display().to_string());
        // Without the last slash, with which a file seems not to be there either.
        if folder.components().as_path().exists() {
            let hint = "Name a folder, or a new name in one, with -o.";
            return Report::new(Exit::Disk, format!("{shown} is not a folder"), hint);
        }
        let hint = "Create it, or name with -o a folder that is there, or a new name in one.";
        Report::new(Exit::Disk, format!("there is no folder {shown}"), hint)
    };
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(missing(path));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = name.and_then(|name| EntryPath::new(vec![name]).ok()).filter(|_| folder.is_dir());
    name.map(|name| (folder.clone(), name)).ok_or_else(|| missing(&folder))
}

/// The code or link that was typed.
fn read_invitation(typed: &str) -> Result<Invitation, Report> {
    let wrong = |why| Report::new(Exit::Usage, why, "Type the code or the link as the sender shows it.");
    parse_invitation(typed).map_err(wrong)
}

fn start(settings: Settings, place: Where, destination: Destination, stop: Stop) -> Started {
    let (events, reports) = Events::channel();
    match place {
        Where::From(invitation) => {
            let joined = Some(invitation.clone());
            let session = async move { p2pshare::receive(&invitation, &destination, &settings, events, stop).await };
            Started { session: Box::pin(session), reports, invitation: joined }
        }
        Where::Inbox(share) => {
            let session = async move { p2pshare::inbox(&destination, &share, &settings, events, stop).await };
            Started { session: Box::pin(session), reports, invitation: None }
        }
    }
}

/// The largest offer that `--yes` takes unless it is told otherwise, in bytes.
const MAX_SIZE: u64 = 10 << 30;
