//! From one spec version to the next, on a running chain: what the first block of the new runtime does before all else.
//!
//! | spec version | migrations |
//! |---|---|
//! | 2 | bridge storage 2 → 3; sessions begin |
//!
//! Each asks whether the chain needs it, so that it runs once, whichever version the chain had, and a new chain runs none.

use crate::Runtime;

/// In the order in which they run.
pub type Migrations =
    (pallet_poft_bridge::migrations::ToVersion3<Runtime>, pallet_poft_validators::migrations::BeginSessions<Runtime>);
