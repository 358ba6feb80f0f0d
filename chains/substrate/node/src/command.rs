//! The command line: `sc_cli`'s, with the way of sealing, and the `key` commands that fill a keystore.

use crate::service;
use clap::{Parser, ValueEnum};
use sc_cli::SubstrateCli;
use sc_service::{ChainSpec, GenericChainSpec};
use std::{path::PathBuf, time::Duration};

/// How blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sealing {
    /// In turns, a slot each; final when more than two thirds of the validators have voted.
    Aura,
    /// As soon as there is a transaction; final at once. One node, for development.
    Instant,
    /// When `engine_createBlock` asks. One node, for development.
    Manual,
}

/// The arguments.
#[derive(Debug, Parser)]
pub struct Cli {
    #[command(subcommand)]
    subcommand: Option<Subcommand>,

    /// How blocks are made.
    #[arg(long, value_enum, default_value = "aura")]
    sealing: Sealing,

    /// Instant sealing: seconds by which the chain's time may run ahead of the clock. A slot has one block, so a busy
    /// chain's time runs ahead; at the limit blocks wait for the clock, and take all that has come meanwhile.
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    max_ahead: u64,

    #[clap(flatten)]
    run: sc_cli::RunCmd,
}

/// What there is besides running.
#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Generate and inspect keys, insert them into a keystore.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),
}

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "PoFT node".into()
    }

    fn impl_version() -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        "The PoFT authors".into()
    }

    fn support_url() -> String {
        "chains/substrate/README.md".into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    /// A chain is what its specification file says; none is built in.
    fn load_spec(&self, path: &str) -> Result<Box<dyn ChainSpec>, String> {
        if path.is_empty() {
            return Err("no chain: give the file of its specification, --chain FILE".into());
        }
        Ok(Box::new(GenericChainSpec::<sc_service::NoExtension>::from_json_file(PathBuf::from(path))?))
    }
}

/// Does what the command line says.
pub fn run() -> sc_cli::Result<()> {
    let cli = Cli::from_args();
    if let Some(Subcommand::Key(command)) = &cli.subcommand {
        return command.run(&cli);
    }
    let ahead = Duration::from_secs(cli.max_ahead);
    cli.create_runner(&cli.run)?
        .run_node_until_exit(|config| async move { service::start(config, cli.sealing, ahead).map_err(Into::into) })
}
