//! Lookup columns.

use ark_ff::{AdditiveGroup, BigInt, Field};

use super::{LENGTHS, Outcome, Output, Random, Sample, agree, compare, junk, patterns, settle, upload};
use crate::lookup::Scan;
use crate::{Fr, Key, Lookup};

const SCANS: [Scan; 2] = [Scan::Inclusive, Scan::Exclusive];

fn multiplicities<T: Key, B: Lookup>(
    backend: &B,
    table: &[T],
    columns: &[Vec<T>],
    counts: usize,
) -> Outcome<u32> {
    let rows = upload(backend, table);
    let table = backend.table(B::view(&rows))?;
    let columns: Vec<_> = columns.iter().map(|column| upload(backend, column)).collect();
    let views: Vec<_> = columns.iter().map(|column| B::view(column)).collect();
    let mut counts = Output::new(backend, &vec![0xbad; counts]);
    let result = backend.multiplicities(&table, &views, &mut counts.view());
    settle(backend, result, &[counts])
}

fn logup<B: Lookup>(
    backend: &B,
    alpha: Fr,
    column: &[Fr],
    numerator: Option<&[Fr]>,
    out: usize,
) -> Outcome<Fr> {
    let column = upload(backend, column);
    let numerator = numerator.map(|numerator| upload(backend, numerator));
    let mut out = Output::new(backend, &junk(out));
    let numerator = numerator.as_ref().map(|numerator| B::view(numerator));
    let result = backend.logup(alpha, B::view(&column), numerator, &mut out.view());
    settle(backend, result, &[out])
}

fn add_fractions<B: Lookup>(
    backend: &B,
    p: Option<&[Fr]>,
    q: &[Fr],
    out_p: usize,
    out_q: usize,
) -> Outcome<Fr> {
    let (p, q) = (p.map(|p| upload(backend, p)), upload(backend, q));
    let mut out = [out_p, out_q].map(|len| Output::new(backend, &junk(len)));
    let [out_p, out_q] = &mut out;
    let p = p.as_ref().map(|p| B::view(p));
    let result = backend.add_fractions(p, B::view(&q), &mut out_p.view(), &mut out_q.view());
    settle(backend, result, &out)
}

fn prefix_product<B: Lookup>(backend: &B, scan: Scan, values: &[Fr]) -> Outcome<Fr> {
    let mut out = Output::new(backend, values);
    let result = backend.prefix_product(scan, &mut out.view());
    settle(backend, result, &[out])
}

fn prefix_sum<B: Lookup>(backend: &B, scan: Scan, values: &[Fr]) -> Outcome<Fr> {
    let mut out = Output::new(backend, values);
    let result = backend.prefix_sum(scan, &mut out.view());
    settle(backend, result, &[out])
}

fn permute<B: Lookup>(
    backend: &B,
    column: &[Fr],
    table: &[Fr],
    out_column: usize,
    out_table: usize,
) -> Outcome<Fr> {
    let (column, table) = (upload(backend, column), upload(backend, table));
    let mut out = [out_column, out_table].map(|len| Output::new(backend, &junk(len)));
    let [out_column, out_table] = &mut out;
    let result =
        backend.permute(B::view(&column), B::view(&table), &mut out_column.view(), &mut out_table.view());
    settle(backend, result, &out)
}

/// Values drawn from a table.
fn drawn<T: Clone>(random: &mut Random, table: &[T], len: usize) -> Vec<T> {
    (0..len).map(|_| random.pick(table)).collect()
}

/// Fewer than `bound` values drawn from a table.
fn drawn_any<T: Clone>(random: &mut Random, table: &[T], bound: usize) -> Vec<T> {
    let len = random.below(bound);
    drawn(random, table, len)
}

