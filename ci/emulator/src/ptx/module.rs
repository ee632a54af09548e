//! A module: its kernels and variables, and their place in device memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Ast, Place, VarSpace, Variable};
use super::lexer::error_at;
use super::parser::parse;
use crate::isa::decode::{Symbols, decode, parameter_layout};
use crate::isa::{Code, SharedVariable};
use crate::memory::{DeviceMemory, MemoryError, Owner};

/// Addresses of functions: this plus 16 times the function's number.
pub(crate) const FUNCTION_WINDOW: u64 = 0x0130_0000_0000;

/// Bytes kept free behind every shared variable; a multiple of what the banks span, so that conflicts stay as they are.
const SHARED_GAP: u64 = 128;

/// Why PTX text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PTX line {line}: {message}\n  {text}")]
pub struct ParseError {
    /// Line, from one.
    pub line: u32,
    /// The line's text.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

/// One parameter of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamInfo {
    /// Offset in the parameter buffer.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
    /// Alignment in bytes.
    pub align: u32,
}

/// What a launch needs to know of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// Its (mangled) name.
    pub name: String,
    /// Its parameters in order.
    pub params: Vec<ParamInfo>,
    /// Size of the parameter buffer.
    pub param_bytes: u32,
    /// Bytes of statically declared shared memory.
    pub static_shared: u32,
    /// Bytes of local memory (stack) a thread uses, without calls.
    pub local_bytes: u32,
    /// `.maxntid`: most threads of a block in x, y, z.
    pub maxntid: Option<[u32; 3]>,
    /// `.reqntid`: exact threads of a block in x, y, z.
    pub reqntid: Option<[u32; 3]>,
}

/// Where a kernel's shared variables are.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedLayout {
    /// Offset of each of the module's shared variables that the kernel can reach.
    pub(crate) offsets: HashMap<u32, u32>,
    /// The variables' ranges, ascending; between them lie red zones.
    pub(crate) ranges: Vec<(u32, u32)>,
    /// Where dynamic shared memory begins.
    pub(crate) dynamic: u32,
    /// Bytes of the variables as a device would pack them.
    packed: u32,
}

/// A parsed module.
#[derive(Debug)]
pub struct Module {
    kernels: Vec<Kernel>,
    /// Per kernel: its function, and its shared memory.
    entries: Vec<(u32, SharedLayout)>,
    pub(crate) functions: Vec<Code>,
    variables: Vec<Variable>,
    files: HashMap<u32, String>,
    places: Vec<Place>,
    lines: Vec<String>,
}

impl Module {
    /// Parses and decodes PTX text.
    ///
    /// # Errors
    ///
    /// [`ParseError`], which quotes the line, for text that is not PTX and for instructions that the machine does not do.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let Ast { variables, functions, files, places } = parse(text)?;
        let (shared, variables): (Vec<_>, Vec<_>) =
            variables.into_iter().partition(|variable| variable.space == VarSpace::Shared);
        let functions: Vec<_> = functions.into_iter().filter(|function| function.body.is_some()).collect();
        let number = |i: usize| i as u32;
        let symbols = Symbols {
            functions: functions.iter().enumerate().map(|(i, f)| (f.name.as_str(), number(i))).collect(),
            variables: variables.iter().enumerate().map(|(i, v)| (v.name.as_str(), number(i))).collect(),
            shared: shared.iter().enumerate().map(|(i, v)| (v.name.as_str(), number(i))).collect(),
        };
        let mut shared: Vec<SharedVariable> = shared
            .iter()
            .map(|v| SharedVariable { bytes: v.bytes, align: v.align, dynamic: v.external || v.bytes == 0 })
            .collect();
        let mut codes = Vec::with_capacity(functions.len());
        for function in &functions {
            codes.push(decode(text, function, &symbols, &mut shared)?);
        }
        let mut kernels = Vec::new();
        let mut entries = Vec::new();
        for (i, function) in functions.iter().enumerate().filter(|(_, function)| function.entry) {
            let layout = shared_layout(&codes, number(i), &shared)
                .ok_or_else(|| error_at(text, function.line, "too much shared memory"))?;
            let (slots, param_bytes) = parameter_layout(function);
            let params = slots.iter().zip(&function.params).map(|(slot, param)| ParamInfo {
                offset: slot.offset,
                size: slot.bytes,
                align: param.align,
            });
            kernels.push(Kernel {
                name: function.name.clone(),
                params: params.collect(),
                param_bytes,
                static_shared: layout.packed,
                local_bytes: codes[i].frame_bytes,
                maxntid: function.maxntid,
                reqntid: function.reqntid,
            });
            entries.push((number(i), layout));
        }
        for variable in &variables {
            for relocation in &variable.relocations {
                let name = relocation.symbol.as_str();
                if !symbols.functions.contains_key(name) && !symbols.variables.contains_key(name) {
                    return Err(error_at(text, 0, format!("{}: unknown symbol {name}", variable.name)));
                }
            }
        }
        let lines = text.lines().map(str::to_string).collect();
        Ok(Self { kernels, entries, functions: codes, variables, files, places, lines })
    }

    /// The kernels, in the order of the text.
    pub fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// The kernel of this name.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// The kernel of this name, the number of its function, and its shared memory.
    pub(crate) fn entry(&self, name: &str) -> Option<(&Kernel, u32, &SharedLayout)> {
        let at = self.kernels.iter().position(|kernel| kernel.name == name)?;
        Some((&self.kernels[at], self.entries[at].0, &self.entries[at].1))
    }

    /// Text of a line, from one.
    pub(crate) fn line(&self, line: u32) -> &str {
        self.lines.get((line as usize).wrapping_sub(1)).map_or("", String::as_str)
    }

    /// The innermost file of a place.
    pub(crate) fn file(&self, place: u32) -> Option<&str> {
        let (file, _) = self.places[place as usize].chain.first()?;
        self.files.get(file).map(String::as_str)
    }

    /// Files and lines of a place in the source, innermost first.
    pub(crate) fn source(&self, place: u32) -> Vec<(String, u32)> {
        let chain = &self.places[place as usize].chain;
        let name = |file| self.files.get(file).cloned().unwrap_or_else(|| format!("file {file}"));
        chain.iter().map(|(file, line)| (name(file), *line)).collect()
    }
}

