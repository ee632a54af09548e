//! Packs a function's virtual registers into few rows.
//!
//! nvcc names a new register for almost every result, thousands for a field multiplication; one row each would fall out of the
//! host's caches. Registers that live in one basic block (nearly all) are packed by their first and last statement; the others,
//! found by the usual backward data flow over blocks, by the hull of the blocks in which they are live. Rows are unlimited, so that
//! a linear scan suffices and nothing spills.

use std::collections::{BTreeSet, HashMap};

use crate::ptx::ast::{Body, Operand, RegId, RegKind, Statement};

/// Row of each register, and rows used of each file: 32 bits, 64 bits, predicates. Row 0 of predicates stays free.
#[derive(Debug, Default)]
pub(crate) struct Allocation {
    pub(crate) row: Vec<u32>,
    pub(crate) rows32: u32,
    pub(crate) rows64: u32,
    pub(crate) preds: u32,
}

/// Whether the first operand is written.
fn writes_first(opcode: &str) -> bool {
    let mut parts = opcode.split('.');
    let name = parts.next().unwrap_or("");
    match name {
        "st" | "red" | "bra" | "brx" | "call" | "ret" | "exit" | "trap" | "membar" | "fence" | "prefetch"
        | "prefetchu" | "cp" | "nanosleep" | "brkpt" | "discard" | "pmevent" | "griddepcontrol"
        | "applypriority" => false,
        "bar" | "barrier" => parts.any(|part| part == "red"),
        "mbarrier" => !matches!(parts.next(), Some("init" | "inval")),
        _ => true,
    }
}

/// Calls `read` and `write` for the registers of a statement.
fn visit(statement: &Statement<'_>, mut read: impl FnMut(RegId), mut write: impl FnMut(RegId)) {
    fn walk(operand: &Operand<'_>, f: &mut impl FnMut(RegId)) {
        match operand {
            Operand::Reg(id) | Operand::NotPred(id) => f(*id),
            Operand::Address(base, _) => walk(base, f),
            Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| walk(part, f)),
            Operand::Pair(a, b) => {
                walk(a, f);
                walk(b, f);
            }
            _ => {}
        }
    }
    if let Some((id, _)) = statement.guard {
        read(id);
    }
    for (i, operand) in statement.operands.iter().enumerate() {
        if i == 0 && writes_first(statement.opcode) && !matches!(operand, Operand::Address(..)) {
            walk(operand, &mut write);
        } else {
            walk(operand, &mut read);
        }
    }
}

/// Ends a basic block: the label of a `bra`, the list of a `brx`, and whether control can go on to the next statement.
fn leaves<'b, 'a>(body: &'b Body<'a>, statement: &Statement<'a>) -> Option<(Vec<u32>, bool)> {
    let name = statement.opcode.split('.').next().unwrap_or("");
    let guarded = statement.guard.is_some();
    let label = |operand: Option<&Operand<'a>>| match operand {
        Some(&Operand::Name(name, _)) => Some(name),
        _ => None,
    };
    match name {
        "bra" => {
            let target = label(statement.operands.first()).and_then(|name| body.label(statement.scope, name));
            Some((target.into_iter().collect(), guarded))
        }
        "brx" => {
            let names =
                label(statement.operands.get(1)).and_then(|name| body.branch_targets(statement.scope, name));
            let targets = names.unwrap_or(&[]).iter().filter_map(|name| body.label(statement.scope, name));
            Some((targets.collect(), guarded))
        }
        "ret" | "exit" => Some((Vec::new(), guarded)),
        _ => None,
    }
}

struct Block {
    first: u32,
    last: u32,
    successors: Vec<u32>,
}

fn blocks(body: &Body<'_>) -> Vec<Block> {
    let count = body.statements.len() as u32;
    let mut starts: BTreeSet<u32> = body.labels.values().copied().filter(|&at| at < count).collect();
    starts.insert(0);
    let mut exits = HashMap::new();
    for (i, statement) in body.statements.iter().enumerate() {
        if let Some(exit) = leaves(body, statement) {
            if i as u32 + 1 < count {
                starts.insert(i as u32 + 1);
            }
            exits.insert(i as u32, exit);
        }
    }
    let starts: Vec<u32> = starts.into_iter().collect();
    let block_of = |at: u32| starts.partition_point(|&start| start <= at) as u32 - 1;
    (0..starts.len())
        .map(|i| {
            let last = starts.get(i + 1).copied().unwrap_or(count) - 1;
            let next = (last + 1 < count).then_some(i as u32 + 1);
            let successors = match exits.get(&last) {
                Some((targets, falls)) => {
                    let jumps = targets.iter().copied().filter(|&at| at < count).map(block_of);
                    jumps.chain(next.filter(|_| *falls)).collect()
                }
                None => next.into_iter().collect(),
            };
            Block { first: starts[i], last, successors }
        })
        .collect()
}

