//! What the parser finds: statements whose registers and variables are resolved, but whose opcodes are still text.

use std::collections::HashMap;

/// State space of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarSpace {
    Global,
    Const,
    Shared,
    Local,
    Param,
}

/// Where a symbol's address goes in an initialiser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relocation {
    pub(crate) offset: u64,
    pub(crate) symbol: String,
    pub(crate) addend: i64,
    pub(crate) bytes: u32,
}

/// A variable outside registers.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) space: VarSpace,
    pub(crate) align: u32,
    /// Bytes; zero for an array of unknown length, which dynamic shared memory is.
    pub(crate) bytes: u64,
    /// Leading bytes of the initial value; the rest is zero.
    pub(crate) init: Vec<u8>,
    pub(crate) relocations: Vec<Relocation>,
    /// `.extern`.
    pub(crate) external: bool,
}

/// Kind of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegKind {
    Pred,
    B16,
    B32,
    B64,
}

/// Register of a function: an index into [`Body::registers`].
pub(crate) type RegId = u32;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand<'a> {
    Reg(RegId),
    NotPred(RegId),
    /// An integer, sign-extended.
    Int(i64),
    Single(u32),
    Double(u64),
    /// A special register: `%tid.x`.
    Special(&'a str),
    /// A variable of the function: index into [`Body::variables`], and an offset.
    Var(u32, i64),
    /// A label, a function, or a variable of the module, and an offset.
    Name(&'a str, i64),
    Address(Box<Operand<'a>>, i64),
    /// `{a, b}`.
    Vector(Vec<Operand<'a>>),
    /// `(a, b)`.
    List(Vec<Operand<'a>>),
    /// `a|b`.
    Pair(Box<Operand<'a>>, Box<Operand<'a>>),
    /// `_`.
    Sink,
}

#[derive(Clone, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) line: u32,
    /// Index into [`Ast::places`].
    pub(crate) place: u32,
    /// Predicate and whether it is negated.
    pub(crate) guard: Option<(RegId, bool)>,
    /// The opcode, as written.
    pub(crate) opcode: &'a str,
    pub(crate) operands: Vec<Operand<'a>>,
    /// Scope in which labels are looked up.
    pub(crate) scope: u32,
}

/// Statements of a function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body<'a> {
    pub(crate) registers: Vec<RegKind>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) statements: Vec<Statement<'a>>,
    /// Parent of each scope; the outermost is its own.
    pub(crate) scopes: Vec<u32>,
    /// Scope and name to the index of the statement that follows.
    pub(crate) labels: HashMap<(u32, &'a str), u32>,
    /// `.branchtargets` lists.
    pub(crate) targets: HashMap<(u32, &'a str), Vec<&'a str>>,
}

impl<'a> Body<'a> {
    fn lookup<'s, T>(
        &'s self,
        map: &'s HashMap<(u32, &'a str), T>,
        mut scope: u32,
        name: &'a str,
    ) -> Option<&'s T> {
        loop {
            if let Some(found) = map.get(&(scope, name)) {
                return Some(found);
            }
            let parent = self.scopes[scope as usize];
            if parent == scope {
                return None;
            }
            scope = parent;
        }
    }

    /// Statement that the label `name`, seen from `scope`, stands before.
    pub(crate) fn label(&self, scope: u32, name: &'a str) -> Option<u32> {
        self.lookup(&self.labels, scope, name).copied()
    }

    /// The labels of a `.branchtargets` list.
    pub(crate) fn branch_targets(&self, scope: u32, name: &'a str) -> Option<&[&'a str]> {
        self.lookup(&self.targets, scope, name).map(Vec::as_slice)
    }
}

/// A function or kernel.
#[derive(Clone, Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) entry: bool,
    /// Numbers of the parameters among [`Body::variables`]: first the results, then the parameters.
    pub(crate) results: u32,
    pub(crate) params: Vec<Variable>,
    pub(crate) maxntid: Option<[u32; 3]>,
    pub(crate) reqntid: Option<[u32; 3]>,
    /// `None`: a declaration.
    pub(crate) body: Option<Body<'a>>,
}

/// A place in the CUDA source: file number, line, and where it was inlined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// File and line, innermost first.
    pub(crate) chain: Vec<(u32, u32)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ast<'a> {
    pub(crate) variables: Vec<Variable>,
    pub(crate) functions: Vec<Function<'a>>,
    pub(crate) files: HashMap<u32, String>,
    /// The first is the unknown place.
    pub(crate) places: Vec<Place>,
}
