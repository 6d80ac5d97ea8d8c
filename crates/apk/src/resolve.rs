use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::index::{Index, Record};
use crate::{Dependency, compare};

/// Most packages of one closure.
const MOST: usize = 2_000;
/// Deepest chain of dependencies that is followed.
const DEEPEST: usize = 500;

/// What an installation of something takes.
#[derive(Clone, Debug, Default)]
pub struct Resolution<'a> {
    /// Packages, each after what it needs (as far as that is possible: there are cycles).
    pub packages: Vec<&'a Record>,
    /// Needs that nothing satisfies.
    pub missing: Vec<Dependency>,
    /// Chosen packages that something chosen must not meet.
    pub conflicts: Vec<(String, Dependency)>,
    /// More packages, or longer chains, than are followed.
    pub cut: bool,
}

/// Chooses what satisfies `wanted` and everything it needs, as `apk add` would into an empty root where only
/// `present` is there already.
pub fn resolve<'a>(
    index: &'a Index,
    wanted: &[Dependency],
    present: &dyn Fn(&Dependency) -> bool,
) -> Resolution<'a> {
    let mut solver = Solver {
        index,
        present,
        chosen: BTreeMap::new(),
        names: HashSet::new(),
        under_way: BTreeSet::new(),
        out: Resolution::default(),
    };
    // Bounds on what is wanted anyway count before a dependency chooses without them.
    for dependency in wanted.iter().filter(|wanted| !wanted.conflict) {
        solver.need(dependency, 0);
    }
    solver.install_if();
    solver.find_conflicts(wanted);
    solver.out
}

struct Solver<'a, 'p> {
    index: &'a Index,
    present: &'p dyn Fn(&Dependency) -> bool,
    chosen: BTreeMap<&'a str, &'a Record>,
    /// Names of what is chosen and of what it provides.
    names: HashSet<&'a str>,
    under_way: BTreeSet<&'a str>,
    out: Resolution<'a>,
}

impl<'a> Solver<'a, '_> {
    fn need(&mut self, wanted: &Dependency, depth: usize) {
        if self.has(wanted) || (self.present)(wanted) {
            return;
        }
        if depth >= DEEPEST || self.chosen.len() >= MOST {
            self.out.cut = true;
            return;
        }
        let candidates = self
            .index
            .candidates(&wanted.name)
            .filter(|record| record.satisfies(wanted))
            // Another version of what is chosen cannot be there as well.
            .filter(|record| !self.chosen.contains_key(record.name.as_str()));
        match candidates.max_by(|a, b| preference(a, b, wanted)) {
            Some(record) => self.choose(record, depth),
            None => self.miss(wanted),
        }
    }

    fn has(&self, wanted: &Dependency) -> bool {
        let taken = |record: &&Record| record.satisfies(wanted);
        self.names.contains(wanted.name.as_str()) && self.chosen.values().any(taken)
    }

    fn miss(&mut self, wanted: &Dependency) {
        if !self.out.missing.contains(wanted) {
            self.out.missing.push(wanted.clone());
        }
    }

    fn choose(&mut self, record: &'a Record, depth: usize) {
        self.chosen.insert(&record.name, record);
        self.names.insert(&record.name);
        self.names
            .extend(record.provides.iter().map(|it| it.name.as_str()));
        if !self.under_way.insert(&record.name) {
            return;
        }
        for dependency in record.depends.iter().filter(|needed| !needed.conflict) {
            self.need(dependency, depth + 1);
        }
        self.under_way.remove(record.name.as_str());
        self.out.packages.push(record);
    }

    /// Packages that come along when all that they wait for is there.
    fn install_if(&mut self) {
        let waiting: Vec<_> = self
            .index
            .records
            .iter()
            .filter(|record| !record.install_if.is_empty())
            .collect();
        loop {
            let found = waiting.iter().find(|record| {
                !self.chosen.contains_key(record.name.as_str())
                    && record
                        .install_if
                        .iter()
                        .all(|wanted| self.has(wanted) != wanted.conflict)
            });
            match found {
                Some(record) if self.chosen.len() < MOST => self.choose(record, 0),
                Some(_) => {
                    self.out.cut = true;
                    return;
                }
                None => return,
            }
        }
    }

    fn find_conflicts(&mut self, wanted: &[Dependency]) {
        let own = wanted.iter().map(|wanted| ("", wanted));
        let theirs = self.chosen.values().flat_map(|record| {
            let name = record.name.as_str();
            record.depends.iter().map(move |needed| (name, needed))
        });
        let forbidden = own.chain(theirs).filter(|(_, needed)| needed.conflict);
        for (by, forbidden) in forbidden {
            let meets = |record: &&Record| record.name != by && record.satisfies(forbidden);
            if let Some(record) = self.chosen.values().find(|record| meets(record)) {
                let conflict = (record.name.clone(), forbidden.clone());
                self.out.conflicts.push(conflict);
            }
        }
    }
}

