//! Inert specimens: look-alikes of what the product must find, must survive, and must leave alone.
//!
//! Each is one file that builds a package in memory and says what an analysis of it must give. They act only on
//! reserved names (`.example`, `.test`) and documentation addresses, and on files of the machine they run on:
//! run them nowhere but in the sandbox.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod apk;
mod benign;
mod build;
mod elf;
mod evasive;
mod hostile;
mod malicious;
mod thief;

pub use apk::{APK_KEY, APK_KEY_NAME, ApkPackage, Sign, apk_index};
use build::Package;
pub use build::{ComposerPackage, Crate, Gem, Jar, NpmPackage, Sdist, Wheel};

use apa_model::{Ecosystem, IncompleteCode, VerdictLabel};

/// A package with what an analysis of it must give.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// Unique: `npm-postinstall-ssh-key`.
    pub name: &'static str,
    /// Where it belongs.
    pub ecosystem: Ecosystem,
    /// Name of the file.
    pub filename: String,
    /// The package.
    pub bytes: Vec<u8>,
    /// Further packages of the same ecosystem that a registry must serve for it: name and bytes of each file.
    pub served: Vec<(String, Vec<u8>)>,
    /// What must come out.
    pub expect: Expect,
}

/// What an analysis must give. More findings are no failure where findings are expected.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The verdict is one of these.
    pub labels: &'static [VerdictLabel],
    /// Each of these rules has a finding; empty together with `clean` means no finding at all.
    pub rules: &'static [&'static str],
    /// Each of these is among the reasons for incompleteness; empty: the analysis is complete.
    pub incomplete: &'static [IncompleteCode],
    /// The findings of `rules` are this dependency's, not the package's own.
    pub dependency: Option<&'static str>,
    /// The findings of `rules` say this: which hook it was.
    pub told: Option<&'static str>,
}

impl Specimen {
    /// With one more package that a registry must serve.
    fn serving(mut self, package: &impl Package) -> Self {
        self.served.push(package.archive());
        self
    }

    /// The findings must say this.
    fn telling(mut self, words: &'static str) -> Self {
        self.expect.told = Some(words);
        self
    }

    /// The findings must name this dependency.
    fn blaming(mut self, dependency: &'static str) -> Self {
        self.expect.dependency = Some(dependency);
        self
    }
}

impl Expect {
    const fn clean() -> Self {
        Self {
            labels: &[VerdictLabel::Clean],
            rules: &[],
            incomplete: &[],
            dependency: None,
            told: None,
        }
    }

    const fn malicious(rules: &'static [&'static str]) -> Self {
        Self {
            labels: &[VerdictLabel::Malicious],
            rules,
            incomplete: &[],
            dependency: None,
            told: None,
        }
    }

    const fn suspicious(rules: &'static [&'static str]) -> Self {
        Self {
            labels: &[VerdictLabel::Suspicious, VerdictLabel::Malicious],
            rules,
            incomplete: &[],
            dependency: None,
            told: None,
        }
    }

    /// The same, and the explanations must hold this.
    const fn telling(mut self, words: &'static str) -> Self {
        self.told = Some(words);
        self
    }

    /// The same, and not everything can be seen for these reasons.
    const fn lacking(mut self, incomplete: &'static [IncompleteCode]) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Ends in a limit; using up a resource may count as suspicious, but is never clean.
    const fn limited(incomplete: &'static [IncompleteCode]) -> Self {
        Self {
            labels: &[
                VerdictLabel::Incomplete,
                VerdictLabel::Suspicious,
                VerdictLabel::Malicious,
            ],
            rules: &[],
            incomplete,
            dependency: None,
            told: None,
        }
    }
}

/// Java archives of specimens, which are compiled together.
fn jars() -> Vec<Jar> {
    [malicious::jars(), hostile::jars(), benign::jars()].concat()
}

/// All specimens: malicious ones first, then those that hide, then hostile, then benign ones.
pub fn specimens() -> Vec<Specimen> {
    let mut all = malicious::specimens();
    all.extend(evasive::specimens());
    all.extend(hostile::specimens());
    all.extend(benign::specimens());
    if !build::compiler_is_there() {
        eprintln!("SKIPPED: Java specimens: there is no javac");
        all.retain(|specimen| specimen.ecosystem != Ecosystem::Maven);
    }
    all
}

/// The specimen of this name.
pub fn specimen(name: &str) -> Option<Specimen> {
    specimens()
        .into_iter()
        .find(|specimen| specimen.name == name)
}
