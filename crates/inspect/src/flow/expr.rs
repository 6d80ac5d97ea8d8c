//! What expressions give.

use std::rc::Rc;

use super::value::{HOLE, ROOT, Source, Text, Value};
use super::{Flow, FuncId, library};
use crate::act::ActKind;
use crate::ir::{Expr, Target};
use crate::lang::Language;

/// Longest path of names kept.
const MAX_PATH: usize = 160;
/// A text without spaces from this length on is a payload rather than a word.
const BLOB: usize = 160;
/// As many numbers in a list are a payload rather than settings.
const BLOB_NUMBERS: usize = 48;
/// Most items of a list that are followed one by one.
pub(super) const MAX_ITEMS: usize = 4096;

impl Flow {
    pub(super) fn expr(&mut self, expr: &Expr) -> Value {
        if !self.step() {
            return Value::default();
        }
        match expr {
            Expr::Text(bytes) => self.literal(bytes),
            Expr::Number(number) => Value {
                number: Some(*number),
                ..Value::default()
            },
            Expr::Name(name) => self.name(name),
            Expr::Member(of, name) => {
                let of = self.expr(of);
                self.member(&of, name)
            }
            Expr::Index(of, key) => {
                let of = self.expr(of);
                let key = self.expr(key);
                self.index(&of, &key)
            }
            Expr::Slice {
                of,
                from,
                to,
                reversed,
            } => {
                let of = self.expr(of);
                let mut bound = |end: &Option<Box<Expr>>| {
                    let end = end.as_deref()?;
                    Some(self.expr(end).number.unwrap_or(f64::NAN))
                };
                let (from, to) = (bound(from), bound(to));
                slice(&of, from, to, *reversed)
            }
            Expr::Call(call) => self.call(call),
            Expr::Concat(parts) => {
                let parts: Vec<Value> = parts.iter().map(|part| self.expr(part)).collect();
                if parts.iter().any(|part| part.items.is_some()) {
                    return join_lists(parts);
                }
                if let Some(sum) = sum(&parts) {
                    return sum;
                }
                Value::concat(&parts)
            }
            Expr::Format(left, right) => {
                let left = self.expr(left);
                let right = self.expr(right);
                super::methods::percent(&left, &right)
            }
            Expr::Divide(left, right) => {
                let left = self.expr(left);
                let right = self.expr(right);
                match left.text {
                    Some(_) => Value::concat([&left, &Value::text("/"), &right]),
                    None if left.path.is_some() => {
                        Value::concat([&left, &Value::text("/"), &right])
                    }
                    None => mixed([left, right]),
                }
            }
            Expr::List(items) => self.list(items),
            Expr::Map(entries) => self.map(entries),
            Expr::Function(at) => {
                let here = self.here();
                let id = (here.0, *at as u32);
                self.parents.insert(id, here);
                Value {
                    funcs: vec![id],
                    ..Value::default()
                }
            }
            Expr::Class(at) => self.define_class(*at as u32),
            Expr::Assign(target, value) => {
                let value = self.expr(value);
                self.assign_value(target, value.clone());
                value
            }
            Expr::Any(values) => {
                let mut out = Value::default();
                for value in values {
                    let value = self.expr(value);
                    out.join(&value);
                }
                out
            }
            Expr::Xor(left, right) => {
                let (left, right) = (self.expr(left), self.expr(right));
                match (left.number, right.number) {
                    (Some(a), Some(b)) => Value {
                        number: Some(((a as i64) ^ (b as i64)) as f64),
                        ..Value::default()
                    },
                    _ => mixed([left, right]),
                }
            }
            Expr::Mix(values) => {
                let values: Vec<Value> = values.iter().map(|value| self.expr(value)).collect();
                mixed(values)
            }
            Expr::Comprehension { loops, result } => self.comprehension(loops, result),
            Expr::Wait(inner) => self.expr(inner),
            Expr::Unknown => Value::default(),
        }
    }

