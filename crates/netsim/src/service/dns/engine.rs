//! Answers one query: every plausible name exists and has an address of its own.

use std::net::IpAddr;

use apa_model::FlowMessage;
use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::dotted;
use super::records::{self, TTL, authority};
use crate::names::{Names, Resolved};

/// What a server of names says of itself.
const VERSION: &str = "9.18.28-1~deb12u2-Debian";
/// The largest datagram that is answered, and what is announced to clients.
const PAYLOAD: u16 = 1232;
/// Bytes of a datagram that every client takes.
const PLAIN: u16 = 512;

/// What became of a query.
pub(crate) struct Answered {
    /// The answer, if the query deserves one.
    pub(crate) reply: Option<Vec<u8>>,
    /// For the flow's record.
    pub(crate) message: Option<FlowMessage>,
    /// The labels of the name asked for.
    pub(crate) name: Vec<Vec<u8>>,
    /// It was no query that can be read.
    pub(crate) malformed: bool,
    /// The name's address will not be traced back to it.
    pub(crate) unremembered: bool,
}

impl Answered {
    fn malformed(query: &[u8]) -> Self {
        // A message too short for an id, or itself an answer, is not answered: no loop can start.
        let reply = match query {
            [a, b, flags, _, ..] if query.len() >= 12 && flags & 0x80 == 0 => {
                let id = u16::from_be_bytes([*a, *b]);
                Message::error_msg(id, OpCode::Query, ResponseCode::FormErr)
                    .to_vec()
                    .ok()
            }
            _ => None,
        };
        Self {
            reply,
            message: None,
            name: Vec::new(),
            malformed: true,
            unremembered: false,
        }
    }
}

/// Answers `query`. `datagram` is given where the answer must fit into one: it is cut to what the client takes.
pub(crate) fn answer(query: &[u8], names: &Names, datagram: bool) -> Answered {
    let Ok(request) = Message::from_vec(query) else {
        return Answered::malformed(query);
    };
    let [question] = &request.queries[..] else {
        return Answered::malformed(query);
    };
    if request.metadata.message_type != MessageType::Query {
        return Answered::malformed(query);
    }
    let labels: Vec<Vec<u8>> = question.name.iter().map(<[u8]>::to_vec).collect();
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    reply.metadata.recursion_available = true;
    reply.add_query(question.clone());
    let (mut remembered, mut silent) = (true, false);
    reply.metadata.response_code = match (
        request.metadata.op_code,
        question.query_class,
        question.query_type,
    ) {
        (OpCode::Query, DNSClass::IN, RecordType::AXFR | RecordType::IXFR) => ResponseCode::Refused,
        (OpCode::Query, DNSClass::IN, kind) => {
            let filled = fill(&mut reply, &question.name, kind, names);
            (remembered, silent) = (filled.remembered, filled.silent);
            filled.code
        }
        (OpCode::Query, DNSClass::CH, RecordType::TXT) => version(&mut reply, &question.name),
        (OpCode::Query, ..) => ResponseCode::Refused,
        _ => ResponseCode::NotImp,
    };
    let mut room = PLAIN;
    if let Some(edns) = &request.edns {
        room = edns.max_payload().clamp(PLAIN, PAYLOAD);
        let mut own = Edns::new();
        own.set_max_payload(PAYLOAD).set_version(0);
        reply.set_edns(own);
    }
    let message = FlowMessage {
        summary: [
            format!("{} ", question.query_type).as_bytes(),
            dotted(&labels).as_bytes(),
        ]
        .concat()
        .into(),
        headers: Vec::new(),
        body: None,
        body_bytes: 0,
        answer: if silent {
            "none".to_owned()
        } else {
            in_words(&reply)
        }
        .into(),
    };
    let mut bytes = reply.to_vec();
    if datagram
        && bytes
            .as_ref()
            .is_ok_and(|bytes| bytes.len() > usize::from(room))
    {
        bytes = reply.truncate().to_vec();
    }
    Answered {
        reply: bytes.ok().filter(|_| !silent),
        message: Some(message),
        name: labels,
        malformed: false,
        unremembered: !remembered,
    }
}

/// How a question was answered.
struct Filled {
    code: ResponseCode,
    /// The name's address will be traced back to it.
    remembered: bool,
    /// It shall not be answered at all.
    silent: bool,
}

