//! Whose process is it: the plan's rules, applied to each program that is loaded.

use apa_model::{Hostile, Owner, OwnerRule, OwnerSource, Process, ProcessMatch};

use crate::glob;
use crate::procfs::{Environment, Image};

/// The owner a process has after loading a program, and whether it is a build tool. `inherited` is the owner it
/// had before, which a process gets from its parent. The first rule that applies decides.
pub(crate) fn decide(
    rules: &[OwnerRule],
    image: &Image,
    environment: &Environment,
    inherited: &Owner,
) -> (Owner, bool) {
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
        };
        if let Some(owner) = owner {
            return (owner, rule.toolchain);
        }
    }
    (inherited.clone(), false)
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

/// Whether a recorded process is one that `when` describes. Only variables whose values are kept can match.
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

fn applies(
    when: &ProcessMatch,
    image: &Image,
    environment: &Environment,
    inherited: &Owner,
) -> bool {
    let matches = |pattern: &str, text: &[u8]| glob::matches(pattern.as_bytes(), text);
    if *when == ProcessMatch::default() {
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
            toolchain: false,
        }
    }

    fn decide_for(rules: &[OwnerRule], env: &[u8], inherited: Owner) -> (Owner, bool) {
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
            decide_for(&rules, b"hook=postinstall\0name=mine\0", Owner::Manager).0,
            Owner::Package
        );
        assert_eq!(
            decide_for(&rules, b"hook=postinstall\0name=other\0", Owner::Manager).0,
            Owner::Dependency("other".into())
        );
        assert_eq!(
            decide_for(&rules, b"hook=postinstall\0", Owner::Manager).0,
            Owner::Manager
        );
        assert_eq!(
            decide_for(&rules, b"name=mine\0", Owner::Manager).0,
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
        let decide = |env: &[u8]| decide_for(std::slice::from_ref(&rule), env, Owner::Manager).0;
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
    fn owner_stays_with_descendants_unless_a_rule_says_otherwise() {
        assert_eq!(decide_for(&[], b"", Owner::Package).0, Owner::Package);
        let back = OwnerRule {
            when: ProcessMatch {
                exe: Some("*/cc".into()),
                parent: vec![Owner::Package],
                ..ProcessMatch::default()
            },
            owner: OwnerSource::Inherit,
            toolchain: true,
        };
        assert_eq!(
            decide_for(std::slice::from_ref(&back), b"", Owner::Package),
            (Owner::Package, true)
        );
        assert_eq!(
            decide_for(&[back], b"", Owner::Manager),
            (Owner::Manager, false)
        );
    }

    #[test]
    fn a_rule_without_conditions_matches_nothing() {
        let rule = OwnerRule {
            when: ProcessMatch::default(),
            owner: OwnerSource::Is(Owner::Package),
            toolchain: false,
        };
        assert_eq!(decide_for(&[rule], b"", Owner::Manager).0, Owner::Manager);
    }
}