    /// JavaScript says what a file offers by assigning to names that are known to everybody.
    fn assign_value(&mut self, target: &Target, value: Value) {
        if self.language() == Language::JavaScript {
            match target {
                Target::Member(Expr::Name(of), name) if of == "module" && name == "exports" => {
                    self.export("*", value.clone());
                }
                Target::Member(Expr::Name(of), name) if of == "exports" => {
                    self.export(name, value.clone());
                }
                Target::Member(Expr::Member(of, exports), name)
                    if exports == "exports" && **of == Expr::Name("module".to_owned()) =>
                {
                    self.export(name, value.clone());
                }
                Target::Member(of, name) => self.hooked(of, name, &value),
                Target::Name(name) if name == "fetch" && self.lookup(name).is_none() => {
                    self.hooked(&Expr::Name("window".to_owned()), name, &value);
                }
                _ => {}
            }
        }
        self.assign(target, value);
    }

    /// A function of the browser or of another module is replaced by one of this package.
    fn hooked(&mut self, of: &Expr, name: &str, value: &Value) {
        if value.funcs.is_empty() {
            return;
        }
        let of = self.expr(of);
        let path = of.path.as_deref().unwrap_or_default();
        let hooked = matches!(
            (path, name),
            ("window" | "globalThis" | "self", "fetch")
                | ("XMLHttpRequest.prototype", "open" | "send")
                | (
                    "window.ethereum" | "ethereum",
                    "request" | "send" | "sendAsync"
                )
                | (
                    "window.solana" | "solana",
                    "signTransaction" | "signAndSendTransaction"
                )
        );
        if hooked {
            let line = self.line_of(value);
            self.act(
                ActKind::Hook,
                line,
                &format!("{path}.{name}"),
                path,
                value.taints.clone(),
            );
        }
    }

    fn line_of(&self, value: &Value) -> u32 {
        value
            .funcs
            .first()
            .and_then(|(file, at)| {
                let functions = &self.modules[*file as usize].module.functions;
                functions.get(*at as usize).map(|function| function.line)
            })
            .unwrap_or(1)
    }

    fn literal(&mut self, bytes: &[u8]) -> Value {
        let mut value = Value::text(bytes);
        if bytes.len() >= BLOB && looks_encoded(bytes) {
            value.taints = self.taint(Source::Blob, "a long constant", 0);
        }
        value
    }

    fn name(&mut self, name: &str) -> Value {
        if let Some(value) = self.lookup(name) {
            return value;
        }
        match name {
            "this" | "self" | "cls" | "super" => {
                let mut at = self.here();
                while at.1 != ROOT {
                    if let Some(class) = self.methods.get(&at) {
                        return Value {
                            class: Some(*class),
                            ..Value::default()
                        };
                    }
                    at = self.parents.get(&at).copied().unwrap_or((at.0, ROOT));
                }
                Value::path(name)
            }
            "__dirname" | "__file__" | "__filename" => Value::text("./"),
            "exports" => self.exports[self.here().0 as usize].clone(),
            "undefined" | "NaN" | "arguments" => Value::default(),
            name => self.outside(name),
        }
    }

    /// Something that the package does not define.
    fn outside(&mut self, path: &str) -> Value {
        let mut value = Value::path(path.get(..path.len().min(MAX_PATH)).unwrap_or("?"));
        if let Some((source, words)) = library::read(path) {
            value.taints = self.taint(source, words, 0);
        }
        match path {
            "sys.executable" => value.text = Value::text("python").text,
            "process.execPath" | "process.argv0" => value.text = Value::text("node").text,
            "os.sep" | "path.sep" => value.text = Value::text("/").text,
            "os.devnull" => value.text = Value::text("/dev/null").text,
            "import.meta.url" | "import.meta.dirname" => value.text = Value::text("./").text,
            _ => {}
        }
        value
    }

    pub(super) fn member(&mut self, of: &Value, name: &str) -> Value {
        if let Some(value) = of.field(name) {
            return value.clone();
        }
        if let Some(class) = of.class
            && let Some(value) = self.class_member(class, name, 0)
        {
            return value;
        }
        let environment = matches!(
            of.path.as_deref(),
            Some("process.env" | "os.environ" | "import.meta.env" | "Bun.env")
        );
        if let Some(path) = &of.path {
            if environment && self.language() == Language::JavaScript {
                return self.variable(name, 0);
            }
            if name == "default" {
                return of.clone();
            }
            let mut value = self.outside(&format!("{path}.{name}"));
            if !environment {
                value.taints.join(&of.taints);
            }
            value.dest.clone_from(&of.dest);
            if path.as_ref() == "open()" && matches!(name, "name" | "path") {
                value.text.clone_from(&of.dest);
            }
            if value.text.is_none() && path.ends_with(']') {
                value.text.clone_from(&of.text);
            }
            return value;
        }
        let mut value = Value::tainted(of.taints.clone());
        value.dest.clone_from(&of.dest);
        if name == "length" {
            value.taints = super::Taints::default();
        }
        value
    }

