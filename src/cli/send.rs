//! `p2pshare send`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use p2pshare::storage::source::{Source, WalkOptions, Walked};
use p2pshare::{Event, Events, Settings, ShareOptions};

use super::args::SendArgs;
use super::config::Config;
use super::decide::verify;
use super::report::{Exit, Report};
use super::run::{exit_of, report_of, run as run_session, stop_on_signals};
use super::ui::{self, Ui};

pub(crate) async fn run(args: SendArgs) -> Exit {
    match prepare(&args) {
        Ok((settings, share, show_qr)) => send(args, settings, share, show_qr).await,
        Err(report) => ui::fail(&report),
    }
}

fn prepare(args: &SendArgs) -> Result<(Settings, ShareOptions, bool), Report> {
    let config = Config::load(args.common.config.as_deref())?;
    let settings = super::settings(&args.common, &config)?;
    let share = ShareOptions {
        max: (!args.keep).then_some(args.max),
        expire: args.expire.or(config.expire()?).unwrap_or(EXPIRE),
        secret_digits: args.secret_digits.or(config.secret_digits).unwrap_or(SECRET_DIGITS).into(),
    };
    Ok((settings, share, !args.no_qr && !config.no_qr.unwrap_or(false)))
}

async fn send(args: SendArgs, settings: Settings, share: ShareOptions, show_qr: bool) -> Exit {
    let mut ui = Ui::new(&args.common, true, show_qr);
    let (stop, interruption) = match stop_on_signals() {
        Ok(both) => both,
        Err(error) => return ui::fail_early(&error.to_string()),
    };
    let paths = args.paths;
    let walk = tokio::task::spawn_blocking(move || Source::walk(&paths, &WalkOptions::default())).await;
    let Walked { source, notices } = match walk.map_err(|panic| panic.into_panic()) {
        Ok(Ok(walked)) => walked,
        Ok(Err(error)) => return ui.fail(&Report::of(&error.into(), None)),
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let left_out = notices.iter().filter(|notice| notice.is_skip()).count();
    for notice in notices {
        ui.show(&Event::SourceNotice(notice));
    }
    ui.describe(source.offer());
    let (events, reports) = Events::channel();
    let session = async move { p2pshare::send(Arc::new(source), &share, &settings, events, stop).await };
    let may_ask = std::io::stdin().is_terminal() && !args.common.non_interactive && !args.common.json;
    let print_code = !std::io::stdout().is_terminal() || args.common.quiet;
    let result = run_session(session, reports, async |event| {
        if let Event::Shared { code, .. } = &event
            && print_code
        {
            ui.print(&code.to_string());
        }
        match event {
            Event::Verify(peer, request) => {
                ui.asks(peer, &request);
                verify(request, may_ask);
            }
            event => ui.show(&event),
        }
    })
    .await;
    match result {
        Ok(summary) if left_out > 0 && exit_of(&summary) == Exit::Done => Exit::Incomplete,
        Ok(summary) => exit_of(&summary),
        Err(error) => ui.fail(&report_of(&error, None, &interruption)),
    }
}

const EXPIRE: Duration = Duration::from_secs(3600);

const SECRET_DIGITS: u8 = 4;