/// The package of that very name first, then the provider with the highest priority, then the newest; the name
/// decides what is left, so that the answer is always the same.
fn preference(a: &Record, b: &Record, wanted: &Dependency) -> Ordering {
    let named = |record: &Record| record.name == wanted.name;
    named(a)
        .cmp(&named(b))
        .then(a.priority.cmp(&b.priority))
        .then_with(|| match a.name == b.name {
            true => compare(&a.version, &b.version),
            false => b.name.cmp(&a.name),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
P:app\nV:1.0-r0\nD:so:libz.so.1 cmd:sh python3~3.12 !dash

P:zlib\nV:1.3-r0\np:so:libz.so.1=1.3

P:zlib\nV:1.2-r0\np:so:libz.so.1=1.2

P:busybox\nV:1.37-r0\np:cmd:sh=1.37 /bin/sh\nk:100

P:dash\nV:0.5-r0\np:cmd:sh=0.5 /bin/sh\nk:10

P:python3\nV:3.13.1-r0\nD:loop

P:python3\nV:3.12.7-r1\nD:loop

P:loop\nV:1-r0\nD:python3

P:app-doc\nV:1.0-r0\ni:app docs

P:docs\nV:1-r0

P:lacks\nV:1-r0\nD:nowhere>2 app>=2
";

    fn names(wanted: &str) -> (Vec<String>, Vec<String>) {
        let index = Index::parse(TEXT);
        let wanted = Dependency::parse_all(wanted);
        let found = resolve(&index, &wanted, &|_| false);
        let names = found.packages.iter();
        (
            names
                .map(|record| format!("{}-{}", record.name, record.version))
                .collect(),
            found.missing.iter().map(|it| it.name.clone()).collect(),
        )
    }

    #[test]
    fn what_is_needed_comes_before_what_needs_it() {
        let (names, missing) = names("app");
        assert_eq!(
            names,
            [
                "zlib-1.3-r0",
                "busybox-1.37-r0",
                "loop-1-r0",
                "python3-3.12.7-r1",
                "app-1.0-r0"
            ]
        );
        assert!(missing.is_empty());
    }

    #[test]
    fn packages_come_along_when_all_they_wait_for_is_there() {
        assert!(names("app docs").0.contains(&"app-doc-1.0-r0".to_owned()));
        assert!(!names("app").0.contains(&"app-doc-1.0-r0".to_owned()));
    }

    #[test]
    fn what_nothing_satisfies_is_missing_and_names_are_exact() {
        assert_eq!(names("lacks").1, ["nowhere", "app"]);
        assert_eq!(names("ap").1, ["ap"]);
    }

    #[test]
    fn what_must_not_meet_is_told() {
        let index = Index::parse(TEXT);
        let wanted = Dependency::parse_all("dash app");
        let found = resolve(&index, &wanted, &|_| false);
        assert_eq!(found.conflicts[0].0, "dash");
    }

    #[test]
    fn what_is_there_already_is_not_chosen() {
        let index = Index::parse(TEXT);
        let wanted = Dependency::parse_all("app");
        let there = |needed: &Dependency| needed.name.starts_with("so:") || needed.name == "cmd:sh";
        let found = resolve(&index, &wanted, &there);
        assert!(found.packages.iter().all(|it| it.name != "zlib"));
    }
}
