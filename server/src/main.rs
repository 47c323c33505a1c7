//! Program: arguments → plan → logs → listeners → server → exit code.
//!
//! An error in the arguments, the environment or a file is reported before a port is opened, in one line on standard
//! error. Exit codes: 0 after a requested stop, 2 for a usage error, 1 for a failure of the system.

mod cli;
mod listen;
mod logging;
mod process;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use realtime_server::clock::Clock;
use realtime_server::config::Limits;
use realtime_server::files::foreign_owner;
use realtime_server::redis_endpoint::{self, RedisEndpoint};
use realtime_server::store::{Store, StoreOpenError};
use realtime_server::{Listeners, Server};

use clap::CommandFactory;
use cli::{Cli, Command, Origin, Plan, ReloadTrigger, Stop, ToolError, UsageError};
use logging::Log;
use process::{SignalRequest, Signals};

const PASSWORD_WARNING: &str = "other users of this host can read the password in --redis-url: give the URL in REALTIME_REDIS_URL, \
                                or the password in REALTIME_REDIS_PASSWORD or --redis-password-file";

/// Error that ends the program.
#[derive(Debug, thiserror::Error)]
enum ProgramError {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    #[error(transparent)]
    Redis(#[from] redis_endpoint::RedisOpenError),
    #[error(transparent)]
    Bind(#[from] listen::BindError),
    #[error("cannot start: {0}")]
    Start(io::Error),
    #[error(
        "the store failed ({0}); acknowledged messages are stored, later ones are not. Look for disk errors in the system's log, \
         and restart the server after the repair"
    )]
    StoreFailed(String),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl ProgramError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_)
            | Self::Tool(ToolError::InRedis(_) | ToolError::TwoPlaces | ToolError::Redis(_)) => {
                ExitCode::from(2)
            }
            Self::Tool(_)
            | Self::Store(_)
            | Self::Redis(_)
            | Self::Bind(_)
            | Self::Start(_)
            | Self::StoreFailed(_)
            | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}

fn main() -> ExitCode {
    let mut reads_variables = true;
    let done = match cli::parse() {
        Ok(cli) => match cli.command {
            Command::Serve(args) => match args.check() {
                Ok(plan) => return run_server(plan),
                Err(fault) => Err(fault.into()),
            },
            Command::Token(args) => print_token(args),
            Command::Export(args) => args.run().map_err(ProgramError::from).map(print_summary),
            Command::Import(args) => args.run().map_err(ProgramError::from).map(print_summary),
            Command::Backup(args) => args.run().map_err(ProgramError::from).map(print_summary),
            Command::Vacuum(args) => args.run().map_err(ProgramError::from).map(print_summary),
            Command::Completions(args) => {
                reads_variables = false;
                let script = realtime_shell::completions(Cli::command(), args.shell);
                io::stdout().write_all(&script).map_err(ProgramError::Output)
            }
            Command::Man(args) => {
                reads_variables = false;
                io::stdout().write_all(&args.page(Cli::command())).map_err(ProgramError::Output)
            }
        },
        Err(Stop::Usage(fault)) => Err(fault.into()),
        Err(Stop::Shown(text)) => {
            reads_variables = false;
            io::stdout().write_all(text.as_bytes()).map_err(ProgramError::Output)
        }
    };
    if let Err(failure) = &done {
        print_error_line(format_args!("{failure}"));
    }
    if reads_variables {
        for warning in unknown_variables() {
            print_error_line(format_args!("warning: {warning}"));
        }
    }
    done.map_or_else(|failure| failure.exit_code(), |()| ExitCode::SUCCESS)
}

/// Prints a line to standard error. An error is ignored: there is no other place to report it. Not for a running server,
/// whose log must not wait for its reader.
fn print_error_line(what: std::fmt::Arguments<'_>) {
    let _ = io::stderr().write_all(logging::error_line(what).as_bytes());
}

/// Prints the summary of a command, if it has one.
#[expect(clippy::needless_pass_by_value, reason = "passed to `map`")]
fn print_summary(what: String) {
    if !what.is_empty() {
        print_error_line(format_args!("{what}"));
    }
}

