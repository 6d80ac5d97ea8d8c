//! What calls do and give.

use std::rc::Rc;

use super::expr::mixed;
use super::library::{self, Codec, Effect};
use super::value::{Source, Taints, Text, Value};
use super::{Flow, FuncId, ROOT, methods, places};
use crate::act::ActKind;
use crate::ir::{Call, Expr};
use crate::lang::{Language, shell};

/// An evaluated argument.
pub(super) struct Given {
    pub(super) name: Option<String>,
    pub(super) value: Value,
}

/// Methods that call the functions they are given.
const CALL_BACK: &[&str] = &[
    "then",
    "catch",
    "finally",
    "on",
    "once",
    "forEach",
    "map",
    "filter",
    "reduce",
    "every",
    "some",
    "pipe",
    "addListener",
    "addEventListener",
    "add_done_callback",
    "replace",
    "submit",
    "apply_async",
    "run_in_executor",
    "find",
    "flatMap",
    "sort",
    "call",
    "apply",
    "bind",
    "run_until_complete",
];

/// Methods that put their arguments into what they are called on.
const FILL: &[&str] = &[
    "append",
    "push",
    "extend",
    "add",
    "update",
    "insert",
    "unshift",
    "set",
    "setdefault",
    "write",
    "writestr",
    "attach",
    "concat_in_place",
    "field",
];

/// Most calls within calls that are done for real.
const MAX_PRECISE: usize = 24;

/// Most written texts remembered.
const MAX_WRITTEN: usize = 64;

/// Functions whose result does not give away what they were given.
const ONE_WAY: &[&str] = &[
    "sign",
    "digest",
    "hexdigest",
    "createHmac",
    "createHash",
    "hmac",
    "hash",
    "pbkdf2",
    "pbkdf2Sync",
    "scrypt",
    "scryptSync",
    "verify",
    "createSign",
    "new_hmac",
    "sha256",
    "sha512",
];

