//! Which address stands for which name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

use apa_model::NetworkMode;
use sha2::{Digest as _, Sha256};

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

/// What FakeNet-NG answers by default; INetSim the loopback address.
const FAKENET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 123);

#[derive(Default)]
struct Known {
    by_name: HashMap<Vec<u8>, Addresses>,
    by_address: HashMap<IpAddr, Vec<u8>>,
}

/// Gives every name a public-looking address of its own, the same in every run, and remembers whose it is.
pub(crate) struct Names {
    known: Mutex<Known>,
    mode: NetworkMode,
    /// The address of every name that is not fixed, where names have none of their own.
    one: Option<Ipv4Addr>,
}

impl Names {
    /// Starts with the names that have a fixed address.
    pub(crate) fn new(own: &[(String, IpAddr)], mode: NetworkMode, one: Option<Ipv4Addr>) -> Self {
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
        known.add(b"metadata.google.internal", metadata);
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
        Self {
            known: Mutex::new(known),
            mode,
            one: one.or(match mode {
                NetworkMode::CompatInetsim => Some(Ipv4Addr::LOCALHOST),
                NetworkMode::CompatFakenet => Some(FAKENET),
                _ => None,
            }),
        }
    }

    /// The addresses of a lower-case name; `None` for one that does not exist. The second value is false when there
    /// were too many names to remember this one.
    pub(crate) fn resolve(&self, name: &[u8]) -> (Option<Addresses>, bool) {
        let mut known = lock(&self.known);
        if let Some(addresses) = known.by_name.get(name) {
            return (Some(*addresses), true);
        }
        if name.ends_with(b".localhost") {
            return (known.by_name.get(&b"localhost"[..]).copied(), true);
        }
        if self.mode == NetworkMode::Nxdomain {
            return (None, true);
        }
        if let Some(one) = self.one {
            let (v4, v6) = (Some(one), None);
            return (Some(Addresses { v4, v6 }), true);
        }
        if !exists(name) {
            return (None, true);
        }
        let addresses = known.free(name);
        let room = known.by_name.len() < REMEMBERED;
        if room {
            known.add(name, addresses);
        }
        (Some(addresses), room)
    }

    /// The name an address was given out for.
    pub(crate) fn of(&self, address: IpAddr) -> Option<Vec<u8>> {
        lock(&self.known).by_address.get(&address).cloned()
    }
}

impl Known {
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_has_its_own_stable_public_address() {
        let names = Names::new(&[], NetworkMode::Realistic, None);
        let mut seen = HashSet::new();
        for index in 0..20_000 {
            let name = format!("host-{index}.example");
            let addresses = names.resolve(name.as_bytes()).0.unwrap();
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
        let again = Names::new(&[], NetworkMode::Realistic, None)
            .resolve(b"host-7.example")
            .0;
        assert_eq!(again, names.resolve(b"host-7.example").0);
    }

    #[test]
    fn modes_know_no_name_or_give_all_names_one_address() {
        let first = |mode| {
            let names = Names::new(&[], mode, None);
            let found = names.resolve(b"a.test").0;
            assert_eq!(found, names.resolve(b"b.invalid").0);
            found.map(|addresses| addresses.v4.unwrap().to_string())
        };
        assert_eq!(first(NetworkMode::Nxdomain), None);
        assert_eq!(first(NetworkMode::CompatInetsim).unwrap(), "127.0.0.1");
        assert_eq!(first(NetworkMode::CompatFakenet).unwrap(), "192.0.2.123");
    }

    #[test]
    fn own_and_special_names_are_not_public() {
        let own = IpAddr::from([10, 0, 2, 15]);
        let names = Names::new(
            &[("Workstation".to_owned(), own)],
            NetworkMode::Realistic,
            None,
        );
        assert_eq!(
            names.resolve(b"workstation").0.unwrap().v4.map(IpAddr::V4),
            Some(own)
        );
        assert_eq!(
            names.resolve(b"localhost").0.unwrap().v4,
            Some(Ipv4Addr::LOCALHOST)
        );
        for absent in [&b"single"[..], b"printer.local", b"x.invalid", b"wpad.lan"] {
            assert_eq!(names.resolve(absent).0, None);
        }
    }
}
