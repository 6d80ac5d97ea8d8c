//! Effects of known functions.

use std::rc::Rc;

use super::apply::{Given, destination, last_part, short, text_of};
use super::expr::mixed;
use super::library::{Codec, Effect};
use super::value::{Source, Taints, Text, Value};
use super::{Flow, methods, places};
use crate::act::ActKind;

/// Most written texts remembered.
const MAX_WRITTEN: usize = 64;

impl Flow {
    pub(super) fn effect(
        &mut self,
        effect: Effect,
        line: u32,
        path: &str,
        callee: &Value,
        receiver: Option<&Value>,
        args: &[Given],
    ) -> Value {
        let first = || {
            args.first()
                .map(|arg| arg.value.clone())
                .unwrap_or_default()
        };
        match effect {
            Effect::Gives(source, words) => {
                let mut out = Value::path(format!("{path}()"));
                out.taints = self.taint(source, words, line);
                out
            }
            Effect::Variable => {
                let name = first().shown().unwrap_or_default();
                let mut out = self.variable(&name, line);
                if let Some(default) = args.get(1) {
                    out.taints.join(&default.value.taints);
                }
                out
            }
            Effect::ReadFile => self.read_file(line, path, &first()),
            Effect::Open => self.open(line, path, args),
            Effect::Same => {
                let mut out = first();
                for arg in args.iter().skip(1) {
                    out.taints.join(&arg.value.taints);
                }
                if let Some(number) = out.number.take() {
                    out.text = Value::text(number.to_string()).text;
                }
                if matches!(
                    path,
                    "bytes" | "bytearray" | "Uint8Array" | "Uint8Array.from" | "Buffer"
                ) && let Some(text) = methods::from_numbers(&out)
                {
                    out.text = text.text;
                    out.items = None;
                }
                if path == "os.path.expanduser" && out.exact() == Some(b"~") {
                    return out;
                }
                out
            }
            Effect::JoinPath => {
                let mut parts = Vec::new();
                for arg in args {
                    if !parts.is_empty() {
                        parts.push(Value::text("/"));
                    }
                    parts.push(arg.value.clone());
                }
                Value::concat(&parts)
            }
            Effect::Text(text) => Value::text(text),
            Effect::TempPath => {
                let suffix = args
                    .iter()
                    .find_map(|arg| arg.value.shown())
                    .unwrap_or_default();
                let mut out = Value::text(format!("/tmp/<new-{line}>{suffix}"));
                out.path = Some("open()".into());
                out.dest.clone_from(&out.text);
                out
            }
            Effect::Decode(codec) => self.decode(codec, line, &first()),
            Effect::Channel => {
                let mut out = mixed(args.iter().map(|arg| arg.value.clone()));
                out.path = Some(format!("{path}()").into());
                out.dest = Some(Rc::new(text_of(&destination(path, args))));
                if path == "fs.createWriteStream" {
                    return out;
                }
                let taints = out.taints.clone();
                if path != "net.Socket" && path != "dgram.createSocket" {
                    let shown = destination(path, args);
                    self.act(ActKind::Net, line, path, &shown, taints.clone());
                    out.taints = self.downloaded(&shown, line);
                    out.taints.join(&taints);
                }
                out
            }
            Effect::Does(kind) => self.does(kind, line, path, callee, receiver, args),
            Effect::FetchToFile => {
                let from = first();
                let shown = destination(path, args);
                self.act(ActKind::Net, line, path, &shown, from.taints.clone());
                let taints = self.downloaded(&shown, line);
                let to = args.get(1).map(|arg| arg.value.shown().unwrap_or_default());
                let to = to.unwrap_or_else(|| last_part(&shown));
                self.act(ActKind::Write, line, path, &to, taints.clone());
                let mut out = Value::text(to);
                out.taints = taints;
                out
            }
            Effect::Eval => {
                // A function made of text has its code as its last argument.
                let code = match path {
                    "Function" | "types.FunctionType" => args.last(),
                    _ => args.first(),
                };
                let code = code.map(|arg| arg.value.clone()).unwrap_or_default();
                self.evaluate(line, path, &code)
            }
            Effect::Spawn => self.spawn(line, path, args),
            Effect::Import => {
                let name = first();
                match name.exact() {
                    Some(text) => {
                        let text = String::from_utf8_lossy(text).into_owned();
                        self.load(&text)
                    }
                    None => {
                        let shown = name.shown().unwrap_or_default();
                        self.act(ActKind::Load, line, path, &shown, name.taints.clone());
                        Value::tainted(name.taints)
                    }
                }
            }
            Effect::GetAttribute => {
                let of = first();
                let name = args.get(1).map(|arg| arg.value.clone()).unwrap_or_default();
                match name.exact() {
                    Some(text) => self.member(&of, &String::from_utf8_lossy(text)),
                    None => mixed([of, name]),
                }
            }
            Effect::CallsBack => {
                // `map(chr, […])` is done for real.
                if let (Some(function), Some(over)) = (args.first(), args.get(1))
                    && function.value.path.as_deref() == Some("chr")
                    && let Some(text) = methods::from_numbers(&over.value)
                {
                    return text;
                }
                let mut given = Value::default();
                for arg in args.iter().filter(|arg| arg.value.funcs.is_empty()) {
                    given.join(&arg.value.each());
                }
                given
            }
            Effect::Walk => {
                let of = first();
                let shown = of.shown().unwrap_or_default();
                let mut out = Value::path(format!("{path}()"));
                out.text = Some(Rc::new(Text {
                    bytes: format!("{shown}/\u{1}").into_bytes(),
                    exact: false,
                }));
                out.taints = of.taints;
                let home =
                    shown == "~" || shown.starts_with("~/") && shown.matches('/').count() < 3;
                if home || matches!(shown.as_str(), "/" | "/home" | "C:\\" | "/Users") {
                    out.taints.join(&self.taint(
                        Source::HomeFile,
                        "files of the home folder",
                        line,
                    ));
                }
                out
            }
            Effect::FromCodes => {
                let list = Value::list(args.iter().map(|arg| arg.value.clone()).collect());
                methods::from_numbers(&list).unwrap_or_else(|| Value::tainted(list.taints))
            }
            Effect::Promisify => first(),
        }
    }

