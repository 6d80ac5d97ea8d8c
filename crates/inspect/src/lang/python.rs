//! Python, by ruff's parser.

use ruff_python_ast::{self as ast, Expr as P, Stmt as S};
use ruff_python_parser::{ParseOptions, parse_unchecked};
use ruff_text_size::Ranged;

use super::lines::Lines;
use crate::ir::{
    Arg, Call, Class, Expr, Function, Import, MAX_DEPTH, MAX_NAMES, Module, Param, Stmt, Target,
};

/// Lowers a file. Never fails: what the parser cannot make sense of is left out and named in
/// [`Module::partial`].
pub(crate) fn lower(source: &str) -> Module {
    let parsed = parse_unchecked(source, ParseOptions::from(ruff_python_parser::Mode::Module));
    let mut lower = Lower {
        lines: Lines::new(source),
        module: Module::default(),
        depth: 0,
    };
    if let Some(error) = parsed.errors().first() {
        let line = lower.lines.of(error.range().start().to_usize());
        lower.module.partial = Some(format!("line {line} is no Python that the parser knows"));
    }
    if let ast::Mod::Module(module) = parsed.syntax() {
        lower.module.body = lower.block(&module.body);
    }
    lower.module
}

struct Lower {
    lines: Lines,
    module: Module,
    depth: u32,
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

impl Lower {
    fn line(&self, node: &impl Ranged) -> u32 {
        self.lines.of(node.range().start().to_usize())
    }

    fn name(&mut self, name: &str) {
        if self.module.names.len() < MAX_NAMES {
            self.module.names.push(name.to_owned());
        }
    }

    fn block(&mut self, body: &[S]) -> Vec<Stmt> {
        let mut out = Vec::with_capacity(body.len());
        if self.depth >= MAX_DEPTH {
            self.too_deep();
            return out;
        }
        self.depth += 1;
        for stmt in body {
            self.stmt(stmt, &mut out);
        }
        self.depth -= 1;
        out
    }

    fn too_deep(&mut self) {
        self.module
            .partial
            .get_or_insert_with(|| "it is nested too deep".to_owned());
    }

