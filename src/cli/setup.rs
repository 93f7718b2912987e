//! What was asked for: the command line over the environment over the configuration file.

use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::time::Duration;

use p2pshare::transport::TransportConfig;
use p2pshare::{Settings, ShareOptions};

use super::args::{CommonArgs, ShareArgs};
use super::config::{Config, parsed, parsed_as};
use super::parse::{parse_duration, parse_retry, parse_size};
use super::report::{Exit, Report};
use super::secret;

/// Whether a person is there to be asked.
pub(crate) fn may_ask(common: &CommonArgs) -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !common.non_interactive && !common.json
}

/// What both directions need. A side that hosts gives its password with the share instead.
pub(crate) fn settings(common: &CommonArgs, config: &Config, joins: bool) -> Result<Settings, Report> {
    let server = match &common.server {
        Some(server) => Some(server.clone()),
        None => parsed_as(config.server.as_deref())?,
    };
    let password = if joins { secret::password(common.password.as_ref(), may_ask(common), false)? } else { None };
    Ok(Settings {
        server,
        name: config.name.clone().unwrap_or_else(own_name),
        password,
        verify: common.verify || config.verify.unwrap_or(false),
        retry: retry(common, config)?,
        limit: common.limit.or(parsed(config.limit.as_deref(), parse_size)?),
        lan: !common.no_lan && !config.no_lan.unwrap_or(false),
        transport: TransportConfig { quic: !common.no_quic, ..TransportConfig::default() },
    })
}

fn retry(common: &CommonArgs, config: &Config) -> Result<Duration, Report> {
    Ok(common.retry.or(parsed(config.retry.as_deref(), parse_retry)?).unwrap_or(RETRY))
}

/// How a share or an inbox is opened.
pub(crate) fn share(args: &ShareArgs, common: &CommonArgs, config: &Config) -> Result<ShareOptions, Report> {
    let code = args.code.as_deref().map(str::parse).transpose();
    let code = code.map_err(|error| Report::new(Exit::Usage, format!("{error}"), "Write it like 12-345678."))?;
    Ok(ShareOptions {
        max: (!args.keep).then(|| args.max.unwrap_or(NonZeroU32::MIN)),
        expire: args.expire.or(parsed(config.expire.as_deref(), parse_duration)?).unwrap_or(EXPIRE),
        secret_digits: args.secret_digits.or(config.secret_digits).unwrap_or(SECRET_DIGITS).into(),
        password: secret::password(common.password.as_ref(), may_ask(common), true)?,
        code,
        verify: common.verify || config.verify.unwrap_or(false),
        retry: retry(common, config)?,
    })
}

/// Whether a QR code is wanted.
pub(crate) fn show_qr(args: &ShareArgs, config: &Config) -> bool {
    !args.no_qr && !config.no_qr.unwrap_or(false)
}

/// `user@machine`, cut to what a greeting holds.
fn own_name() -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = std::env::var("USER").map_or_else(|_| machine.clone(), |user| format!("{user}@{machine}"));
    name.chars().take(32).collect()
}

const EXPIRE: Duration = Duration::from_secs(3600);

const RETRY: Duration = Duration::from_secs(600);

const SECRET_DIGITS: u8 = 4;
