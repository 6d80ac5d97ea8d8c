use std::collections::HashMap;

use apa_model::{Phase, ProcessId, report::ProcessRecord};

/// Deeper levels are drawn at this one.
const MAX_DEPTH: usize = 12;

/// The process forest of a report. Processes whose parents form a circle are in no row; they are counted
/// as hidden.
pub(crate) struct Tree<'a> {
    records: &'a [ProcessRecord],
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    /// The process or one below it runs package code.
    has_package: Vec<bool>,
    /// Processes in the subtree, itself included.
    size: Vec<usize>,
}

/// One line of the drawn tree.
pub(crate) enum Row<'a> {
    /// The roots that follow started in this phase of this artifact's run.
    Phase { artifact: &'a str, phase: Phase },
    Process {
        record: &'a ProcessRecord,
        /// So many siblings in a row look the same and have no children.
        times: usize,
        branch: Branch,
    },
    /// Processes that run no package code, left out.
    Manager { count: usize, branch: Branch },
}

/// Where a row hangs in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Per level above: whether siblings follow there.
    pub(crate) guides: Vec<bool>,
    /// No sibling follows.
    pub(crate) last: bool,
}

impl Row<'_> {
    /// How many processes it stands for.
    pub(crate) fn processes(&self) -> usize {
        match self {
            Self::Phase { .. } => 0,
            Self::Process { times, .. } => *times,
            Self::Manager { count, .. } => *count,
        }
    }
}

impl Branch {
    /// The lines in front of the row.
    pub(crate) fn lines(&self) -> String {
        let mut out = String::new();
        for goes_on in &self.guides {
            out.push_str(if *goes_on { "│  " } else { "   " });
        }
        out.push_str(if self.last { "└─ " } else { "├─ " });
        out
    }
}

/// A drawn tree.
pub(crate) struct Rows<'a> {
    pub(crate) rows: Vec<Row<'a>>,
    /// Processes in no row.
    pub(crate) hidden: usize,
}

enum Node {
    Process { index: usize, times: usize },
    Manager(usize),
}

impl<'a> Tree<'a> {
    pub(crate) fn new(records: &'a [ProcessRecord]) -> Self {
        let index: HashMap<(&str, ProcessId), usize> = records
            .iter()
            .enumerate()
            .map(|(at, record)| ((record.artifact.as_str(), record.process.id), at))
            .collect();
        let mut children = vec![Vec::new(); records.len()];
        let mut parents = vec![None; records.len()];
        let mut roots = Vec::new();
        for (at, record) in records.iter().enumerate() {
            let parent = record
                .process
                .parent
                .and_then(|parent| index.get(&(record.artifact.as_str(), parent)).copied());
            match parent {
                Some(parent) => children[parent].push(at),
                None => roots.push(at),
            }
            parents[at] = parent;
        }
        let by_start = |at: &usize| (records[*at].process.started_us, records[*at].process.id);
        for siblings in &mut children {
            siblings.sort_by_key(by_start);
        }
        let mut order: HashMap<&str, usize> = HashMap::new();
        for record in records {
            let next = order.len();
            order.entry(&record.artifact).or_insert(next);
        }
        roots.sort_by_key(|at| {
            let record = &records[*at];
            (
                order[record.artifact.as_str()],
                record.process.phase,
                by_start(at),
            )
        });
        let mut tree = Self {
            records,
            children,
            roots,
            has_package: vec![false; records.len()],
            size: vec![1; records.len()],
        };
        tree.sum_up(&parents);
        tree
    }

    /// Fills `has_package` and `size` from the leaves up.
    fn sum_up(&mut self, parents: &[Option<usize>]) {
        let mut order = Vec::with_capacity(self.records.len());
        let mut stack = self.roots.clone();
        while let Some(at) = stack.pop() {
            order.push(at);
            stack.extend(&self.children[at]);
        }
        for at in order.into_iter().rev() {
            self.has_package[at] |= self.records[at].process.owner.is_package_code();
            if let Some(parent) = parents[at] {
                self.size[parent] += self.size[at];
                self.has_package[parent] |= self.has_package[at];
            }
        }
    }

    /// Draws at most `max` rows. With `collapse`, subtrees without package code become counts.
    pub(crate) fn rows(&self, collapse: bool, max: usize) -> Rows<'a> {
        let mut rows = Vec::new();
        let mut shown = 0;
        for group in self.roots.chunk_by(|a, b| self.place(*a) == self.place(*b)) {
            if rows.len() >= max {
                break;
            }
            let (artifact, phase) = self.place(group[0]);
            rows.push(Row::Phase { artifact, phase });
            let mut stack = self.nodes(group, collapse, &[]);
            while let Some((node, branch)) = stack.pop() {
                if rows.len() >= max {
                    break;
                }
                rows.push(match node {
                    Node::Manager(count) => {
                        shown += count;
                        Row::Manager { count, branch }
                    }
                    Node::Process { index, times } => {
                        shown += times;
                        let mut guides = branch.guides.clone();
                        if guides.len() < MAX_DEPTH {
                            guides.push(!branch.last);
                        }
                        stack.extend(self.nodes(&self.children[index], collapse, &guides));
                        let record = &self.records[index];
                        Row::Process {
                            record,
                            times,
                            branch,
                        }
                    }
                });
            }
        }
        Rows {
            rows,
            hidden: self.records.len() - shown,
        }
    }

    fn place(&self, at: usize) -> (&'a str, Phase) {
        let record = &self.records[at];
        (&record.artifact, record.process.phase)
    }

    /// Siblings as nodes, last one first so that they can be popped in order.
    fn nodes(&self, siblings: &[usize], collapse: bool, guides: &[bool]) -> Vec<(Node, Branch)> {
        let (kept, left_out): (Vec<usize>, Vec<usize>) = siblings
            .iter()
            .partition(|at| !collapse || self.has_package[**at]);
        let mut nodes: Vec<Node> = kept
            .chunk_by(|a, b| self.look_the_same(*a, *b))
            .map(|same| Node::Process {
                index: same[0],
                times: same.len(),
            })
            .collect();
        if !left_out.is_empty() {
            nodes.push(Node::Manager(
                left_out.iter().map(|at| self.size[*at]).sum(),
            ));
        }
        nodes
            .into_iter()
            .rev()
            .enumerate()
            .map(|(from_end, node)| {
                let branch = Branch {
                    guides: guides.to_vec(),
                    last: from_end == 0,
                };
                (node, branch)
            })
            .collect()
    }

    fn look_the_same(&self, a: usize, b: usize) -> bool {
        let (left, right) = (&self.records[a].process, &self.records[b].process);
        self.children[a].is_empty()
            && self.children[b].is_empty()
            && left.argv == right.argv
            && left.exe == right.exe
            && left.owner == right.owner
            && left.exit == right.exit
    }
}

