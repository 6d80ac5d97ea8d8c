//! Which names a sandbox may ask for.

use std::collections::HashSet;

/// Most names of a closure; past it, names count against the budget.
const NAMES: usize = 100_000;

/// The dependency closure of what is analysed, as far as its metadata has been served, and a budget for names
/// outside: a name that a sample makes up would leave the machine as a question to the registry.
pub(crate) struct Closure {
    names: HashSet<String>,
    outside: HashSet<String>,
    budget: usize,
}

/// Whether a name may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    Inside,
    /// Outside, within the budget.
    Outside,
    No,
}

impl Closure {
    pub(crate) fn new(roots: impl IntoIterator<Item = String>, budget: usize) -> Self {
        Self {
            names: roots.into_iter().collect(),
            outside: HashSet::new(),
            budget,
        }
    }

    pub(crate) fn allows(&mut self, name: &str) -> Allowed {
        if self.names.contains(name) {
            Allowed::Inside
        } else if self.outside.contains(name) {
            Allowed::Outside
        } else if self.outside.len() < self.budget {
            self.outside.insert(name.to_owned());
            Allowed::Outside
        } else {
            Allowed::No
        }
    }

    /// Takes in names that served metadata depends on.
    pub(crate) fn grow<'a>(&mut self, names: impl IntoIterator<Item = &'a String>) {
        for name in names {
            if self.names.len() >= NAMES {
                return;
            }
            if !self.names.contains(name) {
                self.names.insert(name.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_are_counted_once_and_end_with_the_budget() {
        let mut closure = Closure::new(["root".to_owned()], 1);
        assert_eq!(closure.allows("root"), Allowed::Inside);
        assert_eq!(closure.allows("a"), Allowed::Outside);
        assert_eq!(closure.allows("a"), Allowed::Outside);
        assert_eq!(closure.allows("b"), Allowed::No);
        closure.grow(&["b".to_owned()]);
        assert_eq!(closure.allows("b"), Allowed::Inside);
        assert_eq!(closure.allows("c"), Allowed::No);
    }
}
