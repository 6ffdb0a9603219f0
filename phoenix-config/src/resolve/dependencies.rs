//! Dependencies, each once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use phoenix_types::GuestId;

use crate::diagnostic::{Code, Finding, Target};
use crate::dialect::DependencyEntry;
use crate::model::Dependency;

/// Dependencies by the guest that is needed; of two about one guest the first counts.
pub(super) fn dependencies(
    written: Option<Vec<DependencyEntry>>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> BTreeMap<GuestId, Dependency> {
    let mut found = BTreeMap::new();
    for (index, DependencyEntry { on, terms }) in written.into_iter().flatten().enumerate() {
        match found.entry(on) {
            Entry::Vacant(place) => {
                place.insert(terms);
            }
            Entry::Occupied(_) => findings.push(
                Finding::warning(Code::RepeatedDependency, target, format!("duplicate dependency {on}"))
                    .at(["dependencies"])
                    .nth(index)
                    .help("remove it"),
            ),
        }
    }
    found
}
