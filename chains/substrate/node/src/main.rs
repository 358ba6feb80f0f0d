//! The node of a PoFT Substrate network.
//!
//! One program, three ways to make blocks (`--sealing`): Aura with GRANDPA and BEEFY, for validators; one block per
//! transaction, final at once, for development; or a block whenever JSON-RPC asks for one. The runtime is not linked in:
//! it is the WebAssembly in the chain specification, so a new runtime needs no new node.
//!
//! | module | what it decides |
//! |---|---|
//! | `command` | the command line, and which chain specification |
//! | `parts` | client, transaction pool, block import: what every way of sealing shares |
//! | `service` | network, JSON-RPC and the tasks of one way of sealing |
//! | `finality` | how GRANDPA and BEEFY vote |
//! | `sealing` | time and order of blocks that are made on demand |
//! | `payload` | what BEEFY signs: the outbox's commitment in the header |
//! | `rpc` | JSON-RPC methods beyond the standard ones |
//! | `api` | the runtime's interface as types |

mod api;
mod command;
mod finality;
mod parts;
mod payload;
mod rpc;
mod sealing;
mod service;

fn main() -> sc_cli::Result<()> {
    command::run()
}
