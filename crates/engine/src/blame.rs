//! Whose act it was, where two packages share a process.
//!
//! Code of a library runs in the process of whoever uses it. Where a plan has a dependency loaded by itself first, its
//! acts are known, and the same acts while the package is loaded are still the dependency's.

use std::collections::HashMap;

use apa_model::{Event, EventKind, Flow, Owner, Phase};

/// Most acts of dependencies that are remembered.
const MOST: usize = 200_000;

/// Gives acts of the package that a dependency does by itself to that dependency.
pub(crate) fn to_dependencies(events: &mut [Event], flows: &mut [Flow]) {
    let mut acts: HashMap<String, Owner> = HashMap::new();
    for event in events.iter().filter(|event| event.phase == Phase::Import) {
        if let (Owner::Dependency(_), Some(act)) = (&event.owner, act(&event.kind))
            && acts.len() < MOST
        {
            acts.entry(act).or_insert_with(|| event.owner.clone());
        }
    }
    let mut peers: HashMap<String, Owner> = HashMap::new();
    for flow in flows.iter().filter(|flow| flow.phase == Phase::Import) {
        if let Some(owner @ Owner::Dependency(_)) = &flow.owner {
            peers.entry(peer(flow)).or_insert_with(|| owner.clone());
        }
    }
    if acts.is_empty() {
        return;
    }
    for event in events.iter_mut() {
        if event.owner == Owner::Package
            && matches!(event.phase, Phase::Import | Phase::Execute)
            && let Some(owner) = act(&event.kind).and_then(|act| acts.get(&act))
        {
            event.owner = owner.clone();
        }
    }
    for flow in flows.iter_mut() {
        if flow.owner == Some(Owner::Package)
            && matches!(flow.phase, Phase::Import | Phase::Execute)
            && let Some(owner) = peers.get(&peer(flow))
        {
            flow.owner = Some(owner.clone());
        }
    }
}

/// What was done, without whom it was done by; `None` for what is about processes themselves.
fn act(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::Fork { .. } | EventKind::Exec { .. } | EventKind::Exit { .. } => None,
        kind => Some(format!("{kind:?}")),
    }
}

/// Who was spoken to, and how.
fn peer(flow: &Flow) -> String {
    let name = flow.sni.as_ref().or(flow.resolved_name.as_ref());
    let host = name.map_or_else(
        || flow.destination.ip().to_string(),
        |name| name.lossy().into_owned(),
    );
    // What is asked of a name service is another peer for each name.
    let asked = match flow.protocol {
        apa_model::Protocol::Dns => flow.messages.first().map(|message| &message.summary),
        _ => None,
    };
    format!(
        "{:?} {host} {} {asked:?}",
        flow.protocol,
        flow.destination.port()
    )
}

#[cfg(test)]
mod tests {
    use apa_model::{Access, Outcome};

    use super::*;

    fn read(path: &str, owner: Owner, phase: Phase) -> Event {
        Event {
            seq: 1,
            at_us: 1,
            phase,
            process: apa_model::ProcessId(1),
            owner,
            kind: EventKind::Open {
                path: path.into(),
                access: Access::Read,
                create: false,
                truncate: false,
            },
            outcome: Outcome::OK,
        }
    }

    fn owners(mut events: Vec<Event>) -> Vec<Owner> {
        to_dependencies(&mut events, &mut []);
        events.into_iter().map(|event| event.owner).collect()
    }

    #[test]
    fn what_a_dependency_does_by_itself_is_its_own_whoever_loads_it() {
        let core = || Owner::Dependency("core 2.1".into());
        let events = vec![
            read("/home/kim/.aws/credentials", core(), Phase::Import),
            read("/home/kim/.aws/credentials", Owner::Package, Phase::Import),
            read("/home/kim/.ssh/id_rsa", Owner::Package, Phase::Import),
            read("/home/kim/.aws/credentials", Owner::Package, Phase::Install),
        ];
        assert_eq!(
            owners(events),
            [core(), core(), Owner::Package, Owner::Package]
        );
    }

    #[test]
    fn without_a_dependency_nothing_changes() {
        let events = vec![
            read("/etc/hosts", Owner::Package, Phase::Import),
            read("/etc/hosts", Owner::Manager, Phase::Install),
        ];
        assert_eq!(owners(events), [Owner::Package, Owner::Manager]);
    }
}
