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
