//! Which address stands for which name.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use crate::config::{NameAnswer, NamePolicy};
use crate::shared::lock;

/// Names remembered; later ones get an address that cannot be traced back to them.
const REMEMBERED: usize = 50_000;

/// First two octets of ordinary hosting networks.
const POOL: [(u8, u8); 8] = [
    (34, 117),
    (52, 85),
    (104, 21),
    (13, 225),
    (20, 42),
    (151, 101),
    (172, 67),
    (18, 164),
];

/// Addresses of a name. Lower-case names without the last dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    Known(Addresses),
    /// There were too many names to remember this one.
    Unremembered(Addresses),
    /// There is no such name.
    Absent,
    /// The question fails.
    Failure,
    /// The question is not answered.
    Silence,
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self {
                v4: Some(v4),
                v6: None,
            },
            IpAddr::V6(v6) => Self {
                v4: None,
                v6: Some(v6),
            },
        }
    }
}

#[derive(Default)]
struct Known {
    /// Names that had their address from the start.
    own: HashSet<Vec<u8>>,
    by_name: HashMap<Vec<u8>, Addresses>,
    by_address: HashMap<IpAddr, Vec<u8>>,
}

/// Gives every name a public-looking address of its own, the same in every run, and remembers whose it is.
pub(crate) struct Names {
    known: Mutex<Known>,
    policy: Option<NamePolicy>,
}

impl Names {
    /// Starts with the names that have a fixed address; all others are the policy's, if there is one.
    pub(crate) fn new(own: &[(String, IpAddr)], policy: Option<NamePolicy>) -> Self {
        let mut known = Known::default();
        let loopback = Addresses {
            v4: Some(Ipv4Addr::LOCALHOST),
            v6: Some(Ipv6Addr::LOCALHOST),
        };
        known.by_name.insert(b"localhost".to_vec(), loopback);
        let metadata = Addresses {
            v4: Some(Ipv4Addr::new(169, 254, 169, 254)),
            v6: None,
        };
        // Other clouds have the same address: it is not traced back to this name.
        known
            .by_name
            .insert(b"metadata.google.internal".to_vec(), metadata);
        for (name, address) in own {
            let name = name.trim_end_matches('.').to_ascii_lowercase().into_bytes();
            let mut addresses = known
                .by_name
                .get(&name)
                .copied()
                .unwrap_or(Addresses { v4: None, v6: None });
            match address {
                IpAddr::V4(v4) => addresses.v4 = Some(*v4),
                IpAddr::V6(v6) => addresses.v6 = Some(*v6),
            }
            known.add(&name, addresses);
        }
        known.own = known.by_name.keys().cloned().collect();
        Self {
            known: Mutex::new(known),
            policy,
        }
    }

    /// What is known of a lower-case name.
    pub(crate) fn resolve(&self, name: &[u8]) -> Resolved {
        let decided = match &self.policy {
            Some(policy) if !lock(&self.known).is_own(name) => policy(name),
            _ => NameAnswer::Usual,
        };
        let mut known = lock(&self.known);
        match decided {
            NameAnswer::Absent => return Resolved::Absent,
            NameAnswer::Failure => return Resolved::Failure,
            NameAnswer::Silence => return Resolved::Silence,
            NameAnswer::Address(address) => {
                let addresses = Addresses::from(address);
                if known.by_name.len() < REMEMBERED {
                    known.add(name, addresses);
                }
                return Resolved::Known(addresses);
            }
            NameAnswer::Usual => {}
        }
        if let Some(addresses) = known.by_name.get(name) {
            return Resolved::Known(*addresses);
        }
        if name.ends_with(b".localhost") {
            return known
                .by_name
                .get(&b"localhost"[..])
                .map_or(Resolved::Absent, |known| Resolved::Known(*known));
        }
        if !exists(name) {
            return Resolved::Absent;
        }
        let addresses = known.free(name);
        if known.by_name.len() >= REMEMBERED {
            return Resolved::Unremembered(addresses);
        }
        known.add(name, addresses);
        Resolved::Known(addresses)
    }

    /// The name an address was given out for.
    pub(crate) fn of(&self, address: IpAddr) -> Option<Vec<u8>> {
        lock(&self.known).by_address.get(&address).cloned()
    }
}

impl Known {
    fn is_own(&self, name: &[u8]) -> bool {
        self.own.contains(name) || name.ends_with(b".localhost")
    }