    fn does(
        &mut self,
        kind: ActKind,
        line: u32,
        path: &str,
        callee: &Value,
        receiver: Option<&Value>,
        args: &[Given],
    ) -> Value {
        let mut taints = Taints::default();
        for arg in args {
            taints.join(&arg.value.taints);
        }
        let shown = match (&callee.dest, receiver) {
            (Some(dest), _) => String::from_utf8_lossy(&dest.bytes).into_owned(),
            _ => destination(path, args),
        };
        match kind {
            ActKind::Net | ActKind::Connect => {
                if let Some(receiver) = receiver {
                    taints.join(&receiver.taints.only(|source| source != Source::Download));
                }
                self.act(kind, line, path, &shown, taints);
                let mut out = Value::path(format!("{path}()"));
                out.taints = self.downloaded(&shown, line);
                out.dest = Some(Rc::new(text_of(&shown)));
                // `https.get(url).on("error")` goes on with the same request.
                out
            }
            ActKind::Write => {
                let (to, what) = match path {
                    "shutil.copy" | "shutil.copyfile" | "shutil.move" | "os.rename"
                    | "shutil.copy2" | "os.replace" | "fs.copyFileSync" | "fs.copyFile"
                    | "fs.renameSync" | "fs.rename" | "fs.symlinkSync" | "fs-extra.copySync" => {
                        (args.get(1), args.first())
                    }
                    _ => (args.first(), args.get(1)),
                };
                let to = to.map(|arg| arg.value.words(1)).unwrap_or_default();
                let what = what.map(|arg| arg.value.clone()).unwrap_or_default();
                self.write(line, path, &to, &what);
                Value::default()
            }
            _ => {
                self.act(kind, line, path, &shown, taints.clone());
                Value::tainted(taints)
            }
        }
    }

