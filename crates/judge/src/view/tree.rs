//! The process tree, and the part of it that belongs to package code.

use std::collections::{BTreeMap, BTreeSet};

use apa_model::{Process, ProcessId};

/// Generations followed upwards; no honest tree is deeper.
const MAX_DEPTH: usize = 4_096;

pub(crate) struct Tree<'a> {
    processes: BTreeMap<ProcessId, &'a Process>,
    children: BTreeMap<ProcessId, Vec<ProcessId>>,
    roots: BTreeMap<ProcessId, ProcessId>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(processes: &'a [Process]) -> Self {
        let by_id: BTreeMap<_, _> = processes
            .iter()
            .map(|process| (process.id, process))
            .collect();
        let mut children: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for process in processes {
            if let Some(parent) = process.parent {
                children.entry(parent).or_default().push(process.id);
            }
        }
        let mut tree = Self {
            processes: by_id,
            children,
            roots: BTreeMap::new(),
        };
        for process in processes {
            tree.find_root(process.id);
        }
        tree
    }

    pub(crate) fn process(&self, id: ProcessId) -> Option<&'a Process> {
        self.processes.get(&id).copied()
    }

    pub(crate) fn children(&self, id: ProcessId) -> &[ProcessId] {
        self.children.get(&id).map_or(&[], Vec::as_slice)
    }

    /// First package process at or above `id`; `id` itself when there is none.
    pub(crate) fn root(&self, id: ProcessId) -> ProcessId {
        self.roots.get(&id).copied().unwrap_or(id)
    }

    pub(crate) fn lineage(&self, id: ProcessId) -> impl Iterator<Item = &'a Process> + '_ {
        std::iter::successors(self.process(id), |process| {
            process.parent.and_then(|parent| self.process(parent))
        })
        .take(MAX_DEPTH)
    }

    /// Climbs while package code was started by package code. Every process on the way gets the same answer.
    fn find_root(&mut self, id: ProcessId) {
        let mut way = BTreeSet::new();
        let mut at = id;
        let root = loop {
            if let Some(known) = self.roots.get(&at) {
                break *known;
            }
            if !way.insert(at) {
                break at;
            }
            let parent = self
                .process(at)
                .and_then(|process| process.parent)
                .and_then(|parent| self.process(parent))
                .filter(|parent| parent.owner.is_package_code());
            match parent {
                Some(parent) => at = parent.id,
                None => break at,
            }
        };
        for member in way {
            self.roots.insert(member, root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    #[test]
    fn a_tree_begins_where_the_manager_ends() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm"]);
        let first = scene.child(npm, "/usr/bin/sh", &["sh"]);
        let second = scene.child(first, "/usr/bin/node", &["node"]);
        let other = scene.child(npm, "/usr/bin/sh", &["sh"]);
        let observation = scene.observation();
        let tree = Tree::new(&observation.processes);
        assert_eq!(tree.root(second), first);
        assert_eq!(tree.root(other), other);
        assert_eq!(tree.root(npm), npm);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let mut scene = Scene::npm("left-pad");
        let a = scene.package("/usr/bin/sh", &["sh"]);
        let b = scene.child(a, "/usr/bin/sh", &["sh"]);
        let mut observation = scene.observation();
        for process in &mut observation.processes {
            process.parent = Some(if process.id == a { b } else { a });
        }
        let tree = Tree::new(&observation.processes);
        assert_eq!(tree.root(a), tree.root(b));
        assert_eq!(tree.lineage(a).count(), MAX_DEPTH);
    }
}
