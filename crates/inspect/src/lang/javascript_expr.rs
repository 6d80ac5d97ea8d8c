//! Expressions of JavaScript and TypeScript.

use oxc_ast::ast as js;

use super::javascript::{Lower, key_name};
use crate::ir::{Arg, Call, Expr, Target};

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

impl Lower {
    pub(super) fn expr(&mut self, expr: &js::Expression<'_>) -> Expr {
        self.deeper(|lower| Some(lower.expr_inner(expr)))
            .unwrap_or(Expr::Unknown)
    }

    fn expr_inner(&mut self, expr: &js::Expression<'_>) -> Expr {
        use js::Expression as E;
        match expr {
            E::StringLiteral(text) => Expr::Text(text.value.as_bytes().to_vec()),
            E::NumericLiteral(number) => Expr::Number(number.value),
            E::TemplateLiteral(template) => self.template(template),
            E::TaggedTemplateExpression(tagged) => {
                let callee = self.expr(&tagged.tag);
                let value = self.template(&tagged.quasi);
                let line = self.line(&**tagged);
                call(callee, vec![plain(value)], line)
            }
            E::RegExpLiteral(regex) => Expr::Text(regex.regex.pattern.text.as_bytes().to_vec()),
            E::Identifier(id) => Expr::Name(id.name.to_string()),
            E::ThisExpression(_) => Expr::Name("this".to_owned()),
            E::Super(_) => Expr::Name("super".to_owned()),
            E::ArrayExpression(array) => self.array(array),
            E::ObjectExpression(object) => self.object(object),
            E::FunctionExpression(function) => self.function(function),
            E::ArrowFunctionExpression(arrow) => self.arrow(arrow),
            E::ClassExpression(class) => self.class(class),
            E::AssignmentExpression(assigned) => self.assignment(assigned),
            E::AwaitExpression(wait) => Expr::Wait(boxed(self.expr(&wait.argument))),
            E::YieldExpression(wait) => match &wait.argument {
                Some(value) => Expr::Wait(boxed(self.expr(value))),
                None => Expr::Unknown,
            },
            E::BinaryExpression(op) => self.binary(op),
            E::LogicalExpression(op) => Expr::Any(self.logical(op)),
            E::ConditionalExpression(choice) => {
                let test = self.expr(&choice.test);
                let both = vec![self.expr(&choice.consequent), self.expr(&choice.alternate)];
                // The condition is evaluated, but the value is not made of it.
                first_of(vec![Expr::Any(both), test])
            }
            E::CallExpression(made) => {
                let callee = self.expr(&made.callee);
                let args = self.args(&made.arguments);
                let line = self.call_line(&made.callee, made.span.start);
                call(callee, args, line)
            }
            E::NewExpression(made) => {
                let callee = self.expr(&made.callee);
                let args = self.args(&made.arguments);
                let line = self.line(&**made);
                call(callee, args, line)
            }
            E::ImportExpression(import) => {
                let source = self.expr(&import.source);
                let line = self.line(&**import);
                let callee = Expr::Name("require".to_owned());
                Expr::Wait(boxed(call(callee, vec![plain(source)], line)))
            }
            E::ChainExpression(chain) => match &chain.expression {
                js::ChainElement::CallExpression(made) => {
                    let callee = self.expr(&made.callee);
                    let args = self.args(&made.arguments);
                    let line = self.line(&**made);
                    call(callee, args, line)
                }
                js::ChainElement::TSNonNullExpression(inner) => self.expr(&inner.expression),
                other => other
                    .as_member_expression()
                    .map_or(Expr::Unknown, |member| self.member(member)),
            },
            E::ParenthesizedExpression(inner) => self.expr(&inner.expression),
            E::SequenceExpression(sequence) => {
                let mut values: Vec<Expr> =
                    sequence.expressions.iter().map(|e| self.expr(e)).collect();
                let last = values.pop().unwrap_or(Expr::Unknown);
                values.insert(0, last);
                first_of(values)
            }
            E::UnaryExpression(op) => {
                let inner = self.expr(&op.argument);
                match (op.operator, inner) {
                    (js::UnaryOperator::UnaryNegation, Expr::Number(n)) => Expr::Number(-n),
                    (js::UnaryOperator::UnaryPlus, inner) => Expr::Mix(vec![inner]),
                    (_, inner) => first_of(vec![Expr::Unknown, inner]),
                }
            }
            E::TSAsExpression(inner) => self.expr(&inner.expression),
            E::TSSatisfiesExpression(inner) => self.expr(&inner.expression),
            E::TSTypeAssertion(inner) => self.expr(&inner.expression),
            E::TSNonNullExpression(inner) => self.expr(&inner.expression),
            E::TSInstantiationExpression(inner) => self.expr(&inner.expression),
            E::ImportMeta(_) => Expr::Name("import.meta".to_owned()),
            other => other
                .as_member_expression()
                .map_or(Expr::Unknown, |member| self.member(member)),
        }
    }

