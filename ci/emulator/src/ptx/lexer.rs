//! PTX text to tokens.

use super::ParseError;

/// What a token is. Names keep their dots: `mad.lo.cc.u32`, `%tid.x` and `.reg` are one word each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    Integer(u64),
    Single(u32),
    Double(u64),
    Text(&'a str),
    Sign(char),
    End,
}

/// A token and its line, from one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spanned<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) line: u32,
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

/// The error `message` about `line` of `text`.
pub(crate) fn error_at(text: &str, line: u32, message: impl Into<String>) -> ParseError {
    let quoted = text.lines().nth((line as usize).saturating_sub(1)).unwrap_or("");
    ParseError { line, text: quoted.trim().to_string(), message: message.into() }
}

/// Splits `text`; the last token is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Spanned<'_>>, ParseError> {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(text.len() / 4);
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let byte = bytes[at];
        let start = at;
        match byte {
            b'\n' => {
                line += 1;
                at += 1;
            }
            // A fatbin's text ends in zeros.
            b' ' | b'\t' | b'\r' | 0 => at += 1,
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at);
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let length = text[at + 2..].find("*/").ok_or_else(|| error_at(text, line, "open comment"))?;
                line += text[at..at + 2 + length].matches('\n').count() as u32;
                at += length + 4;
            }
            b'"' => {
                let length = text[at + 1..].find('"').ok_or_else(|| error_at(text, line, "open string"))?;
                found.push(Spanned { token: Token::Text(&text[at + 1..at + 1 + length]), line });
                at += length + 2;
            }
            b'0'..=b'9' => {
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.') {
                    at += 1;
                }
                let token = number(&text[start..at])
                    .ok_or_else(|| error_at(text, line, format!("malformed number {}", &text[start..at])))?;
                found.push(Spanned { token, line });
            }
            _ if in_word(byte) => {
                loop {
                    if at < bytes.len() && in_word(bytes[at]) {
                        at += 1;
                    } else if bytes[at..].starts_with(b"::") {
                        at += 2;
                    } else {
                        break;
                    }
                }
                found.push(Spanned { token: Token::Word(&text[start..at]), line });
            }
            b'{' | b'}' | b'(' | b')' | b'[' | b']' | b'<' | b'>' | b',' | b';' | b':' | b'@' | b'!'
            | b'+' | b'-' | b'|' | b'=' | b'*' | b'/' | b'&' | b'^' | b'~' => {
                found.push(Spanned { token: Token::Sign(byte as char), line });
                at += 1;
            }
            _ => return Err(error_at(text, line, format!("unexpected character {:?}", byte as char))),
        }
    }
    found.push(Spanned { token: Token::End, line });
    Ok(found)
}

fn number(text: &str) -> Option<Token<'static>> {
    let prefixed = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    if let Some(digits) = prefixed(["0f", "0F"]) {
        return u32::from_str_radix(digits, 16).ok().map(Token::Single);
    }
    if let Some(digits) = prefixed(["0d", "0D"]) {
        return u64::from_str_radix(digits, 16).ok().map(Token::Double);
    }
    if text.contains('.') {
        return text.parse::<f64>().ok().map(|value| Token::Double(value.to_bits()));
    }
    let text = text.strip_suffix('U').unwrap_or(text);
    let radix = |prefixes: [&str; 2], radix| {
        let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        u64::from_str_radix(digits, radix).ok()
    };
    let value = if text.starts_with("0x") || text.starts_with("0X") {
        radix(["0x", "0X"], 16)
    } else if text.starts_with("0b") || text.starts_with("0B") {
        radix(["0b", "0B"], 2)
    } else if text.len() > 1 && text.starts_with('0') {
        u64::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    };
    value.map(Token::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_lines() {
        let text = "@!%p1 ld.global::x.u32 %r1, [a+0x10]; // c\n/* two\nlines */ 017U 0b11 0f3F800000 \"s\"";
        let found = tokens(text).unwrap();
        let expected = [
            (Token::Sign('@'), 1),
            (Token::Sign('!'), 1),
            (Token::Word("%p1"), 1),
            (Token::Word("ld.global::x.u32"), 1),
            (Token::Word("%r1"), 1),
            (Token::Sign(','), 1),
            (Token::Sign('['), 1),
            (Token::Word("a"), 1),
            (Token::Sign('+'), 1),
            (Token::Integer(16), 1),
            (Token::Sign(']'), 1),
            (Token::Sign(';'), 1),
            (Token::Integer(15), 3),
            (Token::Integer(3), 3),
            (Token::Single(0x3F80_0000), 3),
            (Token::Text("s"), 3),
            (Token::End, 3),
        ];
        let found: Vec<_> = found.iter().map(|s| (s.token, s.line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn nonsense_is_quoted_with_its_line() {
        let error = tokens("ok;\n  mov # 1;").unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (2, "mov # 1;"));
        assert!(tokens("0xzz").is_err());
    }
}
