//! Methods of texts, lists and paths, done for real where all is known.

use std::rc::Rc;

use super::apply::Given;
use super::expr::{MAX_ITEMS, mixed};
use super::library::Codec;
use super::value::{HOLE, Text, Value};
use super::{Flow, Source};
use crate::act::ActKind;

impl Flow {
    /// The result of `receiver.name(args)` where `receiver` is no known thing of a library.
    pub(super) fn method(
        &mut self,
        line: u32,
        receiver: &Value,
        name: &str,
        args: &[Given],
    ) -> Option<Value> {
        let first = args.first().map(|arg| &arg.value);
        let opened = receiver.path.as_deref() == Some("open()");
        match name {
            "read_text" | "read_bytes" | "readFile" => Some(self.read_file(line, name, receiver)),
            "open" if receiver.text.is_some() => {
                let mode = first.and_then(Value::shown).unwrap_or_default();
                let mut out = match mode.contains(['w', 'a', 'x']) {
                    true => Value::default(),
                    false => self.read_file(line, name, receiver),
                };
                out.path = Some("open()".into());
                out.dest.clone_from(&receiver.text);
                Some(out)
            }
            "write_text" | "write_bytes" => {
                let to = receiver.shown().unwrap_or_default();
                self.write(line, name, &to, first?);
                Some(Value::default())
            }
            "write" | "writelines" if opened || is_stream(receiver) => {
                let to = dest(receiver);
                self.write(line, "write", &to, first?);
                Some(Value::default())
            }
            "pipe" => {
                let into = first?;
                if is_stream(into) {
                    self.act(
                        ActKind::Write,
                        line,
                        "pipe",
                        &dest(into),
                        receiver.taints.clone(),
                    );
                } else if let Some(path) = &into.path
                    && super::library::call(&format!("{path}.write")).is_some()
                {
                    let path = path.clone();
                    self.act(
                        ActKind::Net,
                        line,
                        &path,
                        &dest(into),
                        receiver.taints.clone(),
                    );
                }
                let mut out = into.clone();
                out.taints.join(&receiver.taints);
                Some(out)
            }
            "iter_content" | "read" | "text" | "json" | "buffer" | "arrayBuffer" | "blob"
            | "readlines" | "splitlines" | "getvalue" => {
                let mut out = receiver.clone();
                out.path = receiver
                    .path
                    .as_ref()
                    .map(|path| format!("{path}.{name}()").into());
                Some(out)
            }
            "unlink" | "rmdir" if receiver.text.is_some() => {
                let shown = receiver.shown().unwrap_or_default();
                self.act(ActKind::Delete, line, name, &shown, receiver.taints.clone());
                Some(Value::default())
            }
            "chmod" if receiver.text.is_some() => {
                let shown = receiver.shown().unwrap_or_default();
                self.act(ActKind::Chmod, line, name, &shown, receiver.taints.clone());
                Some(Value::default())
            }
            "_compile" => Some(self.evaluate(line, "_compile", first?)),
            "constructor" if receiver.funcs.is_empty() && receiver.path.is_none() => {
                // `(() => {}).constructor("code")` is Function.
                Some(self.evaluate(line, "Function", first?))
            }
            "rglob" | "glob" | "iterdir" | "walk" if receiver.text.is_some() => {
                let shown = receiver.shown().unwrap_or_default();
                let mut out = Value::text(format!("{shown}/\u{1}"));
                if let Some(text) = out.text.as_mut() {
                    Rc::make_mut(text).exact = false;
                }
                out.taints.clone_from(&receiver.taints);
                if shown == "~" {
                    out.taints.join(&self.taint(
                        Source::HomeFile,
                        "files of the home folder",
                        line,
                    ));
                }
                Some(out)
            }
            "decode" | "toString" | "encode" => Some(self.recode(line, receiver, name, first)),
            "from" if receiver.path.as_deref() == Some("Buffer") => Some(self.buffer(line, args)),
            _ => pure(receiver, name, args),
        }
    }

    fn recode(&mut self, line: u32, receiver: &Value, name: &str, how: Option<&Value>) -> Value {
        let how = how
            .and_then(Value::shown)
            .unwrap_or_default()
            .to_lowercase();
        let codec = codec_named(&how);
        match (name, codec) {
            ("decode", Some(codec)) => self.decode_with(codec, line, receiver),
            // Written in another alphabet: the same to whoever decodes it, unreadable here.
            ("toString" | "encode", Some(_)) => Value::tainted(receiver.taints.clone()),
            _ => {
                let mut out = receiver.clone();
                if name == "toString"
                    && let Some(number) = receiver.number
                {
                    out.text = Value::text(number.to_string()).text;
                }
                out
            }
        }
    }

