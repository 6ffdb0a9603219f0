//! Who waits for whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use phoenix_types::GuestId;

/// Why a guest needs another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// It is named in `dependencies`: its gates must have passed.
    Dependency,
    /// It is cloned from: it must be finished.
    CloneSource,
}

/// An arrow from a guest to one that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
pub struct Edge {
    /// The guest that is needed.
    pub to: GuestId,
    /// Why.
    pub kind: EdgeKind,
}

/// The dependency graph of a fleet: free of cycles, every arrow between guests of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    needs: BTreeMap<GuestId, Vec<Edge>>,
    dependants: BTreeMap<GuestId, Vec<GuestId>>,
    order: Vec<GuestId>,
}

/// Guests that need each other in a ring: each needs the next, the last needs the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<GuestId>);

impl Graph {
    /// Builds the graph. Arrows to guests that are not in `needs` are left out: they are reported elsewhere.
    ///
    /// # Errors
    /// Every ring of guests that need each other; a guest is named in one ring at most.
    pub fn new(mut needs: BTreeMap<GuestId, Vec<Edge>>) -> Result<Self, Vec<Cycle>> {
        let known: BTreeSet<GuestId> = needs.keys().copied().collect();
        let mut dependants: BTreeMap<GuestId, Vec<GuestId>> = BTreeMap::new();
        let mut open: BTreeMap<GuestId, usize> = BTreeMap::new();
        for (&id, edges) in &mut needs {
            edges.retain(|edge| known.contains(&edge.to));
            edges.sort_unstable();
            edges.dedup();
            let targets: BTreeSet<GuestId> = edges.iter().map(|edge| edge.to).collect();
            open.insert(id, targets.len());
            for to in targets {
                dependants.entry(to).or_default().push(id);
            }
        }
        let mut ready: BinaryHeap<Reverse<GuestId>> =
            open.iter().filter(|(_, open)| **open == 0).map(|(&id, _)| Reverse(id)).collect();
        let mut placed: BTreeSet<GuestId> = BTreeSet::new();
        let mut order = Vec::with_capacity(needs.len());
        let mut cycles = Vec::new();
        loop {
            while let Some(Reverse(id)) = ready.pop() {
                if !placed.insert(id) {
                    continue;
                }
                order.push(id);
                for &dependant in dependants.get(&id).into_iter().flatten() {
                    if let Some(open) = open.get_mut(&dependant) {
                        *open = open.saturating_sub(1);
                        if *open == 0 && !placed.contains(&dependant) {
                            ready.push(Reverse(dependant));
                        }
                    }
                }
            }
            // Each remaining guest waits for a remaining guest, so a walk along these arrows ends in a cycle.
            let Some(start) = known.iter().copied().find(|id| !placed.contains(id)) else { break };
            let ring = ring_from(start, &needs, &placed);
            ready.extend(ring.iter().copied().map(Reverse));
            cycles.push(Cycle(ring));
        }
        if cycles.is_empty() { Ok(Self { needs, dependants, order }) } else { Err(cycles) }
    }

    /// The arrows from `id` to the guests that it needs: dependencies and clone source.
    #[must_use]
    pub fn needs(&self, id: GuestId) -> &[Edge] {
        self.needs.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The guests that `id` needs, each once, in the order of their ids.
    pub fn dependencies_of(&self, id: GuestId) -> impl Iterator<Item = GuestId> + '_ {
        let mut last = None;
        self.needs(id).iter().map(|edge| edge.to).filter(move |to| last.replace(*to) != Some(*to))
    }

