//! Data carried out piece by piece: in the labels of looked-up names, in the fields of requests.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::record::Record;
use crate::shared::{Bound, Shared, lock};

const ZONES: usize = 512;
/// Bytes of labels kept per zone and in all.
const ZONE_BYTES: usize = 128 << 10;
const ALL_BYTES: usize = 4 << 20;
/// How long all of them are searched.
const TIME: Duration = Duration::from_secs(4);
/// The first layer of hits in joined labels, and in joined fields.
pub(crate) const NAMES: &str = "dns.labels";
pub(crate) const REQUESTS: &str = "http.requests";
/// Columns of labels looked at, from the left.
const COLUMNS: usize = 6;

/// Second-level labels under which names are registered.
const SHARED_SUFFIXES: [&[u8]; 8] = [b"co", b"com", b"net", b"org", b"gov", b"ac", b"edu", b"ne"];

/// The labels of a name in front of its zone.
type Front = Vec<Vec<u8>>;

struct Zone {
    /// Per distinct name, in order of arrival.
    queries: Vec<Front>,
    seen: HashSet<Front>,
    bytes: usize,
    /// The flow of the last query.
    record: Arc<Record>,
}

#[derive(Default)]
struct Kept {
    zones: BTreeMap<Vec<u8>, Zone>,
    bytes: usize,
}

/// The labels of all names looked up, by registered zone.
#[derive(Default)]
pub(crate) struct Labels {
    kept: Mutex<Kept>,
}

impl Labels {
    /// Notes a name that was looked up. False when there was no room for it.
    pub(crate) fn note(&self, name: &[Vec<u8>], record: &Arc<Record>) -> bool {
        let (front, zone) = name.split_at(name.len() - zone_labels(name));
        if front.is_empty() {
            return true;
        }
        let zone = zone.join(&b'.').to_ascii_lowercase();
        self.keep(zone, front.to_vec(), record)
    }

    /// Notes the fields of a request to a host. Where there is no room, the pieces of a larger theft are not put
    /// together; each request was searched by itself.
    pub(crate) fn note_fields(&self, host: &[u8], fields: Front, record: &Arc<Record>) {
        if !fields.is_empty() {
            self.keep(host.to_ascii_lowercase(), fields, record);
        }
    }

    fn keep(&self, zone: Vec<u8>, front: Front, record: &Arc<Record>) -> bool {
        let size: usize = front.iter().map(Vec::len).sum();
        let mut kept = lock(&self.kept);
        if kept.bytes + size > ALL_BYTES
            || (kept.zones.len() >= ZONES && !kept.zones.contains_key(&zone))
        {
            return false;
        }
        let entry = kept.zones.entry(zone).or_insert_with(|| Zone {
            queries: Vec::new(),
            seen: HashSet::new(),
            bytes: 0,
            record: record.clone(),
        });
        if entry.bytes + size > ZONE_BYTES {
            return false;
        }
        // A and AAAA queries and retries ask for the same name again.
        if entry.seen.insert(front.clone()) {
            entry.queries.push(front);
            entry.bytes += size;
            entry.record = record.clone();
            kept.bytes += size;
        }
        true
    }

    /// Joins what belongs together and searches it for baits.
    pub(crate) fn search(&self, shared: &Shared, origin: &'static str) {
        let kept = std::mem::take(&mut *lock(&self.kept));
        let until = Instant::now() + TIME;
        // What a single name or request holds was searched when it came; DNS labels are joined here for the first time.
        let alone = origin == NAMES;
        for zone in kept.zones.into_values() {
            if zone.queries.len() < 2 && !alone {
                continue;
            }
            if Instant::now() > until {
                shared.hit(Bound::Decoding, zone.record.phase());
                continue;
            }
            let scan = shared.search(&joined(&zone.queries), origin);
            if scan.gave_up {
                shared.hit(Bound::Decoding, zone.record.phase());
            }
            zone.record.add_hits(scan.hits);
        }
    }
}