    /// `Buffer.from(text, encoding)`.
    fn buffer(&mut self, line: u32, args: &[Given]) -> Value {
        let of = args
            .first()
            .map(|arg| arg.value.clone())
            .unwrap_or_default();
        let how = args
            .get(1)
            .and_then(|arg| arg.value.shown())
            .unwrap_or_default();
        match codec_named(&how.to_lowercase()) {
            Some(codec) => self.decode_with(codec, line, &of),
            None => from_numbers(&of).unwrap_or(of),
        }
    }

    fn decode_with(&mut self, codec: Codec, line: u32, of: &Value) -> Value {
        let args = [Given {
            name: None,
            value: of.clone(),
        }];
        let path = match codec {
            Codec::Hex => "bytes.fromhex",
            Codec::Zlib => "zlib.decompress",
            _ => "base64.b64decode",
        };
        if codec == Codec::Rot13 {
            let mut out = Value::tainted(of.taints.clone());
            if let Some(bytes) = of.exact().and_then(|text| codec.decode(text)) {
                out.text = Some(Rc::new(Text { bytes, exact: true }));
                out.taints
                    .join(&self.taint(Source::Decoded, codec.name(), line));
            }
            return out;
        }
        self.apply(line, &Value::path(path), None, "", &args)
    }
}

fn codec_named(name: &str) -> Option<Codec> {
    Some(match name {
        "base64" | "base64url" | "base64_codec" => Codec::Base64,
        "hex" | "hex_codec" => Codec::Hex,
        "zlib" | "zlib_codec" | "zip" => Codec::Zlib,
        "rot13" | "rot_13" | "rot-13" => Codec::Rot13,
        _ => return None,
    })
}

fn dest(value: &Value) -> String {
    let text = value.dest.as_ref();
    text.map(|text| String::from_utf8_lossy(&text.bytes).into_owned())
        .unwrap_or_default()
}

fn is_stream(value: &Value) -> bool {
    matches!(
        value.path.as_deref(),
        Some("fs.createWriteStream()" | "open()")
    )
}

/// What methods of texts and lists give.
fn pure(receiver: &Value, name: &str, args: &[Given]) -> Option<Value> {
    let first = args.first().map(|arg| &arg.value);
    match name {
        "strip" | "trim" | "lstrip" | "rstrip" | "valueOf" | "expanduser" | "resolve"
        | "absolute" | "as_posix" | "normalize" | "copy" | "toLowerCase" | "lower" | "items"
        | "values" | "toJSON" | "flat" | "keys" | "as_uri" | "clone" | "getBytes" | "hex"
            if args.is_empty() =>
        {
            let mut out = receiver.clone();
            if name == "hex" {
                out.text = None;
            }
            Some(out)
        }
        "joinpath" => {
            let mut parts = vec![receiver.clone()];
            for arg in args {
                parts.push(Value::text("/"));
                parts.push(arg.value.clone());
            }
            Some(Value::concat(&parts))
        }
        "join" => join(receiver, first),
        "reverse" | "reversed" => {
            let mut out = receiver.clone();
            if let Some(items) = out.items.as_mut() {
                Rc::make_mut(items).reverse();
            }
            Some(out)
        }
        "split" => split(receiver, first),
        "concat" if receiver.text.is_some() => {
            let parts = std::iter::once(receiver).chain(args.iter().map(|arg| &arg.value));
            Some(Value::concat(parts))
        }
        "replace" | "replaceAll" => Some(replace(receiver, args)),
        "format" if receiver.text.is_some() => Some(braces(receiver, args)),
        "charCodeAt" | "codePointAt" => {
            let at = first.and_then(|first| first.number).unwrap_or(0.0);
            let byte = receiver
                .exact()
                .and_then(|text| text.get(at as usize).copied());
            Some(Value {
                number: byte.map(f64::from),
                taints: receiver.taints.clone(),
                ..Value::default()
            })
        }
        "get" | "pop" if receiver.fields.is_some() => {
            let key = first?.exact()?;
            receiver.field(&String::from_utf8_lossy(key)).cloned()
        }
        "map"
            if first?
                .path
                .as_deref()
                .is_some_and(|path| path.ends_with("fromCharCode")) =>
        {
            let text = from_numbers(receiver)?;
            let letters = text.text.as_ref()?.bytes.clone();
            let items = letters.iter().map(|byte| Value::text([*byte])).collect();
            let mut out = Value::list(items);
            out.taints.join(&text.taints);
            Some(out)
        }
        _ => None,
    }
}

fn join(receiver: &Value, first: Option<&Value>) -> Option<Value> {
    let (items, between) = match (&receiver.items, first) {
        (Some(items), between) => (
            items.clone(),
            between.cloned().unwrap_or_else(|| Value::text(",")),
        ),
        (None, Some(list)) => match items_of(list) {
            Some(items) => (items, receiver.clone()),
            None => return Some(mixed([receiver.clone(), list.clone()])),
        },
        (None, None) => return None,
    };
    let mut parts = Vec::with_capacity(items.len() * 2);
    for item in items.iter() {
        if !parts.is_empty() {
            parts.push(between.clone());
        }
        parts.push(item.clone());
    }
    let mut out = Value::concat(&parts);
    if let Some(list) = first {
        out.taints.join(&list.taints);
    }
    out.taints.join(&receiver.taints);
    Some(out)
}

