//! JavaScript and TypeScript, by oxc: statements and declarations. Expressions are in [`super::javascript_expr`].

use oxc_allocator::Allocator;
use oxc_ast::ast as js;
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType};

use super::lines::Lines;
use crate::ir::{Class, Expr, Function, Import, MAX_DEPTH, MAX_NAMES, Module, Param, Stmt, Target};

/// Lowers a file. Never fails: what the parser cannot make sense of is left out and named in
/// [`Module::partial`]. `name` tells TypeScript by its ending.
pub(crate) fn lower(source: &str, name: &str) -> Module {
    let mut partial = None;
    // The ending says which language the author meant; what runs is whatever parses.
    for kind in kinds(name) {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, source, kind).parse();
        if parsed.panicked {
            let error = parsed.diagnostics.first();
            partial = Some(error.map_or_else(|| "unknown syntax".to_owned(), ToString::to_string));
            continue;
        }
        let mut lower = Lower {
            lines: Lines::new(source),
            module: Module::default(),
            depth: 0,
        };
        lower.module.body = lower.block(&parsed.program.body);
        return lower.module;
    }
    Module {
        partial: partial.map(|error| format!("the parser gives up: {error}")),
        ..Module::default()
    }
}

fn kinds(name: &str) -> [SourceType; 3] {
    let sloppy = SourceType::cjs().with_jsx(true);
    let module = SourceType::mjs().with_jsx(true);
    if name.ends_with("ts") || name.ends_with("tsx") {
        let tsx = name.ends_with('x');
        [SourceType::ts().with_jsx(tsx), module, sloppy]
    } else if name.ends_with(".mjs") {
        [module, sloppy, SourceType::ts()]
    } else {
        [
            SourceType::unambiguous().with_jsx(true),
            sloppy,
            SourceType::ts(),
        ]
    }
}

pub(super) struct Lower {
    pub(super) lines: Lines,
    pub(super) module: Module,
    pub(super) depth: u32,
}

impl Lower {
    pub(super) fn line(&self, node: &impl GetSpan) -> u32 {
        self.lines.of(node.span().start as usize)
    }

    pub(super) fn name(&mut self, name: &str) {
        if self.module.names.len() < MAX_NAMES {
            self.module.names.push(name.to_owned());
        }
    }

