//! Code for interpreters that a system's package carries: it is imported and called as a package of its own would be.

use apa_apk::Package;
use apa_model::{FileContent, PlannedFile, Step};

use super::layout::Layout;
use crate::{PlanInput, npm, pypi};

/// Most packages of one kind that are looked into.
const MOST: usize = 20;

/// What is added to a plan.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) files: Vec<PlannedFile>,
    pub(super) steps: Vec<Step>,
}

pub(super) fn carried(package: &Package, input: &PlanInput<'_>, layout: &Layout<'_>) -> Carried {
    let mut carried = Carried::default();
    node(package, input, layout, &mut carried);
    python(package, input, layout, &mut carried);
    carried
}

/// Packages below `usr/lib/node_modules`, which the project of the run sees as its own.
fn node(package: &Package, input: &PlanInput<'_>, layout: &Layout<'_>, carried: &mut Carried) {
    const FOLDER: &str = "usr/lib/node_modules";
    let mut names: Vec<&str> = package
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix(FOLDER)?.strip_prefix('/'))
        .filter_map(|path| path.strip_suffix("/package.json"))
        .filter(|name| name.matches('/').count() == usize::from(name.starts_with('@')))
        .collect();
    names.truncate(MOST);
    if names.is_empty() {
        return;
    }
    let project = &input.guest.project_dir;
    carried.files.push(PlannedFile {
        path: format!("{project}/node_modules"),
        content: FileContent::Link(layout.place(FOLDER).into()),
        mode: 0o777,
    });
    for (at, name) in names.iter().enumerate() {
        let archive = input.archive.below(&format!("{FOLDER}/{name}"));
        let (files, steps) = npm::installed(input, &archive, name);
        if at == 0 {
            carried.files.extend(files);
        }
        carried.steps.extend(steps);
    }
}

/// Modules below `usr/lib/python3.N/site-packages`.
fn python(package: &Package, input: &PlanInput<'_>, layout: &Layout<'_>, carried: &mut Carried) {
    let mut folders: Vec<&str> = package
        .files
        .iter()
        .filter(|file| file.path.starts_with("usr/lib/python3"))
        .filter_map(|file| file.path.find("/site-packages/").map(|at| (file, at)))
        .map(|(file, at)| &file.path[..at + "/site-packages".len()])
        .filter(|folder| folder.matches('/').count() == 3)
        .collect();
    folders.dedup();
    for folder in folders.into_iter().take(MOST) {
        let archive = input.archive.below(folder);
        let (files, steps) = pypi::installed(input, &archive, &layout.place(folder));
        if carried
            .files
            .iter()
            .all(|file| files.iter().all(|new| new.path != file.path))
        {
            carried.files.extend(files);
        }
        carried.steps.extend(steps);
    }
}
