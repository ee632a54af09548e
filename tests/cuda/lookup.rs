//! Lookups where the device takes paths of its own: against the CPU.

use std::fmt::Debug;

use ark_ff::{AdditiveGroup, Field};
use zkmill::lookup::Scan;
use zkmill::{Cpu, Cuda, Element, Error, Fr, Key, Len, Lookup, Memory, Result};

/// The cases by name.
pub const CASES: [(&str, fn(&Cuda)); 7] = [
    ("extents", extents),
    ("many_columns", many_columns),
    ("long_scans", long_scans),
    ("long_permutations", long_permutations),
    ("long_helpers", long_helpers),
    ("other_keys", other_keys),
    ("foreigners", foreigners),
];

/// The `k`-th of numbers without a pattern.
fn mix(k: usize) -> u64 {
    let z = (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (z ^ z >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

fn field(k: usize) -> Fr {
    Fr::from(mix(k)) * Fr::from(mix(k + 1)).square().square() - Fr::from(mix(k + 2))
}

/// Runs on both and compares.
macro_rules! agree {
    ($cuda:expr, $helper:ident($($arg:expr),*), $($context:tt)+) => {
        same($helper($cuda, $($arg),*), $helper(&Cpu::new(), $($arg),*), &format!($($context)+))
    };
}

fn same<T: PartialEq + Debug>(got: Result<Vec<T>>, expected: Result<Vec<T>>, context: &str) {
    match (&got, &expected) {
        (Ok(got), Ok(expected)) => {
            assert_eq!(got.len(), expected.len(), "{context}");
            let differing = (0..got.len()).find(|&i| got[i] != expected[i]);
            assert!(differing.is_none(), "{context}: output {differing:?}");
        }
        _ => assert_eq!(got, expected, "{context}"),
    }
}

fn multiplicities<B: Lookup, T: Key>(backend: &B, table: &[T], columns: &[Vec<T>]) -> Result<Vec<u32>> {
    let rows = backend.upload("table", table)?;
    let index = backend.table(B::view(&rows))?;
    // The table is ranked once and does not need its rows any more.
    drop(rows);
    let columns: Result<Vec<_>> = columns.iter().map(|column| backend.upload("column", column)).collect();
    let columns = columns?;
    let views: Vec<_> = columns.iter().map(|column| B::view(column)).collect();
    let mut counts = backend.upload("counts", &vec![7; table.len()])?;
    backend.multiplicities(&index, &views, &mut B::view_mut(&mut counts))?;
    backend.to_vec(B::view(&counts))
}

fn prefix<B: Lookup>(backend: &B, scan: Scan, product: bool, values: &[Fr]) -> Result<Vec<Fr>> {
    let mut values = backend.upload("values", values)?;
    match product {
        true => backend.prefix_product(scan, &mut B::view_mut(&mut values))?,
        false => backend.prefix_sum(scan, &mut B::view_mut(&mut values))?,
    }
    backend.to_vec(B::view(&values))
}

fn permute<B: Lookup>(backend: &B, column: &[Fr], table: &[Fr]) -> Result<Vec<Fr>> {
    let n = column.len();
    let (column, table) = (backend.upload("column", column)?, backend.upload("table", table)?);
    let mut a = backend.alloc("permuted column", n)?;
    let mut s = backend.alloc("permuted table", n)?;
    backend.permute(B::view(&column), B::view(&table), &mut B::view_mut(&mut a), &mut B::view_mut(&mut s))?;
    Ok([backend.to_vec(B::view(&a))?, backend.to_vec(B::view(&s))?].concat())
}

fn logup<B: Lookup>(backend: &B, alpha: Fr, column: &[Fr], numerator: &[Fr]) -> Result<Vec<Fr>> {
    let (column, numerator) = (backend.upload("column", column)?, backend.upload("numerator", numerator)?);
    let mut out = backend.alloc("out", column.len())?;
    backend.logup(alpha, B::view(&column), Some(B::view(&numerator)), &mut B::view_mut(&mut out))?;
    backend.to_vec(B::view(&out))
}

/// Integers that lie just close enough for a direct index, and just not; at the ends of their types.
fn extents(cuda: &Cuda) {
    fn of<T: Key>(cuda: &Cuda, rows: Vec<T>, strangers: &[T]) {
        let columns: Vec<Vec<T>> =
            [300, 0, 700].map(|len| (0..len).map(|k| rows[mix(k) as usize % rows.len()]).collect()).into();
        agree!(cuda, multiplicities(&rows, &columns), "{} rows like {:?}", rows.len(), rows[0]);
        for &stranger in strangers {
            let mut columns = columns.clone();
            columns[2][654] = stranger;
            agree!(cuda, multiplicities(&rows, &columns), "{stranger:?} in rows like {:?}", rows[0]);
        }
    }
    let last = 1 << 16;
    for span in [last - 1, last] {
        of(cuda, vec![i32::MIN, i32::MIN + span, i32::MIN], &[i32::MIN + 1, i32::MAX, 0]);
        of(cuda, vec![i32::MAX, i32::MAX - span], &[i32::MAX - 1, i32::MIN, i32::MAX - span - 1]);
        of(cuda, vec![-5, span - 5, 7], &[-6, span - 4, span - 6]);
        let span = span as u32;
        of(cuda, vec![u32::MAX, u32::MAX - span], &[0, u32::MAX - span - 1]);
        of(cuda, vec![0, span], &[u32::MAX, span + 1]);
        let span = i64::from(span);
        of(cuda, vec![i64::MIN, i64::MIN + span], &[i64::MAX, 0, i64::MIN + span + 1]);
        of(cuda, vec![i64::MAX, i64::MAX - span], &[i64::MIN, i64::MAX - span - 1]);
        // Around the sign bit.
        let middle = 1u64 << 63;
        of(cuda, vec![middle - 1, middle - 1 + span as u64], &[middle + span as u64, 0, u64::MAX]);
    }
    of(cuda, vec![i32::MIN, i32::MAX, 0], &[1, -1]);
    of(cuda, vec![i64::MIN, i64::MAX, 1 << 32, 0], &[1, -1, 2 << 32]);
    of(cuda, vec![0, u64::MAX, 1 << 32, 1], &[2, 1 << 33]);
    of(cuda, (0..3000).map(|k| mix(k) as u32).collect(), &[]);
    of(cuda, (0..3000).map(mix).collect(), &[1 << 60]);
}

/// Many columns, most of them short or empty, so that a thread meets several of them.
fn many_columns(cuda: &Cuda) {
    let rows: Vec<u16> = (0..5000).collect();
    let mut columns: Vec<Vec<u16>> = (0..700)
        .map(|k| (0..(mix(k) as usize % 5) * (k % 7)).map(|i| (mix(k * 50 + i) % 5000) as u16).collect())
        .collect();
    columns[123] = vec![4999; 20_000];
    agree!(cuda, multiplicities(&rows, &columns), "700 columns");
    columns[600] = vec![4999, 5000];
    columns[699] = vec![5001];
    agree!(cuda, multiplicities(&rows, &columns), "700 columns with strangers");
    columns[123][19_999] = u16::MAX;
    agree!(cuda, multiplicities(&rows, &columns), "700 columns with an earlier stranger");
}

/// Scans over more tiles than one look back sees at a time, at lengths around the ends of tiles.
fn long_scans(cuda: &Cuda) {
    for n in [127, 4095, 4096, 4225, 20_000] {
        let values: Vec<Fr> = (0..n).map(field).collect();
        for scan in [Scan::Inclusive, Scan::Exclusive] {
            for product in [true, false] {
                agree!(cuda, prefix(scan, product, &values), "{n} values, {scan:?}, product: {product}");
            }
        }
    }
}

/// Sorts with several merges, ragged runs, and rows that repeat within and between runs.
fn long_permutations(cuda: &Cuda) {
    for (n, distinct) in [(1024, 1024), (1025, 3), (2049, 2049), (5000, 1700), (9001, 1)] {
        // Small integers, which differ in the lowest limb alone, and numbers of full width.
        let value = |k: usize| if k % 2 == 0 { Fr::from(k as u64) } else { field(k) };
        let table: Vec<Fr> = (0..n).map(|k| value(mix(k) as usize % distinct)).collect();
        let mut column: Vec<Fr> = (0..n).map(|k| table[mix(k + n) as usize % n]).collect();
        agree!(cuda, permute(&column, &table), "{n} rows, {distinct} values");
        column[n - 1] = -Fr::from(5u64);
        agree!(cuda, permute(&column, &table), "{n} rows, {distinct} values, a stranger");
    }
}

/// Helper columns of several blocks, with poles.
fn long_helpers(cuda: &Cuda) {
    for n in [1000, 1024, 5001] {
        let (mut column, numerator): (Vec<Fr>, Vec<Fr>) = (0..n).map(|k| (field(k), field(k + n))).unzip();
        let alpha = Fr::from(42u64);
        [0, 128, 256, 999].into_iter().for_each(|pole| column[pole] = alpha);
        column[500..700].fill(alpha);
        agree!(cuda, logup(alpha, &column, &numerator), "{n} elements");
    }
}

/// Keys of types that the device does not know are refused.
fn other_keys(cuda: &Cuda) {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    struct Celsius(i32);
    // SAFETY: as its only field.
    unsafe impl Element for Celsius {
        const ZEROED: Self = Self(0);
    }
    let rows = cuda.upload("rows", &[Celsius(3)]).unwrap();
    match cuda.table(Cuda::view(&rows)).map(|_| ()) {
        Err(Error::Unavailable { reason }) => assert!(reason.contains("Celsius"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

/// Tables, columns and outputs of another device value are refused, and nothing changes.
fn foreigners(cuda: &Cuda) {
    let other = Cuda::new().unwrap();
    let rows = |backend: &Cuda| backend.upload("rows", &[1u8, 2]).unwrap();
    let (mine, theirs) = (rows(cuda), rows(&other));
    let (table, foreign) =
        (cuda.table(Cuda::view(&mine)).unwrap(), other.table(Cuda::view(&theirs)).unwrap());
    let mut counts = cuda.upload("counts", &[5u32, 6]).unwrap();
    let mut foreign_counts = other.upload("counts", &[5u32, 6]).unwrap();
    let refused = Error::Foreign { op: "multiplicities" };
    let columns = [Cuda::view(&mine)];
    assert_eq!(
        cuda.multiplicities(&foreign, &columns, &mut Cuda::view_mut(&mut counts)),
        Err(refused.clone())
    );
    assert_eq!(
        cuda.multiplicities(&table, &[columns[0], Cuda::view(&theirs)], &mut Cuda::view_mut(&mut counts)),
        Err(refused.clone())
    );
    assert_eq!(cuda.multiplicities(&table, &columns, &mut Cuda::view_mut(&mut foreign_counts)), Err(refused));
    assert_eq!(cuda.to_vec(Cuda::view(&counts)).unwrap(), [5, 6]);
    assert_eq!(other.to_vec(Cuda::view(&foreign_counts)).unwrap(), [5, 6]);
    assert_eq!(cuda.table(Cuda::view(&theirs)).map(|_| ()), Err(Error::Foreign { op: "table" }));

    let fields = |backend: &Cuda, n: usize| backend.upload("fields", &vec![Fr::ONE; n]).unwrap();
    let (a, b, c) = (fields(cuda, 2), fields(&other, 2), fields(cuda, 2));
    let (mut out, mut more) = (fields(cuda, 2), fields(cuda, 2));
    let mut foreign = fields(&other, 2);
    let (a, b, c) = (Cuda::view(&a), Cuda::view(&b), Cuda::view(&c));
    let refusals = [
        cuda.logup(Fr::ZERO, b, None, &mut Cuda::view_mut(&mut out)),
        cuda.logup(Fr::ZERO, a, Some(b), &mut Cuda::view_mut(&mut out)),
        cuda.logup(Fr::ZERO, a, Some(c), &mut Cuda::view_mut(&mut foreign)),
        cuda.prefix_product(Scan::Inclusive, &mut Cuda::view_mut(&mut foreign)),
        cuda.prefix_sum(Scan::Exclusive, &mut Cuda::view_mut(&mut foreign)),
        cuda.permute(b, a, &mut Cuda::view_mut(&mut out), &mut Cuda::view_mut(&mut more)),
        cuda.permute(a, b, &mut Cuda::view_mut(&mut out), &mut Cuda::view_mut(&mut more)),
        cuda.permute(a, c, &mut Cuda::view_mut(&mut foreign), &mut Cuda::view_mut(&mut more)),
        cuda.permute(a, c, &mut Cuda::view_mut(&mut out), &mut Cuda::view_mut(&mut foreign)),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Err(Error::Foreign { .. })), "{refusal:?}");
    }
    let (mut one, mut another) = (fields(cuda, 1), fields(&other, 1));
    for result in [
        cuda.add_fractions(None, b, &mut Cuda::view_mut(&mut one), &mut Cuda::view_mut(&mut fields(cuda, 1))),
        cuda.add_fractions(
            Some(b),
            a,
            &mut Cuda::view_mut(&mut one),
            &mut Cuda::view_mut(&mut fields(cuda, 1)),
        ),
        cuda.add_fractions(None, a, &mut Cuda::view_mut(&mut one), &mut Cuda::view_mut(&mut another)),
        cuda.add_fractions(None, a, &mut Cuda::view_mut(&mut another), &mut Cuda::view_mut(&mut one)),
    ] {
        assert_eq!(result, Err(Error::Foreign { op: "add_fractions" }));
    }
}