impl From<ResponseCode> for Filled {
    fn from(code: ResponseCode) -> Self {
        Self {
            code,
            remembered: true,
            silent: false,
        }
    }
}

/// Puts the records into the answer.
fn fill(reply: &mut Message, name: &Name, kind: RecordType, names: &Names) -> Filled {
    if kind == RecordType::PTR {
        return reverse(reply, name, names).into();
    }
    let lower: Vec<Vec<u8>> = name.iter().map(<[u8]>::to_ascii_lowercase).collect();
    let (addresses, remembered) = match names.resolve(&lower.join(&b'.')) {
        Resolved::Known(addresses) => (addresses, true),
        Resolved::Unremembered(addresses) => (addresses, false),
        Resolved::Absent => {
            reply.add_authority(authority(&Name::root()));
            return ResponseCode::NXDomain.into();
        }
        Resolved::Failure => return ResponseCode::ServFail.into(),
        Resolved::Silence => {
            return Filled {
                silent: true,
                ..ResponseCode::NoError.into()
            };
        }
    };
    let zone = name.trim_to(2);
    for data in records::of(name, &zone, kind, addresses) {
        if let Some(other) = records::pointed_at(&data)
            && let Resolved::Known(addresses) = names.resolve(&lower_name(other))
            && let Some(v4) = addresses.v4
        {
            reply.add_additional(Record::from_rdata(other.clone(), TTL, RData::A(A(v4))));
        }
        reply.add_answer(Record::from_rdata(name.clone(), TTL, data));
    }
    if reply.answers.is_empty() {
        reply.add_authority(authority(&zone));
    }
    Filled {
        remembered,
        ..ResponseCode::NoError.into()
    }
}

fn lower_name(name: &Name) -> Vec<u8> {
    let labels: Vec<Vec<u8>> = name.iter().map(<[u8]>::to_ascii_lowercase).collect();
    labels.join(&b'.')
}

/// What is asked of the server itself.
fn version(reply: &mut Message, name: &Name) -> ResponseCode {
    let asked = lower_name(name);
    if asked != b"version.bind" && asked != b"version.server" {
        return ResponseCode::Refused;
    }
    let mut record = Record::from_rdata(
        name.clone(),
        0,
        RData::TXT(TXT::new(vec![VERSION.to_owned()])),
    );
    record.dns_class = DNSClass::CH;
    reply.add_answer(record);
    ResponseCode::NoError
}

/// The name an address was given out for.
fn reverse(reply: &mut Message, name: &Name, names: &Names) -> ResponseCode {
    let owner = name
        .parse_arpa_name()
        .ok()
        .filter(|net| net.prefix_len() == net.max_prefix_len())
        .map(|net| net.addr())
        .and_then(|address| match address {
            IpAddr::V4(v4) if v4.is_loopback() => Some(b"localhost".to_vec()),
            other => names.of(other),
        })
        .and_then(|owner| Name::from_labels(owner.split(|b| *b == b'.')).ok());
    match owner {
        Some(owner) => {
            reply.add_answer(Record::from_rdata(
                name.clone(),
                TTL,
                RData::PTR(PTR(owner)),
            ));
            ResponseCode::NoError
        }
        None => {
            reply.add_authority(authority(&name.trim_to(2)));
            ResponseCode::NXDomain
        }
    }
}

