use std::io::{Cursor, Write as _};

use apa_model::Ecosystem;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::{Expect, Specimen};

mod composer;
mod gem;
mod jar;

pub use composer::ComposerPackage;
pub(crate) use composer::phar;
pub use gem::Gem;
pub use jar::Jar;
pub(crate) use jar::compiler_is_there;

const IN_MEMORY: &str = "writing into memory does not fail";

struct File {
    path: String,
    bytes: Vec<u8>,
    mode: u32,
}

/// Builds an npm archive.
pub struct NpmPackage {
    manifest: Value,
    files: Vec<File>,
}

impl NpmPackage {
    /// An empty package.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            manifest: json!({"name": name, "version": version, "license": "MIT"}),
            files: Vec::new(),
        }
    }

    /// Sets a field of `package.json`.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.manifest[name] = value;
        self
    }

    /// Sets one script.
    #[must_use]
    pub fn script(mut self, hook: &str, command: &str) -> Self {
        self.manifest["scripts"][hook] = command.into();
        self
    }

    /// Adds a text file.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes().to_vec(), 0o644)
    }

    /// Adds a file with permission bits.
    #[must_use]
    pub fn bytes(mut self, path: &str, bytes: Vec<u8>, mode: u32) -> Self {
        self.files.push(File {
            path: format!("package/{path}"),
            bytes,
            mode,
        });
        self
    }

    /// Its usual file name.
    pub fn filename(&self) -> String {
        let text = |field: &str| self.manifest[field].as_str().unwrap_or_default();
        let name = text("name").trim_start_matches('@').replace('/', "-");
        format!("{name}-{}.tgz", text("version"))
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        let manifest = File {
            path: "package/package.json".to_owned(),
            bytes: format!("{:#}\n", self.manifest).into_bytes(),
            mode: 0o644,
        };
        tar_gz(std::iter::once(&manifest).chain(&self.files))
    }
}

/// Builds a wheel for every Python 3.
pub struct Wheel {
    name: String,
    version: String,
    requires: Vec<String>,
    scripts: Vec<String>,
    files: Vec<File>,
}

impl Wheel {
    /// An empty wheel; `name` uses underscores.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            requires: Vec::new(),
            scripts: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Adds a requirement.
    #[must_use]
    pub fn requires(mut self, requirement: &str) -> Self {
        self.requires.push(requirement.to_owned());
        self
    }

    /// Adds a console script: `name = module:function`.
    #[must_use]
    pub fn console_script(mut self, line: &str) -> Self {
        self.scripts.push(line.to_owned());
        self
    }

    /// Adds a text file.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push(File {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
            mode: 0o644,
        });
        self
    }

    /// Its usual file name.
    pub fn filename(&self) -> String {
        format!("{}-{}-py3-none-any.whl", self.name, self.version)
    }

    /// The archive, with a correct `RECORD`.
    pub fn build(&self) -> Vec<u8> {
        let info = format!("{}-{}.dist-info", self.name, self.version);
        let mut files: Vec<(String, Vec<u8>)> = self
            .files
            .iter()
            .map(|file| (file.path.clone(), file.bytes.clone()))
            .collect();
        let metadata = metadata(&self.name, &self.version, &self.requires);
        let wheel =
            "Wheel-Version: 1.0\nGenerator: manual\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        files.push((format!("{info}/METADATA"), metadata.into_bytes()));
        files.push((format!("{info}/WHEEL"), wheel.into()));
        if !self.scripts.is_empty() {
            let text = format!("[console_scripts]\n{}\n", self.scripts.join("\n"));
            files.push((format!("{info}/entry_points.txt"), text.into_bytes()));
        }
        let mut record = String::new();
        for (path, bytes) in &files {
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
            record.push_str(&format!("{path},sha256={hash},{}\n", bytes.len()));
        }
        record.push_str(&format!("{info}/RECORD,,\n"));
        files.push((format!("{info}/RECORD"), record.into_bytes()));
        zip(&files)
    }
}

/// Builds a source distribution.
pub struct Sdist {
    name: String,
    version: String,
    files: Vec<File>,
}