fn split(receiver: &Value, first: Option<&Value>) -> Option<Value> {
    let text = String::from_utf8(receiver.exact()?.to_vec()).ok()?;
    let between = first.and_then(Value::shown).unwrap_or_default();
    let items: Vec<Value> = match between.as_str() {
        "" if first.is_some() => text
            .chars()
            .take(MAX_ITEMS)
            .map(|c| Value::text(c.to_string()))
            .collect(),
        "" => text
            .split_whitespace()
            .take(MAX_ITEMS)
            .map(Value::text)
            .collect(),
        between => text
            .split(between)
            .take(MAX_ITEMS)
            .map(Value::text)
            .collect(),
    };
    let mut out = Value::list(items);
    out.taints.join(&receiver.taints);
    Some(out)
}

fn replace(receiver: &Value, args: &[Given]) -> Value {
    let mut out = receiver.clone();
    let (Some(from), Some(to)) = (args.first(), args.get(1)) else {
        return out;
    };
    out.taints.join(&to.value.taints);
    let (text, from) = (receiver.exact(), from.value.exact());
    match (text, from, to.value.exact()) {
        (Some(text), Some(from), Some(to)) if !from.is_empty() => {
            let text = String::from_utf8_lossy(text);
            let replaced = text.replace(
                &*String::from_utf8_lossy(from),
                &String::from_utf8_lossy(to),
            );
            out.text = Value::text(replaced).text;
        }
        _ => {
            if let Some(text) = out.text.as_mut() {
                Rc::make_mut(text).exact = false;
            }
        }
    }
    out
}

/// Items of a list, or the bytes of a text as numbers.
pub(super) fn items_of(value: &Value) -> Option<Rc<Vec<Value>>> {
    if let Some(items) = &value.items {
        return Some(items.clone());
    }
    let text = value.exact().filter(|text| text.len() <= MAX_ITEMS)?;
    let items = text.iter().map(|byte| Value {
        number: Some(f64::from(*byte)),
        text: Value::text([*byte]).text,
        ..Value::default()
    });
    Some(Rc::new(items.collect()))
}

/// The text that a list of character codes spells.
pub(super) fn from_numbers(value: &Value) -> Option<Value> {
    let items = value.items.as_ref()?;
    let mut text = String::new();
    let mut bytes = Vec::with_capacity(items.len());
    for item in items.iter() {
        let number = item.number?;
        let code = char::from_u32(number as u32)?;
        text.push(code);
        bytes.push(number as u8);
    }
    let bytes = match bytes.iter().all(u8::is_ascii) && text.is_ascii() {
        true => bytes,
        false => text.into_bytes(),
    };
    let mut out = Value::text(bytes);
    out.taints.clone_from(&value.taints);
    Some(out)
}

/// `"%s" % values`.
pub(super) fn percent(left: &Value, right: &Value) -> Value {
    let Some(text) = left.shown() else {
        return mixed([left.clone(), right.clone()]);
    };
    let one = [right.clone()];
    let values: &[Value] = match &right.items {
        Some(items) => items,
        None => &one,
    };
    let mut parts = Vec::new();
    for (at, piece) in text.split('%').enumerate() {
        if at == 0 {
            parts.push(Value::text(piece));
            continue;
        }
        parts.push(values.get(at - 1).cloned().unwrap_or_else(hole));
        let rest = piece.get(1..).unwrap_or_default();
        parts.push(Value::text(rest));
    }
    let mut out = Value::concat(&parts);
    out.taints.join(&left.taints);
    out.taints.join(&right.taints);
    out
}

/// `"{}".format(values)`.
fn braces(receiver: &Value, args: &[Given]) -> Value {
    let text = receiver.shown().unwrap_or_default();
    let mut parts = Vec::new();
    for (at, piece) in text.split('{').enumerate() {
        let Some((inside, rest)) = piece.split_once('}').filter(|_| at > 0) else {
            parts.push(Value::text(piece));
            continue;
        };
        let index = inside.parse().unwrap_or(at - 1);
        let named = args.iter().find(|arg| arg.name.as_deref() == Some(inside));
        let value = named
            .or_else(|| args.get(index))
            .map(|arg| arg.value.clone());
        parts.push(value.unwrap_or_else(hole));
        parts.push(Value::text(rest));
    }
    let mut out = Value::concat(&parts);
    for arg in args {
        out.taints.join(&arg.value.taints);
    }
    out.taints.join(&receiver.taints);
    out
}

fn hole() -> Value {
    let mut value = Value::text([HOLE]);
    if let Some(text) = value.text.as_mut() {
        Rc::make_mut(text).exact = false;
    }
    value
}
