//! Lock files and requirements lists of Python's tools.

pub(crate) mod pipfile;
pub(crate) mod requirements;
pub(crate) mod tables;

use crate::entry::Entry;

/// Where a package that no registry serves comes from.
#[derive(Clone, Copy)]
enum Place {
    Repository,
    Address,
    Project,
}

fn elsewhere(name: &str, place: Place, text: &str) -> Entry {
    match place {
        Place::Repository => Entry::other(
            name,
            &format!("comes from a repository, not from a registry: {text}"),
        ),
        Place::Address => Entry::other(
            name,
            &format!("comes from an address, not from a registry: {text}"),
        ),
        Place::Project => Entry::covered(name, &format!("is part of the project: {text}")),
    }
}
