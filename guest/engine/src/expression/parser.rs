//! Recursive descent over the tokens of a filter; one function per rule of the grammar.

use super::constant::Constant;
use super::lexer::{Lexer, Token, continues_word, fail, is_number, keyword, shown};
use super::operand::{Operand, Parameter, Use};
use super::{
    Comparison, Expression as Tree, Literal, MAX_DEPTH, MAX_LIST_VALUES, MAX_PARAMETERS,
    MAX_TEXT_BYTES,
};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// A tree as it is read: parameters have no values yet.
type Expression = Tree<Operand>;

const NOT: Token = Token::Keyword("not");
const IN: Token = Token::Keyword("in");
const OPEN: Token = Token::Symbol("(");
const CLOSE: Token = Token::Symbol(")");
const COMMA: Token = Token::Symbol(",");

/// The tree of a text, and the names of its parameters.
pub(super) fn parse(text: &str) -> Result<(Expression, Vec<String>)> {
    check_size(text)?;
    let mut parser = Parser::new(text)?;
    let expression = parser.disjunction()?;
    match parser.token {
        Token::End => Ok((expression, parser.names)),
        _ => Err(parser.expected("'and', 'or' or end of text")),
    }
}

/// The constant that a text is; none when it has not the form of one.
pub(super) fn parse_literal(text: &str) -> Result<Option<Literal>> {
    check_size(text)?;
    if !begins_literal(text.trim()) {
        return Ok(None);
    }
    let mut parser = Parser::new(text)?;
    let literal = parser.literal("a value")?;
    match parser.token {
        Token::End => Ok(Some(literal)),
        _ => Err(parser.expected("end of text")),
    }
}

/// Whether a text can only be meant as a constant, well-formed or not.
fn begins_literal(text: &str) -> bool {
    let (word, rest) = match text.find(|c| !continues_word(c)) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    text.starts_with('"')
        || is_number(text)
        || is_nearly_number(text)
        || matches!(keyword(text), Some("true" | "false"))
        || (Constant::of_word(word).is_some() && rest.trim_start().starts_with('('))
}

/// Whether a text looks like a number that was written in another way than the grammar has it: `+5`, `.5`,
/// `5.`, `1e`. None of them is likely to be meant as a string.
fn is_nearly_number(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, ""));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_empty = whole.is_empty() && fraction.is_empty();
    !is_empty && digits(whole) && digits(fraction) && digits(exponent)
}

fn check_size(text: &str) -> Result<()> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::invalid(format!(
            "filter: the text has {} bytes, the limit is {MAX_TEXT_BYTES}",
            text.len()
        )));
    }
    Ok(())
}