    /// In a chain, the line of the method's name says more than the line where the chain begins.
    fn call_line(&self, callee: &js::Expression<'_>, start: u32) -> u32 {
        let at = match callee {
            js::Expression::StaticMemberExpression(member) => member.property.span.start,
            _ => start,
        };
        self.lines.of(at as usize)
    }

    fn member(&mut self, member: &js::MemberExpression<'_>) -> Expr {
        match member {
            js::MemberExpression::StaticMemberExpression(at) => {
                Expr::Member(boxed(self.expr(&at.object)), at.property.name.to_string())
            }
            js::MemberExpression::ComputedMemberExpression(at) => {
                let of = self.expr(&at.object);
                Expr::Index(boxed(of), boxed(self.expr(&at.expression)))
            }
            js::MemberExpression::PrivateFieldExpression(at) => {
                Expr::Member(boxed(self.expr(&at.object)), format!("#{}", at.field.name))
            }
        }
    }

    fn template(&mut self, template: &js::TemplateLiteral<'_>) -> Expr {
        let mut pieces = Vec::new();
        let mut expressions = template.expressions.iter();
        for quasi in &template.quasis {
            let text = quasi.value.cooked.as_ref().unwrap_or(&quasi.value.raw);
            pieces.push(Expr::Text(text.as_bytes().to_vec()));
            if let Some(expression) = expressions.next() {
                pieces.push(self.expr(expression));
            }
        }
        Expr::Concat(pieces)
    }

    fn array(&mut self, array: &js::ArrayExpression<'_>) -> Expr {
        let elements = array.elements.iter().map(|element| match element {
            js::ArrayExpressionElement::SpreadElement(spread) => {
                Expr::Mix(vec![self.expr(&spread.argument)])
            }
            js::ArrayExpressionElement::Elision(_) => Expr::Unknown,
            element => element
                .as_expression()
                .map_or(Expr::Unknown, |value| self.expr(value)),
        });
        Expr::List(elements.collect())
    }

    fn object(&mut self, object: &js::ObjectExpression<'_>) -> Expr {
        let entries = object.properties.iter().map(|property| match property {
            js::ObjectPropertyKind::ObjectProperty(property) => {
                let key = match key_name(&property.key) {
                    Some(name) => Expr::Text(name.into_bytes()),
                    None => property
                        .key
                        .as_expression()
                        .map_or(Expr::Unknown, |key| self.expr(key)),
                };
                (Some(key), self.expr(&property.value))
            }
            js::ObjectPropertyKind::SpreadProperty(spread) => (None, self.expr(&spread.argument)),
        });
        Expr::Map(entries.collect())
    }

    fn assignment(&mut self, assigned: &js::AssignmentExpression<'_>) -> Expr {
        let value = self.expr(&assigned.right);
        let target = self.assignment_target(&assigned.left);
        if assigned.operator == js::AssignmentOperator::Assign {
            return Expr::Assign(Box::new(target), boxed(value));
        }
        let before = match &target {
            Target::Name(name) => Expr::Name(name.clone()),
            Target::Member(of, name) => Expr::Member(boxed(of.clone()), name.clone()),
            _ => Expr::Unknown,
        };
        let sum = match assigned.operator {
            js::AssignmentOperator::Addition => Expr::Concat(vec![before, value]),
            _ => Expr::Any(vec![before, value]),
        };
        Expr::Assign(Box::new(target), boxed(sum))
    }