fn print_token(args: cli::TokenArgs) -> Result<(), ProgramError> {
    let (token, origin) = args.token(Clock::system().now())?;
    match origin {
        Origin::Created(path) => print_error_line(format_args!(
            "created a secret that signs tokens: {}; a server with another secret refuses this token",
            path.display()
        )),
        Origin::Existing(path) | Origin::File(path) => {
            print_error_line(format_args!("signed with the secret in {}", path.display()));
        }
        Origin::Variable => print_error_line(format_args!("signed with the secret in REALTIME_JWT_SECRET")),
    }
    writeln!(io::stdout(), "{token}").map_err(ProgramError::Output)
}

fn unknown_variables() -> Vec<String> {
    cli::unknown_variables(&Cli::command(), std::env::vars_os())
}

/// Runs the server. From here on, only the log writes to standard error and standard output.
fn run_server(plan: Plan) -> ExitCode {
    let log = match Log::start(plan.log_format, &plan.log_filter, plan.config.log_drops.clone()) {
        Ok(log) => log,
        Err(fault) => {
            let failure = ProgramError::Start(fault);
            print_error_line(format_args!("{failure}"));
            return failure.exit_code();
        }
    };
    let mut warnings = unknown_variables();
    let done = serve(plan, &log, &mut warnings);
    if let Err(failure) = &done {
        log.print_error_line(format_args!("{failure}"));
        for warning in warnings {
            log.print_error_line(format_args!("warning: {warning}"));
        }
    }
    log.finish();
    done.map_or_else(|failure| failure.exit_code(), |()| ExitCode::SUCCESS)
}

/// Starts the server and waits for its end. The warnings are logged after the checks, so that a refusal comes first.
fn serve(mut plan: Plan, log: &Log, warnings: &mut Vec<String>) -> Result<(), ProgramError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProgramError::Start)?;
    let reload_requests =
        runtime.block_on(async { process::reload_requests() }).map_err(ProgramError::Start)?;
    let store = plan.store.as_deref().map(Store::open).transpose()?;
    let redis = plan
        .redis
        .as_ref()
        .map(|redis| runtime.block_on(RedisEndpoint::open(redis.options.clone(), redis.wait)))
        .transpose()?;
    let listeners =
        Listeners { public: listen::bind(&plan.listen)?, admin: listen::bind_exactly(&plan.admin_listen)? };
    report_program(&plan);
    for warning in warnings.drain(..) {
        tracing::warn!("{warning}");
    }
    if plan.redis.as_ref().is_some_and(|redis| redis.password_in_arguments) {
        tracing::warn!("{PASSWORD_WARNING}");
    }
    warn_of_foreign_owner(plan.store.as_deref(), &plan.secret_origin);
    limit_connections(&mut plan.config.limits, plan.max_connections_chosen);

    runtime.block_on(async {
        let signals = Signals::new(reload_requests).map_err(ProgramError::Start)?;
        report_rooms(store.as_ref(), redis.as_ref());
        let config = plan.config.clone();
        let server = match (store, redis) {
            (Some(store), _) => Server::start_with_store(config, store, listeners),
            (None, Some(redis)) => Server::start_with_redis(config, &redis, listeners),
            (None, None) => Server::start(config, listeners),
        };
        let server = server.map_err(ProgramError::Start)?;
        let addresses = server.addresses();
        let reload = plan.reload.start(server.verifier(), log.filter()).map_err(ProgramError::Start)?;
        report_start(addresses, server.admin_addresses(), &plan.secret_origin);
        if io::stdout().is_terminal() {
            let now = Clock::system().now();
            let login = ["LOGNAME", "USER"].into_iter().find_map(|name| std::env::var(name).ok());
            let (origin, flags) = (&plan.secret_origin, &plan.token_flags);
            let greeting = cli::greeting(&plan.config, origin, flags, addresses, now, login.as_deref());
            // The greeting is a help only: the server runs without it.
            let _ = log.print_after_lines(greeting);
        }
        run_until_stopped(server, signals, &reload, log).await
    })
}

/// Warns if this process is root and its data directory is another user's.
fn warn_of_foreign_owner(store: Option<&Path>, secret_origin: &Origin) {
    let own_file = match secret_origin {
        Origin::Created(path) | Origin::Existing(path) => path.parent(),
        Origin::Variable | Origin::File(_) => None,
    };
    if let Some(directory) = store.or(own_file)
        && let Some(owner) = foreign_owner(directory)
    {
        tracing::warn!(
            path = %directory.display(),
            owner,
            "this server runs as root, and its data directory belongs to another user: that user cannot use files that root \
             creates. Run the server as that user"
        );
    }
}

