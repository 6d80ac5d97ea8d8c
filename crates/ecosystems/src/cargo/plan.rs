mod owners;
mod steps;

use apa_model::{FileContent, Plan, PlannedFile};
use toml::Value;

use super::macros::{self, Macro};
use super::manifest::{Manifest, Program};
use super::toolchain::Toolchain;
use crate::PlanInput;
use crate::recipe;
use crate::text::to_plain;

const HARNESS: &str = include_str!("harness.sh");
const PKG_NAME: &str = "CARGO_PKG_NAME";
const PKG_VERSION: &str = "CARGO_PKG_VERSION";
/// The folder of a registry's unpacked crates.
const UNPACKED: &str = ".cargo/registry/src/index-6f17d22bba15001f";

/// How a crate is detonated: built by cargo into a small program, which is run; its macros used; its programs
/// built and run.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let manifest = Manifest::read(input.archive);
    let name = input.identity.name.clone();
    let version = input.identity.version.clone();
    let recipe = Recipe {
        input,
        name: name.unwrap_or_else(|| "unnamed".to_owned()),
        version: version.unwrap_or_else(|| "0.0.0".to_owned()),
        use_: Use::of(manifest.as_ref()),
        macros: manifest.as_ref().map(exported).unwrap_or_default(),
        programs: manifest
            .as_ref()
            .map(Manifest::programs)
            .unwrap_or_default(),
        examples: manifest
            .as_ref()
            .map(Manifest::examples)
            .unwrap_or_default(),
        build_script: manifest.as_ref().and_then(Manifest::build_script).is_some(),
        toolchain: Toolchain::ask(None).ok(),
    };
    Plan {
        files: recipe.files(),
        steps: recipe.steps(),
        owners: recipe.owners(),
        env_values: [PKG_NAME, PKG_VERSION].map(str::to_owned).into(),
        hooks: recipe.hooks(),
        package_dirs: vec![recipe.source(), recipe.target()],
        project_dir: input.guest.project_dir.clone(),
    }
}

fn exported(manifest: &Manifest<'_>) -> Vec<Macro> {
    let source = manifest.lib_source().filter(|_| manifest.is_macro());
    source.and_then(macros::exported).unwrap_or_default()
}

/// What another crate does with a library of this name.
enum Use {
    /// It has none.
    Nothing,
    Link(String),
    /// Of a library made for other languages.
    Load(String),
    Expand(String),
}

impl Use {
    fn of(manifest: Option<&Manifest<'_>>) -> Self {
        let Some((manifest, name)) = manifest.and_then(|it| Some((it, it.lib_name()?))) else {
            return Self::Nothing;
        };
        if manifest.is_macro() {
            Self::Expand(name)
        } else if manifest.is_linkable() {
            Self::Link(name)
        } else {
            Self::Load(name)
        }
    }
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    name: String,
    version: String,
    use_: Use,
    macros: Vec<Macro>,
    programs: Vec<Program>,
    examples: Vec<Program>,
    build_script: bool,
    toolchain: Option<Toolchain>,
}

impl Recipe<'_> {
    fn project(&self) -> &str {
        &self.input.guest.project_dir
    }

    fn target(&self) -> String {
        format!("{}/target", self.project())
    }

    fn built(&self) -> String {
        format!("{}/debug", self.target())
    }

    /// Where the crate is unpacked: where cargo keeps what it has unpacked itself.
    fn source(&self) -> String {
        let folder = format!("{}-{}", to_plain(&self.name), to_plain(&self.version));
        format!("{}/{UNPACKED}/{folder}", self.input.guest.home)
    }

    fn artifact(&self) -> String {
        let (name, version) = (to_plain(&self.name), to_plain(&self.version));
        format!("{}/Downloads/{name}-{version}.crate", self.input.guest.home)
    }

    fn harness(&self) -> String {
        format!("{}/run.sh", self.project())
    }

    fn usages(&self) -> String {
        format!("{}/src/usage", self.project())
    }

    /// The name of the small program, which must not be the crate's own.
    fn program(&self) -> String {
        let folder = self.project().rsplit('/').next().unwrap_or_default();
        let name = to_plain(folder).replace(['.', '+'], "-").to_lowercase();
        let usable = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name != self.name;
        if usable {
            name
        } else {
            "main-service".to_owned()
        }
    }

    fn tool(&self, name: &str) -> String {
        match &self.toolchain {
            Some(toolchain) => toolchain.program(name),
            None => format!("/usr/bin/{name}"),
        }
    }

    fn files(&self) -> Vec<PlannedFile> {
        let project = self.project();
        let mut files = vec![
            PlannedFile {
                path: self.artifact(),
                content: FileContent::Host(self.input.artifact_path.to_owned()),
                mode: 0o644,
            },
            recipe::text_file(format!("{project}/Cargo.toml"), &self.manifest()),
            recipe::text_file(format!("{project}/src/main.rs"), &self.main()),
            recipe::text_file(
                format!("{}/.cargo/config.toml", self.input.guest.home),
                &self.configuration(),
            ),
            recipe::text_file(self.harness(), HARNESS),
        ];
        if let Use::Expand(lib) = &self.use_ {
            files.extend(self.macros.iter().map(|found| {
                let file = found.label().replace(' ', "_");
                recipe::text_file(format!("{}/{file}.rs", self.usages()), &found.usage(lib))
            }));
        }
        files
    }

    /// The crate comes from its folder wherever it is depended on, also by its own dependencies.
    fn manifest(&self) -> String {
        let package = format!(
            "[package]\nname = {}\nversion = \"0.1.0\"\nedition = \"2021\"\npublish = false\n\n[workspace]\n",
            quoted(&self.program())
        );
        if !matches!(self.use_, Use::Link(_) | Use::Expand(_)) {
            return package;
        }
        let (name, source) = (quoted(&self.name), quoted(&self.source()));
        format!(
            "{package}\n[dependencies]\n{name} = {{ path = {source} }}\n\n\
             [patch.crates-io]\n{name} = {{ path = {source} }}\n"
        )
    }

    fn main(&self) -> String {
        match &self.use_ {
            Use::Link(lib) | Use::Expand(lib) => {
                format!("use r#{lib} as _;\n\nfn main() {{}}\n")
            }
            Use::Load(_) => include_str!("load.rs.in").to_owned(),
            Use::Nothing => "fn main() {}\n".to_owned(),
        }
    }

    /// Warnings of the crate are nobody's concern, as of any dependency. Nothing is built twice, so that neither
    /// incremental compilation nor debug information is of use.
    fn configuration(&self) -> String {
        format!(
            "[source.crates-io]\nreplace-with = \"mirror\"\n\n\
             [source.mirror]\nregistry = \"sparse+{}/cargo/\"\n\n\
             [build]\ntarget-dir = {}\nrustflags = [\"--cap-lints=allow\"]\n\n\
             [profile.dev]\ndebug = 0\nincremental = false\n\n\
             [term]\ncolor = \"never\"\n",
            self.input.gateway_url,
            quoted(&self.target())
        )
    }
}

/// Names of those that are built without asking for features.
fn on(programs: &[Program]) -> impl Iterator<Item = &str> {
    programs
        .iter()
        .filter(|program| program.by_default)
        .map(|program| program.name.as_str())
}

/// As a text of a TOML file.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
