//! The program: arguments → plan → logs → listeners → server → exit code.
//!
//! All that can be wrong with what the operator wrote is said before a port is taken, in one line on standard error.
//! Exit codes: 0 when stopped as asked, 2 for what was written, 1 for what the system would not do.

mod cli;
mod listen;
mod logging;
mod process;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use realtime_server::Server;
use realtime_server::clock::Clock;
use realtime_server::redis_endpoint::{self, RedisEndpoint};
use realtime_server::store::{Store, StoreOpenError};

use clap::CommandFactory;
use cli::{Cli, Command, Origin, Plan, Stop, ToolError, UsageError};
use process::StopSignals;

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    #[error(transparent)]
    Redis(#[from] redis_endpoint::OpenError),
    #[error(transparent)]
    Bind(#[from] listen::BindError),
    #[error("cannot start: {0}")]
    Start(io::Error),
    #[error(
        "the store failed ({0}), and nothing more can be stored; what was acknowledged before is. Look at the system's log \
         for faults of the disk, and start again when it is sound"
    )]
    StoreFailed(String),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
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
    let done = match cli::parse() {
        Ok(cli) => match cli.command {
            Command::Serve(args) => args.check().map_err(Failure::from).and_then(serve),
            Command::Token(args) => print_token(args),
            Command::Export(args) => args.run().map_err(Failure::from).map(told),
            Command::Import(args) => args.run().map_err(Failure::from).map(told),
            Command::Backup(args) => args.run().map_err(Failure::from).map(told),
            Command::Completions(args) => {
                io::stdout().write_all(&args.script(Cli::command())).map_err(Failure::Output)
            }
            Command::Man(args) => io::stdout().write_all(&args.page(Cli::command())).map_err(Failure::Output),
        },
        Err(Stop::Usage(fault)) => Err(fault.into()),
        Err(Stop::Shown(text)) => text.print().map_err(Failure::Output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(format_args!("{failure}"));
            failure.exit_code()
        }
    }
}

/// Where standard error is gone as well, nobody can be told.
fn complain(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "realtime-server: {what}");
}

/// What a command that prints something else has to say of it.
#[expect(clippy::needless_pass_by_value, reason = "it is what the command returned")]
fn told(what: String) {
    if !what.is_empty() {
        complain(format_args!("{what}"));
    }
}

fn print_token(args: cli::TokenArgs) -> Result<(), Failure> {
    let (token, origin) = args.token(Clock::system().now())?;
    if let Origin::Made(path) = origin {
        complain(format_args!("made a secret that signs tokens: {}", path.display()));
    }
    writeln!(io::stdout(), "{token}").map_err(Failure::Output)
}

fn serve(mut plan: Plan) -> Result<(), Failure> {
    logging::init(plan.log_format, plan.log_filter);
    let store = plan.store.as_deref().map(Store::open).transpose()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    let redis = plan
        .redis
        .map(|redis| runtime.block_on(RedisEndpoint::open(redis.options, redis.wait)))
        .transpose()?;
    let listeners = listen::bind(&plan.listen)?;
    limit_connections(&mut plan.config.limits.max_connections, plan.max_connections_chosen);

    runtime.block_on(async {
        let signals = StopSignals::new().map_err(Failure::Start)?;
        report_rooms(store.as_ref(), redis.as_ref());
        let config = plan.config.clone();
        let server = match (store, redis) {
            (Some(store), _) => Server::start_with_store(config, store, listeners),
            (None, Some(redis)) => Server::start_with_redis(config, &redis, listeners),
            (None, None) => Server::start(config, listeners),
        };
        let server = server.map_err(Failure::Start)?;
        let addresses = server.addresses();
        report_start(addresses, &plan.secret_origin);
        if io::stdout().is_terminal() {
            let now = Clock::system().now();
            let greeting = cli::greeting(&plan.config, &plan.secret_origin, addresses, now);
            io::stdout().write_all(greeting.as_bytes()).map_err(Failure::Output)?;
        }
        run_until_stopped(server, signals).await
    })
}

/// Lowers the number of connections to what the limit of open files leaves.
fn limit_connections(max_connections: &mut usize, chosen: bool) {
    let file_limit = process::raise_file_limit();
    let possible = process::connections_within(file_limit);
    if *max_connections > possible {
        if chosen {
            tracing::warn!(
                asked = *max_connections,
                possible,
                "fewer connections than asked for: raise the hard limit of open files (ulimit -Hn, LimitNOFILE=)"
            );
        }
        *max_connections = possible;
    }
    tracing::info!(open_files = file_limit, max_connections = *max_connections, "limits");
}

fn report_rooms(store: Option<&Store>, redis: Option<&RedisEndpoint>) {
    if let Some(redis) = redis {
        let options = redis.options();
        tracing::info!(place = %options.place(), tls = options.is_tls(), prefix = %options.prefix, "rooms are in Redis");
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
        tracing::info!(%path, "rooms are kept, and their file is sound");
    } else {
        tracing::info!(%path, "rooms are kept; their file is so large that it was looked through in part");
    }
}

fn report_start(addresses: &[SocketAddr], origin: &Origin) {
    match origin {
        Origin::Made(path) => tracing::info!(path = %path.display(), "made a secret that signs tokens"),
        Origin::Kept(path) => tracing::info!(path = %path.display(), "secret read"),
        Origin::Given => tracing::info!("secret given by the operator"),
    }
    for address in addresses {
        tracing::info!(url = %format_args!("ws://{address}/api/v1/ws"), "listening");
        if !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "tokens and messages cross the network in plain text: put a proxy that speaks TLS before this address"
            );
        }
    }
}

/// Stops softly at the first signal, at once at the second. Where the disk fails, softly as well: clients are told to
/// come back.
async fn run_until_stopped(server: Server, mut signals: StopSignals) -> Result<(), Failure> {
    let result = tokio::select! {
        signal = signals.next() => {
            tracing::info!(?signal, "stopping; a second signal ends at once");
            Ok(())
        }
        what = server.failed() => {
            tracing::error!(%what, "the store failed: ending, as nothing after it can be believed");
            Err(Failure::StoreFailed(what))
        }
    };
    tokio::select! {
        () = server.shutdown() => tracing::info!("stopped"),
        signal = signals.next() => {
            tracing::warn!(?signal, "ended at once");
            #[expect(clippy::disallowed_methods, reason = "what the guards do is what takes too long")]
            std::process::exit(signal.exit_code());
        }
    }
    result
}