/// Tables of every key type, with repeated rows, one row, no rows; no columns, empty columns, several columns.
pub fn tables<B: Lookup>(backend: &B) {
    fn of<T: Sample + Key, B: Lookup>(backend: &B) {
        let mut random = Random::new();
        let keys = std::any::type_name::<T>();
        agree!(backend, multiplicities::<T, _>(&[], &[], 0), "nothing, {keys}");
        agree!(backend, multiplicities::<T, _>(&[], &[vec![], vec![]], 0), "empty columns, {keys}");
        for rows in [1usize, 2, 3, 17, 64, 200] {
            let repeated: Vec<T> = vec![T::edges()[2]; rows];
            let mut mixed: Vec<T> = random.mixed(rows);
            // A later row equal to the first, where there is room.
            mixed[rows / 2] = mixed[0];
            for table in [repeated, mixed] {
                for lengths in [&[][..], &[0], &[1], &[300], &[0, 5, 0], &[33, 1, 129]] {
                    let columns: Vec<Vec<T>> =
                        lengths.iter().map(|&len| drawn(&mut random, &table, len)).collect();
                    let context = format!("{rows} rows of {keys}, columns of {lengths:?}");
                    agree!(backend, multiplicities(&table, &columns, rows), "{context}");
                    let skewed = vec![vec![table[rows - 1]; 500]];
                    agree!(backend, multiplicities(&table, &skewed, rows), "{context}, one value");
                }
            }
        }
    }
    of::<i8, B>(backend);
    of::<i16, B>(backend);
    of::<u16, B>(backend);
    of::<i32, B>(backend);
    of::<u32, B>(backend);
    of::<i64, B>(backend);
    of::<u64, B>(backend);
    of::<u8, B>(backend);
    of::<BigInt<4>, B>(backend);
    of::<Fr, B>(backend);
    // The whole range of a type, as activation tables have it.
    let range: Vec<i8> = (i8::MIN..=i8::MAX).collect();
    let column: Vec<i8> = Random::new().values(1000);
    agree!(backend, multiplicities(&range, &[column], 256), "all of i8");
    let window: Vec<i32> = (-70_000..-69_000).collect();
    let column = drawn(&mut Random::new(), &window, 500);
    agree!(backend, multiplicities(&window, &[column], 1000), "a window of i32");
}

/// Helper columns: with and without numerators, with poles.
pub fn helpers<B: Lookup>(backend: &B) {
    let mut random = Random::new();
    for len in LENGTHS {
        for column in patterns::<Fr>(&mut random, len) {
            let alpha = random.field();
            let numerator: Vec<Fr> = random.mixed(len);
            agree!(backend, logup(alpha, &column, None, len), "length {len}");
            agree!(backend, logup(alpha, &column, Some(&numerator[..]), len), "length {len}, numerator");
            let Some(&pole) = column.last() else { continue };
            agree!(backend, logup(pole, &column, None, len), "length {len}, a pole");
            agree!(
                backend,
                logup(pole, &column, Some(&numerator[..]), len),
                "length {len}, a pole, numerator"
            );
        }
    }
}

/// Layers of the fraction tree, zeros among numerators and denominators.
pub fn fractions<B: Lookup>(backend: &B) {
    let mut random = Random::new();
    for len in LENGTHS {
        for q in patterns::<Fr>(&mut random, 2 * len) {
            let p: Vec<Fr> = random.mixed(2 * len);
            agree!(backend, add_fractions(None, &q, len, len), "to {len}, numerators of one");
            agree!(backend, add_fractions(Some(&p[..]), &q, len, len), "to {len}");
        }
    }
}

/// Running products and sums, of both kinds.
pub fn scans<B: Lookup>(backend: &B) {
    let mut random = Random::new();
    for len in LENGTHS.into_iter().chain([1000, 4097]) {
        for values in patterns::<Fr>(&mut random, len) {
            for scan in SCANS {
                agree!(backend, prefix_product(scan, &values), "{len} values, {scan:?}");
                agree!(backend, prefix_sum(scan, &values), "{len} values, {scan:?}");
            }
        }
    }
}