/// Lays out the shared variables that `entry` can reach; `None` when they do not fit into 32 bits.
fn shared_layout(codes: &[Code], entry: u32, shared: &[SharedVariable]) -> Option<SharedLayout> {
    let mut reached = vec![false; codes.len()];
    let mut todo = vec![entry];
    while let Some(function) = todo.pop() {
        if std::mem::replace(&mut reached[function as usize], true) {
            continue;
        }
        let code = &codes[function as usize];
        todo.extend(&code.calls);
        if code.calls_indirect {
            todo.extend(0..codes.len() as u32);
        }
    }
    let mut named: Vec<u32> = codes
        .iter()
        .zip(&reached)
        .filter(|(_, r)| **r)
        .flat_map(|(code, _)| code.shared.iter().copied())
        .collect();
    named.sort_unstable();
    named.dedup();

    let (mut packed, mut shift) = (0u64, 0u64);
    let mut layout = SharedLayout::default();
    for &id in named.iter().filter(|&&id| !shared[id as usize].dynamic) {
        let variable = &shared[id as usize];
        packed = packed.next_multiple_of(u64::from(variable.align));
        shift = shift.next_multiple_of(u64::from(variable.align));
        let start = u32::try_from(packed + shift).ok()?;
        layout.offsets.insert(id, start);
        layout.ranges.push((start, u32::try_from(u64::from(start) + variable.bytes).ok()?));
        packed += variable.bytes;
        shift += SHARED_GAP;
    }
    layout.packed = u32::try_from(packed).ok()?;
    let dynamic: Vec<u32> = named.into_iter().filter(|&id| shared[id as usize].dynamic).collect();
    let align = dynamic.iter().map(|&id| shared[id as usize].align).max().unwrap_or(16).max(16);
    layout.dynamic = u32::try_from((packed + shift).next_multiple_of(u64::from(align))).ok()?;
    layout.offsets.extend(dynamic.into_iter().map(|id| (id, layout.dynamic)));
    Some(layout)
}

/// A module whose variables have a place in device memory.
#[derive(Debug)]
pub struct LoadedModule {
    module: Arc<Module>,
    addresses: Vec<u64>,
}

impl LoadedModule {
    /// Places the module's variables, with their initial values, in `memory`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfMemory`].
    pub fn load(module: Arc<Module>, memory: &DeviceMemory) -> Result<Self, MemoryError> {
        let mut loaded = Self { module: Arc::clone(&module), addresses: Vec::new() };
        for variable in &module.variables {
            match memory.alloc_for(variable.bytes.max(1), Owner::Module) {
                Ok(address) => loaded.addresses.push(address),
                Err(error) => {
                    loaded.unload(memory)?;
                    return Err(error);
                }
            }
        }
        for (variable, &address) in module.variables.iter().zip(&loaded.addresses) {
            // Variables without an initial value are zero.
            memory.fill8(address, 0, variable.bytes.max(1))?;
            memory.write(address, &variable.init)?;
            for relocation in &variable.relocations {
                let target = loaded.resolve(&relocation.symbol).wrapping_add_signed(relocation.addend);
                let bytes = target.to_le_bytes();
                memory.write(address + relocation.offset, &bytes[..(relocation.bytes as usize).min(8)])?;
            }
        }
        Ok(loaded)
    }

    fn resolve(&self, name: &str) -> u64 {
        if let Some(at) = self.module.variables.iter().position(|variable| variable.name == name) {
            return self.addresses[at];
        }
        // Parsing saw to it that the name is known.
        let at = self.module.functions.iter().position(|function| function.name == name).unwrap_or(0);
        FUNCTION_WINDOW + 16 * at as u64
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Address of a variable by its number.
    pub(crate) fn address(&self, variable: u32) -> u64 {
        self.addresses[variable as usize]
    }

    /// The address ranges of constant variables, which kernels may not write.
    pub(crate) fn constants(&self) -> Vec<(u64, u64)> {
        let pairs = self.module.variables.iter().zip(&self.addresses);
        let constants = pairs.filter(|(variable, _)| variable.space == VarSpace::Const);
        constants.map(|(variable, &address)| (address, address + variable.bytes.max(1))).collect()
    }

    /// Address and size in bytes of the variable of this name.
    pub fn symbol(&self, name: &str) -> Option<(u64, u64)> {
        let at = self.module.variables.iter().position(|variable| variable.name == name)?;
        Some((self.addresses[at], self.module.variables[at].bytes))
    }

    /// Frees the module's variables.
    ///
    /// # Errors
    ///
    /// A [`MemoryError`] when `memory` is not the one they were placed in.
    pub fn unload(self, memory: &DeviceMemory) -> Result<(), MemoryError> {
        self.addresses.iter().try_for_each(|&address| memory.free(address))
    }
}