    /// A file is written; what is in it may be code.
    pub(super) fn write(&mut self, line: u32, callee: &str, to: &str, what: &Value) {
        self.act(ActKind::Write, line, callee, to, what.taints.clone());
        let Some(code) = what.exact() else { return };
        if let Some(language) = crate::lang::dropped(to, code) {
            self.inner_code(line, language, code, "written to a file");
        } else if self.written.len() < MAX_WRITTEN && !to.is_empty() {
            self.written.insert(to.to_owned(), code.to_vec());
        }
    }

    pub(super) fn downloaded(&self, from: &str, line: u32) -> Taints {
        if places::is_metadata_service(from) {
            return self.taint(Source::Secret, "the cloud's credentials", line);
        }
        let from: String = from.chars().take(200).collect();
        self.taint(Source::Download, &from, line)
    }

    pub(super) fn read_file(&mut self, line: u32, callee: &str, path: &Value) -> Value {
        let shown = path.shown().unwrap_or_default();
        let mut taints = path
            .taints
            .only(|source| matches!(source, Source::HomeFile | Source::Secret | Source::Host));
        if let Some(words) = places::secret_place(&shown) {
            let detail = format!("{words} ({})", short(&shown));
            let taint = self.taint(Source::Secret, &detail, line);
            self.act(ActKind::Read, line, callee, &shown, taint.clone());
            taints.join(&taint);
        } else if let Some((source, words)) = places::system_file(&shown) {
            taints.join(&self.taint(source, words, line));
        } else if taints.has(Source::HomeFile) {
            self.act(ActKind::Read, line, callee, &shown, taints.clone());
        } else {
            taints.join(&self.taint(Source::File, &short(&shown), line));
        }
        let mut out = Value::tainted(taints);
        out.dest.clone_from(&path.text);
        out.path = Some(format!("{callee}()").into());
        out
    }

    fn open(&mut self, line: u32, callee: &str, args: &[Given]) -> Value {
        let path = args
            .first()
            .map(|arg| arg.value.clone())
            .unwrap_or_default();
        let mode = args.iter().skip(1).find_map(|arg| {
            let named = arg.name.as_deref().is_none_or(|name| name == "mode");
            arg.value.shown().filter(|_| named)
        });
        let writes = mode.is_some_and(|mode| mode.len() <= 4 && mode.contains(['w', 'a', 'x']));
        let mut out = match writes {
            true => Value::default(),
            false => self.read_file(line, callee, &path),
        };
        out.path = Some("open()".into());
        out.dest = path.text.clone().or(path.dest);
        out
    }

    pub(super) fn decode(&mut self, codec: Codec, line: u32, of: &Value) -> Value {
        let mut out = Value::tainted(of.taints.clone());
        let decoded = of.exact().and_then(|text| codec.decode(text));
        let constant =
            of.exact().is_some_and(|text| text.len() >= 16) || of.taints.has(Source::Blob);
        if let Some(bytes) = decoded {
            out.text = Some(Rc::new(Text { bytes, exact: true }));
        }
        if constant
            || of.taints.has(Source::Decoded)
            || of.taints.has(Source::File) && codec != Codec::Percent
        {
            out.taints
                .join(&self.taint(Source::Decoded, codec.name(), line));
        }
        out
    }

    /// Text is run as code.
    pub(super) fn evaluate(&mut self, line: u32, callee: &str, code: &Value) -> Value {
        let taints = code.taints.only(|source| {
            matches!(
                source,
                Source::Download
                    | Source::Decoded
                    | Source::Blob
                    | Source::File
                    | Source::Variable
                    | Source::Output
            )
        });
        if taints.iter().next().is_some() {
            self.act(ActKind::Eval, line, callee, "", taints);
        }
        if let Some(text) = code.exact() {
            let language = self.language();
            let layer = match code.taints.has(Source::Decoded) {
                true => "decoded",
                false => "text run as code",
            };
            self.inner_code(line, language, text, layer);
        }
        Value {
            path: Some(format!("{callee}()").into()),
            taints: code.taints.clone(),
            ..Value::default()
        }
    }
}