/// The answer in a line.
fn in_words(reply: &Message) -> String {
    if reply.metadata.response_code != ResponseCode::NoError {
        return match reply.metadata.response_code {
            ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
            other => other.to_string(),
        };
    }
    if reply.answers.is_empty() {
        return "NODATA".to_owned();
    }
    let answers: Vec<String> = reply
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect();
    answers.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hickory_proto::op::Query;
    use proptest::prelude::*;

    use super::*;

    fn query(name: &str, kind: RecordType, edns: Option<u16>) -> Vec<u8> {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        if let Some(payload) = edns {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        message.to_vec().unwrap()
    }

    fn ask(names: &Names, name: &str, kind: RecordType) -> (Message, String) {
        let answered = answer(&query(name, kind, None), names, true);
        let words = answered.message.unwrap().answer.to_string();
        (Message::from_vec(&answered.reply.unwrap()).unwrap(), words)
    }

    #[test]
    fn addresses_are_distinct_and_traced_back_by_ptr() {
        let names = Names::new(&[], None);
        let (first, words) = ask(&names, "eViL.ExAmPlE.", RecordType::A);
        assert_eq!(first.queries[0].name.to_ascii(), "eViL.ExAmPlE.");
        let (other, _) = ask(&names, "other.example.", RecordType::A);
        assert_ne!(first.answers[0].data, other.answers[0].data);
        let address: std::net::Ipv4Addr = words.parse().unwrap();
        let [a, b, c, d] = address.octets();
        let (_, name) = ask(
            &names,
            &format!("{d}.{c}.{b}.{a}.in-addr.arpa."),
            RecordType::PTR,
        );
        assert_eq!(name, "evil.example.");
        assert_eq!(
            ask(&names, "1.0.0.127.in-addr.arpa.", RecordType::PTR).1,
            "localhost."
        );
        assert_eq!(
            ask(&names, "9.9.9.9.in-addr.arpa.", RecordType::PTR).1,
            "NXDOMAIN"
        );
    }

    #[test]
    fn every_type_has_a_valid_answer() {
        let names = Names::new(&[], None);
        for (kind, expected) in [
            (RecordType::MX, "10 mail.shop.test."),
            (RecordType::NS, "ns1.shop.test., ns2.shop.test."),
            (RecordType::TXT, "v=spf1 mx -all"),
            (RecordType::CNAME, "NODATA"),
            (RecordType::SRV, "NODATA"),
            (RecordType::NAPTR, "NODATA"),
            (RecordType::NULL, "NODATA"),
            (RecordType::DNSKEY, "NODATA"),
            (RecordType::HTTPS, "NODATA"),
            (RecordType::CAA, "NODATA"),
            (RecordType::AXFR, "Query Refused"),
        ] {
            let (message, words) = ask(&names, "shop.test.", kind);
            assert_eq!(words, expected, "{kind}");
            assert_eq!(message.authorities.len(), usize::from(expected == "NODATA"));
        }
        assert!(
            ask(&names, "shop.test.", RecordType::SOA)
                .1
                .contains("ns1.shop.test.")
        );
        assert_eq!(
            ask(&names, "_dmarc.shop.test.", RecordType::TXT).1,
            "v=DMARC1; p=none"
        );
        assert_eq!(ask(&names, "nothing.invalid.", RecordType::A).1, "NXDOMAIN");
        assert_eq!(ask(&names, "localhost.", RecordType::AAAA).1, "::1");
    }

    #[test]
    fn edns_is_answered_and_what_does_not_fit_is_cut() {
        let names = Names::new(&[], None);
        let answered = answer(&query("big.test.", RecordType::A, Some(4096)), &names, true);
        let reply = Message::from_vec(&answered.reply.unwrap()).unwrap();
        assert_eq!(reply.edns.unwrap().max_payload(), PAYLOAD);
        // The longest name there is, in the question and in two answers, is more than 512 bytes uncompressed.
        let long = format!("{0}.{0}.{0}.test.", "x".repeat(60));
        for kind in [RecordType::NS, RecordType::MX, RecordType::A] {
            let answered = answer(&query(&long, kind, None), &names, true);
            let bytes = answered.reply.unwrap();
            assert!(bytes.len() <= 512);
        }
    }

    #[test]
    fn what_is_no_query_is_refused_or_ignored() {
        let names = Names::new(&[], None);
        let garbage = answer(
            &[0xAB, 0xCD, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0xff],
            &names,
            true,
        );
        assert!(garbage.malformed);
        let reply = Message::from_vec(&garbage.reply.unwrap()).unwrap();
        assert_eq!(
            (reply.metadata.id, reply.metadata.response_code),
            (0xABCD, ResponseCode::FormErr)
        );
        assert!(answer(b"short", &names, true).reply.is_none());
        let mut answer_bit = query("x.test.", RecordType::A, None);
        answer_bit[2] |= 0x80;
        assert!(answer(&answer_bit, &names, true).reply.is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, tail: Vec<u8>) {
            let names = Names::new(&[], None);
            answer(&bytes, &names, true);
            let mut valid = query("a.b.test.", RecordType::A, Some(1232));
            valid.extend(tail);
            answer(&valid, &names, false);
            for at in 0..bytes.len().min(valid.len()) {
                valid[at] ^= bytes[at];
            }
            answer(&valid, &names, false);
        }
    }
}
