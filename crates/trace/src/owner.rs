//! Whose process is it: the plan's rules, applied to each program that is loaded.

use apa_model::{HookName, Hostile, Owner, OwnerRule, OwnerSource, Process, ProcessMatch};

use crate::glob;
use crate::procfs::{Environment, Image};

/// What rules say of a process that has loaded a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) owner: Owner,
    /// It is a build tool.
    pub(crate) toolchain: bool,
    /// The hook it is, if it is one itself.
    pub(crate) hook: Option<Hostile>,
}

/// The first rule that applies decides. `inherited` is the owner the process had before, which it got from its
/// parent.
pub(crate) fn decide(
    rules: &[OwnerRule],
    image: &Image,
    environment: &Environment,
    inherited: &Owner,
) -> Decision {
    for rule in rules {
        if !applies(&rule.when, image, environment, inherited) {
            continue;
        }
        let owner = match &rule.owner {
            OwnerSource::Inherit => Some(inherited.clone()),
            OwnerSource::Is(owner) => Some(owner.clone()),
            OwnerSource::NameFromEnv { variable, target } => named(environment, variable, target),
            OwnerSource::NameAndVersionFromEnv {
                name,
                version,
                target,
            } => named(environment, name, target)
                .map(|owner| with_version(owner, environment.get(version))),
            OwnerSource::NameFromFolder { above, target } => {
                owner_of_folder(image.cwd.as_bytes(), above, target)
            }
        };
        if let Some(owner) = owner {
            return Decision {
                owner,
                toolchain: rule.toolchain,
                hook: hook(rule.hook.as_ref(), environment),
            };
        }
    }
    Decision {
        owner: inherited.clone(),
        toolchain: false,
        hook: None,
    }
}

/// Whose a process is that has a package's name in its environment.
fn named(environment: &Environment, variable: &str, target: &str) -> Option<Owner> {
    let name = environment.get(variable).filter(|name| !name.is_empty())?;
    Some(if name == target.as_bytes() {
        Owner::Package
    } else {
        Owner::Dependency(Hostile::from(name).shortened(256))
    })
}

fn with_version(owner: Owner, version: Option<&[u8]>) -> Owner {
    match (owner, version) {
        (Owner::Dependency(name), Some(version)) if !version.is_empty() => {
            let both = [name.as_bytes(), b" ", version].concat();
            Owner::Dependency(Hostile::new(both).shortened(256))
        }
        (owner, _) => owner,
    }
}

fn hook(name: Option<&HookName>, environment: &Environment) -> Option<Hostile> {
    let name = match name? {
        HookName::Is(name) => Hostile::from(*name),
        HookName::FromEnv(variable) => Hostile::from(environment.get(variable)?),
    };
    Some(name.shortened(64))
}

/// Whose folder it is, named by the part of the path that follows `above`.
fn owner_of_folder(folder: &[u8], above: &str, target: &str) -> Option<Owner> {
    let above = above.as_bytes();
    let at = folder.windows(above.len()).position(|part| part == above)?;
    let name = folder[at + above.len()..]
        .split(|byte| *byte == b'/')
        .next()?;
    if name.is_empty() {
        return None;
    }
    if name == target.as_bytes() {
        return Some(Owner::Package);
    }
    let mut name = name.to_vec();
    let version = name
        .windows(2)
        .position(|pair| pair[0] == b'-' && pair[1].is_ascii_digit());
    if let Some(dash) = version {
        name[dash] = b' ';
    }
    Some(Owner::Dependency(Hostile::new(name).shortened(256)))
}

/// Whether a recorded process is one that `when` describes, as far as the process itself tells: what it opened is in
/// the events. Only variables whose values are kept can match.
pub fn matches(when: &ProcessMatch, process: &Process) -> bool {
    let like = |pattern: &str, text: &Hostile| glob::matches(pattern.as_bytes(), text.as_bytes());
    *when != ProcessMatch::default()
        && when.env.iter().all(|(name, pattern)| {
            let value = process.env.get(name);
            value.is_some_and(|value| like(pattern, value))
        })
        && when.exe.iter().all(|pattern| like(pattern, &process.exe))
        && when
            .arg
            .iter()
            .all(|pattern| process.argv.iter().any(|arg| like(pattern, arg)))
        && when.cwd.iter().all(|pattern| like(pattern, &process.cwd))
        && (when.parent.is_empty() || when.parent.contains(&process.owner))
}

/// Whether a path is one that a pattern of a [`ProcessMatch`] describes.
pub fn matches_path(pattern: &str, path: &Hostile) -> bool {
    glob::matches(pattern.as_bytes(), path.as_bytes())
}