/// How many of the last labels are the registered zone. An approximation: the public suffix list is not consulted.
fn zone_labels(name: &[Vec<u8>]) -> usize {
    let shared = name.len() >= 3
        && name[name.len() - 1].len() == 2
        && SHARED_SUFFIXES
            .iter()
            .any(|s| name[name.len() - 2].eq_ignore_ascii_case(s));
    name.len().min(if shared { 3 } else { 2 })
}

/// All ways in which the labels of successive queries may make up one text, a line each: whole names, and every column
/// by itself, in order of arrival and in the order of a column that counts.
fn joined(queries: &[Front]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut orders: Vec<Vec<&Front>> = vec![queries.iter().collect()];
    for column in 0..COLUMNS {
        let number = |query: &&Front| query.get(column).and_then(|label| count(label));
        let counted = queries
            .iter()
            .filter(|query| number(query).is_some())
            .count();
        if counted > 1 && counted * 2 > queries.len() {
            let mut order: Vec<&Front> = queries.iter().collect();
            order.sort_by_key(|query| number(query).unwrap_or(u64::MAX));
            orders.push(order);
        }
    }
    for order in &orders {
        let data = |query: &Front| -> Vec<u8> {
            query
                .iter()
                .filter(|label| count(label).is_none() || label.len() > 6)
                .flatten()
                .copied()
                .collect()
        };
        lines.push(order.iter().copied().flat_map(data).collect());
        for column in 0..COLUMNS {
            let whole = order.iter().filter_map(|query| query.get(column));
            lines.push(whole.clone().flatten().copied().collect::<Vec<u8>>());
            lines.push(whole.flat_map(|label| uncounted(label)).copied().collect());
            let from_right = order
                .iter()
                .filter_map(|query| query.iter().rev().nth(column));
            lines.push(from_right.flatten().copied().collect());
        }
    }
    lines.retain(|line| line.len() >= 12);
    lines.sort();
    lines.dedup();
    let lower: Vec<Vec<u8>> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
    lines.extend(lower);
    // A blank between the lines: a line end would be taken for a wrapped line and the lines joined.
    lines.join(&b' ')
}

/// The number a label is, decimal.
fn count(label: &[u8]) -> Option<u64> {
    std::str::from_utf8(label).ok()?.parse().ok()
}

/// A label without a leading `12-` or `12_`.
fn uncounted(label: &[u8]) -> &[u8] {
    let digits = label.iter().take_while(|b| b.is_ascii_digit()).count();
    match label.get(digits) {
        Some(b'-' | b'_') if digits > 0 => &label[digits + 1..],
        _ => label,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn queries(names: &[&str]) -> Vec<Front> {
        names
            .iter()
            .map(|name| name.split('.').map(|l| l.as_bytes().to_vec()).collect())
            .collect()
    }

    #[test]
    fn pieces_are_joined_in_order_of_arrival_and_of_their_counter() {
        let text = joined(&queries(&[
            "0.s1.616263646566",
            "2.s1.6d6e6f707172",
            "1.s1.6768696a6b6c",
        ]));
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.split(' ')
                .any(|line| line == "6162636465666768696a6b6c6d6e6f707172"),
            "{text}"
        );
        assert!(
            text.split(' ')
                .any(|line| line == "6162636465666d6e6f7071726768696a6b6c"),
            "{text}"
        );
    }

    #[test]
    fn a_counter_in_front_of_the_piece_is_left_out() {
        let text = joined(&queries(&["0-6162636465", "1-666768696a"]));
        assert!(
            String::from_utf8(text)
                .unwrap()
                .contains("6162636465666768696a")
        );
    }

    #[test]
    fn the_registered_zone_is_two_labels_or_three() {
        let name = |text: &str| queries(&[text]).remove(0);
        assert_eq!(zone_labels(&name("a.b.evil.test")), 2);
        assert_eq!(zone_labels(&name("a.evil.co.uk")), 3);
        assert_eq!(zone_labels(&name("test")), 1);
    }
}