/// halo2's permuted columns, with repeated values on either side.
pub fn permutations<B: Lookup>(backend: &B) {
    let mut random = Random::new();
    for len in LENGTHS {
        let distinct: Vec<Fr> = random.mixed(len);
        let narrow: Vec<Fr> = (0..len).map(|i| -Fr::from((i % 5) as u64)).collect();
        for table in patterns::<Fr>(&mut random, len).into_iter().chain([distinct, narrow]) {
            let mut columns = vec![table.clone(), table.iter().rev().copied().collect()];
            if len > 0 {
                columns.push(drawn(&mut random, &table, len));
                columns.push(vec![table[len / 2]; len]);
            }
            for column in columns {
                agree!(backend, permute(&column, &table, len, len), "length {len}");
            }
        }
    }
}

/// The first stranger is named, by column, then row.
pub fn strangers<B: Lookup>(backend: &B) {
    fn of<T: Sample + Key, B: Lookup>(backend: &B, table: &[T], strangers: &[T]) {
        let mut random = Random::new();
        agree!(backend, multiplicities(&[], &[strangers.to_vec()], 0), "an empty table");
        for case in 0..60 {
            let mut columns: Vec<Vec<T>> =
                (0..1 + random.below(4)).map(|_| drawn_any(&mut random, table, 200)).collect();
            for _ in 0..random.below(4) {
                let column = random.below(columns.len());
                let row = random.below(columns[column].len() + 1);
                if let Some(value) = columns[column].get_mut(row) {
                    *value = random.pick(strangers);
                }
            }
            agree!(backend, multiplicities(table, &columns, table.len()), "case {case}");
        }
    }
    of::<i8, B>(backend, &[1, 3, -128, 3, 100], &[0, 2, -1, 127, -127]);
    of::<u64, B>(backend, &[u64::MAX, 0, 1 << 63, 7], &[1, u64::MAX - 1, 1 << 32]);
    of::<i32, B>(backend, &(0..200).collect::<Vec<_>>(), &[-1, 200, i32::MIN, i32::MAX]);
    of::<Fr, B>(backend, &[Fr::ZERO, -Fr::ONE, Fr::from(9u64)], &[Fr::ONE, -Fr::from(9u64)]);
    let mut random = Random::new();
    for case in 0..60 {
        let len = 1 + random.below(70);
        let table: Vec<Fr> = random.values(len);
        let mut column = drawn(&mut random, &table, len);
        for _ in 0..random.below(3) {
            column[random.below(len)] = random.field();
        }
        agree!(backend, permute(&column, &table, len, len), "case {case}: length {len}");
    }
}

/// Lengths that do not fit each other.
pub fn refusals<B: Lookup>(backend: &B) {
    let mut random = Random::new();
    for case in 0..200 {
        let len = random.below(6);
        let lengths: [usize; 4] = std::array::from_fn(|_| random.near(len));
        let [a, b, c, d] = lengths;
        let context = format!("case {case}: {lengths:?}");
        let (column, other): (Vec<Fr>, Vec<Fr>) = (random.mixed(a), random.mixed(b));
        let alpha = random.field();
        agree!(backend, logup(alpha, &column, None, c), "{context}");
        agree!(backend, logup(alpha, &column, Some(&other[..]), c), "{context}");
        let odd = usize::from(random.one_in(7));
        let (p, q): (Vec<Fr>, Vec<Fr>) = (random.mixed(2 * a), random.mixed(2 * b + odd));
        agree!(backend, add_fractions(None, &q, c, d), "{context}");
        agree!(backend, add_fractions(Some(&p[..]), &q, c, d), "{context}");
        agree!(backend, permute(&vec![Fr::ONE; a], &vec![Fr::ONE; b], c, d), "{context}");
        agree!(backend, multiplicities(&vec![1u8; a], &[vec![1; b.min(a)]], c), "{context}");
    }
}

