//! Whole folders, as people write them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod accept;
mod clones;
mod codes;
mod corpus;
mod expand;
mod fuzzed;
mod robust;
mod rules;
mod torn;
mod variants;
