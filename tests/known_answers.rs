//! Answers computed elsewhere: by plain Python integers (`ci/known-answers.py`, whose output is `tests/data/`), and by
//! arkworks at lengths the reference does not reach.

use std::collections::HashMap;

use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{BigInt, FftField, Field, PrimeField};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use zkmill::lookup::Scan;
use zkmill::ntt::{Direction, Transform};
use zkmill::sumcheck::{Form, Term};
use zkmill::{Backend, Cpu, Fq, Fr, G1Affine, Ntt, Reference, Result};

struct Answers(HashMap<&'static str, Vec<BigInt<4>>>);

impl Answers {
    fn load() -> Self {
        let lines = include_str!("data/known-answers.txt").lines();
        let parse = |hex: &str| {
            assert!(hex.len() <= 64, "a 256-bit integer");
            let padded = format!("{hex:0>64}");
            let limb =
                |k: usize| u64::from_str_radix(&padded[48 - 16 * k..64 - 16 * k], 16).expect("hexadecimal");
            BigInt(std::array::from_fn(limb))
        };
        Self(
            lines
                .map(|line| {
                    let mut words = line.split(' ');
                    (words.next().expect("a name"), words.map(parse).collect())
                })
                .collect(),
        )
    }

    fn fields(&self, name: &str) -> Vec<Fr> {
        self.0[name].iter().map(|&value| Fr::from_bigint(value).expect("below r")).collect()
    }

    fn field(&self, name: &str) -> Fr {
        let [value] = self.fields(name)[..] else { panic!("{name} is one value") };
        value
    }

    fn words(&self, name: &str) -> Vec<u64> {
        self.0[name].iter().map(|value| value.0[0]).collect()
    }

    fn points(&self, name: &str) -> Vec<G1Affine> {
        let coordinate = |value| Fq::from_bigint(value).expect("below p");
        self.0[name]
            .chunks(2)
            .map(|xy| match [coordinate(xy[0]), coordinate(xy[1])] {
                [x, y] if x == Fq::from(0u64) && y == x => G1Affine::identity(),
                [x, y] => G1Affine::new(x, y),
            })
            .collect()
    }
}

fn python<B: Backend>(backend: &B) -> Result<()> {
    let answers = Answers::load();
    let fields = |name| answers.fields(name);

    let domain = backend.domain(4)?;
    assert_eq!(Fr::get_root_of_unity(16), Some(answers.field("ntt_root")), "the documented root");
    let coset = answers.field("ntt_coset");
    for (output, coset) in [("ntt_output", None), ("ntt_coset_output", Some(coset))] {
        let mut values = backend.upload("values", &fields("ntt_input"))?;
        let forward = Transform { coset, ..Transform::new(Direction::Forward) };
        backend.ntt(&domain, forward, &mut [B::view_mut(&mut values)])?;
        assert_eq!(backend.to_vec(B::view(&values))?, fields(output));
        let inverse = Transform { direction: Direction::Inverse, ..forward };
        backend.ntt(&domain, inverse, &mut [B::view_mut(&mut values)])?;
        assert_eq!(backend.to_vec(B::view(&values))?, fields("ntt_input"));
    }

    let points = answers.points("msm_points");
    for budget in [0, 1 << 20] {
        let bases = backend.bases(&points, budget)?;
        let scalars = backend.upload("scalars", &fields("msm_scalars"))?;
        let canonical = backend.upload("scalars", &answers.0["msm_scalars"])?;
        let bytes: Vec<i8> = answers.words("msm_small_scalars").iter().map(|&word| word as i8).collect();
        let bytes = backend.upload("scalars", &bytes)?;
        let mut sums = backend.upload("sums", &[G1Affine::generator(); 3])?;
        let (mut first, rest) = B::split_mut(B::view_mut(&mut sums), 1)?;
        let (mut second, mut third) = B::split_mut(rest, 1)?;
        backend.msm(&bases, &[B::view(&scalars)], &mut first)?;
        backend.msm(&bases, &[B::view(&canonical)], &mut second)?;
        backend.msm(&bases, &[B::view(&bytes)], &mut third)?;
        drop((first, second, third));
        let [sum] = answers.points("msm_sum")[..] else { panic!("one sum") };
        let [small] = answers.points("msm_small_sum")[..] else { panic!("one sum") };
        assert_eq!(backend.to_vec(B::view(&sums))?, [sum, sum, small], "budget {budget}");
    }

    let table = backend.upload("table", &fields("mle_table"))?;
    assert_eq!(backend.evaluate(B::view(&table), &fields("mle_point"))?, answers.field("mle_value"));

    let rows: Vec<u16> = answers.words("logup_table").iter().map(|&word| word as u16).collect();
    let column: Vec<u16> = answers.words("logup_column").iter().map(|&word| word as u16).collect();
    let (rows, column) = (backend.upload("rows", &rows)?, backend.upload("column", &column)?);
    let mut counts = backend.alloc::<u32>("counts", 4)?;
    let table = backend.table(B::view(&rows))?;
    backend.multiplicities(&table, &[B::view(&column)], &mut B::view_mut(&mut counts))?;
    let counts: Vec<u64> = backend.to_vec(B::view(&counts))?.into_iter().map(u64::from).collect();
    assert_eq!(counts, answers.words("logup_counts"));
    let column = backend.upload("column", &fields("logup_column"))?;
    let mut helper = backend.alloc("helper", 8)?;
    backend.logup(answers.field("logup_alpha"), B::view(&column), None, &mut B::view_mut(&mut helper))?;
    assert_eq!(backend.to_vec(B::view(&helper))?, fields("logup_helper"));
    backend.prefix_sum(Scan::Inclusive, &mut B::view_mut(&mut helper))?;
    assert_eq!(backend.to_vec(B::view(&helper))?[7], answers.field("logup_sum"));

    let mut a = backend.upload("a", &fields("sumcheck_a"))?;
    let mut b = backend.upload("b", &fields("sumcheck_b"))?;
    let mut form = Form::new(3, vec![Term { coefficient: Fr::ONE, factors: vec![0, 1] }]);
    let (mut polynomials, mut bind) = (Vec::new(), None);
    for r in fields("sumcheck_challenges") {
        let mut tables = [B::view_mut(&mut a), B::view_mut(&mut b)];
        polynomials.extend(backend.sumcheck_round(&mut form, &mut tables, bind)?);
        bind = Some(r);
    }
    assert_eq!(polynomials, fields("sumcheck_polynomials"));

    let matrix = backend.upload("matrix", &[-128i8, 127, 3, 0, -1, 100])?;
    let left = backend.upload("left", &fields("matrix_left"))?;
    let right = backend.upload("right", &fields("matrix_right"))?;
    let (mut columns, mut rows) = (backend.alloc("columns", 3)?, backend.alloc("rows", 2)?);
    backend.bind_rows(B::view(&matrix), B::view(&left), &mut B::view_mut(&mut columns))?;
    backend.bind_cols(B::view(&matrix), B::view(&right), &mut B::view_mut(&mut rows))?;
    assert_eq!(backend.to_vec(B::view(&columns))?, fields("matrix_rows_bound"));
    assert_eq!(backend.to_vec(B::view(&rows))?, fields("matrix_cols_bound"));
    Ok(())
}

#[test]
fn python_answers_on_the_reference() -> Result<()> {
    python(&Reference)
}

#[test]
fn python_answers_on_the_cpu() -> Result<()> {
    python(&Cpu::new())
}

/// Field elements without pattern: powers of a constant.
fn scattered(len: usize) -> Vec<Fr> {
    let base = Fr::from(0x9e37_79b9_7f4a_7c15u64).square().square();
    std::iter::successors(Some(base), |value| Some(*value * base)).take(len).collect()
}

#[test]
fn arkworks_transforms() -> Result<()> {
    let cpu = Cpu::new();
    for log_n in [0, 1, 5, 12, 15] {
        let values = scattered(1 << log_n);
        let domain = cpu.domain(log_n)?;
        for coset in [None, Some(Fr::GENERATOR)] {
            let ark = Radix2EvaluationDomain::<Fr>::new(1 << log_n).expect("a root of unity");
            let ark = coset.map_or(ark, |g| ark.get_coset(g).expect("not zero"));
            let forward = Transform { coset, ..Transform::new(Direction::Forward) };
            let inverse = Transform { direction: Direction::Inverse, ..forward };
            let mut got = values.clone();
            cpu.ntt(&domain, forward, &mut [&mut got[..]])?;
            assert_eq!(got, ark.fft(&values), "2^{log_n}");
            let mut got = values.clone();
            cpu.ntt(&domain, inverse, &mut [&mut got[..]])?;
            assert_eq!(got, ark.ifft(&values), "2^{log_n}");
        }
    }
    Ok(())
}

#[test]
fn arkworks_sums() -> Result<()> {
    fn check<C: zkmill::Curve<ScalarField = Fr>>(len: usize) -> Result<()>
    where
        Cpu: zkmill::Msm<C>,
    {
        use ark_ec::short_weierstrass::{Affine, Projective};
        use zkmill::Msm;
        let cpu = Cpu::new();
        let generator = Projective::<C>::from(C::GENERATOR);
        let points: Vec<Projective<C>> =
            std::iter::successors(Some(generator), |point| Some(*point + *point + generator))
                .take(len)
                .collect();
        let points: Vec<Affine<C>> = Projective::normalize_batch(&points);
        let scalars = scattered(len);
        let bases = cpu.bases(&points, 0)?;
        let mut sum = [C::GENERATOR];
        cpu.msm(&bases, &[&scalars[..]], &mut &mut sum[..])?;
        let ark = Projective::<C>::msm(&points, &scalars).expect("equal lengths");
        assert_eq!(sum[0], ark.into_affine(), "{} {len}", C::NAME);
        Ok(())
    }
    for len in [1, 31, 1000] {
        check::<zkmill::G1>(len)?;
        check::<zkmill::G2>(len)?;
    }
    check::<zkmill::G1>(5000)
}
