use apa_model::Ecosystem;
use serde_json::{Value, json};

use super::{Package, zip};

/// Builds a Composer package as code hosts pack it: a zip archive with one top folder.
pub struct ComposerPackage {
    manifest: Value,
    files: Vec<(String, Vec<u8>)>,
}

impl ComposerPackage {
    /// An empty package; `name` is `vendor/name`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            manifest: json!({"name": name, "version": version, "license": "MIT"}),
            files: Vec::new(),
        }
    }

    /// Sets a field of `composer.json`.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.manifest[name] = value;
        self
    }

    /// Adds a text file.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes().to_vec())
    }

    /// Adds a file.
    #[must_use]
    pub fn bytes(mut self, path: &str, bytes: Vec<u8>) -> Self {
        self.files.push((path.to_owned(), bytes));
        self
    }

    fn stem(&self) -> String {
        let text = |field: &str| self.manifest[field].as_str().unwrap_or_default();
        format!("{}-{}", text("name").replace('/', "-"), text("version"))
    }

    /// Its file name; registries leave it to the code host.
    pub fn filename(&self) -> String {
        format!("{}.zip", self.stem())
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        let top = self.stem();
        let manifest = format!("{:#}\n", self.manifest).into_bytes();
        let mut files = vec![(format!("{top}/composer.json"), manifest)];
        let others = self.files.iter();
        files.extend(others.map(|(path, bytes)| (format!("{top}/{path}"), bytes.clone())));
        zip(&files)
    }
}

impl Package for ComposerPackage {
    const ECOSYSTEM: Ecosystem = Ecosystem::Composer;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}