    fn stmt(&mut self, stmt: &S, out: &mut Vec<Stmt>) {
        match stmt {
            S::FunctionDef(def) => {
                let name = def.name.to_string();
                let function = self.function(&name, Some(&def.parameters), self.line(def), |l| {
                    l.block(&def.body)
                });
                let mut value = Expr::Function(function);
                for decorator in &def.decorator_list {
                    let callee = self.expr(&decorator.expression);
                    let call = Call {
                        callee,
                        args: vec![plain(value.clone())],
                        line: self.line(decorator),
                    };
                    value = Expr::Any(vec![value, Expr::Call(Box::new(call))]);
                }
                out.push(assign(Target::Name(name), value));
            }
            S::ClassDef(def) => {
                let class = self.class(def);
                out.push(assign(
                    Target::Name(def.name.to_string()),
                    Expr::Class(class),
                ));
            }
            S::Return(ret) => {
                let value = ret.value.as_deref().map_or(Expr::Unknown, |v| self.expr(v));
                out.push(Stmt::Return(value));
            }
            S::Assign(assigned) => {
                let value = self.expr(&assigned.value);
                for target in &assigned.targets {
                    let target = self.target(target);
                    out.push(assign(target, value.clone()));
                }
            }
            S::AugAssign(assigned) => {
                let value = self.expr(&assigned.value);
                let target = self.target(&assigned.target);
                out.push(Stmt::Assign {
                    target,
                    value,
                    add: true,
                });
            }
            S::AnnAssign(assigned) => {
                if let Some(value) = &assigned.value {
                    let value = self.expr(value);
                    let target = self.target(&assigned.target);
                    out.push(assign(target, value));
                }
            }
            S::For(each) => {
                let of = self.expr(&each.iter);
                let target = self.target(&each.target);
                let mut body = vec![Stmt::Each { target, of }];
                body.extend(self.block(&each.body));
                body.extend(self.block(&each.orelse));
                out.push(Stmt::Block(body));
            }
            S::While(each) => {
                let mut body = vec![Stmt::Expr(self.expr(&each.test))];
                body.extend(self.block(&each.body));
                body.extend(self.block(&each.orelse));
                out.push(Stmt::Block(body));
            }
            S::If(branch) => {
                if tests_for_main(&branch.test) {
                    // Runs when the file is started as a program, not when it is imported.
                    let line = self.line(branch);
                    let main = self.function("", None, line, |l| l.block(&branch.body));
                    let target = Target::Name("<main>".to_owned());
                    out.push(assign(target, Expr::Function(main)));
                } else {
                    out.push(Stmt::Expr(self.expr(&branch.test)));
                    out.push(Stmt::Block(self.block(&branch.body)));
                }
                for clause in &branch.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        out.push(Stmt::Expr(self.expr(test)));
                    }
                    out.push(Stmt::Block(self.block(&clause.body)));
                }
            }
            S::With(with) => {
                for item in &with.items {
                    let value = self.expr(&item.context_expr);
                    match &item.optional_vars {
                        Some(target) => {
                            let target = self.target(target);
                            out.push(assign(target, value));
                        }
                        None => out.push(Stmt::Expr(value)),
                    }
                }
                out.extend(self.block(&with.body));
            }
            S::Match(matched) => {
                out.push(Stmt::Expr(self.expr(&matched.subject)));
                for case in &matched.cases {
                    out.push(Stmt::Block(self.block(&case.body)));
                }
            }
            S::Try(attempt) => {
                out.extend(self.block(&attempt.body));
                for handler in &attempt.handlers {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    out.push(Stmt::Block(self.block(&handler.body)));
                }
                out.extend(self.block(&attempt.orelse));
                out.extend(self.block(&attempt.finalbody));
            }
            S::Raise(raise) => {
                if let Some(value) = &raise.exc {
                    out.push(Stmt::Expr(self.expr(value)));
                }
            }
            S::Assert(assert) => out.push(Stmt::Expr(self.expr(&assert.test))),
            S::Expr(expr) => out.push(Stmt::Expr(self.expr(&expr.value))),
            S::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.to_string();
                    let (module, local) = match &alias.asname {
                        Some(local) => (module, local.to_string()),
                        // `import a.b` binds `a`.
                        None => {
                            let top = module.split('.').next().unwrap_or_default().to_owned();
                            out.push(Stmt::Import(Import {
                                module: module.clone(),
                                names: Vec::new(),
                            }));
                            (top.clone(), top)
                        }
                    };
                    let names = vec![("*".to_owned(), local)];
                    out.push(Stmt::Import(Import { module, names }));
                }
            }
            S::ImportFrom(import) => {
                let dots = ".".repeat(import.level as usize);
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                let names = import.names.iter().map(|alias| {
                    let local = alias.asname.as_ref().unwrap_or(&alias.name);
                    let name = match alias.name.as_str() {
                        "*" => "**",
                        name => name,
                    };
                    (name.to_owned(), local.to_string())
                });
                out.push(Stmt::Import(Import {
                    module: format!("{dots}{module}"),
                    names: names.collect(),
                }));
            }
            S::Delete(_)
            | S::TypeAlias(_)
            | S::Global(_)
            | S::Nonlocal(_)
            | S::Pass(_)
            | S::Break(_)
            | S::Continue(_)
            | S::IpyEscapeCommand(_) => {}
        }
    }

    fn function(
        &mut self,
        name: &str,
        params: Option<&ast::Parameters>,
        line: u32,
        body: impl FnOnce(&mut Self) -> Vec<Stmt>,
    ) -> usize {
        self.name(name);
        let mut lowered = Vec::new();
        if let Some(params) = params {
            for param in params.iter_non_variadic_params() {
                let default = param.default.as_deref().map(|value| self.expr(value));
                lowered.push(Param {
                    target: Target::Name(param.parameter.name.to_string()),
                    default,
                });
            }
            for rest in [&params.vararg, &params.kwarg].into_iter().flatten() {
                lowered.push(Param {
                    target: Target::Name(rest.name.to_string()),
                    default: None,
                });
            }
        }
        let at = self.module.functions.len();
        self.module.functions.push(Function::default());
        let body = body(self);
        self.module.functions[at] = Function {
            name: name.to_owned(),
            params: lowered,
            body,
            line,
        };
        at
    }

    fn class(&mut self, def: &ast::StmtClassDef) -> usize {
        self.name(&def.name);
        let bases = def.arguments.iter().flat_map(|a| a.args.iter());
        let bases = bases.map(|base| self.expr(base)).collect();
        let at = self.module.classes.len();
        self.module.classes.push(Class::default());
        let body = self.block(&def.body);
        let methods = body
            .iter()
            .filter_map(|stmt| match stmt {
                Stmt::Assign {
                    target: Target::Name(name),
                    value,
                    ..
                } => Some((name.clone(), function_in(value)?)),
                _ => None,
            })
            .collect();
        self.module.classes[at] = Class {
            name: def.name.to_string(),
            bases,
            methods,
            body,
        };
        at
    }

    fn target(&mut self, expr: &P) -> Target {
        match expr {
            P::Name(name) => {
                self.name(&name.id);
                Target::Name(name.id.to_string())
            }
            P::Attribute(at) => Target::Member(self.expr(&at.value), at.attr.to_string()),
            P::Subscript(at) => Target::Index(self.expr(&at.value), self.expr(&at.slice)),
            P::Tuple(list) => Target::List(list.elts.iter().map(|e| self.target(e)).collect()),
            P::List(list) => Target::List(list.elts.iter().map(|e| self.target(e)).collect()),
            P::Starred(star) => self.target(&star.value),
            _ => Target::Nothing,
        }
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e P>) -> Vec<Expr> {
        exprs.into_iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &P) -> Expr {
        if self.depth >= MAX_DEPTH {
            self.too_deep();
            return Expr::Unknown;
        }
        self.depth += 1;
        let out = self.expr_inner(expr);
        self.depth -= 1;
        out
    }

    fn expr_inner(&mut self, expr: &P) -> Expr {
        match expr {
            P::StringLiteral(text) => Expr::Text(text.value.to_str().as_bytes().to_vec()),
            P::BytesLiteral(bytes) => Expr::Text(bytes.value.bytes().collect()),
            P::NumberLiteral(number) => match &number.value {
                ast::Number::Int(int) => int
                    .as_i64()
                    .map_or(Expr::Unknown, |n| Expr::Number(n as f64)),
                ast::Number::Float(float) => Expr::Number(*float),
                ast::Number::Complex { .. } => Expr::Unknown,
            },
            P::FString(text) => {
                let mut pieces = Vec::new();
                for part in &text.value {
                    match part {
                        ast::FStringPart::Literal(text) => {
                            pieces.push(Expr::Text(text.value.as_bytes().to_vec()));
                        }
                        ast::FStringPart::FString(part) => {
                            self.pieces(&part.elements, &mut pieces);
                        }
                    }
                }
                Expr::Concat(pieces)
            }
            P::TString(text) => {
                let mut pieces = Vec::new();
                for part in text.value.iter() {
                    self.pieces(&part.elements, &mut pieces);
                }
                Expr::Concat(pieces)
            }
            P::Name(name) => Expr::Name(name.id.to_string()),
            P::Attribute(at) => Expr::Member(boxed(self.expr(&at.value)), at.attr.to_string()),
            P::Subscript(at) => self.subscript(at),
            P::Call(call) => self.call(call),
            P::BinOp(op) => self.binary(op),
            P::BoolOp(op) => Expr::Any(self.exprs(&op.values)),
            P::If(choice) => {
                let test = self.expr(&choice.test);
                let both = Expr::Any(self.exprs([&*choice.body, &*choice.orelse]));
                // The condition is evaluated, but the value is not made of it.
                Expr::Index(
                    boxed(Expr::List(vec![both, test])),
                    boxed(Expr::Number(0.0)),
                )
            }
            P::Named(named) => {
                let value = self.expr(&named.value);
                Expr::Assign(Box::new(self.target(&named.target)), boxed(value))
            }
            P::UnaryOp(op) => match (op.op, self.expr(&op.operand)) {
                (ast::UnaryOp::USub, Expr::Number(n)) => Expr::Number(-n),
                (_, inner) => Expr::Mix(vec![inner]),
            },
            P::Lambda(lambda) => {
                let line = self.line(lambda);
                Expr::Function(self.function("", lambda.parameters.as_deref(), line, |l| {
                    vec![Stmt::Return(l.expr(&lambda.body))]
                }))
            }
            P::Dict(dict) => Expr::Map(
                dict.items
                    .iter()
                    .map(|item| {
                        let key = item.key.as_ref().map(|key| self.expr(key));
                        (key, self.expr(&item.value))
                    })
                    .collect(),
            ),
            P::Set(list) => Expr::List(self.exprs(&list.elts)),
            P::List(list) => Expr::List(self.exprs(&list.elts)),
            P::Tuple(list) => Expr::List(self.exprs(&list.elts)),
            P::ListComp(c) => self.comprehension(&c.generators, &[&c.elt]),
            P::SetComp(c) => self.comprehension(&c.generators, &[&c.elt]),
            P::Generator(c) => self.comprehension(&c.generators, &[&c.elt]),
            P::DictComp(c) => {
                let key = c.key.as_deref();
                let both: Vec<&P> = key.into_iter().chain([&*c.value]).collect();
                self.comprehension(&c.generators, &both)
            }
            P::Await(wait) => Expr::Wait(boxed(self.expr(&wait.value))),
            P::YieldFrom(wait) => Expr::Wait(boxed(self.expr(&wait.value))),
            P::Yield(wait) => match &wait.value {
                Some(value) => Expr::Wait(boxed(self.expr(value))),
                None => Expr::Unknown,
            },
            P::Compare(compare) => {
                let mut parts = vec![self.expr(&compare.left)];
                parts.extend(self.exprs(compare.comparators.iter()));
                // A comparison tells one bit; what it compares does not flow on.
                parts.insert(0, Expr::Unknown);
                Expr::Index(boxed(Expr::List(parts)), boxed(Expr::Number(0.0)))
            }
            P::Starred(star) => self.expr(&star.value),
            P::Slice(_)
            | P::BooleanLiteral(_)
            | P::NoneLiteral(_)
            | P::EllipsisLiteral(_)
            | P::IpyEscapeCommand(_) => Expr::Unknown,
        }
    }

    fn pieces(&mut self, elements: &ast::InterpolatedStringElements, out: &mut Vec<Expr>) {
        for element in elements {
            out.push(match element {
                ast::InterpolatedStringElement::Literal(text) => {
                    Expr::Text(text.value.as_bytes().to_vec())
                }
                ast::InterpolatedStringElement::Interpolation(part) => self.expr(&part.expression),
            });
        }
    }

    fn subscript(&mut self, at: &ast::ExprSubscript) -> Expr {
        let of = boxed(self.expr(&at.value));
        let P::Slice(slice) = &*at.slice else {
            return Expr::Index(of, boxed(self.expr(&at.slice)));
        };
        let mut bound = |end: &Option<Box<P>>| end.as_deref().map(|end| boxed(self.expr(end)));
        let (from, to, step) = (bound(&slice.lower), bound(&slice.upper), bound(&slice.step));
        Expr::Slice {
            of,
            from,
            to,
            reversed: matches!(step.as_deref(), Some(Expr::Number(n)) if *n < 0.0),
        }
    }

    fn call(&mut self, call: &ast::ExprCall) -> Expr {
        let callee = self.expr(&call.func);
        let mut args: Vec<Arg> = Vec::new();
        for value in &call.arguments.args {
            args.push(Arg {
                name: None,
                spread: matches!(value, P::Starred(_)),
                value: self.expr(value),
            });
        }
        for keyword in &call.arguments.keywords {
            args.push(Arg {
                name: keyword.arg.as_ref().map(ToString::to_string),
                spread: keyword.arg.is_none(),
                value: self.expr(&keyword.value),
            });
        }
        let line = self.line(call);
        Expr::Call(Box::new(Call { callee, args, line }))
    }

    /// Long sums lean to the left: they are unrolled, not descended into.
    fn binary(&mut self, op: &ast::ExprBinOp) -> Expr {
        let mut rights = vec![&*op.right];
        let mut left = &*op.left;
        while let P::BinOp(inner) = left
            && inner.op == op.op
        {
            rights.push(&inner.right);
            left = &inner.left;
        }
        let mut parts = vec![self.expr(left)];
        parts.extend(rights.into_iter().rev().map(|right| self.expr(right)));
        match op.op {
            ast::Operator::Add => Expr::Concat(parts),
            ast::Operator::Mod | ast::Operator::Div if parts.len() >= 2 => {
                let mut parts = parts.into_iter();
                let first = parts.next().unwrap_or(Expr::Unknown);
                parts.fold(first, |left, right| match op.op {
                    ast::Operator::Mod => Expr::Format(boxed(left), boxed(right)),
                    _ => Expr::Divide(boxed(left), boxed(right)),
                })
            }
            ast::Operator::BitXor => {
                let first = parts.remove(0);
                let xor = |left, right| Expr::Xor(boxed(left), boxed(right));
                parts.into_iter().fold(first, xor)
            }
            _ => Expr::Mix(parts),
        }
    }

    fn comprehension(&mut self, generators: &[ast::Comprehension], result: &[&P]) -> Expr {
        let loops = generators
            .iter()
            .map(|generator| {
                let of = self.expr(&generator.iter);
                (self.target(&generator.target), of)
            })
            .collect();
        let mut conditions = Vec::new();
        for generator in generators {
            conditions.extend(self.exprs(&generator.ifs));
        }
        let result = match result {
            [one] => self.expr(one),
            several => Expr::List(self.exprs(several.iter().copied())),
        };
        Expr::Comprehension {
            loops,
            result: boxed(result),
        }
    }
}

fn plain(value: Expr) -> Arg {
    Arg {
        name: None,
        value,
        spread: false,
    }
}

fn assign(target: Target, value: Expr) -> Stmt {
    Stmt::Assign {
        target,
        value,
        add: false,
    }
}

fn function_in(value: &Expr) -> Option<usize> {
    match value {
        Expr::Function(at) => Some(*at),
        Expr::Any(values) => values.iter().find_map(function_in),
        _ => None,
    }
}

/// `__name__ == "__main__"`.
fn tests_for_main(test: &P) -> bool {
    let P::Compare(compare) = test else {
        return false;
    };
    let name = |expr: &P| matches!(expr, P::Name(name) if name.id.as_str() == "__name__");
    compare.ops.iter().all(|op| *op == ast::CmpOp::Eq)
        && (name(&compare.left) || compare.comparators.iter().any(name))
}
