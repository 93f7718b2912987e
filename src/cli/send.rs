//! `p2pshare send`.

use std::path::Path;
use std::sync::Arc;

use p2pshare::storage::source::{Notice, Source, WalkOptions, Walked};
use p2pshare::{Encounter, Error, Event, Events, Invitation, Settings, ShareOptions, Stop};

use super::args::SendArgs;
use super::config::Config;
use super::desk::{Desk, Started, exit_of};
use super::nearby;
use super::parse::parse_invitation;
use super::report::{Exit, Report};
use super::secret;
use super::setup::{self, Direction};
use super::ui;

/// Where the files are sent.
enum Where {
    Host(Box<ShareOptions>),
    To(Invitation),
}

pub(crate) async fn run(mut args: SendArgs) -> Exit {
    let config = match Config::load(args.common.config.as_deref()) {
        Ok(config) => config,
        Err(report) => return ui::fail(&report, args.common.json),
    };
    let names_server = setup::names_server(&args.common, &config);
    config.complete_send(&mut args);
    let direction = Direction { is_sender: true, is_host: args.to.is_none() };
    let manner = setup::manner(&args.share, &args.common, direction, names_server);
    let mut desk = match Desk::open(&args.common, manner, args.share.copy) {
        Ok(desk) => desk,
        Err(exit) => return exit,
    };
    match send(args, &config, &mut desk).await {
        Ok(exit) => exit,
        Err(report) => desk.ui.fail(&report),
    }
}

async fn send(args: SendArgs, config: &Config, desk: &mut Desk) -> Result<Exit, Report> {
    if is_stdin(&args) && (args.share.keep || args.share.max.is_some_and(|max| max.get() > 1)) {
        return Err(Report::new(Exit::Usage, "standard input can be read once", "Leave out --keep and --max."));
    }
    // What was typed is looked at before anybody is asked for a password or looked for.
    let to = args.to.as_deref().map(recipient).transpose()?;
    let mut settings = setup::settings(&args.common, config)?;
    let (source, is_partial) = open(&args, desk).await?;
    desk.ui.sends(source.offer());
    let place = match to {
        Some(recipient) => {
            settings.password = secret::to_join(&args.common, desk).await?;
            desk.has_password = settings.password.is_some();
            Where::To(match recipient {
                Recipient::Inbox(invitation) => invitation,
                Recipient::Named(name) => {
                    let own = setup::device_name(None, config, &args.common, &mut settings)?;
                    let neighbour = nearby::find(name, &settings, desk).await?;
                    settings.encounter = Some(Encounter { own, other: neighbour.device.name.clone() });
                    Invitation::Link(neighbour.link().map_err(|error| Report::of(&Error::Origin(error), None))?)
                }
            })
        }
        None => Where::Host(Box::new(setup::share(&args.share, &args.common, desk).await?)),
    };
    let ended = desk.run(start(source, settings, place, desk.stop.clone()), args.common.timeout).await;
    let summary = ended.map_err(|report| report.of_pipe(is_stdin(&args)))?;
    Ok(if is_partial && exit_of(&summary) == Exit::Done { Exit::Incomplete } else { exit_of(&summary) })
}

/// What `--to` names.
enum Recipient<'a> {
    Inbox(Invitation),
    /// A device of this network.
    Named(&'a str),
}

fn recipient(to: &str) -> Result<Recipient<'_>, Report> {
    if is_name(to) {
        return Ok(Recipient::Named(to));
    }
    let wrong = |why| Report::new(Exit::Usage, why, "Type the code or the link as the inbox shows it.");
    parse_invitation(to).map(Recipient::Inbox).map_err(wrong)
}

/// Whether a text is the name of a device: no code, which has digits alone, and no link.
fn is_name(text: &str) -> bool {
    let is_code = text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || c == '-');
    !is_code && !text.contains("://") && !text.contains("#v1.")
}

fn is_stdin(args: &SendArgs) -> bool {
    args.paths.iter().any(|path| path == Path::new("-"))
}

fn start(source: Arc<Source>, settings: Settings, place: Where, stop: Stop) -> Started {
    let (events, reports) = Events::channel();
    match place {
        Where::Host(share) => {
            let session = async move { p2pshare::send(source, &share, &settings, events, stop).await };
            Started { session: Box::pin(session), reports, invitation: None }
        }
        Where::To(to) => {
            let invitation = Some(to.clone());
            let session = async move { p2pshare::send_to(&to, source, &settings, events, stop).await };
            Started { session: Box::pin(session), reports, invitation }
        }
    }
}

/// Opens what is to be sent, and tells what is left out of it; whether anything is.
async fn open(args: &SendArgs, desk: &mut Desk) -> Result<(Arc<Source>, bool), Report> {
    let failed = |error| Report::of(&Error::Source(error), None);
    if let Some(text) = args.text.clone() {
        return Ok((Arc::new(Source::text(text).map_err(failed)?), false));
    }
    if is_stdin(args) {
        if args.paths.len() > 1 {
            return Err(Report::new(Exit::Usage, "standard input is sent alone", "Leave out the other paths."));
        }
        let name = args.name.as_deref().unwrap_or("stdin");
        return Ok((Arc::new(Source::stdin(name).map_err(failed)?), false));
    }
    let options = WalkOptions {
        exclude: args.exclude.clone(),
        respects_ignore_files: args.ignore_files,
        rename: args.name.clone(),
        ..WalkOptions::default()
    };
    let paths = args.paths.clone();
    let walk = tokio::task::spawn_blocking(move || Source::walk(&paths, &options)).await;
    let walked = walk.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let Walked { source, notices } = walked.map_err(failed)?;
    let is_partial = notices.iter().any(Notice::is_skip);
    for notice in notices {
        desk.ui.show(&Event::SourceNotice(notice));
    }
    Ok((Arc::new(source), is_partial))
}
