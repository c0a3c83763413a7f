//! Cuts the text of a filter into tokens, one at a time.

use std::str::Chars;

use crate::error::{Error, Result};

/// Words that have a meaning of their own; a tag of such a name stands in backquotes.
/// `timestamp` and `bytes` are not among them: where a value stands, a tag name can't.
const KEYWORDS: [&str; 12] = [
    "and", "or", "not", "in", "exists", "starts", "with", "contains", "all", "any", "true", "false",
];

/// Operators and punctuation; a longer one before its own beginning.
const SYMBOLS: [&str; 11] = ["!=", "!~", "<=", ">=", "=", "<", ">", "~", "(", ")", ","];

/// Most characters of a token that a message repeats.
const SHOWN_CHARS: usize = 32;

/// The keyword that a word is, in lower case.
pub(super) fn keyword(word: &str) -> Option<&'static str> {
    KEYWORDS
        .into_iter()
        .find(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Whether a word can begin with this character.
pub(super) fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Whether a word can go on with this character. There is no arithmetic, so `-` is free for
/// names such as `user-agent`, and `.` for names such as `http.status`.
pub(super) fn continues_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// An error of the filter text at a column.
pub(super) fn fail(column: usize, message: impl std::fmt::Display) -> Error {
    Error::invalid(format!("filter, column {column}: {message}"))
}

/// Text of the filter as a message repeats it: one line, and not longer than a glance.
pub(super) fn shown(text: &str) -> String {
    one_line(text, SHOWN_CHARS)
}

/// At most `limit` characters of a text, with escapes for those that would break the line.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == limit {
            out.push_str("...");
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word that is no keyword.
    Word(String),
    /// One of [`KEYWORDS`].
    Keyword(&'static str),
    /// A name in backquotes, decoded.
    Name(String),
    /// The name of a parameter, without its `$`.
    Parameter(String),
    /// A string, decoded.
    Text(String),
    /// An integer.
    Int(i64),
    /// A float, finite.
    Float(f64),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
    /// Behind the last token.
    End,
}

impl Token {
    /// The token as a message names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Token::Word(word) => format!("'{}'", shown(word)),
            Token::Keyword(text) | Token::Symbol(text) => format!("'{text}'"),
            Token::Name(name) => format!("tag name `{}`", shown(name)),
            Token::Parameter(name) => format!("parameter '${}'", shown(name)),
            Token::Text(text) => format!("string \"{}\"", shown(text)),
            Token::Int(value) => format!("number {value}"),
            Token::Float(value) => format!("number {value:?}"),
            Token::End => "end of text".to_owned(),
        }
    }
}