    pub(super) fn index(&mut self, of: &Value, key: &Value) -> Value {
        if matches!(of.path.as_deref(), Some("os.environ" | "process.env")) {
            let name = key.shown().unwrap_or_default();
            return self.variable(&name, 0);
        }
        if let Some(name) = key.exact() {
            let name = String::from_utf8_lossy(name).into_owned();
            let whole =
                of.path.as_deref() == Some("globals()") || of.path.as_deref() == Some("locals()");
            if whole {
                return self.name(&name);
            }
            if of.fields.is_some() || of.class.is_some() || of.path.is_some() {
                return self.member(of, &name);
            }
        }
        if let (Some(items), Some(number)) = (&of.items, key.number) {
            let at = match number < 0.0 {
                true => items.len() as f64 + number,
                false => number,
            };
            if let Some(item) = items.get(at as usize) {
                return item.clone();
            }
        }
        if let (Some(text), Some(number)) = (of.exact(), key.number)
            && let Some(byte) = text.get(number as usize)
        {
            return Value::text([*byte]);
        }
        let mut out = of.each();
        if out.text.as_ref().is_some_and(|text| text.exact) {
            out.text = None;
        }
        if let Some(fields) = &of.fields {
            for value in fields.values().take(64) {
                out.join(value);
            }
        }
        out
    }

    /// One environment variable.
    pub(super) fn variable(&mut self, name: &str, line: u32) -> Value {
        match name {
            "HOME" | "USERPROFILE" | "HOMEPATH" => Value::text("~"),
            "APPDATA" => Value::text("~/AppData/Roaming"),
            "LOCALAPPDATA" => Value::text("~/AppData/Local"),
            "TEMP" | "TMP" | "TMPDIR" => Value::text("/tmp"),
            "USER" | "USERNAME" | "LOGNAME" | "USERDOMAIN" => {
                Value::tainted(self.taint(Source::Host, "the user name", line))
            }
            "HOSTNAME" | "COMPUTERNAME" => {
                Value::tainted(self.taint(Source::Host, "the host name", line))
            }
            "" => Value::tainted(self.taint(Source::Variable, "some variable", line)),
            name => {
                let shown = name.replace('\u{1}', " ");
                Value::tainted(self.taint(Source::Variable, &shown, line))
            }
        }
    }

    fn list(&mut self, items: &[Expr]) -> Value {
        let values: Vec<Value> = items
            .iter()
            .take(MAX_ITEMS)
            .map(|item| self.expr(item))
            .collect();
        let numbers = values.iter().filter(|value| value.number.is_some()).count();
        let mut value = Value::list(values);
        if numbers >= BLOB_NUMBERS {
            let blob = self.taint(Source::Blob, "a long list of numbers", 0);
            value.taints.join(&blob);
        }
        value
    }

    fn map(&mut self, entries: &[(Option<Expr>, Expr)]) -> Value {
        let mut out = Value {
            fields: Some(Rc::default()),
            ..Value::default()
        };
        for (key, value) in entries {
            let key = key.as_ref().map(|key| self.expr(key));
            let value = self.expr(value);
            match key.as_ref().map(Value::exact) {
                Some(Some(key)) => out.set_field(&String::from_utf8_lossy(key), value),
                Some(None) => {
                    if let Some(key) = &key {
                        out.taints.join(&key.taints);
                    }
                    out.set_field("[]", value);
                }
                None => {
                    out.taints.join(&value.taints);
                    if let Some(fields) = &value.fields {
                        for (name, value) in fields.iter().take(200) {
                            out.set_field(name, value.clone());
                        }
                    }
                }
            }
        }
        out
    }

