//! The records that every name has.

use hickory_proto::rr::rdata::{A, AAAA, MX, NS, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::names::Addresses;

pub(super) const TTL: u32 = 300;

/// Ports of services that are looked up by name.
const SERVICES: &[(&str, u16)] = &[
    ("_imaps", 993),
    ("_imap", 143),
    ("_pop3s", 995),
    ("_submission", 587),
    ("_submissions", 465),
    ("_ldap", 389),
    ("_mongodb", 27017),
    ("_xmpp-client", 5222),
    ("_sip", 5060),
    ("_minecraft", 25565),
    ("_etcd-server", 2380),
];

/// The records of one type; none where the type does not suit the name.
pub(super) fn of(name: &Name, zone: &Name, kind: RecordType, addresses: Addresses) -> Vec<RData> {
    let below = |label: &str| zone.prepend_label(label).ok();
    match kind {
        RecordType::A | RecordType::ANY => {
            addresses.v4.map(|v4| RData::A(A(v4))).into_iter().collect()
        }
        RecordType::AAAA => addresses
            .v6
            .map(|v6| RData::AAAA(AAAA(v6)))
            .into_iter()
            .collect(),
        RecordType::TXT
            if name
                .iter()
                .next()
                .is_some_and(|l| l.eq_ignore_ascii_case(b"_dmarc")) =>
        {
            vec![RData::TXT(TXT::new(vec!["v=DMARC1; p=none".to_owned()]))]
        }
        RecordType::TXT => vec![RData::TXT(TXT::new(vec!["v=spf1 mx -all".to_owned()]))],
        RecordType::MX => below("mail")
            .map(|mail| RData::MX(MX::new(10, mail)))
            .into_iter()
            .collect(),
        RecordType::SRV => service(name)
            .map(|port| RData::SRV(SRV::new(10, 5, port, zone.clone())))
            .into_iter()
            .collect(),
        RecordType::NS if name == zone => ["ns1", "ns2"]
            .into_iter()
            .filter_map(below)
            .map(|ns| RData::NS(NS(ns)))
            .collect(),
        RecordType::SOA if name == zone => vec![start_of(zone)],
        _ => Vec::new(),
    }
}

/// The port behind `_imaps._tcp.example.test`.
fn service(name: &Name) -> Option<u16> {
    let label = name
        .iter()
        .next()
        .filter(|label| label.first() == Some(&b'_'))?;
    let known = SERVICES
        .iter()
        .find(|(known, _)| label.eq_ignore_ascii_case(known.as_bytes()));
    Some(known.map_or(443, |(_, port)| *port))
}

/// The names in records whose addresses go along.
pub(super) fn pointed_at(data: &RData) -> Option<&Name> {
    match data {
        RData::MX(mx) => Some(&mx.exchange),
        RData::NS(NS(name)) => Some(name),
        RData::SRV(srv) => Some(&srv.target),
        _ => None,
    }
}

/// The record that says who answers for a zone.
pub(super) fn authority(zone: &Name) -> Record {
    Record::from_rdata(zone.clone(), TTL, start_of(zone))
}

fn start_of(zone: &Name) -> RData {
    let below = |label: &str| zone.prepend_label(label).unwrap_or_else(|_| zone.clone());
    RData::SOA(SOA::new(
        below("ns1"),
        below("hostmaster"),
        2_026_010_101,
        7200,
        900,
        1_209_600,
        TTL,
    ))
}