    /// The guests that need `id`, in the order of their ids.
    #[must_use]
    pub fn dependants_of(&self, id: GuestId) -> &[GuestId] {
        self.dependants.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The guest that `id` is cloned from.
    #[must_use]
    pub fn clone_source_of(&self, id: GuestId) -> Option<GuestId> {
        self.needs(id).iter().find(|edge| edge.kind == EdgeKind::CloneSource).map(|edge| edge.to)
    }

    /// All guests, each after everything it needs; among equals the smaller id first.
    #[must_use]
    pub fn order(&self) -> &[GuestId] {
        &self.order
    }

    /// These guests and everything they need, directly or not.
    #[must_use]
    pub fn closure(&self, ids: impl IntoIterator<Item = GuestId>) -> BTreeSet<GuestId> {
        reach(ids, |id| self.dependencies_of(id).collect())
    }

    /// These guests and everyone who needs them, directly or not.
    #[must_use]
    pub fn dependants_closure(&self, ids: impl IntoIterator<Item = GuestId>) -> BTreeSet<GuestId> {
        reach(ids, |id| self.dependants_of(id).to_vec())
    }
}

fn reach(ids: impl IntoIterator<Item = GuestId>, next: impl Fn(GuestId) -> Vec<GuestId>) -> BTreeSet<GuestId> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<GuestId> = ids.into_iter().collect();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(next(id));
        }
    }
    seen
}

fn ring_from(start: GuestId, needs: &BTreeMap<GuestId, Vec<Edge>>, placed: &BTreeSet<GuestId>) -> Vec<GuestId> {
    let mut path: Vec<GuestId> = Vec::new();
    let mut place: BTreeMap<GuestId, usize> = BTreeMap::new();
    let mut at = start;
    loop {
        if let Some(&first) = place.get(&at) {
            let mut ring = path.split_off(first);
            let smallest = ring.iter().enumerate().min_by_key(|(_, id)| **id).map_or(0, |(index, _)| index);
            ring.rotate_left(smallest);
            return ring;
        }
        place.insert(at, path.len());
        path.push(at);
        match needs.get(&at).into_iter().flatten().map(|edge| edge.to).find(|to| !placed.contains(to)) {
            Some(next) => at = next,
            None => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u32) -> GuestId {
        GuestId::new(number).unwrap()
    }

    fn needs(arrows: &[(u32, &[u32])]) -> BTreeMap<GuestId, Vec<Edge>> {
        arrows
            .iter()
            .map(|(from, to)| {
                let edges = to.iter().map(|to| Edge { to: id(*to), kind: EdgeKind::Dependency }).collect();
                (id(*from), edges)
            })
            .collect()
    }

    #[test]
    fn order_is_stable_and_dependencies_come_first() {
        let graph = Graph::new(needs(&[(100, &[200]), (200, &[300]), (300, &[]), (150, &[300])])).unwrap();
        assert_eq!(graph.order(), [id(300), id(150), id(200), id(100)]);
        assert_eq!(graph.dependants_of(id(300)), [id(150), id(200)]);
        assert_eq!(graph.closure([id(200)]), [id(200), id(300)].into());
        assert_eq!(graph.dependants_closure([id(200)]), [id(100), id(200)].into());
    }

    #[test]
    fn every_ring_is_named_member_by_member() {
        let cycles = Graph::new(needs(&[(100, &[101]), (101, &[102]), (102, &[100]), (200, &[200]), (300, &[101])]))
            .unwrap_err();
        assert_eq!(cycles, [Cycle(vec![id(100), id(101), id(102)]), Cycle(vec![id(200)])]);
    }

    proptest! {
        #[test]
        fn no_guest_is_lost_and_none_stands_before_what_it_needs(
            arrows in proptest::collection::vec((100u32..130, 100u32..130), 0..80)
        ) {
            let mut map: BTreeMap<GuestId, Vec<Edge>> = (100..130).map(|n| (id(n), Vec::new())).collect();
            for (from, to) in &arrows {
                map.get_mut(&id(*from)).unwrap().push(Edge { to: id(*to), kind: EdgeKind::Dependency });
            }
            match Graph::new(map.clone()) {
                Ok(graph) => {
                    prop_assert_eq!(graph.order().len(), 30);
                    let place = |guest: GuestId| graph.order().iter().position(|other| *other == guest).unwrap();
                    for (from, to) in &arrows {
                        prop_assert!(place(id(*to)) < place(id(*from)));
                    }
                }
                Err(cycles) => {
                    prop_assert!(!cycles.is_empty());
                    for Cycle(ring) in cycles {
                        for (index, member) in ring.iter().enumerate() {
                            let next = ring[(index + 1) % ring.len()];
                            prop_assert!(map[member].iter().any(|edge| edge.to == next));
                        }
                    }
                }
            }
        }
    }
}