    fn comprehension(&mut self, loops: &[(Target, Expr)], result: &Expr) -> Value {
        // One loop over constants can be done for real: that is how text is hidden in numbers.
        if let [(target, of)] = loops {
            let of = self.expr(of);
            let constant = |value: &Value| value.number.is_some() || value.exact().is_some();
            if let Some(items) = super::methods::items_of(&of)
                && items.len() <= MAX_ITEMS
                && items.iter().all(constant)
                && !items.is_empty()
            {
                let mut out = Vec::with_capacity(items.len());
                let blocks = std::mem::take(&mut self.blocks);
                for item in items.iter() {
                    self.assign(target, item.clone());
                    out.push(self.expr(result));
                }
                self.blocks = blocks;
                let mut value = Value::list(out);
                value.taints.join(&of.taints);
                return value;
            }
            let each = of.each();
            self.assign(target, each);
            let mut value = self.expr(result);
            value
                .taints
                .join(&of.taints.only(|source| source == Source::Environment));
            return Value {
                items: Some(Rc::new(vec![value.clone()])),
                ..value
            };
        }
        for (target, of) in loops {
            let each = self.expr(of).each();
            self.assign(target, each);
        }
        let value = self.expr(result);
        Value {
            items: Some(Rc::new(vec![value.clone()])),
            ..value
        }
    }

    fn define_class(&mut self, at: u32) -> Value {
        let here = self.here();
        let id = (here.0, at);
        let loaded = self.module();
        let Some(class) = loaded.module.classes.get(at as usize) else {
            return Value::default();
        };
        let bases: Vec<Value> = class.bases.iter().map(|base| self.expr(base)).collect();
        self.class_bases.insert(id, bases);
        for (_, function) in &class.methods {
            let function: FuncId = (here.0, *function as u32);
            self.parents.insert(function, here);
            self.methods.insert(function, id);
        }
        for stmt in &class.body {
            if let crate::ir::Stmt::Assign {
                target: Target::Name(name),
                value,
                ..
            } = stmt
            {
                let value = self.expr(value);
                self.class_fields
                    .entry(id)
                    .or_default()
                    .set_field(name, value);
            } else {
                self.block(std::slice::from_ref(stmt));
            }
        }
        Value {
            class: Some(id),
            ..Value::default()
        }
    }

    pub(super) fn class_member(&self, class: (u32, u32), name: &str, depth: u8) -> Option<Value> {
        let loaded = &self.modules[class.0 as usize];
        let defined = loaded.module.classes.get(class.1 as usize)?;
        if let Some((_, function)) = defined.methods.iter().find(|(method, _)| method == name) {
            return Some(Value {
                funcs: vec![(class.0, *function as u32)],
                class: None,
                ..Value::default()
            });
        }
        if let Some(value) = self
            .class_fields
            .get(&class)
            .and_then(|fields| fields.field(name))
        {
            return Some(value.clone());
        }
        let bases = self.class_bases.get(&class)?;
        bases
            .iter()
            .filter(|_| depth < 8)
            .find_map(|base| self.class_member(base.class?, name, depth + 1))
    }

    /// Changes what a variable or an instance holds.
    pub(super) fn assign_member(&mut self, of: &Expr, name: &str, value: Value) {
        if let Expr::Name(variable) = of {
            if let Some(mut known) = self.lookup(variable) {
                if let Some(class) = known.class {
                    let fields = self.class_fields.entry(class).or_default();
                    let mut joined = value;
                    if let Some(before) = fields.field(name) {
                        joined.join(before);
                    }
                    fields.set_field(name, joined);
                } else {
                    known.set_field(name, value);
                    self.replace(variable, known);
                }
                return;
            }
            if let Value {
                class: Some(class), ..
            } = self.name(variable)
            {
                let fields = self.class_fields.entry(class).or_default();
                let mut joined = value;
                if let Some(before) = fields.field(name) {
                    joined.join(before);
                }
                fields.set_field(name, joined);
                return;
            }
        }
        match of {
            Expr::Member(inner, _) | Expr::Index(inner, _) if matches!(&**inner, Expr::Name(_)) => {
                let mut held = self.expr(of);
                held.set_field(name, value);
                self.assign_member(inner, &field_name(of), held);
            }
            _ => {
                self.expr(of);
            }
        }
    }