/// Lowers the limits on connections to what the limit of open files allows.
fn limit_connections(limits: &mut Limits, chosen: bool) {
    let file_limit = process::raise_file_limit();
    let possible = process::connections_within(file_limit, limits.anonymous_connections());
    limits.max_anonymous_connections = Some(possible.anonymous);
    if limits.max_connections > possible.users {
        if chosen {
            tracing::warn!(
                configured = limits.max_connections,
                possible = possible.users,
                "fewer connections than configured: raise the hard limit of open files (ulimit -Hn, LimitNOFILE=)"
            );
        }
        limits.max_connections = possible.users;
    }
    tracing::info!(
        open_files = file_limit,
        max_connections = limits.max_connections,
        max_anonymous_connections = possible.anonymous,
        "limits"
    );
}

/// The first line of the log. It comes after the checks, so that a refusal is one line.
fn report_program(plan: &Plan) {
    let engine = match (&plan.store, &plan.redis) {
        (Some(_), _) => "file",
        (None, Some(_)) => "redis",
        (None, None) => "memory",
    };
    let data_dir = plan.store.as_ref().map(|path| tracing::field::display(path.display()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), engine, data_dir, "starting");
}

fn report_rooms(store: Option<&Store>, redis: Option<&RedisEndpoint>) {
    if let Some(redis) = redis {
        let options = redis.options();
        tracing::info!(place = %options.address(), tls = options.is_tls(), prefix = %options.prefix, "rooms are in Redis");
        for warning in redis.warnings() {
            tracing::warn!("{warning}");
        }
        return;
    }
    let Some(store) = store else {
        tracing::info!("rooms are in memory: they end with this process");
        return;
    };
    let path = store.path().display();
    if store.is_fully_checked() {
        tracing::info!(%path, "opened the store; its file is sound");
    } else {
        tracing::info!(%path, "opened the store; only a part of its large file was checked");
    }
}

fn report_start(addresses: &[SocketAddr], admin_addresses: &[SocketAddr], origin: &Origin) {
    match origin {
        Origin::Created(path) => tracing::info!(path = %path.display(), "created a secret that signs tokens"),
        Origin::Existing(path) => tracing::info!(path = %path.display(), "read the secret"),
        Origin::File(path) => tracing::info!(path = %path.display(), "read the operator's secret"),
        Origin::Variable => tracing::info!("the operator gave the secret"),
    }
    for address in admin_addresses {
        tracing::info!(url = %format_args!("http://{address}/metrics"), "serving metrics and health");
    }
    for address in addresses {
        tracing::info!(url = %format_args!("ws://{address}/api/v1/ws"), "listening");
        if !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "tokens and messages cross the network in plain text: put a TLS proxy in front of this address"
            );
        }
    }
}

/// Shuts down at the first signal that asks for it, and ends the process at the second. A failure of the store also
/// shuts down, so that clients reconnect elsewhere or later.
async fn run_until_stopped(
    server: Server,
    mut signals: Signals,
    reload: &ReloadTrigger,
    log: &Log,
) -> Result<(), ProgramError> {
    let result = loop {
        tokio::select! {
            request = signals.next() => match request {
                SignalRequest::Reload => reload.request(),
                SignalRequest::Stop(signal) => {
                    tracing::info!(?signal, "stopping; a second signal ends the process at once");
                    break Ok(());
                }
            },
            cause = server.failed() => {
                tracing::error!(%cause, "the store failed: shutting down");
                break Err(ProgramError::StoreFailed(cause));
            }
        }
    };
    tokio::select! {
        () = server.shutdown() => {
            log.log_left_out();
            tracing::info!("stopped");
        }
        // A hang-up is no second signal: a terminal that closes can send several of them, one from the kernel and one
        // from the shell.
        signal = signals.urgent.next() => {
            tracing::warn!(?signal, "ended at once");
            log.finish();
            #[expect(clippy::disallowed_methods, reason = "dropping the guards is what takes too long")]
            std::process::exit(signal.exit_code());
        }
    }
    result
}
