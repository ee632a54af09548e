//! Tokens to [`Ast`]: declarations, scopes, operands.

use std::collections::HashMap;

use super::ParseError;
use super::ast::*;
use super::lexer::{Spanned, Token, error_at, tokens};

#[derive(Default)]
struct Scope<'a> {
    id: u32,
    registers: HashMap<&'a str, RegId>,
    /// `%r<10>`: prefix, count, first register.
    ranges: Vec<(&'a str, u32, RegId)>,
    variables: HashMap<String, u32>,
}

/// `.loc`'s file, line and column.
type Position = (u32, u32, u32);

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned<'a>>,
    at: usize,
    ast: Ast<'a>,
    /// The place of each position seen, to chain inlined ones.
    positions: HashMap<Position, u32>,
    place: u32,
    body: Body<'a>,
    scopes: Vec<Scope<'a>>,
}

type Result<T> = std::result::Result<T, ParseError>;

/// Parses a whole module.
pub(crate) fn parse(text: &str) -> Result<Ast<'_>> {
    let tokens = tokens(text)?;
    let ast = Ast { places: vec![Place::default()], ..Ast::default() };
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        ast,
        positions: HashMap::new(),
        place: 0,
        body: Body::default(),
        scopes: Vec::new(),
    };
    parser.module()?;
    Ok(parser.ast)
}