/// The place in the text behind the tokens read so far.
pub(super) struct Lexer<'a> {
    rest: Chars<'a>,
    /// Column of the next character, from 1.
    column: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars(),
            column: 1,
        }
    }

    /// The next token and the column where it begins; [`Token::End`] for ever at the end.
    pub(super) fn next_token(&mut self) -> Result<(usize, Token)> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
        let start = self.column;
        let token = match self.peek() {
            None => Token::End,
            Some('"') => Token::Text(self.text(start)?),
            Some('`') => Token::Name(self.name(start)?),
            Some('\'') => return Err(fail(start, "strings stand in double quotes")),
            Some('$') => self.parameter(start)?,
            Some(c) if begins_word(c) => self.word(),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(start)?,
            Some(c) => self.symbol(start, c)?,
        };
        Ok((start, token))
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.column += 1;
        Some(c)
    }

    /// Takes characters as long as `wanted` says so, given the one before.
    fn take_while(&mut self, mut wanted: impl FnMut(Option<char>, char) -> bool) -> String {
        let mut taken = String::new();
        let mut before = None;
        while let Some(c) = self.peek().filter(|c| wanted(before, *c)) {
            self.bump();
            taken.push(c);
            before = Some(c);
        }
        taken
    }

    fn word(&mut self) -> Token {
        let word = self.take_while(|_, c| continues_word(c));
        match keyword(&word) {
            Some(keyword) => Token::Keyword(keyword),
            None => Token::Word(word),
        }
    }

    fn parameter(&mut self, start: usize) -> Result<Token> {
        self.bump();
        if !self.peek().is_some_and(begins_word) {
            return Err(fail(
                start,
                "'$' begins the name of a parameter, such as '$status'",
            ));
        }
        Ok(Token::Parameter(self.take_while(|_, c| continues_word(c))))
    }

    fn symbol(&mut self, start: usize, found: char) -> Result<Token> {
        let rest = self.rest.as_str();
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(*symbol)) else {
            let hint = match found {
                '!' => " (did you mean '!=', '!~' or 'not'?)",
                '&' => " (did you mean 'and'?)",
                '|' => " (did you mean 'or'?)",
                _ => "",
            };
            let found = shown(found.encode_utf8(&mut [0; 4]));
            return Err(fail(
                start,
                format_args!("unexpected character '{found}'{hint}"),
            ));
        };
        symbol.chars().for_each(|_| {
            self.bump();
        });
        Ok(Token::Symbol(symbol))
    }

    /// A name in backquotes; two backquotes inside stand for one.
    fn name(&mut self, start: usize) -> Result<String> {
        let mut name = String::new();
        self.bump();
        loop {
            match self.bump() {
                None => return Err(fail(start, "the backquote is not closed")),
                Some('`') if self.peek() == Some('`') => {
                    self.bump();
                    name.push('`');
                }
                Some('`') if name.is_empty() => return Err(fail(start, "the tag name is empty")),
                Some('`') => return Ok(name),
                Some(c) => name.push(c),
            }
        }
    }

    fn text(&mut self, start: usize) -> Result<String> {
        let mut text = String::new();
        self.bump();
        loop {
            let column = self.column;
            match self.bump() {
                None => return Err(fail(start, "the string is not closed")),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape(start, column)?),
                Some(c) => text.push(c),
            }
        }
    }

    /// What stands behind a backslash, which was at `column` of the string that began at `start`.
    fn escape(&mut self, start: usize, column: usize) -> Result<char> {
        Ok(match self.bump() {
            None => return Err(fail(start, "the string is not closed")),
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => self.unicode_escape(column)?,
            Some(c) => {
                let c = shown(c.encode_utf8(&mut [0; 4]));
                let message = format!("unknown escape '\\{c}'; a backslash itself is '\\\\'");
                return Err(fail(column, message));
            }
        })
    }

    fn unicode_escape(&mut self, column: usize) -> Result<char> {
        let high = self.code_unit(column)?;
        let code = if (0xd800..0xdc00).contains(&high) {
            let second = self.rest.as_str().starts_with("\\u");
            if second {
                self.bump();
                self.bump();
            }
            let low = if second { self.code_unit(column)? } else { 0 };
            if !(0xdc00..0xe000).contains(&low) {
                return Err(lone_surrogate(column));
            }
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| lone_surrogate(column))
    }

    fn code_unit(&mut self, column: usize) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else {
                return Err(fail(column, "'\\u' takes four hexadecimal digits"));
            };
            self.bump();
            code = code << 4 | digit;
        }
        Ok(code)
    }

    fn number(&mut self, start: usize) -> Result<Token> {
        // Everything that clings to the digits belongs to the number, so that `10ms` is one
        // mistake and not two tokens.
        let text = self.take_while(|before, c| match c {
            '+' | '-' => matches!(before, None | Some('e' | 'E')),
            _ => c.is_ascii_alphanumeric() || matches!(c, '_' | '.'),
        });
        match form(&text) {
            None => Err(fail(
                start,
                format_args!(
                    "bad number '{}'; numbers look like 12, -12, 2.5 or 1e9",
                    shown(&text)
                ),
            )),
            Some(Form::Int) => text.parse().map(Token::Int).map_err(|_| {
                let message = format!(
                    "the int {} is outside of {} to {}; with a '.0' it would be a float",
                    shown(&text),
                    i64::MIN,
                    i64::MAX
                );
                fail(start, message)
            }),
            Some(Form::Float) => match text.parse::<f64>() {
                // A number that is not zero must not become zero.
                Ok(value) if value.is_finite() && (value != 0.0 || is_zero(&text)) => {
                    Ok(Token::Float(value))
                }
                _ => Err(fail(
                    start,
                    format_args!("the float {} is out of range", shown(&text)),
                )),
            },
        }
    }
}

fn lone_surrogate(column: usize) -> Error {
    fail(column, "'\\u' names half of a surrogate pair")
}

/// Whether a number is zero as it is written, whatever its exponent.
fn is_zero(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    !mantissa.bytes().any(|b| matches!(b, b'1'..=b'9'))
}

/// Whether a text has the form of a number, also of one that is out of range.
pub(super) fn is_number(text: &str) -> bool {
    form(text).is_some()
}

/// Whether a text is the name of a parameter, without its `$`.
pub(super) fn is_parameter_name(text: &str) -> bool {
    text.starts_with(begins_word) && text.chars().all(continues_word)
}

/// The two forms of numbers.
enum Form {
    Int,
    Float,
}

/// What kind of number a text is: `-? digits (. digits)? ([eE] [+-]? digits)?`.
fn form(text: &str) -> Option<Form> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent_fits =
        exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    let fits = digits(whole) && fraction.is_none_or(digits) && exponent_fits;
    let float = fraction.is_some() || exponent.is_some();
    fits.then_some(if float { Form::Float } else { Form::Int })
}