    /// Puts a changed value back into the variable it was read from.
    pub(super) fn replace(&mut self, variable: &str, value: Value) {
        let mut at = self.here();
        for _ in 0..super::MAX_CALLS {
            if let Some(scope) = self.scopes.get_mut(&at)
                && let Some(known) = scope.get_mut(variable)
            {
                *known = value;
                return;
            }
            if at.1 == ROOT {
                return;
            }
            at = self.parents.get(&at).copied().unwrap_or((at.0, ROOT));
        }
    }

    pub(super) fn read_target(&mut self, target: &Target) -> Value {
        match target {
            Target::Name(name) => self.lookup(name).unwrap_or_default(),
            Target::Member(of, name) => {
                let of = self.expr(of);
                self.member(&of, name)
            }
            Target::Index(of, key) => {
                let of = self.expr(of);
                let key = self.expr(key);
                self.index(&of, &key)
            }
            _ => Value::default(),
        }
    }
}

fn field_name(of: &Expr) -> String {
    match of {
        Expr::Member(_, name) => name.clone(),
        _ => "[]".to_owned(),
    }
}

/// Numbers added up.
fn sum(parts: &[Value]) -> Option<Value> {
    let numbers: Option<f64> = parts.iter().map(|part| part.number).sum();
    Some(Value {
        number: Some(numbers?),
        ..Value::default()
    })
}

fn join_lists(parts: Vec<Value>) -> Value {
    let mut items = Vec::new();
    let mut taints = super::Taints::default();
    for part in parts {
        taints.join(&part.taints);
        match &part.items {
            Some(inner) => items.extend(inner.iter().take(MAX_ITEMS).cloned()),
            None => items.push(part),
        }
    }
    let mut value = Value::list(items);
    value.taints.join(&taints);
    value
}

/// Something made of these: where they come from is kept, what they are is not.
pub(super) fn mixed(values: impl IntoIterator<Item = Value>) -> Value {
    let mut out = Value::default();
    for value in values {
        out.taints.join(&value.taints);
        if out.dest.is_none() {
            out.dest = value.dest;
        }
    }
    out
}

fn slice(of: &Value, from: Option<f64>, to: Option<f64>, reversed: bool) -> Value {
    let mut out = of.clone();
    if let Some(text) = of.exact() {
        let mut bytes = match cut(text.len(), from, to) {
            Some((from, to)) => text[from..to].to_vec(),
            None => {
                out.text = None;
                return out;
            }
        };
        if reversed {
            bytes.reverse();
        }
        out.text = Some(Rc::new(Text { bytes, exact: true }));
    } else if let Some(items) = &of.items {
        let mut items = match cut(items.len(), from, to) {
            Some((from, to)) => items[from..to].to_vec(),
            None => items.to_vec(),
        };
        if reversed {
            items.reverse();
        }
        out.items = Some(Rc::new(items));
    }
    out
}

/// Ends of a slice within `length`; `None` where one is unknown.
fn cut(length: usize, from: Option<f64>, to: Option<f64>) -> Option<(usize, usize)> {
    let place = |end: f64| {
        if end.is_nan() {
            return None;
        }
        let end = if end < 0.0 { length as f64 + end } else { end };
        Some(end.clamp(0.0, length as f64) as usize)
    };
    let from = place(from.unwrap_or(0.0))?;
    let to = place(to.unwrap_or(length as f64))?;
    Some((from, to.max(from)))
}

/// Letters, digits and what encodings add to them, and little else.
pub(super) fn looks_encoded(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(4096)];
    let plain = sample
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || b"+/=_-\\%x,".contains(byte))
        .count();
    let spaces = sample
        .iter()
        .filter(|byte| byte.is_ascii_whitespace())
        .count();
    let holes = sample.contains(&HOLE);
    let binary = sample
        .iter()
        .filter(|byte| **byte >= 0x80 || **byte < 9)
        .count();
    !holes
        && ((plain * 100 >= sample.len() * 97 && spaces * 100 <= sample.len() * 2)
            || binary * 100 >= sample.len() * 20)
}