#[cfg(test)]
mod tests {
    use apa_model::{Owner, ProcessExit};

    use super::*;
    use crate::fixture::build::Processes;

    /// A drawn tree in short: guides, then the first argument or the count.
    fn draw(records: &[ProcessRecord], collapse: bool, max: usize) -> (Vec<String>, usize) {
        let drawn = Tree::new(records).rows(collapse, max);
        let rows = drawn.rows.iter().map(|row| match row {
            Row::Phase { phase, .. } => phase.to_string(),
            Row::Manager { count, branch } => format!("{}{count} managers", branch.lines()),
            Row::Process {
                record,
                times,
                branch,
            } => format!("{}{} x{times}", branch.lines(), record.process.argv[0]),
        });
        (rows.collect(), drawn.hidden)
    }

    /// npm with two helpers, one of which has a child, and a hook of the package with three equal children.
    fn forest() -> Vec<ProcessRecord> {
        let mut tree = Processes::of("a");
        let mut add = |parent, owner, name: &str, at| {
            tree.add(parent, Phase::Install, owner, &[name], (at, Some(at + 1)))
        };
        let npm = add(None, Owner::Manager, "npm", 0);
        let git = add(Some(npm), Owner::Manager, "git", 1);
        add(Some(git), Owner::Manager, "ssh", 2);
        let hook = add(Some(npm), Owner::Package, "hook", 3);
        for at in 4..7 {
            add(Some(hook), Owner::Package, "curl", at);
        }
        add(Some(npm), Owner::Manager, "tar", 8);
        tree.list
    }

    #[test]
    fn collapsing_keeps_package_code_with_its_parents_and_counts_the_rest() {
        let (rows, hidden) = draw(&forest(), true, 100);
        assert_eq!(
            rows,
            [
                "install",
                "└─ npm x1",
                "   ├─ hook x1",
                "   │  └─ curl x3",
                "   └─ 3 managers",
            ]
        );
        assert_eq!(hidden, 0);
    }

    #[test]
    fn without_collapsing_every_process_has_its_place() {
        let (rows, _) = draw(&forest(), false, 100);
        assert_eq!(rows.len(), 7);
        assert_eq!(rows[3], "   │  └─ ssh x1");
    }

    #[test]
    fn siblings_that_ended_differently_are_not_merged() {
        let mut records = forest();
        records[5].process.exit = Some(ProcessExit::Signal(9));
        let (rows, _) = draw(&records, true, 100);
        assert_eq!(rows.iter().filter(|row| row.contains("curl")).count(), 3);
    }

    #[test]
    fn what_is_cut_is_counted() {
        let (rows, hidden) = draw(&forest(), false, 3);
        assert_eq!((rows.len(), hidden), (3, 6));
    }

    #[test]
    fn circles_and_lost_parents_neither_hang_nor_vanish_from_the_count() {
        let mut records = forest();
        records[0].process.parent = Some(ProcessId(2));
        let (rows, hidden) = draw(&records, true, 100);
        assert_eq!((rows.len(), hidden), (0, records.len()));
        records[0].process.parent = Some(ProcessId(999));
        assert_eq!(draw(&records, true, 100).1, 0);
    }

    #[test]
    fn a_very_deep_chain_is_drawn_at_a_bounded_depth() {
        let mut tree = Processes::of("a");
        let mut parent = None;
        for at in 0..50_000 {
            let times = (at, Some(at + 1));
            parent = Some(tree.add(parent, Phase::Install, Owner::Package, &["sh"], times));
        }
        let drawn = Tree::new(&tree.list).rows(true, usize::MAX);
        assert_eq!((drawn.rows.len(), drawn.hidden), (50_001, 0));
        let deepest = drawn.rows.last().unwrap();
        assert!(matches!(deepest, Row::Process { branch, .. } if branch.guides.len() == MAX_DEPTH));
    }

    #[test]
    fn the_same_number_in_two_runs_is_two_processes() {
        let mut records = forest();
        let mut other = forest();
        for record in &mut other {
            record.artifact = "b".into();
        }
        records.extend(other);
        let (rows, hidden) = draw(&records, true, 100);
        assert_eq!((rows.len(), hidden), (10, 0));
    }
}