impl Flow {
    pub(super) fn call(&mut self, call: &Call) -> Value {
        let (receiver, method, callee) = match &call.callee {
            Expr::Member(of, name) => {
                let of = self.expr(of);
                let callee = self.member(&of, name);
                (Some(of), name.clone(), callee)
            }
            Expr::Index(of, key) => {
                let of = self.expr(of);
                let key = self.expr(key);
                let name = key.shown().unwrap_or_default();
                let callee = self.index(&of, &key);
                (Some(of), name, callee)
            }
            other => (None, String::new(), self.expr(other)),
        };
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            let value = self.expr(&arg.value);
            match (&value.items, arg.spread) {
                (Some(items), true) => args.extend(items.iter().take(64).map(|item| Given {
                    name: None,
                    value: item.clone(),
                })),
                _ => args.push(Given {
                    name: arg.name.clone(),
                    value,
                }),
            }
        }
        let mut out = self.apply(call.line, &callee, receiver.as_ref(), &method, &args);
        self.fill(&call.callee, &method, &args);
        out.class = out
            .class
            .or(callee.class.filter(|_| callee.funcs.is_empty()));
        out
    }

    /// Calls whatever `callee` may be.
    pub(super) fn apply(
        &mut self,
        line: u32,
        callee: &Value,
        receiver: Option<&Value>,
        method: &str,
        args: &[Given],
    ) -> Value {
        let mut out = None;
        if !callee.funcs.is_empty() {
            let this = receiver.filter(|receiver| receiver.class.is_some());
            out = Some(self.invoke_all(&callee.funcs, args, this));
        } else if let Some(class) = callee.class {
            let mut value = callee.clone();
            for name in ["__init__", "constructor", "__call__", "__enter__"] {
                if let Some(found) = self.class_member(class, name, 0) {
                    self.invoke_all(&found.funcs, args, Some(callee));
                }
            }
            // What a constructor was given may be asked of the instance.
            value.taints = Taints::default();
            out = Some(value);
        }
        if out.is_none()
            && let Some(path) = &callee.path
        {
            let path = path.clone();
            if let Some(effect) = library::call(&path) {
                out = Some(self.effect(effect, line, &path, callee, receiver, args));
            } else if let Some(inner) = method_of_function(&path) {
                // `f.call(this, …)`, `f.apply(this, […])`, `f.bind(this)`.
                if let Some(effect) = library::call(inner) {
                    let rest: Vec<Given> = args.iter().skip(1).flat_map(spread).collect();
                    out = Some(self.effect(effect, line, inner, callee, receiver, &rest));
                }
            }
        }
        let mut out = match out {
            Some(out) => out,
            None => self.unknown_call(line, callee, receiver, method, args),
        };
        self.call_back(callee, receiver, method, args, &mut out);
        out
    }

    fn unknown_call(
        &mut self,
        line: u32,
        callee: &Value,
        receiver: Option<&Value>,
        method: &str,
        args: &[Given],
    ) -> Value {
        if let Some(receiver) = receiver
            && let Some(value) = self.method(line, receiver, method, args)
        {
            return value;
        }
        let mut out = mixed(
            args.iter()
                .map(|arg| arg.value.clone())
                .chain(receiver.cloned()),
        );
        out.taints.join(&callee.taints);
        let name = callee
            .path
            .as_deref()
            .and_then(|path| path.rsplit('.').next());
        if ONE_WAY.contains(&name.unwrap_or(method)) {
            out.taints = out.taints.only(|source| {
                !matches!(source, Source::Secret | Source::Argument | Source::Variable)
            });
        }
        if let Some(path) = &callee.path {
            out.path = Some(format!("{path}()").into());
        }
        out.dest.clone_from(&callee.dest);
        out
    }

    /// Functions among the arguments see what the call gives, and may be called by it.
    fn call_back(
        &mut self,
        callee: &Value,
        receiver: Option<&Value>,
        method: &str,
        args: &[Given],
        out: &mut Value,
    ) {
        let known = callee
            .path
            .as_deref()
            .is_some_and(|path| library::call(path).is_some());
        let calls = known || CALL_BACK.contains(&method);
        let own = !callee.funcs.is_empty();
        if own {
            return;
        }
        for arg in args {
            for func in arg.value.funcs.clone() {
                let given = if known || receiver.is_none() {
                    out.clone()
                } else {
                    receiver.map(Value::each).unwrap_or_default()
                };
                let given = Given {
                    name: None,
                    value: given,
                };
                let twice = [
                    Given {
                        name: None,
                        value: given.value.clone(),
                    },
                    given,
                ];
                if calls {
                    self.edges.insert((self.here(), func));
                }
                let value = self.invoke(func, &twice, None, calls);
                if matches!(method, "then" | "map" | "reduce" | "flatMap") {
                    let taints = out.taints.clone();
                    *out = value;
                    if method != "then" {
                        out.taints.join(&taints);
                    }
                }
            }
        }
    }

    fn invoke_all(&mut self, funcs: &[FuncId], args: &[Given], this: Option<&Value>) -> Value {
        let mut out = Value::default();
        for func in funcs {
            self.edges.insert((self.here(), *func));
            let value = self.invoke(*func, args, this, true);
            out.join(&value);
        }
        out
    }

    fn invoke(
        &mut self,
        func: FuncId,
        args: &[Given],
        this: Option<&Value>,
        _called: bool,
    ) -> Value {
        let loaded = self.modules[func.0 as usize].clone();
        let Some(function) = loaded.module.functions.get(func.1 as usize) else {
            return Value::default();
        };
        let names: Vec<Option<&str>> = function
            .params
            .iter()
            .map(|param| match &param.target {
                crate::ir::Target::Name(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let shift = usize::from(
            loaded.language == Language::Python
                && this.is_some()
                && matches!(names.first(), Some(Some("self" | "cls"))),
        );
        if let Some(value) = self.precisely(func, function, args) {
            return value;
        }
        let mut known = self.params.remove(&func).unwrap_or_default();
        known.resize(names.len().max(known.len()), Value::default());
        let before: usize = known.iter().map(weight).sum();
        if shift == 1
            && let (Some(this), Some(slot)) = (this, known.first_mut())
        {
            slot.join(this);
        }
        for (at, arg) in args.iter().enumerate() {
            let slot = match &arg.name {
                Some(name) => names.iter().position(|known| *known == Some(name)),
                None => Some(at + shift),
            };
            if let Some(slot) = slot.and_then(|slot| known.get_mut(slot)) {
                slot.join(&arg.value);
            }
        }
        let after: usize = known.iter().map(weight).sum();
        self.params.insert(func, known);
        let ran = self.runs.get(&func).copied().unwrap_or(0);
        if ran == 0 || after != before {
            return self.run_function(func);
        }
        self.returns.get(&func).cloned().unwrap_or_default()
    }

    /// The result of a function that only returns something, called with constants: how text is unscrambled.
    fn precisely(
        &mut self,
        func: FuncId,
        function: &crate::ir::Function,
        args: &[Given],
    ) -> Option<Value> {
        let [crate::ir::Stmt::Return(result)] = function.body.as_slice() else {
            return None;
        };
        let constant = |arg: &Given| arg.value.exact().is_some() || arg.value.number.is_some();
        if args.is_empty() || !args.iter().all(constant) || self.stack.len() >= MAX_PRECISE {
            return None;
        }
        let mut scope = std::collections::HashMap::new();
        for (param, arg) in function.params.iter().zip(args) {
            if let crate::ir::Target::Name(name) = &param.target {
                scope.insert(name.clone(), arg.value.clone());
            }
        }
        let before = self.scopes.insert(func, scope);
        self.stack.push(func);
        let value = self.expr(result);
        self.stack.pop();
        if let Some(before) = before {
            self.scopes.insert(func, before);
        }
        self.runs.entry(func).or_insert(1);
        Some(value)
    }

    fn effect(
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

    fn decode(&mut self, codec: Codec, line: u32, of: &Value) -> Value {
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

    fn spawn(&mut self, line: u32, path: &str, args: &[Given]) -> Value {
        let plain: Vec<&Value> = args
            .iter()
            .filter(|arg| arg.name.as_deref().is_none_or(|name| name == "args"))
            .map(|arg| &arg.value)
            .take(if path.starts_with("os.") { 12 } else { 2 })
            .collect();
        let mut words: Vec<Value> = Vec::new();
        for value in plain {
            match &value.items {
                Some(items) => words.extend(items.iter().take(32).cloned()),
                None if value.fields.is_some() || !value.funcs.is_empty() => {}
                None => words.push(value.clone()),
            }
        }
        let mut taints = Taints::default();
        for word in &words {
            taints.join(&word.taints);
        }
        let shown: Vec<String> = words
            .iter()
            .map(|word| {
                let shown = word.shown().or_else(|| {
                    word.dest
                        .as_ref()
                        .map(|dest| String::from_utf8_lossy(&dest.bytes).into_owned())
                });
                shown.unwrap_or_else(|| "\u{1}".to_owned())
            })
            .collect();
        let command = shown.join(" ");
        self.act(ActKind::Spawn, line, path, &command, taints.clone());
        if hides(args) {
            self.silence(ActKind::Spawn, line, path);
        }
        self.inner_program(line, &words);
        let mut out = Value::path(format!("{path}()"));
        let told = shell::read(&command);
        self.shell_acts(line, path, &told, &taints);
        self.run_files(line, &told);
        out.taints = self.taint(Source::Output, &short(&command), line);
        for (source, words) in told.gives {
            out.taints.join(&self.taint(source, &words, line));
        }
        out
    }

    /// Acts of a command line.
    pub(super) fn shell_acts(
        &mut self,
        line: u32,
        callee: &str,
        told: &shell::Told,
        given: &Taints,
    ) {
        for act in &told.acts {
            let mut taints = Taints::default();
            for (source, words) in &act.sources {
                taints.join(&self.taint(*source, words, line));
            }
            if matches!(act.kind, ActKind::Net | ActKind::Resolve) {
                taints.join(given);
            }
            let line = line + act.line;
            self.act(act.kind, line, callee, &act.text, taints);
        }
        for (language, code) in &told.code {
            self.inner_code(line, *language, code.as_bytes(), "command line");
        }
    }

    /// `python -c CODE`, `node -e CODE`, `sh -c CODE` with the code as a word of its own.
    fn inner_program(&mut self, line: u32, words: &[Value]) {
        let Some(program) = words.first().and_then(Value::shown) else {
            return;
        };
        let Some(language) = shell::interpreter(&program) else {
            return;
        };
        let flag = words
            .iter()
            .position(|word| matches!(word.exact(), Some(b"-c" | b"-e" | b"--eval" | b"-p")));
        let Some(code) = flag.and_then(|flag| words.get(flag + 1)) else {
            return;
        };
        let taints = code
            .taints
            .only(|source| matches!(source, Source::Download | Source::Decoded));
        if taints.iter().next().is_some() {
            self.act(ActKind::Eval, line, &program, "", taints);
        }
        if let Some(text) = code.exact() {
            self.inner_code(line, language, text, "command line");
        }
    }

    /// Puts what a call adds to a variable into it: `list.append(x)`.
    fn fill(&mut self, callee: &Expr, method: &str, args: &[Given]) {
        let Expr::Member(of, _) = callee else { return };
        if !FILL.contains(&method) {
            return;
        }
        let mut root = &**of;
        while let Expr::Member(inner, _) | Expr::Index(inner, _) = root {
            root = inner;
        }
        let Expr::Name(variable) = root else { return };
        let Some(mut known) = self.lookup(variable) else {
            return;
        };
        for arg in args {
            known.taints.join(&arg.value.taints);
            if matches!(method, "append" | "push" | "add")
                && let Some(items) = known.items.as_mut()
                && items.len() < 256
            {
                Rc::make_mut(items).push(arg.value.clone());
            }
        }
        if known.class.is_none() {
            self.replace(variable, known);
        }
    }

    /// Where a function is: for acts made by code that was found inside of other code.
    pub(super) fn root_of(file: u32) -> FuncId {
        (file, ROOT)
    }
}

/// How much is known of a value: changes when something is added.
fn weight(value: &Value) -> usize {
    value.taints.iter().count()
        + value.funcs.len()
        + usize::from(value.path.is_some())
        + usize::from(value.class.is_some())
        + value.text.as_ref().map_or(0, |text| text.bytes.len())
        + value.fields.as_ref().map_or(0, |fields| fields.len())
}

fn method_of_function(path: &str) -> Option<&str> {
    path.strip_suffix(".call")
        .or_else(|| path.strip_suffix(".apply"))
        .or_else(|| path.strip_suffix(".bind"))
}

fn spread(arg: &Given) -> Vec<Given> {
    let items = arg.value.items.as_ref();
    match items {
        Some(items) => items
            .iter()
            .take(16)
            .map(|value| Given {
                name: None,
                value: value.clone(),
            })
            .collect(),
        None => vec![Given {
            name: arg.name.clone(),
            value: arg.value.clone(),
        }],
    }
}

fn text_of(shown: &str) -> Text {
    Text {
        bytes: shown.as_bytes().to_vec(),
        exact: true,
    }
}

/// Where a call sends to, as far as its arguments tell: an address, or a host, port and path.
fn destination(path: &str, args: &[Given]) -> String {
    const NAMES: &[&str] = &[
        "url", "uri", "host", "hostname", "address", "path", "filename", "baseURL", "port",
    ];
    let named = args.iter().filter(|arg| {
        arg.name
            .as_deref()
            .is_some_and(|name| NAMES.contains(&name))
    });
    let verb = |value: &Value| {
        let verbs: [&[u8]; 5] = [b"GET", b"POST", b"PUT", b"get", b"post"];
        value.exact().is_some_and(|text| verbs.contains(&text))
    };
    let plain = args
        .iter()
        .filter(|arg| arg.name.is_none() && !verb(&arg.value))
        .take(2);
    let mut out = String::new();
    for arg in named.chain(plain) {
        let value = &arg.value;
        let words = match &value.fields {
            Some(fields) => {
                let parts = [
                    "protocol", "url", "uri", "baseURL", "hostname", "host", "port", "path",
                    "pathname",
                ];
                let parts = parts
                    .iter()
                    .filter_map(|name| fields.get(*name))
                    .map(|part| part.words(1));
                parts.collect::<Vec<_>>().join(" ")
            }
            None if value.items.is_some() => value.words(1),
            None => match value.number {
                Some(number) => number.to_string(),
                None => value.words(0),
            },
        };
        // The second plain argument is a body or options: only an address counts.
        let first = out.is_empty();
        let address = words.contains("://") || value.fields.is_some() || value.number.is_some();
        if !words.is_empty() && (first || address || path.contains("connect")) {
            if !first {
                out.push(' ');
            }
            out.push_str(&words);
        }
    }
    out
}

fn last_part(url: &str) -> String {
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

fn short(text: &str) -> String {
    text.replace('\u{1}', "…").chars().take(80).collect()
}

/// Whether a program is started out of sight.
fn hides(args: &[Given]) -> bool {
    let hiding = |name: &str, value: &Value| match name {
        "stdout" | "stderr" | "stdio" => {
            value
                .path
                .as_deref()
                .is_some_and(|path| path.ends_with("DEVNULL"))
                || value.words(1).contains("ignore")
        }
        "detached" | "windowsHide" | "creationflags" | "startupinfo" | "start_new_session" => true,
        _ => false,
    };
    args.iter().any(|arg| {
        let named = arg
            .name
            .as_deref()
            .is_some_and(|name| hiding(name, &arg.value));
        let fields = arg.value.fields.iter().flat_map(|fields| fields.iter());
        named || fields.into_iter().any(|(name, value)| hiding(name, value))
    })
}