fn applies(
    when: &ProcessMatch,
    image: &Image,
    environment: &Environment,
    inherited: &Owner,
) -> bool {
    let matches = |pattern: &str, text: &[u8]| glob::matches(pattern.as_bytes(), text);
    if *when == ProcessMatch::default() || when.opens.is_some() {
        return false;
    }
    when.env.iter().all(|(name, pattern)| {
        environment
            .get(name)
            .is_some_and(|value| matches(pattern, value))
    }) && when
        .exe
        .iter()
        .all(|pattern| matches(pattern, image.exe.as_bytes()))
        && when.arg.iter().all(|pattern| {
            image
                .argv
                .iter()
                .any(|argument| matches(pattern, argument.as_bytes()))
        })
        && when
            .cwd
            .iter()
            .all(|pattern| matches(pattern, image.cwd.as_bytes()))
        && (when.parent.is_empty() || when.parent.contains(inherited))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook_rule() -> OwnerRule {
        OwnerRule {
            when: ProcessMatch {
                env: vec![("hook".into(), "*install".into())],
                ..ProcessMatch::default()
            },
            owner: OwnerSource::NameFromEnv {
                variable: "name".into(),
                target: "mine".into(),
            },
            hook: Some(HookName::FromEnv("hook")),
            ..OwnerRule::default()
        }
    }

    fn decide_for(rules: &[OwnerRule], env: &[u8], inherited: Owner) -> Decision {
        let image = Image {
            exe: "/usr/bin/cc".into(),
            argv: vec!["cc".into(), "-c".into()],
            ..Image::default()
        };
        decide(rules, &image, &Environment::new(env.to_vec()), &inherited)
    }

    #[test]
    fn name_in_the_environment_tells_package_from_dependency() {
        let rules = [hook_rule()];
        assert_eq!(
            decide_for(&rules, b"hook=postinstall\0name=mine\0", Owner::Manager).owner,
            Owner::Package
        );
        assert_eq!(
            decide_for(&rules, b"hook=postinstall\0name=other\0", Owner::Manager).owner,
            Owner::Dependency("other".into())
        );
        assert_eq!(
            decide_for(&rules, b"hook=postinstall\0", Owner::Manager).owner,
            Owner::Manager
        );
        assert_eq!(
            decide_for(&rules, b"name=mine\0", Owner::Manager).owner,
            Owner::Manager
        );
    }

    #[test]
    fn a_dependencys_version_is_told_where_the_environment_has_it() {
        let mut rule = hook_rule();
        rule.owner = OwnerSource::NameAndVersionFromEnv {
            name: "name".into(),
            version: "version".into(),
            target: "mine".into(),
        };
        let decide =
            |env: &[u8]| decide_for(std::slice::from_ref(&rule), env, Owner::Manager).owner;
        let hook = b"hook=install\0".as_slice();
        for (rest, expected) in [
            (
                &b"name=other\0version=1.2\0"[..],
                Owner::Dependency("other 1.2".into()),
            ),
            (b"name=other\0", Owner::Dependency("other".into())),
            (b"name=mine\0version=1.2\0", Owner::Package),
            (b"version=1.2\0", Owner::Manager),
        ] {
            assert_eq!(decide(&[hook, rest].concat()), expected);
        }
    }

    #[test]
    fn a_hook_is_called_what_its_rule_says() {
        let mut rules = [hook_rule()];
        let env = b"hook=postinstall\0name=mine\0";
        let named = |rules: &[OwnerRule]| decide_for(rules, env, Owner::Manager).hook;
        assert_eq!(named(&rules), Some("postinstall".into()));
        rules[0].hook = Some(HookName::Is("setup.py"));
        assert_eq!(named(&rules), Some("setup.py".into()));
        rules[0].hook = None;
        assert_eq!(named(&rules), None);
    }

    #[test]
    fn the_folder_a_process_works_in_tells_package_from_dependency() {
        let of = |folder: &str| owner_of_folder(folder.as_bytes(), "/gems/", "mine-1.0");
        assert_eq!(of("/home/dev/gems/mine-1.0/ext"), Some(Owner::Package));
        assert_eq!(
            of("/home/dev/gems/rack-session-3.1.0"),
            Some(Owner::Dependency("rack-session 3.1.0".into()))
        );
        assert_eq!(of("/home/dev/gems/"), None);
        assert_eq!(of("/home/dev"), None);
    }

    #[test]
    fn owner_stays_with_descendants_unless_a_rule_says_otherwise() {
        assert_eq!(decide_for(&[], b"", Owner::Package).owner, Owner::Package);
        let back = OwnerRule {
            when: ProcessMatch {
                exe: Some("*/cc".into()),
                parent: vec![Owner::Package],
                ..ProcessMatch::default()
            },
            toolchain: true,
            ..OwnerRule::default()
        };
        let mine = decide_for(std::slice::from_ref(&back), b"", Owner::Package);
        assert_eq!((mine.owner, mine.toolchain), (Owner::Package, true));
        let other = decide_for(&[back], b"", Owner::Manager);
        assert_eq!((other.owner, other.toolchain), (Owner::Manager, false));
    }

    #[test]
    fn a_rule_without_conditions_matches_nothing() {
        let rule = OwnerRule {
            when: ProcessMatch::default(),
            owner: OwnerSource::Is(Owner::Package),
            ..OwnerRule::default()
        };
        assert_eq!(
            decide_for(&[rule], b"", Owner::Manager).owner,
            Owner::Manager
        );
    }
}
