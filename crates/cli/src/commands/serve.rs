//! `miyabi serve`: webhooks in, runs out, until it is stopped.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use miyabi_core::delivery::Provider;
use miyabi_core::failure::Failure;
use miyabi_forge::webhook::Secrets;
use miyabi_server::{Live, Ports, RuleSource, Rules, ServeError, Server, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::serving::Serving;
use crate::triggers::{self, Book};
use crate::wiring::{Access, Home, prepare_build_folder};

/// Take deliveries in, and run what they ask for
///
/// Every delivery is on the disk before it is answered. Stopping is orderly: intake ends, running steps are stopped
/// and recorded, and the next start goes on with every run that has not ended.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen; anything but a loopback address needs MIYABI_API_TOKEN
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// A name by which clients reach the server, besides addresses and `localhost`; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
}

/// Secrets of webhooks by provider.
pub const SECRETS: [(Provider, &str); 3] = [
    (Provider::Github, "MIYABI_GITHUB_WEBHOOK_SECRET"),
    (Provider::Gitlab, "MIYABI_GITLAB_WEBHOOK_TOKEN"),
    (Provider::Ci, "MIYABI_CI_WEBHOOK_SECRET"),
];
const API_TOKEN: &str = "MIYABI_API_TOKEN";

/// Runs the command.
pub async fn serve(args: ServeArgs, context: &Context) -> Result<Exit, CliError> {
    let mut flags: Vec<(&'static str, Value, &'static str)> = Vec::new();
    if let Some(listen) = args.listen {
        flags.push(("serve.listen", json!(listen.to_string()), "--listen"));
    }
    let live = Live::new();
    let mut home = Home::open(context, Access::Write, flags)?;
    home.store = live.watch(home.store);
    prepare_build_folder(&home.root)?;
    let address: SocketAddr = home.settings.serve.listen.parse().map_err(|_| {
        CliError::input(format!("`serve.listen` is `{}`, which is no address", home.settings.serve.listen))
            .hint("write address and port, such as `127.0.0.1:8095`")
    })?;
    let (settings, book) = settings(context, &home, args.hosts).await?;
    if !address.ip().is_loopback() && settings.token.is_empty() {
        return Err(Failure::from(ServeError::NeedsToken(address)).into());
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        CliError::new(exit::UNAVAILABLE, format!("listen on {address}"))
            .because(error.to_string())
            .hint("another program may listen there: choose another port with `--listen`")
    })?;
    let here = listener.local_addr().map_err(|error| {
        CliError::new(exit::UNAVAILABLE, format!("listen on {address}")).because(error.to_string())
    })?;

    let home = Arc::new(home);
    let interrupt = Arc::new(Interrupt::listen(context.output));
    let serving = Arc::new(Serving::new(context, Arc::clone(&home), book, &interrupt));
    let ports = Ports {
        store: Arc::clone(&home.store),
        deliveries: Arc::clone(&home.deliveries),
        issues: Arc::clone(&home.records),
        clock: Arc::clone(&home.clock),
        answers: Arc::clone(&serving) as Arc<dyn miyabi_server::Answers>,
    };
    let server = Server::new(ports, settings, live);
    let arrivals = server.arrivals();
    for (provider, variable) in SECRETS {
        if context.var(variable).is_none() && provider == Provider::Github && home.github.is_some() {
            context.output.note(&format!("note: {variable} is not set, so GitHub's deliveries are refused"));
        }
    }
    context.output.note(&format!("serving {} on http://{here}", home.repo));
    let intake = {
        let stop = interrupt.stop();
        let interrupt = Arc::clone(&interrupt);
        tokio::spawn(async move {
            let served = miyabi_server::run(server, listener, stop).await;
            // Without intake there is nothing to serve for.
            interrupt.ask();
            served
        })
    };
    let worked = serving.work(arrivals).await;
    let served =
        intake.await.map_err(|error| CliError::new(exit::BUG, "serve").because(error.to_string()))?;
    served.map_err(Failure::from)?;
    worked?;
    context.output.note("stopped: the next start goes on with what has not ended");
    Ok(exit::DONE)
}

async fn settings(
    context: &Context,
    home: &Home,
    hosts: Vec<String>,
) -> Result<(Settings, Arc<Book>), CliError> {
    let secrets = |name: &str| context.var(name).map(Secrets::parse).unwrap_or_default();
    let mut rules = triggers::load(home)?;
    if let Some(github) = &home.github {
        // Whether another one is enrolled is looked up when its delivery is handled.
        rules.repos = if home.settings.serve.enrol { Vec::new() } else { vec![home.repo.clone()] };
        // An App has an account of its own, which nobody else uses; a token's account may be a person's.
        let login = github.login().await?;
        rules.own.extend(login.ends_with("[bot]").then_some(login));
    }
    let book = Arc::new(Book::new(&home.repo, &home.root, &home.settings.trigger, rules));
    let settings = Settings {
        github: secrets(SECRETS[0].1),
        gitlab: secrets(SECRETS[1].1),
        ci: secrets(SECRETS[2].1),
        triggers: Rules::of(Arc::clone(&book) as Arc<dyn RuleSource>),
        token: secrets(API_TOKEN),
        hosts,
        ..Settings::default()
    };
    Ok((settings, book))
}
