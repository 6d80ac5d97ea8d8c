use std::collections::HashMap;

use apa_model::Hostile;

use crate::entry::{Entry, Hash, Subject};

/// Most places that are kept of one package.
const ORIGINS: usize = 20;

/// Where a package is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as its reader named it.
    pub file: String,
    /// Where in it.
    pub at: Hostile,
}

/// A package of one or more lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What it is.
    pub subject: Subject,
    /// Where it is listed; the first 20 places.
    pub from: Vec<Origin>,
    /// How many places there are.
    pub places: usize,
    /// Asked for by the project itself somewhere; `None`: nowhere does a list say.
    pub direct: Option<bool>,
    /// Only needed to develop or test, wherever it is listed.
    pub dev: bool,
    /// Can be left out, wherever it is listed.
    pub optional: bool,
    /// For each place that says so, what the file's bytes must hash to; one of them.
    pub hashes: Vec<Vec<Hash>>,
}

/// Lists each package once, in the order of first mention.
pub fn merge<'a>(lists: impl IntoIterator<Item = (&'a str, Vec<Entry>)>) -> Vec<Merged> {
    let mut merged: Vec<Merged> = Vec::new();
    let mut known: HashMap<Subject, usize> = HashMap::new();
    for (file, entries) in lists {
        for entry in entries {
            let origin = Origin {
                file: file.to_owned(),
                at: entry.at,
            };
            match known.get(&entry.subject) {
                Some(at) => {
                    let one = &mut merged[*at];
                    one.places += 1;
                    if one.from.len() < ORIGINS {
                        one.from.push(origin);
                    }
                    one.direct = match (one.direct, entry.direct) {
                        (Some(true), _) | (_, Some(true)) => Some(true),
                        (a, b) => a.or(b),
                    };
                    one.dev &= entry.dev;
                    one.optional &= entry.optional;
                    if !entry.hashes.is_empty() && !one.hashes.contains(&entry.hashes) {
                        one.hashes.push(entry.hashes);
                    }
                }
                None => {
                    known.insert(entry.subject.clone(), merged.len());
                    merged.push(Merged {
                        subject: entry.subject,
                        from: vec![origin],
                        places: 1,
                        direct: entry.direct,
                        dev: entry.dev,
                        optional: entry.optional,
                        hashes: Some(entry.hashes)
                            .filter(|hashes| !hashes.is_empty())
                            .into_iter()
                            .collect(),
                    });
                }
            }
        }
    }
    merged
}