/// First and last statement at which each register must keep its row; `None` for those never named.
fn intervals(body: &Body<'_>) -> Vec<Option<(u32, u32)>> {
    let mut found: Vec<Option<(u32, u32)>> = vec![None; body.registers.len()];
    if body.statements.is_empty() {
        return found;
    }
    let blocks = blocks(body);

    // Where each register occurs: its one block, or several; and whether it is read there before it is surely written.
    const SEVERAL: u32 = u32::MAX;
    let mut home: Vec<Option<u32>> = vec![None; body.registers.len()];
    let mut exposed = vec![false; body.registers.len()];
    let mut written = vec![u32::MAX; body.registers.len()];
    for (b, block) in blocks.iter().enumerate() {
        let b = b as u32;
        for at in block.first..=block.last {
            let statement = &body.statements[at as usize];
            let mut reads = Vec::new();
            let mut writes = Vec::new();
            visit(statement, |id| reads.push(id as usize), |id| writes.push(id as usize));
            for &id in reads.iter().chain(&writes) {
                home[id] = Some(home[id].map_or(b, |known| if known == b { b } else { SEVERAL }));
                let (first, last) = found[id].unwrap_or((at, at));
                found[id] = Some((first.min(at), last.max(at)));
            }
            for &id in &reads {
                exposed[id] |= written[id] != b;
            }
            for &id in &writes {
                if statement.guard.is_none() {
                    written[id] = b;
                } else {
                    // The lanes that skip the write keep the value from before.
                    exposed[id] |= written[id] != b;
                }
            }
        }
    }

    // Data flow for the registers that may live across blocks.
    let global: Vec<usize> = (0..home.len())
        .filter(|&id| home[id] == Some(SEVERAL) || (home[id].is_some() && exposed[id]))
        .collect();
    let number: HashMap<usize, usize> = global.iter().enumerate().map(|(n, &id)| (id, n)).collect();
    let words = global.len().div_ceil(64);
    let set = |bits: &mut [u64], n: usize| bits[n / 64] |= 1 << (n % 64);
    let mut uses = vec![vec![0u64; words]; blocks.len()];
    let mut kills = vec![vec![0u64; words]; blocks.len()];
    for (b, block) in blocks.iter().enumerate() {
        for statement in &body.statements[block.first as usize..=block.last as usize] {
            let mut reads = Vec::new();
            let mut writes = Vec::new();
            visit(statement, |id| reads.push(id), |id| writes.push(id));
            if statement.guard.is_some() {
                reads.extend(&writes);
            }
            for n in reads.iter().filter_map(|&id| number.get(&(id as usize))) {
                if kills[b][n / 64] >> (n % 64) & 1 == 0 {
                    set(&mut uses[b], *n);
                }
            }
            for n in writes.iter().filter_map(|&id| number.get(&(id as usize))) {
                set(&mut kills[b], *n);
            }
        }
    }
    let mut live_in = uses;
    let mut live_out = vec![vec![0u64; words]; blocks.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for b in (0..blocks.len()).rev() {
            for w in 0..words {
                let out = blocks[b].successors.iter().fold(0, |bits, &s| bits | live_in[s as usize][w]);
                live_out[b][w] = out;
                let input = live_in[b][w] | (out & !kills[b][w]);
                changed |= input != live_in[b][w];
                live_in[b][w] = input;
            }
        }
    }
    for (b, block) in blocks.iter().enumerate() {
        for (n, &id) in global.iter().enumerate() {
            let has = |bits: &[u64]| bits[n / 64] >> (n % 64) & 1 == 1;
            let (first, last) = found[id].expect("a register that lives is named");
            let first = if has(&live_in[b]) { first.min(block.first) } else { first };
            let last = if has(&live_out[b]) { last.max(block.last) } else { last };
            found[id] = Some((first, last));
        }
    }
    found
}

/// Gives every register a row.
pub(crate) fn allocate(body: &Body<'_>) -> Allocation {
    let intervals = intervals(body);
    let mut order: Vec<(u32, u32, usize)> = intervals
        .iter()
        .enumerate()
        .filter_map(|(id, span)| span.map(|(first, last)| (first, last, id)))
        .collect();
    order.sort_unstable();

    // Per file: rows in use by their last statement, free rows, rows handed out.
    struct File {
        busy: BTreeSet<(u32, u32)>,
        free: BTreeSet<u32>,
        rows: u32,
    }
    let file = |rows| File { busy: BTreeSet::new(), free: BTreeSet::new(), rows };
    let mut files = [file(0), file(0), file(1)];
    let mut row = vec![0; body.registers.len()];
    for (first, last, id) in order {
        let file = &mut files[match body.registers[id] {
            RegKind::B16 | RegKind::B32 => 0,
            RegKind::B64 => 1,
            RegKind::Pred => 2,
        }];
        // A row is free after its last statement, not in it: an instruction may write one result before it reads the next operand.
        while let Some(&(end, old)) = file.busy.first().filter(|(end, _)| *end < first) {
            file.busy.remove(&(end, old));
            file.free.insert(old);
        }
        let chosen = file.free.pop_first().unwrap_or_else(|| {
            file.rows += 1;
            file.rows - 1
        });
        row[id] = chosen;
        file.busy.insert((last, chosen));
    }
    let [rows32, rows64, preds] = files.map(|file| file.rows);
    Allocation { row, rows32, rows64, preds }
}