/// Beyond the reference's reach.
pub mod long {
    use super::*;
    use std::collections::HashMap;

    /// Multiplicities in large tables and columns, against a hash map; the last row is a stranger.
    pub fn counts<B: Lookup>(backend: &B) {
        fn of<T: Sample + Key, B: Lookup>(backend: &B, table: Vec<T>, stranger: T) {
            let mut random = Random::new();
            let mut columns: Vec<Vec<T>> =
                [1 << 15, 1, 40_001].into_iter().map(|len| drawn(&mut random, &table, len)).collect();
            columns.push(vec![table[1]; 100_000]);
            let mut first: HashMap<T, usize> = HashMap::new();
            for (row, &value) in table.iter().enumerate() {
                first.entry(value).or_insert(row);
            }
            let mut expected = vec![0u32; table.len()];
            columns.iter().flatten().for_each(|value| expected[first[value]] += 1);
            let context = || format!("{} rows of {}", table.len(), std::any::type_name::<T>());
            let got = multiplicities(backend, &table, &columns, table.len());
            compare("multiplicities", &got, &Ok(expected), &context);
            columns[2][40_000] = stranger;
            columns[3][99_999] = stranger;
            let got = multiplicities(backend, &table, &columns, table.len());
            let refusal = super::super::Refusal::NotInTable { column: 2, row: 40_000 };
            compare("multiplicities", &got, &Err(refusal), &context);
        }
        of::<i16, B>(backend, (-32_768..=32_000).collect(), 32_001);
        of::<u64, B>(backend, (0..1u64 << 16).map(|i| i * i * i).collect(), 2);
        of::<i32, B>(backend, (0..1 << 16).map(|i| i / 2).collect(), -1);
        of::<Fr, B>(backend, (0..1u64 << 14).map(|i| -Fr::from(i)).collect(), Fr::ONE);
    }

    /// Columns long enough to be split over threads: against the reference where it is linear, for `permute` against what
    /// defines it.
    pub fn columns<B: Lookup>(backend: &B) {
        let mut random = Random::new();
        let len = (1 << 14) + 1;
        let column: Vec<Fr> = random.mixed(len);
        let numerator: Vec<Fr> = random.mixed(len);
        agree!(backend, logup(column[77], &column, Some(&numerator[..]), len), "length {len}");
        agree!(
            backend,
            add_fractions(Some(&column[1..]), &numerator[1..], len / 2, len / 2),
            "to {}",
            len / 2
        );
        let nonzero: Vec<Fr> = random.values(len);
        for scan in SCANS {
            agree!(backend, prefix_product(scan, &nonzero), "length {len}, {scan:?}");
            agree!(backend, prefix_sum(scan, &column), "length {len}, {scan:?}");
        }
        let table: Vec<Fr> =
            (0..len).map(|i| if i % 3 == 0 { Fr::from(i as u64) } else { nonzero[i] }).collect();
        let values = drawn(&mut random, &table[..len / 2], len);
        let got = permute(backend, &values, &table, len, len);
        let got = got.unwrap_or_else(|e| panic!("permute of length {len}: {e:?}"));
        let (a, s) = got.split_at(len);
        let sorted = |of: &[Fr]| {
            let mut of = of.to_vec();
            of.sort();
            of
        };
        assert_eq!(a, sorted(&values), "A' is the sorted column");
        assert_eq!(sorted(s), sorted(&table), "S' is a permutation of the table");
        let repeated = |i: usize| i > 0 && a[i] == a[i - 1];
        assert!((0..len).all(|i| repeated(i) || s[i] == a[i]), "first occurrences agree");
        let rest: Vec<Fr> = (0..len).filter(|&i| repeated(i)).map(|i| s[i]).collect();
        assert!(rest.is_sorted(), "unused rows ascend");
    }
}