    pub(super) fn assignment_target(&mut self, target: &js::AssignmentTarget<'_>) -> Target {
        match target {
            js::AssignmentTarget::AssignmentTargetIdentifier(id) => {
                Target::Name(id.name.to_string())
            }
            js::AssignmentTarget::ArrayAssignmentTarget(array) => self.deeper_target(|lower| {
                let elements = array.elements.iter().map(|element| match element {
                    Some(js::AssignmentTargetMaybeDefault::AssignmentTargetWithDefault(inner)) => {
                        lower.assignment_target(&inner.binding)
                    }
                    Some(element) => element
                        .as_assignment_target()
                        .map_or(Target::Nothing, |target| lower.assignment_target(target)),
                    None => Target::Nothing,
                });
                Target::List(elements.collect())
            }),
            js::AssignmentTarget::ObjectAssignmentTarget(object) => self.deeper_target(|lower| {
                let fields = object.properties.iter().map(|property| match property {
                    js::AssignmentTargetProperty::AssignmentTargetPropertyIdentifier(id) => {
                        let name = id.binding.name.to_string();
                        (name.clone(), Target::Name(name))
                    }
                    js::AssignmentTargetProperty::AssignmentTargetPropertyProperty(property) => {
                        let target = property.binding.as_assignment_target();
                        let target = target.map(|target| lower.assignment_target(target));
                        let key = key_name(&property.name).unwrap_or_default();
                        (key, target.unwrap_or(Target::Nothing))
                    }
                });
                Target::Fields(fields.collect())
            }),
            target => match target.as_simple_assignment_target() {
                Some(simple) => match simple.as_member_expression().map(|m| self.member(m)) {
                    Some(Expr::Member(of, name)) => Target::Member(*of, name),
                    Some(Expr::Index(of, key)) => Target::Index(*of, *key),
                    _ => Target::Nothing,
                },
                None => Target::Nothing,
            },
        }
    }

    /// Long sums lean to the left: they are unrolled, not descended into.
    fn binary(&mut self, op: &js::BinaryExpression<'_>) -> Expr {
        let mut rights = vec![&op.right];
        let mut left = &op.left;
        while let js::Expression::BinaryExpression(inner) = left
            && inner.operator == op.operator
        {
            rights.push(&inner.right);
            left = &inner.left;
        }
        let mut parts = vec![self.expr(left)];
        parts.extend(rights.into_iter().rev().map(|right| self.expr(right)));
        use js::BinaryOperator as B;
        match op.operator {
            B::Addition => Expr::Concat(parts),
            B::BitwiseXOR => {
                let first = parts.remove(0);
                let xor = |left, right| Expr::Xor(boxed(left), boxed(right));
                parts.into_iter().fold(first, xor)
            }
            B::Subtraction
            | B::Multiplication
            | B::Division
            | B::Remainder
            | B::Exponential
            | B::BitwiseAnd
            | B::BitwiseOR
            | B::ShiftLeft
            | B::ShiftRight
            | B::ShiftRightZeroFill => Expr::Mix(parts),
            // A comparison tells one bit; what it compares does not flow on.
            _ => {
                parts.insert(0, Expr::Unknown);
                first_of(parts)
            }
        }
    }

    fn logical(&mut self, op: &js::LogicalExpression<'_>) -> Vec<Expr> {
        let mut rights = vec![&op.right];
        let mut left = &op.left;
        while let js::Expression::LogicalExpression(inner) = left {
            rights.push(&inner.right);
            left = &inner.left;
        }
        let mut parts = vec![self.expr(left)];
        parts.extend(rights.into_iter().rev().map(|right| self.expr(right)));
        parts
    }

    fn args(&mut self, args: &[js::Argument<'_>]) -> Vec<Arg> {
        args.iter()
            .map(|arg| match arg {
                js::Argument::SpreadElement(spread) => Arg {
                    name: None,
                    value: self.expr(&spread.argument),
                    spread: true,
                },
                arg => plain(
                    arg.as_expression()
                        .map_or(Expr::Unknown, |value| self.expr(value)),
                ),
            })
            .collect()
    }
}

fn plain(value: Expr) -> Arg {
    Arg {
        name: None,
        value,
        spread: false,
    }
}

fn call(callee: Expr, args: Vec<Arg>, line: u32) -> Expr {
    Expr::Call(Box::new(Call { callee, args, line }))
}

/// All are evaluated, the first is the value.
fn first_of(values: Vec<Expr>) -> Expr {
    Expr::Index(boxed(Expr::List(values)), boxed(Expr::Number(0.0)))
}
