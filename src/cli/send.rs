//! `p2pshare send`.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the library grow; each place handles what it knows")]

use std::path::Path;
use std::sync::Arc;

use p2pshare::storage::source::{Source, WalkOptions, Walked};
use p2pshare::{Error, Event, Events, Invitation, Settings, ShareOptions, Stop, Summary};
use tokio::sync::mpsc::UnboundedReceiver;

use super::args::SendArgs;
use super::config::Config;
use super::decide::Asker;
use super::parse::parse_invitation;
use super::report::{Exit, Report};
use super::run::{exit_of, report_of, run as run_session, stop_on_signals};
use super::setup;
use super::ui::{self, Ui};

/// Where the files are sent.
enum Where {
    Host(Box<ShareOptions>),
    To(Invitation),
}

pub(crate) async fn run(args: SendArgs) -> Exit {
    match prepare(&args) {
        Ok((settings, place, show_qr)) => send(args, settings, place, show_qr).await,
        Err(report) => ui::fail(&report),
    }
}

fn prepare(args: &SendArgs) -> Result<(Settings, Where, bool), Report> {
    let config = Config::load(args.common.config.as_deref())?;
    let settings = setup::settings(&args.common, &config, args.to.is_some())?;
    let place = match &args.to {
        Some(to) => {
            let wrong = |why| Report::new(Exit::Usage, why, "Type the code or the link as the inbox shows it.");
            Where::To(parse_invitation(to).map_err(wrong)?)
        }
        None => Where::Host(Box::new(setup::share(&args.share, &args.common, &config)?)),
    };
    if is_stdin(args) && (args.share.keep || args.share.max.is_some_and(|max| max.get() > 1)) {
        return Err(Report::new(Exit::Usage, "standard input can be read once", "Leave out --keep and --max."));
    }
    Ok((settings, place, setup::show_qr(&args.share, &config)))
}

fn is_stdin(args: &SendArgs) -> bool {
    args.paths.iter().any(|path| path == Path::new("-"))
}

async fn send(args: SendArgs, settings: Settings, place: Where, show_qr: bool) -> Exit {
    let mut ui = Ui::new(&args.common, true, show_qr);
    let (stop, interruption) = match stop_on_signals() {
        Ok(both) => both,
        Err(error) => return ui::fail_early(&error.to_string()),
    };
    let asker = Asker::new(&args.common);
    let copies = args.share.copy;
    let prints_code = ui.prints_code();
    let (source, left_out) = match open(args, &mut ui).await {
        Ok(source) => source,
        Err(report) => return ui.fail(&report),
    };
    ui.describe(source.offer());
    ui.is_host(matches!(place, Where::Host(_)));
    let (session, reports, invitation) = start(source, settings, place, stop);
    let result = run_session(session, reports, async |event| match event {
        Event::Shared { ref code, .. } => {
            if prints_code {
                ui.print(&code.to_string());
            }
            if copies {
                ui.copy(&code.to_string());
            }
            ui.show(&event);
        }
        Event::Verify(peer, request) => {
            ui.asks(peer, &request);
            asker.verify(request);
        }
        Event::PasswordLocked(request) => {
            ui.locked();
            asker.unlock(request);
        }
        Event::PasswordNeeded(_, request) => {
            ui.make_room();
            asker.password(request);
        }
        event => ui.show(&event),
    })
    .await;
    match result {
        Ok(summary) if left_out && exit_of(&summary) == Exit::Done => Exit::Incomplete,
        Ok(summary) => exit_of(&summary),
        Err(error) => ui.fail(&report_of(&error, invitation.as_ref(), &interruption)),
    }
}

type Session = std::pin::Pin<Box<dyn Future<Output = Result<Summary, Error>> + Send>>;

fn start(
    source: Arc<Source>,
    settings: Settings,
    place: Where,
    stop: Stop,
) -> (Session, UnboundedReceiver<Event>, Option<Invitation>) {
    let (events, reports) = Events::channel();
    match place {
        Where::Host(share) => {
            let session = async move { p2pshare::send(source, &share, &settings, events, stop).await };
            (Box::pin(session), reports, None)
        }
        Where::To(to) => {
            let joined = to.clone();
            let session = async move { p2pshare::send_to(&joined, source, &settings, events, stop).await };
            (Box::pin(session), reports, Some(to))
        }
    }
}

/// Opens what is to be sent, and tells what is left out of it.
async fn open(args: SendArgs, ui: &mut Ui) -> Result<(Arc<Source>, bool), Report> {
    let failed = |error| Report::of(&Error::Source(error), None);
    if let Some(text) = args.text {
        return Ok((Arc::new(Source::text(text).map_err(failed)?), false));
    }
    if is_stdin(&args) {
        if args.paths.len() > 1 {
            return Err(Report::new(Exit::Usage, "standard input is sent alone", "Leave out the other paths."));
        }
        let name = args.name.as_deref().unwrap_or("stdin");
        return Ok((Arc::new(Source::stdin(name).map_err(failed)?), false));
    }
    let options = WalkOptions {
        exclude: args.exclude,
        respects_ignore_files: args.ignore_files,
        rename: args.name,
        ..WalkOptions::default()
    };
    let paths = args.paths;
    let walk = tokio::task::spawn_blocking(move || Source::walk(&paths, &options)).await;
    let walked = walk.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let Walked { source, notices } = walked.map_err(failed)?;
    let left_out = notices.iter().any(p2pshare::storage::source::Notice::is_skip);
    for notice in notices {
        ui.show(&Event::SourceNotice(notice));
    }
    Ok((Arc::new(source), left_out))
}
