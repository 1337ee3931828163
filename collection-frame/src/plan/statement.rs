//! SQL text as the parser reads it: what that gets wrong, and what in it an error is about.

use std::ops::ControlFlow;

use datafusion::logical_expr::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Statement, UnaryOperator, Value, VisitMut, VisitorMut,
    visit_expressions,
};

/// `a IS DISTINCT FROM b AND c` is `(a IS DISTINCT FROM b) AND c`; the parser takes all that follows FROM as one operand (sqlparser 0.62).
pub(crate) fn regroup(statement: &mut Statement) {
    struct Regroup;
    impl VisitorMut for Regroup {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            turned(expr);
            ControlFlow::Continue(())
        }
    }
    // Nothing in it breaks off.
    let _ = statement.visit(&mut Regroup);
}

/// The statement with the type of each cast said once more, by a function of two arguments of that name; `None` if there is no cast in it.
pub(crate) fn casts_by_type(statement: &Statement, function: &str) -> Option<Statement> {
    struct Types<'a>(&'a str, bool);
    impl VisitorMut for Types<'_> {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Cast { data_type, .. } = expr {
                let name = Expr::value(Value::SingleQuotedString(data_type.to_string()));
                let cast = std::mem::replace(expr, nothing());
                *expr = call(self.0, [cast, name]);
                self.1 = true;
            }
            ControlFlow::Continue(())
        }
    }
    let mut new = statement.clone();
    let mut types = Types(function, false);
    // Nothing in it breaks off.
    let _ = new.visit(&mut types);
    types.1.then_some(new)
}

fn call(function: &str, args: impl IntoIterator<Item = Expr>) -> Expr {
    let args = args.into_iter();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(function)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn nothing() -> Expr {
    Expr::value(Value::Null)
}

/// The calls of a function in a statement, as they were written.
pub(crate) fn calls(statement: &Statement, function: &str) -> Vec<String> {
    let mut found = Vec::new();
    let _ = visit_expressions(statement, |e| {
        if let Expr::Function(f) = e
            && f.name.to_string().eq_ignore_ascii_case(function)
        {
            found.push(e.to_string());
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

/// How loosely an operator binds; `None` for what binds as tightly as `IS DISTINCT FROM` or more.
fn looseness(op: &BinaryOperator) -> Option<u8> {
    match op {
        BinaryOperator::Or => Some(3),
        BinaryOperator::Xor => Some(2),
        BinaryOperator::And => Some(1),
        _ => None,
    }
}

/// Lifts a looser operator out of the last operand of a tighter one. In what the parser makes otherwise there is none: what is in
/// parentheses is a node of its own.
fn turned(expr: &mut Expr) {
    let outer = match expr {
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => 0,
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            ..
        } => 0,
        Expr::BinaryOp { op, .. } => match looseness(op) {
            Some(l) => l,
            None => return,
        },
        _ => return,
    };
    let last = match expr {
        Expr::IsDistinctFrom(_, last) | Expr::IsNotDistinctFrom(_, last) => last,
        Expr::UnaryOp { expr: last, .. } => last,
        Expr::BinaryOp { right: last, .. } => last,
        _ => return,
    };
    let lifts = match last.as_ref() {
        // An operator of the same kind reads the same either way.
        Expr::BinaryOp { op, .. } => looseness(op).is_some_and(|l| l > outer),
        _ => false,
    };
    if !lifts {
        return;
    }
    let mut lifted = std::mem::replace(last, Box::new(nothing()));
    if let Expr::BinaryOp { left, .. } = lifted.as_mut() {
        // What was the first operand of the looser one is the last of the tighter one.
        *last = std::mem::replace(left, Box::new(nothing()));
        let mut inner = std::mem::replace(expr, nothing());
        turned(&mut inner);
        **left = inner;
        *expr = *lifted;
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::sqlparser::dialect::GenericDialect;
    use datafusion::logical_expr::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn what_follows_is_distinct_from_binds_as_loosely_as_it_is_written() {
        for (text, want) in [
            ("a IS DISTINCT FROM b AND c", "(a IS DISTINCT FROM b) AND c"),
            (
                "a IS NOT DISTINCT FROM b OR c",
                "(a IS NOT DISTINCT FROM b) OR c",
            ),
            (
                "a IS DISTINCT FROM b AND c OR d",
                "((a IS DISTINCT FROM b) AND c) OR d",
            ),
            (
                "a IS DISTINCT FROM b OR c AND d",
                "(a IS DISTINCT FROM b) OR (c AND d)",
            ),
            (
                "p AND a IS DISTINCT FROM b OR d",
                "(p AND (a IS DISTINCT FROM b)) OR d",
            ),
            (
                "p AND a IS DISTINCT FROM b AND d",
                "p AND ((a IS DISTINCT FROM b) AND d)",
            ),
            (
                "p OR a IS DISTINCT FROM b AND d",
                "p OR ((a IS DISTINCT FROM b) AND d)",
            ),
            (
                "NOT a IS DISTINCT FROM b AND c",
                "(NOT (a IS DISTINCT FROM b)) AND c",
            ),
            (
                "a IS DISTINCT FROM (b AND c)",
                "a IS DISTINCT FROM (b AND c)",
            ),
            (
                "a IS DISTINCT FROM b + 1 AND c",
                "(a IS DISTINCT FROM (b + 1)) AND c",
            ),
            (
                "a IS DISTINCT FROM b AND c IS DISTINCT FROM d AND e",
                "(a IS DISTINCT FROM b) AND ((c IS DISTINCT FROM d) AND e)",
            ),
            (
                "CASE WHEN a IS DISTINCT FROM b AND c THEN 1 END",
                "CASE WHEN (a IS DISTINCT FROM b) AND c THEN 1 END",
            ),
        ] {
            let parsed = |text: &str| {
                let mut all =
                    Parser::parse_sql(&GenericDialect {}, &format!("SELECT {text}")).unwrap();
                regroup(&mut all[0]);
                all.remove(0)
            };
            assert_eq!(bracketed(parsed(text)), bracketed(parsed(want)), "{text}");
        }
    }

    /// As text with every operator of two sides in parentheses, and no others.
    fn bracketed(mut statement: Statement) -> String {
        struct Brackets;
        impl VisitorMut for Brackets {
            type Break = ();
            fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
                if let Expr::Nested(inner) = expr {
                    *expr = inner.as_ref().clone();
                } else if matches!(
                    expr,
                    Expr::BinaryOp { .. }
                        | Expr::UnaryOp { .. }
                        | Expr::IsDistinctFrom(..)
                        | Expr::IsNotDistinctFrom(..)
                ) {
                    *expr = Expr::Nested(Box::new(expr.clone()));
                }
                ControlFlow::Continue(())
            }
        }
        let _ = statement.visit(&mut Brackets);
        statement.to_string()
    }
}