/// Bytes and register kind of a type's name without the dot.
fn scalar_bytes(name: &str) -> Option<u32> {
    Some(match name {
        "u8" | "s8" | "b8" => 1,
        "u16" | "s16" | "b16" | "f16" | "bf16" => 2,
        "u32" | "s32" | "b32" | "f32" | "f16x2" | "bf16x2" => 4,
        "u64" | "s64" | "b64" | "f64" => 8,
        "b128" => 16,
        _ => return None,
    })
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens[self.at].token
    }

    fn peek_after(&self) -> Token<'a> {
        self.tokens.get(self.at + 1).map_or(Token::End, |spanned| spanned.token)
    }

    fn line(&self) -> u32 {
        self.tokens[self.at].line
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        if token != Token::End {
            self.at += 1;
        }
        token
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(error_at(self.text, self.line(), message))
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        self.error(format!("expected {wanted}, found {:?}", self.peek()))
    }

    fn accept(&mut self, sign: char) -> bool {
        let found = self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        if self.accept(sign) { Ok(()) } else { self.unexpected(&format!("{sign:?}")) }
    }

    fn word(&mut self, wanted: &str) -> Result<&'a str> {
        match self.peek() {
            Token::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.unexpected(wanted),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        let negative = self.accept('-');
        match self.peek() {
            Token::Integer(value) => {
                self.at += 1;
                let value = value as i64;
                Ok(if negative { value.wrapping_neg() } else { value })
            }
            _ => self.unexpected("an integer"),
        }
    }

    fn small(&mut self) -> Result<u32> {
        let value = self.integer()?;
        u32::try_from(value).or_else(|_| self.error(format!("{value} is out of range")))
    }

    fn skip_past(&mut self, sign: char) -> Result<()> {
        loop {
            match self.next() {
                Token::Sign(found) if found == sign => return Ok(()),
                Token::End => return self.unexpected(&format!("{sign:?}")),
                _ => {}
            }
        }
    }

    fn module(&mut self) -> Result<()> {
        loop {
            let Token::Word(word) = self.peek() else {
                if self.accept(';') {
                    continue;
                }
                return if self.peek() == Token::End { Ok(()) } else { self.unexpected("a directive") };
            };
            match word {
                ".version" => {
                    self.at += 2;
                }
                ".target" => {
                    self.at += 1;
                    self.word("a target")?;
                    while self.accept(',') {
                        self.word("a target option")?;
                    }
                }
                ".address_size" => {
                    self.at += 1;
                    if self.integer()? != 64 {
                        return self.error("only 64-bit addresses are supported");
                    }
                }
                ".file" => self.file()?,
                ".loc" => self.location()?,
                ".section" => {
                    self.skip_past('{')?;
                    self.skip_past('}')?;
                }
                ".pragma" => self.skip_past(';')?,
                _ => self.declaration()?,
            }
        }
    }

    fn file(&mut self) -> Result<()> {
        self.at += 1;
        let number = self.small()?;
        let Token::Text(name) = self.next() else { return self.unexpected("a file name") };
        self.ast.files.insert(number, name.to_string());
        while self.accept(',') {
            self.integer()?;
        }
        Ok(())
    }

    fn position(&mut self) -> Result<Position> {
        Ok((self.small()?, self.small()?, self.small()?))
    }

    fn location(&mut self) -> Result<()> {
        self.at += 1;
        let position = self.position()?;
        let mut outer = None;
        while self.accept(',') {
            match self.word("an attribute of .loc")? {
                "function_name" => {
                    self.word("a label")?;
                    if self.accept('+') {
                        self.integer()?;
                    }
                }
                "inlined_at" => outer = Some(self.position()?),
                word => return self.error(format!("unknown attribute {word} of .loc")),
            }
        }
        let mut place = Place { chain: vec![(position.0, position.1)] };
        if let Some(outer) = outer {
            match self.positions.get(&outer) {
                Some(&known) if outer != position => {
                    place.chain.extend_from_slice(&self.ast.places[known as usize].chain);
                }
                _ => place.chain.push((outer.0, outer.1)),
            }
        }
        // Line 0 is nvcc's word for "no line in particular".
        if position.1 == 0 {
            place.chain.remove(0);
        }
        if self.ast.places[self.place as usize] != place {
            self.place = self.ast.places.len() as u32;
            self.ast.places.push(place);
        }
        self.positions.insert(position, self.place);
        Ok(())
    }

    fn declaration(&mut self) -> Result<()> {
        let mut external = false;
        loop {
            let Token::Word(word) = self.peek() else { return self.unexpected("a declaration") };
            match word {
                ".visible" | ".weak" | ".common" => self.at += 1,
                ".extern" => {
                    external = true;
                    self.at += 1;
                }
                ".entry" | ".func" => {
                    self.at += 1;
                    return self.function(word == ".entry");
                }
                ".global" | ".const" | ".shared" => {
                    let variables = self.variables(external)?;
                    self.ast.variables.extend(variables);
                    return Ok(());
                }
                _ => return self.error(format!("unknown directive {word}")),
            }
        }
    }

    /// Variables of one declaration, which begins with its space; the `;` included.
    fn variables(&mut self, external: bool) -> Result<Vec<Variable>> {
        let first = self.variable_head()?;
        let mut found = Vec::new();
        loop {
            let variable = self.declarator(first, external)?;
            found.push(variable);
            if !self.accept(',') {
                break;
            }
        }
        self.expect(';')?;
        Ok(found)
    }

    /// Space, alignment and bytes of an element.
    fn variable_head(&mut self) -> Result<(VarSpace, u32, u32)> {
        let space = match self.word("a state space")? {
            ".global" => VarSpace::Global,
            ".const" => VarSpace::Const,
            ".shared" => VarSpace::Shared,
            ".local" => VarSpace::Local,
            ".param" => VarSpace::Param,
            word => return self.error(format!("unknown state space {word}")),
        };
        let (mut align, mut vector) = (None, 1);
        loop {
            let word = self.word("a type")?;
            match word {
                ".align" => align = Some(self.small()?),
                ".v2" => vector = 2,
                ".v4" => vector = 4,
                // Says what a pointer parameter points to; nothing follows from it.
                ".ptr" => {
                    while let Token::Word(".global" | ".const" | ".shared" | ".local") = self.peek() {
                        self.at += 1;
                    }
                    if self.peek() == Token::Word(".align") {
                        self.at += 1;
                        self.small()?;
                    }
                    return Ok((space, align.unwrap_or(8), 8));
                }
                ".attribute" => {
                    self.skip_past(')')?;
                }
                _ => {
                    let Some(bytes) = word.strip_prefix('.').and_then(scalar_bytes) else {
                        return self.error(format!("unknown type {word}"));
                    };
                    let bytes = bytes * vector;
                    // `.ptr` comes after the type.
                    if self.peek() == Token::Word(".ptr") {
                        continue;
                    }
                    return Ok((space, align.unwrap_or(bytes), bytes));
                }
            }
        }
    }

    /// Name, dimensions and initial value.
    fn declarator(&mut self, head: (VarSpace, u32, u32), external: bool) -> Result<Variable> {
        let (space, align, element) = head;
        if !align.is_power_of_two() {
            return self.error(format!("alignment {align} is not a power of two"));
        }
        let name = self.word("a name")?.to_string();
        let mut bytes = u64::from(element);
        while self.accept('[') {
            let count = if self.peek() == Token::Sign(']') { 0 } else { self.small()? };
            self.expect(']')?;
            bytes *= u64::from(count);
        }
        let mut variable =
            Variable { name, space, align, bytes, init: Vec::new(), relocations: Vec::new(), external };
        if self.accept('=') {
            self.initialiser(&mut variable, element)?;
        }
        Ok(variable)
    }

    fn initialiser(&mut self, variable: &mut Variable, element: u32) -> Result<()> {
        if self.accept('{') {
            while !self.accept('}') {
                self.initialiser(variable, element)?;
                self.accept(',');
            }
            return Ok(());
        }
        let value = match self.peek() {
            Token::Word(word) => {
                self.at += 1;
                let symbol = if word == "generic" {
                    self.expect('(')?;
                    let symbol = self.word("a symbol")?;
                    self.expect(')')?;
                    symbol
                } else {
                    word
                };
                let addend = match self.peek() {
                    Token::Sign('+') => {
                        self.at += 1;
                        self.integer()?
                    }
                    Token::Sign('-') => self.integer()?,
                    _ => 0,
                };
                variable.relocations.push(Relocation {
                    offset: variable.init.len() as u64,
                    symbol: symbol.to_string(),
                    addend,
                    bytes: element,
                });
                0
            }
            Token::Single(bits) => {
                self.at += 1;
                u64::from(bits)
            }
            Token::Double(bits) => {
                self.at += 1;
                bits
            }
            _ => self.integer()? as u64,
        };
        let bytes = u128::from(value).to_le_bytes();
        match bytes.get(..element as usize) {
            Some(bytes) => variable.init.extend_from_slice(bytes),
            None => return self.error("initialiser of a type wider than 128 bits"),
        }
        Ok(())
    }

    fn param_list(&mut self) -> Result<Vec<Variable>> {
        let mut found = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            let head = self.variable_head()?;
            found.push(self.declarator(head, false)?);
            self.accept(',');
        }
        Ok(found)
    }

    fn function(&mut self, entry: bool) -> Result<()> {
        let mut params = Vec::new();
        if self.peek() == Token::Sign('(') {
            params = self.param_list()?;
        }
        let results = params.len() as u32;
        let line = self.line();
        let name = self.word("a function's name")?.to_string();
        if self.peek() == Token::Sign('(') {
            params.extend(self.param_list()?);
        }
        let mut function =
            Function { name, line, entry, results, params, maxntid: None, reqntid: None, body: None };
        loop {
            match self.peek() {
                Token::Word(word @ (".maxntid" | ".reqntid")) => {
                    self.at += 1;
                    let mut shape = [1; 3];
                    for (i, extent) in shape.iter_mut().enumerate() {
                        if i == 0 || self.accept(',') {
                            *extent = self.small()?;
                        }
                    }
                    *(if word == ".maxntid" { &mut function.maxntid } else { &mut function.reqntid }) =
                        Some(shape);
                }
                Token::Word(
                    ".minnctapersm"
                    | ".maxnreg"
                    | ".maxnctapersm"
                    | ".maxclusterrank"
                    | ".reqnctapercluster"
                    | ".abi_preserve"
                    | ".abi_preserve_control",
                ) => {
                    self.at += 1;
                    self.small()?;
                    while self.accept(',') {
                        self.small()?;
                    }
                }
                Token::Word(".noreturn" | ".explicitcluster" | ".blocksareclusters") => self.at += 1,
                Token::Word(".pragma") => self.skip_past(';')?,
                Token::Sign(';') => {
                    self.at += 1;
                    break;
                }
                Token::Sign('{') => {
                    self.at += 1;
                    self.body = Body { variables: function.params.clone(), ..Body::default() };
                    self.open_scope();
                    for (i, variable) in function.params.iter().enumerate() {
                        self.scopes[0].variables.insert(variable.name.clone(), i as u32);
                    }
                    self.statements()?;
                    function.body = Some(std::mem::take(&mut self.body));
                    break;
                }
                _ => return self.unexpected("a function's body"),
            }
        }
        // A definition replaces its declaration.
        match self.ast.functions.iter_mut().find(|known| known.name == function.name) {
            Some(known) if known.body.is_none() => *known = function,
            Some(_) if function.body.is_none() => {}
            Some(_) => return self.error(format!("{} is defined twice", function.name)),
            None => self.ast.functions.push(function),
        }
        Ok(())
    }

    fn open_scope(&mut self) {
        let id = self.body.scopes.len() as u32;
        self.body.scopes.push(self.scopes.last().map_or(id, |scope| scope.id));
        self.scopes.push(Scope { id, ..Scope::default() });
    }

    fn scope(&mut self) -> &mut Scope<'a> {
        self.scopes.last_mut().expect("a body has a scope")
    }

    /// Statements up to the `}` that ends the outermost scope.
    fn statements(&mut self) -> Result<()> {
        loop {
            match self.peek() {
                Token::Sign('{') => {
                    self.at += 1;
                    self.open_scope();
                }
                Token::Sign('}') => {
                    self.at += 1;
                    self.scopes.pop();
                    if self.scopes.is_empty() {
                        return Ok(());
                    }
                }
                Token::Sign(';') => self.at += 1,
                Token::Word(".reg") => self.registers()?,
                Token::Word(".local" | ".shared" | ".param") => {
                    for variable in self.variables(false)? {
                        let index = self.body.variables.len() as u32;
                        self.scope().variables.insert(variable.name.clone(), index);
                        self.body.variables.push(variable);
                    }
                }
                Token::Word(".loc") => self.location()?,
                Token::Word(".pragma") => self.skip_past(';')?,
                Token::Word(name) if self.peek_after() == Token::Sign(':') => {
                    self.at += 2;
                    self.label(name)?;
                }
                Token::Word(word) if word.starts_with('.') => {
                    return self.error(format!("unknown directive {word}"));
                }
                Token::Word(_) | Token::Sign('@') => self.statement()?,
                _ => return self.unexpected("a statement"),
            }
        }
    }

    fn label(&mut self, name: &'a str) -> Result<()> {
        let scope = self.scope().id;
        match self.peek() {
            // The call names the function's shape, which the callee knows too.
            Token::Word(".callprototype") => self.skip_past(';'),
            Token::Word(".calltargets") => self.skip_past(';'),
            Token::Word(".branchtargets") => {
                self.at += 1;
                let mut targets = Vec::new();
                loop {
                    targets.push(self.word("a label")?);
                    if !self.accept(',') {
                        break;
                    }
                }
                self.body.targets.insert((scope, name), targets);
                self.expect(';')
            }
            _ => {
                let next = self.body.statements.len() as u32;
                match self.body.labels.insert((scope, name), next) {
                    None => Ok(()),
                    Some(_) => self.error(format!("label {name} is defined twice")),
                }
            }
        }
    }

    fn registers(&mut self) -> Result<()> {
        self.at += 1;
        let kind = match self.word("a register type")? {
            ".pred" => RegKind::Pred,
            ".b8" | ".u8" | ".s8" | ".b16" | ".u16" | ".s16" | ".f16" | ".bf16" => RegKind::B16,
            ".b32" | ".u32" | ".s32" | ".f32" | ".f16x2" | ".bf16x2" => RegKind::B32,
            ".b64" | ".u64" | ".s64" | ".f64" => RegKind::B64,
            word => return self.error(format!("registers of type {word} are not supported")),
        };
        loop {
            let name = self.word("a register's name")?;
            let first = self.body.registers.len() as RegId;
            let mut count = 1;
            if self.accept('<') {
                count = self.small()?;
                self.expect('>')?;
                self.scope().ranges.push((name, count, first));
            } else {
                self.scope().registers.insert(name, first);
            }
            let total = self.body.registers.len() + count as usize;
            if total > 1 << 24 {
                return self.error("too many registers");
            }
            self.body.registers.resize(total, kind);
            if !self.accept(',') {
                break;
            }
        }
        self.expect(';')
    }

    fn register(&self, name: &str) -> Option<RegId> {
        let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<u32> = name[prefix.len()..].parse().ok();
        self.scopes.iter().rev().find_map(|scope| {
            scope.registers.get(name).copied().or_else(|| {
                let number = number?;
                let found =
                    scope.ranges.iter().find(|(known, count, _)| *known == prefix && number < *count)?;
                Some(found.2 + number)
            })
        })
    }

    fn statement(&mut self) -> Result<()> {
        let mut guard = None;
        if self.accept('@') {
            let negated = self.accept('!');
            let name = self.word("a predicate")?;
            match self.register(name) {
                Some(id) => guard = Some((id, negated)),
                None => return self.error(format!("unknown predicate {name}")),
            }
        }
        let line = self.line();
        let opcode = self.word("an instruction")?;
        let mut operands = Vec::new();
        while !self.accept(';') {
            operands.push(self.operand()?);
            if !self.accept(',') && self.peek() != Token::Sign(';') {
                return self.unexpected("',' or ';'");
            }
        }
        let scope = self.scope().id;
        let statement = Statement { line, place: self.place, guard, opcode, operands, scope };
        self.body.statements.push(statement);
        Ok(())
    }

    fn operands_until(&mut self, close: char) -> Result<Vec<Operand<'a>>> {
        let mut found = Vec::new();
        while !self.accept(close) {
            found.push(self.operand()?);
            if !self.accept(',') && self.peek() != Token::Sign(close) {
                return self.unexpected("',' or the end of a list");
            }
        }
        Ok(found)
    }

    fn operand(&mut self) -> Result<Operand<'a>> {
        let first = self.simple_operand()?;
        if self.accept('|') {
            let second = self.simple_operand()?;
            return Ok(Operand::Pair(Box::new(first), Box::new(second)));
        }
        Ok(first)
    }

    fn offset(&mut self) -> Result<i64> {
        if self.accept('+') || self.peek() == Token::Sign('-') { self.integer() } else { Ok(0) }
    }

    fn simple_operand(&mut self) -> Result<Operand<'a>> {
        Ok(match self.peek() {
            Token::Sign('{') => {
                self.at += 1;
                Operand::Vector(self.operands_until('}')?)
            }
            Token::Sign('(') => {
                self.at += 1;
                Operand::List(self.operands_until(')')?)
            }
            Token::Sign('[') => {
                self.at += 1;
                let base = match self.peek() {
                    Token::Word(_) => self.name()?,
                    _ => Operand::Int(self.integer()?),
                };
                let offset = self.offset()?;
                self.expect(']')?;
                match base {
                    // The name's own offset was read with it.
                    Operand::Var(id, inner) => {
                        Operand::Address(Box::new(Operand::Var(id, 0)), inner + offset)
                    }
                    Operand::Name(name, inner) => {
                        Operand::Address(Box::new(Operand::Name(name, 0)), inner + offset)
                    }
                    base => Operand::Address(Box::new(base), offset),
                }
            }
            Token::Sign('!') => {
                self.at += 1;
                let name = self.word("a predicate")?;
                match self.register(name) {
                    Some(id) => Operand::NotPred(id),
                    None => return self.error(format!("unknown predicate {name}")),
                }
            }
            Token::Sign('~') => {
                self.at += 1;
                Operand::Int(!self.integer()?)
            }
            Token::Single(bits) => {
                self.at += 1;
                Operand::Single(bits)
            }
            Token::Double(bits) => {
                self.at += 1;
                Operand::Double(bits)
            }
            Token::Integer(_) | Token::Sign('-') => Operand::Int(self.integer()?),
            Token::Word(_) => self.name()?,
            _ => return self.unexpected("an operand"),
        })
    }

    fn name(&mut self) -> Result<Operand<'a>> {
        let name = self.word("a name")?;
        if name == "_" {
            return Ok(Operand::Sink);
        }
        if let Some(id) = self.register(name) {
            return Ok(Operand::Reg(id));
        }
        if let Some(&id) = self.scopes.iter().rev().find_map(|scope| scope.variables.get(name)) {
            return Ok(Operand::Var(id, self.offset()?));
        }
        if name.starts_with('%') {
            return Ok(Operand::Special(name));
        }
        Ok(Operand::Name(name, self.offset()?))
    }
}
