//! What was asked for: the command line over the environment over the configuration file.

use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::time::Duration;

use p2pshare::transport::{PathPolicy, TransportConfig};
use p2pshare::{Settings, ShareOptions};
use p2pshare_protocol::nearby::DeviceName;

use super::args::{CommonArgs, ShareArgs};
use super::config::Config;
use super::desk::Desk;
use super::devices;
use super::human::Manner;
use super::proxy::proxies;
use super::report::{Exit, Report};
use super::secret;

/// Whether a person is there to be asked.
pub(crate) fn may_ask(common: &CommonArgs) -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !common.non_interactive && !common.json
}

/// What both directions need. A side that hosts gives its password with the share instead.
///
/// # Errors
/// A variable that should name a proxy does not, or a number is to be compared where nobody can do that.
pub(crate) fn settings(common: &CommonArgs, config: &Config) -> Result<Settings, Report> {
    if common.verify && !may_ask(common) {
        let message = "nobody can be asked here whether both sides show the same number (--verify)";
        return Err(Report::new(Exit::Usage, message, "Run it on a terminal, or leave out --verify."));
    }
    Ok(Settings {
        server: common.server.clone(),
        proxies: proxies(common.proxy.as_ref())?,
        name: config.name.clone().unwrap_or_else(own_name),
        password: None,
        verify: common.verify,
        encounter: None,
        acquaintances: None,
        retry: common.retry.unwrap_or(RETRY),
        limit: common.limit,
        streams: common.streams.unwrap_or_default(),
        lan: !common.no_lan,
        transport: transport(common),
    })
}

fn transport(common: &CommonArgs) -> TransportConfig {
    let path_policy = match (common.direct, common.relay) {
        (true, _) => PathPolicy::DirectOnly,
        (false, true) => PathPolicy::RelayOnly,
        (false, false) => PathPolicy::Any,
    };
    let ice_servers = common.ice_server.clone();
    TransportConfig { ice_servers, path_policy, quic: !common.no_quic, ..TransportConfig::default() }
}

/// How a share or an inbox is opened.
pub(crate) async fn share(args: &ShareArgs, common: &CommonArgs, desk: &mut Desk) -> Result<ShareOptions, Report> {
    let code = args.code.as_deref().map(str::parse).transpose();
    let code = code.map_err(|error| Report::new(Exit::Usage, format!("{error}"), "Write it like 12-345678."))?;
    Ok(ShareOptions {
        max: (!args.keep).then(|| args.max.unwrap_or(NonZeroU32::MIN)),
        expire: args.expire.unwrap_or(EXPIRE),
        secret_digits: args.secret_digits.unwrap_or(SECRET_DIGITS).into(),
        password: secret::to_host(common, desk).await?,
        code,
        verify: common.verify,
        retry: common.retry.unwrap_or(RETRY),
        nearby: None,
    })
}

/// The name that others on the network are told: the one that was asked for, or else the usual one; and whom this device
/// remembers.
///
/// # Errors
/// Nobody can be asked whether both sides show the same number, or the usual name is none that can be shown.
pub(crate) fn device_name(
    wanted: Option<DeviceName>,
    config: &Config,
    common: &CommonArgs,
    settings: &mut Settings,
) -> Result<DeviceName, Report> {
    settings.acquaintances = devices::open(common.remember)?;
    let knows_nobody = settings.acquaintances.as_ref().is_none_or(|all| all.all().is_empty());
    if !may_ask(common) && knows_nobody {
        let message = "nobody can be asked here whether both sides show the same number, as strangers have to";
        return Err(Report::new(Exit::Usage, message, "Run it on a terminal, or use a code."));
    }
    let usual = || DeviceName::nearest(&config.name.clone().unwrap_or_else(own_name));
    let nameless =
        || Report::new(Exit::Usage, "this device has no name that can be shown", "Set name in the configuration.");
    wanted.or_else(usual).ok_or_else(nameless)
}

/// How things are shown.
pub(crate) const fn manner(args: &ShareArgs, common: &CommonArgs, direction: Direction, names_server: bool) -> Manner {
    let Direction { is_sender, is_host } = direction;
    Manner {
        is_sender,
        is_host,
        is_shared: is_host && (args.keep || args.max.is_some()),
        is_quiet: common.quiet,
        is_verbose: common.verbose > 0,
        show_qr: !args.no_qr,
        is_off_stdout: false,
        names_server,
    }
}

/// Whether the other device may not know which server to use: what stands in a configuration file stands in its own too, and
/// a server inside this process is found on the local network.
pub(crate) const fn names_server(common: &CommonArgs, config: &Config) -> bool {
    common.server.is_some() || config.server_is_of_variable || (config.server.is_none() && common.no_lan)
}

/// What this side does, and whether the other one comes to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Direction {
    pub(crate) is_sender: bool,
    pub(crate) is_host: bool,
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
