//! A rule of one's own for the files: `cargo run -p phoenix --example own_rule`.
#![expect(clippy::print_stdout, reason = "it is there to be watched")]

use phoenix::config::diagnostic::{Code, Finding, Target};
use phoenix::config::rules::{Rule, View};
use phoenix::config::{Loader, Warnings};
use phoenix::prelude::*;

/// Every guest has an owner among its tags.
#[derive(Debug)]
struct Owned;

impl Rule for Owned {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for (id, guest) in view.guests {
            if !guest.tags.iter().any(|tag| tag.starts_with("owner-")) {
                let message = format!("`{}` has no owner", guest.name);
                findings.push(
                    Finding::warning(Code::Custom("ACME001"), Target::Guest(*id), message)
                        .at(["tags"])
                        .help("add a tag such as `owner-ops`"),
                );
            }
        }
    }
}

pub(crate) fn run() -> Result<(), Error> {
    let folder = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step-ca");
    let fleet = Fleet::load_with(&Loader::new(&folder).rule(Owned))?;
    assert!(fleet.warnings().iter().any(|warning| warning.code == Code::Custom("ACME001")));
    match Fleet::load_with(&Loader::new(&folder).rule(Owned).warnings(Warnings::Deny)) {
        Err(Error::Configuration(invalid)) => println!("{invalid}"),
        _ => unreachable!("a warning that is denied is an error"),
    }
    Ok(())
}

#[allow(dead_code, reason = "a test calls `run`")]
fn main() -> Result<(), Error> {
    run()
}