    /// Runs `inner` one level down, or gives its default when that is too deep.
    pub(super) fn deeper<T: Default>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= MAX_DEPTH {
            let partial = &mut self.module.partial;
            partial.get_or_insert_with(|| "it is nested too deep".to_owned());
            return T::default();
        }
        self.depth += 1;
        let out = inner(self);
        self.depth -= 1;
        out
    }

    pub(super) fn block(&mut self, body: &[js::Statement<'_>]) -> Vec<Stmt> {
        self.deeper(|lower| {
            let mut out = Vec::with_capacity(body.len());
            // Functions are known before their declaration is reached.
            let (functions, others): (Vec<_>, Vec<_>) = body
                .iter()
                .partition(|stmt| matches!(stmt, js::Statement::FunctionDeclaration(_)));
            for stmt in functions.into_iter().chain(others) {
                lower.stmt(stmt, &mut out);
            }
            out
        })
    }

    fn one(&mut self, stmt: &js::Statement<'_>) -> Vec<Stmt> {
        self.deeper(|lower| {
            let mut out = Vec::new();
            lower.stmt(stmt, &mut out);
            out
        })
    }

    fn stmt(&mut self, stmt: &js::Statement<'_>, out: &mut Vec<Stmt>) {
        use js::Statement as S;
        match stmt {
            S::BlockStatement(block) => out.extend(self.block(&block.body)),
            S::ExpressionStatement(stmt) => out.push(Stmt::Expr(self.expr(&stmt.expression))),
            S::DoWhileStatement(each) => {
                let mut body = self.one(&each.body);
                body.push(Stmt::Expr(self.expr(&each.test)));
                out.push(Stmt::Block(body));
            }
            S::WhileStatement(each) => {
                out.push(Stmt::Expr(self.expr(&each.test)));
                out.push(Stmt::Block(self.one(&each.body)));
            }
            S::ForStatement(each) => {
                match &each.init {
                    Some(js::ForStatementInit::VariableDeclaration(var)) => {
                        self.variables(var, out)
                    }
                    Some(init) => {
                        let init = init.as_expression().map(|init| self.expr(init));
                        out.extend(init.map(Stmt::Expr));
                    }
                    None => {}
                }
                let mut body = Vec::new();
                for part in [&each.test, &each.update].into_iter().flatten() {
                    body.push(Stmt::Expr(self.expr(part)));
                }
                body.extend(self.one(&each.body));
                out.push(Stmt::Block(body));
            }
            S::ForInStatement(each) => {
                let (left, right) = (&each.left, &each.right);
                let body = &each.body;
                out.push(self.each(left, right, body));
            }
            S::ForOfStatement(each) => {
                let (left, right) = (&each.left, &each.right);
                let body = &each.body;
                out.push(self.each(left, right, body));
            }
            S::IfStatement(branch) => self.branch(branch, out),
            S::LabeledStatement(labeled) => out.extend(self.one(&labeled.body)),
            S::ReturnStatement(ret) => {
                let value = ret.argument.as_ref();
                let value = value.map_or(Expr::Unknown, |value| self.expr(value));
                out.push(Stmt::Return(value));
            }
            S::SwitchStatement(switch) => {
                out.push(Stmt::Expr(self.expr(&switch.discriminant)));
                for case in &switch.cases {
                    out.push(Stmt::Block(self.block(&case.consequent)));
                }
            }
            S::ThrowStatement(throw) => out.push(Stmt::Expr(self.expr(&throw.argument))),
            S::TryStatement(attempt) => {
                out.extend(self.block(&attempt.block.body));
                if let Some(handler) = &attempt.handler {
                    out.push(Stmt::Block(self.block(&handler.body.body)));
                }
                if let Some(finalizer) = &attempt.finalizer {
                    out.extend(self.block(&finalizer.body));
                }
            }
            S::WithStatement(with) => {
                out.push(Stmt::Expr(self.expr(&with.object)));
                out.extend(self.one(&with.body));
            }
            S::BreakStatement(_)
            | S::ContinueStatement(_)
            | S::DebuggerStatement(_)
            | S::EmptyStatement(_) => {}
            stmt => {
                if let Some(declaration) = stmt.as_declaration() {
                    self.declaration(declaration, out);
                } else if let Some(module) = stmt.as_module_declaration() {
                    self.module_declaration(module, out);
                }
            }
        }
    }

    /// `else if` chains are long in real code: they are unrolled.
    fn branch(&mut self, branch: &js::IfStatement<'_>, out: &mut Vec<Stmt>) {
        let mut branch = branch;
        loop {
            out.push(Stmt::Expr(self.expr(&branch.test)));
            out.push(Stmt::Block(self.one(&branch.consequent)));
            match &branch.alternate {
                Some(js::Statement::IfStatement(next)) => branch = next,
                Some(last) => {
                    out.push(Stmt::Block(self.one(last)));
                    return;
                }
                None => return,
            }
        }
    }

    fn each(
        &mut self,
        left: &js::ForStatementLeft<'_>,
        right: &js::Expression<'_>,
        body: &js::Statement<'_>,
    ) -> Stmt {
        let of = self.expr(right);
        let target = match left {
            js::ForStatementLeft::VariableDeclaration(var) => {
                let first = var.declarations.first();
                first.map_or(Target::Nothing, |first| self.pattern(&first.id))
            }
            left => left
                .as_assignment_target()
                .map_or(Target::Nothing, |target| self.assignment_target(target)),
        };
        let mut stmts = vec![Stmt::Each { target, of }];
        stmts.extend(self.one(body));
        Stmt::Block(stmts)
    }

    fn declaration(&mut self, declaration: &js::Declaration<'_>, out: &mut Vec<Stmt>) {
        match declaration {
            js::Declaration::VariableDeclaration(var) => self.variables(var, out),
            js::Declaration::FunctionDeclaration(function) => {
                let name = function.id.as_ref().map(|id| id.name.to_string());
                let value = self.function(function);
                if let Some(name) = name {
                    out.push(set(Target::Name(name), value));
                }
            }
            js::Declaration::ClassDeclaration(class) => {
                let name = class.id.as_ref().map(|id| id.name.to_string());
                let value = self.class(class);
                if let Some(name) = name {
                    out.push(set(Target::Name(name), value));
                }
            }
            js::Declaration::TSImportEqualsDeclaration(import) => {
                if let js::TSModuleReference::ExternalModuleReference(module) =
                    &import.module_reference
                {
                    out.push(Stmt::Import(Import {
                        module: module.expression.value.to_string(),
                        names: vec![("*".to_owned(), import.id.name.to_string())],
                    }));
                }
            }
            _ => {}
        }
    }

    fn variables(&mut self, var: &js::VariableDeclaration<'_>, out: &mut Vec<Stmt>) {
        for one in &var.declarations {
            if let Some(init) = &one.init {
                let value = self.expr(init);
                let target = self.pattern(&one.id);
                out.push(set(target, value));
            }
        }
    }

    fn module_declaration(&mut self, module: &js::ModuleDeclaration<'_>, out: &mut Vec<Stmt>) {
        match module {
            js::ModuleDeclaration::ImportDeclaration(import) => out.push(imports(import)),
            js::ModuleDeclaration::ExportDeclaration(export) => {
                let before = out.len();
                self.declaration(&export.declaration, out);
                let names: Vec<String> = out[before..].iter().filter_map(defined).collect();
                for name in names {
                    let value = Expr::Name(name.clone());
                    out.push(Stmt::Export(name, value));
                }
            }
            js::ModuleDeclaration::ExportDefaultDeclaration(export) => {
                use js::ExportDefaultDeclarationKind as D;
                let value = match &export.declaration {
                    D::FunctionDeclaration(function) => {
                        let value = self.function(function);
                        if let Some(id) = &function.id {
                            out.push(set(Target::Name(id.name.to_string()), value.clone()));
                        }
                        value
                    }
                    D::ClassDeclaration(class) => self.class(class),
                    other => other
                        .as_expression()
                        .map_or(Expr::Unknown, |value| self.expr(value)),
                };
                out.push(Stmt::Export("default".to_owned(), value));
            }
            js::ModuleDeclaration::ExportNamedDeclaration(export) => {
                for one in &export.specifiers {
                    let local = Expr::Name(one.local.name().to_string());
                    out.push(Stmt::Export(one.exported.name().to_string(), local));
                }
            }
            js::ModuleDeclaration::ExportFromDeclaration(export) => {
                let module = export.source.value.to_string();
                for one in &export.specifiers {
                    let local = format!("export {}", one.exported.name());
                    out.push(Stmt::Import(Import {
                        module: module.clone(),
                        names: vec![(one.local.name().to_string(), local.clone())],
                    }));
                    out.push(Stmt::Export(
                        one.exported.name().to_string(),
                        Expr::Name(local),
                    ));
                }
            }
            js::ModuleDeclaration::ExportAllDeclaration(export) => {
                let names = vec![("*".to_owned(), "export *".to_owned())];
                let module = export.source.value.to_string();
                out.push(Stmt::Import(Import { module, names }));
                let name = match &export.exported {
                    Some(name) => name.name().to_string(),
                    None => "*".to_owned(),
                };
                out.push(Stmt::Export(name, Expr::Name("export *".to_owned())));
            }
            js::ModuleDeclaration::TSExportAssignment(export) => {
                let value = self.expr(&export.expression);
                out.push(Stmt::Export("*".to_owned(), value));
            }
            js::ModuleDeclaration::TSNamespaceExportDeclaration(_) => {}
        }
    }

    pub(super) fn function(&mut self, function: &js::Function<'_>) -> Expr {
        let name = function.id.as_ref().map(|id| id.name.to_string());
        let line = self.line(function);
        self.lower_function(name.unwrap_or_default(), &function.params, line, |lower| {
            function
                .body
                .as_ref()
                .map(|body| lower.block(&body.statements))
                .unwrap_or_default()
        })
    }

    pub(super) fn arrow(&mut self, arrow: &js::ArrowFunctionExpression<'_>) -> Expr {
        let line = self.line(arrow);
        self.lower_function(String::new(), &arrow.params, line, |lower| {
            match &arrow.body {
                js::ArrowFunctionBody::FunctionBody(body) => lower.block(&body.statements),
                body => match body.as_expression() {
                    Some(value) => vec![Stmt::Return(lower.expr(value))],
                    None => Vec::new(),
                },
            }
        })
    }

    fn lower_function(
        &mut self,
        name: String,
        params: &js::FormalParameters<'_>,
        line: u32,
        body: impl FnOnce(&mut Self) -> Vec<Stmt>,
    ) -> Expr {
        self.name(&name);
        let mut lowered = Vec::new();
        for param in &params.items {
            let default = param.initializer.as_ref().map(|value| self.expr(value));
            let target = self.pattern(&param.pattern);
            lowered.push(Param { target, default });
        }
        if let Some(rest) = &params.rest {
            let target = self.pattern(&rest.rest.argument);
            lowered.push(Param {
                target,
                default: None,
            });
        }
        let at = self.module.functions.len();
        self.module.functions.push(Function::default());
        let body = body(self);
        self.module.functions[at] = Function {
            name,
            params: lowered,
            body,
            line,
        };
        Expr::Function(at)
    }

    pub(super) fn class(&mut self, class: &js::Class<'_>) -> Expr {
        let name = class.id.as_ref().map(|id| id.name.to_string());
        let base = class.heritage_expression().map(|base| self.expr(base));
        let at = self.module.classes.len();
        self.module.classes.push(Class::default());
        let mut methods = Vec::new();
        let mut body = Vec::new();
        for element in &class.body.body {
            match element {
                js::ClassElement::MethodDefinition(method) => {
                    let name = key_name(&method.key).unwrap_or_default();
                    if let Expr::Function(function) = self.function(&method.value) {
                        methods.push((name, function));
                    }
                }
                js::ClassElement::PropertyDefinition(property) => {
                    if let Some(value) = &property.value {
                        let name = key_name(&property.key).unwrap_or_default();
                        let value = self.expr(value);
                        if let Expr::Function(function) = value {
                            methods.push((name, function));
                        } else {
                            body.push(set(Target::Name(name), value));
                        }
                    }
                }
                js::ClassElement::StaticBlock(block) => body.extend(self.block(&block.body)),
                _ => {}
            }
        }
        self.module.classes[at] = Class {
            name: name.unwrap_or_default(),
            bases: base.into_iter().collect(),
            methods,
            body,
        };
        Expr::Class(at)
    }

    pub(super) fn pattern(&mut self, pattern: &js::BindingPattern<'_>) -> Target {
        match pattern {
            js::BindingPattern::BindingIdentifier(id) => {
                self.name(&id.name);
                Target::Name(id.name.to_string())
            }
            js::BindingPattern::ObjectPattern(object) => self.deeper_target(|lower| {
                let mut fields: Vec<_> = object
                    .properties
                    .iter()
                    .map(|property| {
                        let key = key_name(&property.key).unwrap_or_default();
                        (key, lower.pattern(&property.value))
                    })
                    .collect();
                if let Some(rest) = &object.rest {
                    fields.push(("*".to_owned(), lower.pattern(&rest.argument)));
                }
                Target::Fields(fields)
            }),
            js::BindingPattern::ArrayPattern(array) => self.deeper_target(|lower| {
                let elements = array.elements.iter().map(|element| match element {
                    Some(element) => lower.pattern(element),
                    None => Target::Nothing,
                });
                Target::List(elements.collect())
            }),
            js::BindingPattern::AssignmentPattern(with_default) => {
                self.deeper_target(|lower| lower.pattern(&with_default.left))
            }
        }
    }

    pub(super) fn deeper_target(&mut self, inner: impl FnOnce(&mut Self) -> Target) -> Target {
        self.deeper(|lower| Some(inner(lower)))
            .unwrap_or(Target::Nothing)
    }
}

fn imports(import: &js::ImportDeclaration<'_>) -> Stmt {
    let mut names = Vec::new();
    for one in import.specifiers.iter().flatten() {
        names.push(match one {
            js::ImportDeclarationSpecifier::ImportSpecifier(one) => {
                (one.imported.name().to_string(), one.local.name.to_string())
            }
            js::ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => {
                ("default".to_owned(), one.local.name.to_string())
            }
            js::ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => {
                ("*".to_owned(), one.local.name.to_string())
            }
        });
    }
    Stmt::Import(Import {
        module: import.source.value.to_string(),
        names,
    })
}

fn defined(stmt: &Stmt) -> Option<String> {
    match stmt {
        Stmt::Assign {
            target: Target::Name(name),
            ..
        } => Some(name.clone()),
        _ => None,
    }
}

pub(super) fn key_name(key: &js::PropertyKey<'_>) -> Option<String> {
    key.static_name().map(|name| name.into_owned())
}

pub(super) fn set(target: Target, value: Expr) -> Stmt {
    Stmt::Assign {
        target,
        value,
        add: false,
    }
}