impl Sdist {
    /// One whose `setup.py` is this text.
    pub fn new(name: &str, version: &str, setup: &str) -> Self {
        Self::bare(name, version).file("setup.py", setup)
    }

    /// One that nothing builds yet.
    pub fn bare(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            files: Vec::new(),
        }
        .file("PKG-INFO", &metadata(name, version, &[]))
    }

    /// Adds a text file.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push(File {
            path: format!("{}-{}/{path}", self.name, self.version),
            bytes: text.as_bytes().to_vec(),
            mode: 0o644,
        });
        self
    }

    /// Its usual file name.
    pub fn filename(&self) -> String {
        format!("{}-{}.tar.gz", self.name, self.version)
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        tar_gz(self.files.iter())
    }
}

/// Builds a crate.
pub struct Crate {
    name: String,
    version: String,
    manifest: String,
    files: Vec<File>,
}

impl Crate {
    /// A crate without a target yet.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            manifest: format!(
                "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\nlicense = \"MIT\"\n"
            ),
            files: Vec::new(),
        }
    }

    /// Adds lines to `Cargo.toml`.
    #[must_use]
    pub fn manifest(mut self, lines: &str) -> Self {
        self.manifest.push_str(lines);
        self.manifest.push('\n');
        self
    }

    /// Adds a text file.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push(File {
            path: format!("{}-{}/{path}", self.name, self.version),
            bytes: text.as_bytes().to_vec(),
            mode: 0o644,
        });
        self
    }

    /// Its usual file name.
    pub fn filename(&self) -> String {
        format!("{}-{}.crate", self.name, self.version)
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        let manifest = File {
            path: format!("{}-{}/Cargo.toml", self.name, self.version),
            bytes: self.manifest.clone().into_bytes(),
            mode: 0o644,
        };
        tar_gz(std::iter::once(&manifest).chain(&self.files))
    }
}

/// What a registry can serve.
pub(crate) trait Package {
    /// Whose.
    const ECOSYSTEM: Ecosystem;

    /// Name and bytes of its file.
    fn archive(&self) -> (String, Vec<u8>);

    /// A specimen that is this package and depends on none.
    fn specimen(&self, name: &'static str, expect: Expect) -> Specimen {
        let (filename, bytes) = self.archive();
        Specimen {
            name,
            ecosystem: Self::ECOSYSTEM,
            filename,
            bytes,
            served: Vec::new(),
            expect,
        }
    }
}

impl Package for NpmPackage {
    const ECOSYSTEM: Ecosystem = Ecosystem::Npm;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}

impl Package for Wheel {
    const ECOSYSTEM: Ecosystem = Ecosystem::Pypi;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}

impl Package for Crate {
    const ECOSYSTEM: Ecosystem = Ecosystem::Cargo;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}

impl Package for Sdist {
    const ECOSYSTEM: Ecosystem = Ecosystem::Pypi;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}

fn metadata(name: &str, version: &str, requires: &[String]) -> String {
    let mut text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    for requirement in requires {
        text.push_str(&format!("Requires-Dist: {requirement}\n"));
    }
    text
}

/// Always the same bytes for the same files.
fn tar_gz<'a>(files: impl Iterator<Item = &'a File>) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(file.mode);
        header.set_mtime(499_162_500);
        tar.append_data(&mut header, &file.path, file.bytes.as_slice())
            .expect(IN_MEMORY);
    }
    let gzip = tar.into_inner().expect(IN_MEMORY);
    gzip.finish().expect(IN_MEMORY)
}

fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        let mode = if path.contains(".data/scripts/") {
            0o755
        } else {
            0o644
        };
        let options = SimpleFileOptions::default().unix_permissions(mode);
        zip.start_file(path.as_str(), options).expect(IN_MEMORY);
        zip.write_all(bytes).expect(IN_MEMORY);
    }
    zip.finish().expect(IN_MEMORY).into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_package_has_the_same_bytes() {
        let npm = || NpmPackage::new("@s/a", "1.0.0").file("index.js", "0");
        assert_eq!(npm().build(), npm().build());
        assert_eq!(npm().filename(), "s-a-1.0.0.tgz");
        let wheel = || Wheel::new("a", "1.0").file("a.py", "");
        assert_eq!(wheel().build(), wheel().build());
    }
}