/// The parser stands on a token that no rule has taken yet.
struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    column: usize,
    /// Parentheses and `not` around this place.
    depth: usize,
    /// Of parameters, in the order in which they first occurred.
    names: Vec<String>,
    /// Where each of them is.
    numbers: BTreeMap<String, usize>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let (column, token) = lexer.next_token()?;
        Ok(Self {
            lexer,
            token,
            column,
            depth: 0,
            names: Vec::new(),
            numbers: BTreeMap::new(),
        })
    }

    /// Takes the token and goes to the next one.
    fn advance(&mut self) -> Result<Token> {
        let (column, token) = self.lexer.next_token()?;
        self.column = column;
        Ok(std::mem::replace(&mut self.token, token))
    }

    /// Takes the token if it is this one.
    fn accept(&mut self, token: &Token) -> Result<bool> {
        let found = self.token == *token;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, token: &Token, wanted: impl std::fmt::Display) -> Result<()> {
        if self.accept(token)? {
            Ok(())
        } else {
            Err(self.expected(wanted))
        }
    }

    /// The error that something else should stand here.
    fn expected(&self, wanted: impl std::fmt::Display) -> Error {
        let found = self.token.describe();
        fail(
            self.column,
            format_args!("expected {wanted}, found {found}"),
        )
    }

    /// `conjunction { "or" conjunction }`
    fn disjunction(&mut self) -> Result<Expression> {
        self.joined("or", Self::conjunction, Expression::Or)
    }

    /// `negation { "and" negation }`
    fn conjunction(&mut self) -> Result<Expression> {
        self.joined("and", Self::negation, Expression::And)
    }

    /// One part as it is, or several with a keyword between them.
    fn joined(
        &mut self,
        keyword: &'static str,
        part: fn(&mut Self) -> Result<Expression>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression> {
        let first = part(self)?;
        if self.token != Token::Keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.accept(&Token::Keyword(keyword))? {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    /// `"not" negation | "(" disjunction ")" | "exists" "(" name ")" | name test`
    fn negation(&mut self) -> Result<Expression> {
        let column = self.column;
        if self.accept(&NOT)? {
            let part = self.nested(column, Self::negation)?;
            return Ok(Expression::Not(Box::new(part)));
        }
        if self.accept(&OPEN)? {
            let inner = self.nested(column, Self::disjunction)?;
            let wanted = format_args!("'and', 'or' or ')' for the '(' in column {column}");
            self.expect(&CLOSE, wanted)?;
            return Ok(inner);
        }
        if self.accept(&Token::Keyword("exists"))? {
            self.expect(&OPEN, "'(' after 'exists'")?;
            let tag = self.name("a tag name after 'exists('")?;
            self.expect(&CLOSE, "')' after the tag name")?;
            return Ok(Expression::Exists { tag });
        }
        let tag = self.name("a tag name, 'not', 'exists' or '('")?;
        self.test(tag)
    }

    /// A rule one level further down. This is the only way in which rules call themselves.
    fn nested(
        &mut self,
        column: usize,
        rule: fn(&mut Self) -> Result<Expression>,
    ) -> Result<Expression> {
        if self.depth == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} levels of parentheses and 'not'");
            return Err(fail(column, message));
        }
        self.depth += 1;
        let expression = rule(self)?;
        self.depth -= 1;
        Ok(expression)
    }

    fn name(&mut self, wanted: &str) -> Result<String> {
        match &mut self.token {
            Token::Word(name) | Token::Name(name) => {
                let name = std::mem::take(name);
                self.advance()?;
                Ok(name)
            }
            Token::Keyword(word) => Err(fail(
                self.column,
                format_args!(
                    "expected {wanted}, found '{word}' (a tag of that name stands in backquotes)"
                ),
            )),
            _ => Err(self.expected(wanted)),
        }
    }

    /// What follows a tag name.
    fn test(&mut self, tag: String) -> Result<Expression> {
        match self.token {
            Token::Symbol("~") => self.matches(tag, false),
            Token::Symbol("!~") => self.matches(tag, true),
            Token::Symbol(symbol) => match comparison(symbol) {
                Some(op) => self.compare(tag, op),
                None => Err(self.expected_test(&tag)),
            },
            Token::Keyword("in") => self.membership(tag, false),
            Token::Keyword("not") => {
                self.advance()?;
                if self.token != IN {
                    return Err(self.expected(format_args!("'in' after '{} not'", shown(&tag))));
                }
                self.membership(tag, true)
            }
            Token::Keyword("starts") => self.starts_with(tag),
            Token::Keyword("contains") => self.contains(tag),
            _ => Err(self.expected_test(&tag)),
        }
    }

    fn expected_test(&self, tag: &str) -> Error {
        self.expected(format_args!(
            "a comparison, 'in', 'not in', '~', '!~', 'starts with' or 'contains' after '{}'",
            shown(tag)
        ))
    }

    fn compare(&mut self, tag: String, op: Comparison) -> Result<Expression> {
        self.advance()?;
        let value = self.operand(Use::Comparison(op), format_args!("a value after '{op}'"))?;
        Ok(Expression::Compare { tag, op, value })
    }

    fn matches(&mut self, tag: String, negated: bool) -> Result<Expression> {
        self.advance()?;
        let op = if negated { "!~" } else { "~" };
        let pattern = match self.token {
            Token::Parameter(_) => self.operand(Use::Pattern, "a regular expression")?,
            _ => {
                let wanted = format_args!("a regular expression in quotes after '{op}'");
                Operand::Literal(Literal::String(self.string(wanted)?))
            }
        };
        Ok(Expression::Matches {
            tag,
            pattern,
            negated,
        })
    }

    fn starts_with(&mut self, tag: String) -> Result<Expression> {
        self.advance()?;
        self.expect(&Token::Keyword("with"), "'with' after 'starts'")?;
        let prefix = self.operand(Use::Prefix, "a string or bytes after 'starts with'")?;
        Ok(Expression::StartsWith { tag, prefix })
    }

    fn membership(&mut self, tag: String, negated: bool) -> Result<Expression> {
        self.advance()?;
        let values = self.list("in")?;
        Ok(Expression::In {
            tag,
            values,
            negated,
        })
    }

    fn contains(&mut self, tag: String) -> Result<Expression> {
        self.advance()?;
        let all = self.accept(&Token::Keyword("all"))?;
        if !all {
            self.expect(&Token::Keyword("any"), "'all' or 'any' after 'contains'")?;
        }
        let values = self.list(if all { "contains all" } else { "contains any" })?;
        Ok(Expression::Contains { tag, all, values })
    }

    /// `"(" operand { "," operand } ")"`
    fn list(&mut self, operator: &str) -> Result<Vec<Operand>> {
        self.expect(&OPEN, format_args!("'(' after '{operator}'"))?;
        if self.token == CLOSE {
            let message = format!("the list after '{operator}' is empty");
            return Err(fail(self.column, message));
        }
        let mut values = Vec::new();
        loop {
            if values.len() == MAX_LIST_VALUES {
                let message = format!("more than {MAX_LIST_VALUES} values in one list");
                return Err(fail(self.column, message));
            }
            values.push(self.operand(Use::Member, "a value in the list")?);
            if self.accept(&CLOSE)? {
                return Ok(values);
            }
            self.expect(&COMMA, "',' or ')' in the list")?;
        }
    }

    /// `literal | "$" name`, for a test that can take it.
    fn operand(&mut self, test: Use, wanted: impl std::fmt::Display) -> Result<Operand> {
        let column = self.column;
        if let Token::Parameter(name) = &mut self.token {
            let name = std::mem::take(name);
            self.advance()?;
            let number = self.number(name, column)?;
            return Ok(Operand::Parameter(Parameter { number, column }));
        }
        let literal = self.literal(wanted)?;
        test.check(&literal)
            .map_err(|message| fail(column, message))?;
        Ok(Operand::Literal(literal))
    }

    /// The number of a parameter.
    fn number(&mut self, name: String, column: usize) -> Result<usize> {
        if let Some(number) = self.numbers.get(&name) {
            return Ok(*number);
        }
        let number = self.names.len();
        if number == MAX_PARAMETERS {
            let message = format!("more than {MAX_PARAMETERS} parameters");
            return Err(fail(column, message));
        }
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        Ok(number)
    }

    fn literal(&mut self, wanted: impl std::fmt::Display) -> Result<Literal> {
        let literal = match &mut self.token {
            Token::Int(value) => Literal::Int(*value),
            Token::Float(value) => Literal::Float(*value),
            Token::Text(text) => Literal::String(std::mem::take(text)),
            Token::Keyword("true") => Literal::Bool(true),
            Token::Keyword("false") => Literal::Bool(false),
            Token::Word(word) => match Constant::of_word(word) {
                Some(constant) => return self.constant(constant),
                None => {
                    let wanted = format_args!("{wanted} (strings stand in double quotes)");
                    return Err(self.expected(wanted));
                }
            },
            _ => return Err(self.expected(wanted)),
        };
        self.advance()?;
        Ok(literal)
    }

    /// `word "(" string ")"`, standing on the word.
    fn constant(&mut self, constant: Constant) -> Result<Literal> {
        let word = constant.word();
        self.advance()?;
        self.expect(&OPEN, format_args!("'(' after '{word}'"))?;
        let column = self.column;
        let text = self.string(format_args!("{} after '{word}('", constant.content()))?;
        let literal = constant
            .read(&text)
            .map_err(|message| fail(column, message))?;
        self.expect(&CLOSE, format_args!("')' after the string of '{word}'"))?;
        Ok(literal)
    }

    fn string(&mut self, wanted: impl std::fmt::Display) -> Result<String> {
        match &mut self.token {
            Token::Text(text) => {
                let text = std::mem::take(text);
                self.advance()?;
                Ok(text)
            }
            _ => Err(self.expected(wanted)),
        }
    }
}

fn comparison(symbol: &str) -> Option<Comparison> {
    Some(match symbol {
        "=" => Comparison::Eq,
        "!=" => Comparison::Ne,
        "<" => Comparison::Lt,
        "<=" => Comparison::Le,
        ">" => Comparison::Gt,
        ">=" => Comparison::Ge,
        _ => return None,
    })
}