    fn add(&mut self, name: &[u8], addresses: Addresses) {
        self.by_name.insert(name.to_vec(), addresses);
        let both = [addresses.v4.map(IpAddr::V4), addresses.v6.map(IpAddr::V6)];
        for address in both.into_iter().flatten() {
            self.by_address.insert(address, name.to_vec());
        }
    }

    /// The first pair of addresses for a name that no other name has.
    fn free(&self, name: &[u8]) -> Addresses {
        let mut last = candidate(name, 0);
        for attempt in 1..64 {
            let taken = [last.v4.map(IpAddr::V4), last.v6.map(IpAddr::V6)]
                .into_iter()
                .flatten()
                .any(|address| self.by_address.contains_key(&address));
            if !taken {
                break;
            }
            last = candidate(name, attempt);
        }
        last
    }
}

fn candidate(name: &[u8], attempt: u8) -> Addresses {
    let hash = Sha256::new_with_prefix([attempt])
        .chain_update(name)
        .finalize();
    let (first, second) = POOL[usize::from(hash[0]) % POOL.len()];
    let v4 = Ipv4Addr::new(first, second, hash[1], hash[2].clamp(2, 253));
    let group = |at: usize| u16::from_be_bytes([hash[at], hash[at + 1]]);
    let v6 = Ipv6Addr::new(
        0x2606,
        0x4700,
        group(4),
        group(6),
        0,
        0,
        group(8),
        group(10),
    );
    Addresses {
        v4: Some(v4),
        v6: Some(v6),
    }
}

/// Whether a public resolver would know such a name.
fn exists(name: &[u8]) -> bool {
    let absent = [
        &b".invalid"[..],
        b".local",
        b".localdomain",
        b".internal",
        b".lan",
        b".home",
        b".onion",
        b".arpa",
    ];
    name.contains(&b'.') && !absent.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    impl Names {
        fn known(&self, name: &str) -> Addresses {
            match self.resolve(name.as_bytes()) {
                Resolved::Known(addresses) => addresses,
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_policy_decides_on_all_names_but_our_own() {
        let own = IpAddr::from([10, 0, 2, 15]);
        let policy: NamePolicy = Arc::new(|name| match name {
            b"gone.test" => NameAnswer::Absent,
            b"fixed.test" => NameAnswer::Address([192, 0, 2, 7].into()),
            b"usual.test" => NameAnswer::Usual,
            _ => NameAnswer::Failure,
        });
        let names = Names::new(&[("own.test".to_owned(), own)], Some(policy));
        assert_eq!(names.resolve(b"gone.test"), Resolved::Absent);
        assert_eq!(names.known("fixed.test").v4, Some([192, 0, 2, 7].into()));
        assert_eq!(names.of([192, 0, 2, 7].into()).unwrap(), b"fixed.test");
        assert_eq!(names.resolve(b"x.test"), Resolved::Failure);
        assert!(names.known("usual.test").v4.is_some());
        assert_eq!(names.known("own.test").v4.map(IpAddr::V4), Some(own));
    }

    #[test]
    fn every_name_has_its_own_stable_public_address() {
        let names = Names::new(&[], None);
        let mut seen = HashSet::new();
        for index in 0..20_000 {
            let name = format!("host-{index}.example");
            let addresses = names.known(&name);
            assert!(seen.insert(addresses.v4));
            assert_eq!(
                names.of(addresses.v4.unwrap().into()).unwrap(),
                name.as_bytes()
            );
            assert_eq!(
                names.of(addresses.v6.unwrap().into()).unwrap(),
                name.as_bytes()
            );
        }
        let again = Names::new(&[], None).resolve(b"host-7.example");
        assert_eq!(again, names.resolve(b"host-7.example"));
    }

    #[test]
    fn own_and_special_names_are_not_public() {
        let own = IpAddr::from([10, 0, 2, 15]);
        let names = Names::new(&[("Workstation".to_owned(), own)], None);
        assert_eq!(names.known("workstation").v4.map(IpAddr::V4), Some(own));
        assert_eq!(names.known("localhost").v4, Some(Ipv4Addr::LOCALHOST));
        for absent in [&b"single"[..], b"printer.local", b"x.invalid", b"wpad.lan"] {
            assert_eq!(names.resolve(absent), Resolved::Absent);
        }
    }
}
