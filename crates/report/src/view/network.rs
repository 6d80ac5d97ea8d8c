use std::collections::HashMap;
use std::net::SocketAddr;

use apa_model::{Hostile, Owner, Protocol, report::FlowRecord};

use crate::text;

/// The conversations that package code had with one address under one name.
pub(crate) struct Destination<'a> {
    pub(crate) name: Option<&'a Hostile>,
    pub(crate) address: SocketAddr,
    /// At least one.
    pub(crate) flows: Vec<&'a FlowRecord>,
    /// Baits seen in what was sent there.
    pub(crate) hits: usize,
}

/// All conversations by destination.
pub(crate) struct Network<'a> {
    /// Where package code, or a process that could not be named, spoke to: theft first, then by time.
    pub(crate) destinations: Vec<Destination<'a>>,
    /// Conversations of the package manager, not in `destinations`.
    pub(crate) manager: usize,
}

impl Destination<'_> {
    /// The name it was looked up by, or what it is.
    pub(crate) fn title(&self, max: usize) -> String {
        match self.name {
            Some(name) => text::shown(name, max),
            None if self.flows[0].flow.protocol == Protocol::Dns => "name service".to_owned(),
            None => "no name".to_owned(),
        }
    }
}

impl<'a> Network<'a> {
    pub(crate) fn new(flows: &'a [FlowRecord]) -> Self {
        let mut places: HashMap<_, usize> = HashMap::new();
        let mut destinations: Vec<Destination<'a>> = Vec::new();
        let mut manager = 0;
        for record in flows {
            let flow = &record.flow;
            if is_managers(record) {
                manager += 1;
                continue;
            }
            let name = flow.resolved_name.as_ref().or(flow.sni.as_ref());
            let place = *places
                .entry((name, flow.destination, flow.transport))
                .or_insert_with(|| {
                    destinations.push(Destination {
                        name,
                        address: flow.destination,
                        flows: Vec::new(),
                        hits: 0,
                    });
                    destinations.len() - 1
                });
            destinations[place].hits += flow.canary_hits.len();
            destinations[place].flows.push(record);
        }
        destinations.sort_by_key(|place| {
            (
                place.hits == 0,
                place
                    .flows
                    .iter()
                    .map(|record| record.flow.started_us)
                    .min(),
            )
        });
        Self {
            destinations,
            manager,
        }
    }
}

/// A flow nobody could be named for is not the manager's: it may be the package's.
fn is_managers(record: &FlowRecord) -> bool {
    record.flow.canary_hits.is_empty()
        && matches!(record.flow.owner, Some(Owner::Manager | Owner::Harness))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use apa_model::Phase;

    use super::*;
    use crate::fixture::{build::flow, malicious};

    #[test]
    fn theft_comes_first_and_the_managers_traffic_is_only_counted() {
        let report = malicious();
        let network = Network::new(&report.flows);
        assert_eq!(network.manager, 1);
        let titles: Vec<String> = network
            .destinations
            .iter()
            .map(|place| place.title(40))
            .collect();
        assert_eq!(
            titles,
            [
                "collect.example",
                "name service",
                "cdn.collect.example",
                "no name"
            ]
        );
    }

    #[test]
    fn a_flow_without_an_owner_is_not_taken_for_the_managers() {
        let mut unknown = flow(1, "a", Phase::Linger, 1, Owner::Manager);
        unknown.flow.owner = None;
        assert_eq!(Network::new(&[unknown]).destinations.len(), 1);
    }

    #[test]
    fn conversations_with_one_place_are_one_destination() {
        let mut flows: Vec<_> = (1..=3)
            .map(|id| flow(id, "a", Phase::Import, 1, Owner::Package))
            .collect();
        flows[2].flow.destination = SocketAddr::from(([198, 51, 100, 7], 8443));
        let network = Network::new(&flows);
        let sizes: Vec<usize> = network
            .destinations
            .iter()
            .map(|place| place.flows.len())
            .collect();
        assert_eq!(sizes, [2, 1]);
    }
}
