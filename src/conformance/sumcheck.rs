//! Sumcheck rounds, `eq` tables, evaluation.

use ark_ff::{AdditiveGroup, BigInt, Field};

use super::{Outcome, Output, Random, Sample, agree, compare, download, junk, settle, upload};
use crate::sumcheck::{Form, Term, interpolate};
use crate::{Error, Fr, Reference, Scalar, Sumcheck};

/// Every round of a sumcheck with the given challenges: round polynomials, live tables, the form's claim and scale, and
/// the tables' last values.
fn transcript<B: Sumcheck>(backend: &B, form: &Form, tables: &[Vec<Fr>], challenges: &[Fr]) -> Outcome<Fr> {
    let mut form = form.clone();
    let mut buffers: Vec<B::Buffer<Fr>> = tables.iter().map(|table| upload(backend, table)).collect();
    let mut transcript = Vec::new();
    let mut bind = None;
    for &challenge in challenges {
        let mut views: Vec<_> = buffers.iter_mut().map(|buffer| B::view_mut(buffer)).collect();
        transcript.extend(backend.sumcheck_round(&mut form, &mut views, bind)?);
        drop(views);
        for buffer in &buffers {
            let live = B::slice(B::view(buffer), 0..1 << form.remaining())?;
            transcript.extend(download(backend, live));
        }
        transcript.push(form.scale());
        bind = Some(challenge);
    }
    let last = challenges[challenges.len() - 1];
    for buffer in &mut buffers {
        let (mut live, _) = B::split_mut(B::view_mut(buffer), 2)?;
        backend.bind(&mut live, last)?;
        transcript.push(download(backend, B::as_view(&live))[0]);
    }
    form.bind(last);
    transcript.push(form.scale());
    transcript.extend(form.claim());
    Ok(transcript)
}

/// One round, and all of the tables after it if it is refused.
fn round<B: Sumcheck>(backend: &B, form: &Form, tables: &[Vec<Fr>], bind: Option<Fr>) -> Outcome<Fr> {
    let mut after = form.clone();
    let mut outputs: Vec<Output<B, Fr>> = tables.iter().map(|table| Output::new(backend, table)).collect();
    let mut views: Vec<_> = outputs.iter_mut().map(Output::view).collect();
    let result = backend.sumcheck_round(&mut after, &mut views, bind);
    drop(views);
    match result {
        Ok(evaluations) => Ok(evaluations),
        Err(error) => {
            assert_eq!(after, *form, "the form changed although the call failed: {error}");
            settle(backend, Err(error), &outputs)
        }
    }
}

fn eq_table<B: Sumcheck>(backend: &B, point: &[Fr], scale: Fr, out: usize) -> Outcome<Fr> {
    let mut out = Output::new(backend, &junk(out));
    let result = backend.eq_table(point, scale, &mut out.view());
    settle(backend, result, &[out])
}

/// The first half after binding.
fn bind<B: Sumcheck>(backend: &B, table: &[Fr], r: Fr) -> Outcome<Fr> {
    let mut out = Output::new(backend, table);
    let result = backend.bind(&mut out.view(), r);
    let mut bound = settle(backend, result, &[out])?;
    bound.truncate(table.len() / 2);
    Ok(bound)
}

fn evaluate<T: Scalar, B: Sumcheck>(backend: &B, table: &[T], point: &[Fr]) -> Outcome<Fr> {
    let table = upload(backend, table);
    Ok(vec![backend.evaluate(B::view(&table), point)?])
}

fn term(coefficient: Fr, factors: &[usize]) -> Term {
    Term { coefficient, factors: factors.to_vec() }
}

/// Summands of degree 0 to 7 and the number of tables they use.
fn summands(random: &mut Random) -> Vec<(Vec<Term>, usize)> {
    let mut any = || random.field();
    vec![
        (vec![], 0),
        (vec![term(any(), &[])], 0),
        (vec![term(Fr::ONE, &[0])], 1),
        (vec![term(Fr::ONE, &[0, 1])], 2),
        (vec![term(-Fr::ONE, &[0, 0])], 1),
        (vec![term(any(), &[1, 2]), term(any(), &[0])], 3),
        // logUp-GKR's layer: l (p0 q1 + p1 q0) + q0 q1.
        (vec![term(any(), &[0, 3]), term(any(), &[1, 2]), term(Fr::ONE, &[2, 3])], 4),
        (vec![term(any(), &[0, 1, 2]), term(any(), &[]), term(Fr::ZERO, &[3])], 4),
        (vec![term(any(), &[0, 0, 1, 1]), term(any(), &[2, 1]), term(any(), &[2])], 3),
        (vec![term(any(), &[4, 3, 2, 1, 0]), term(any(), &[0, 4])], 5),
        (vec![term(any(), &[0, 0, 0, 0, 0])], 1),
        (vec![term(any(), &[0, 1, 0, 1, 0, 1, 0]), term(any(), &[1])], 2),
        // More terms, and more coefficients, than one would write by hand.
        ((0..12).map(|k| term(any(), &[k % 3, k / 3 % 3, (k + 1) % 3])).collect(), 3),
    ]
}

/// The form and its weighted and claiming variants.
fn variants(random: &mut Random, form: &Form, tables: &[Vec<Fr>]) -> Vec<(&'static str, Form)> {
    let n = form.remaining();
    let mut variants = Vec::new();
    let edges: Vec<Fr> = (0..n).map(|i| Fr::from((i % 2) as u64)).collect();
    for (plain, claimed, point) in [
        ("plain", "plain, claimed", None),
        ("weighted", "weighted, claimed", Some(random.mixed(n))),
        ("weighted by a corner", "weighted by a corner, claimed", Some(edges)),
    ] {
        let mut form = form.clone();
        if let Some(point) = point {
            form = form.weighted(point).expect("one coordinate a variable");
        }
        let first = round(&Reference, &form, tables, None).expect("a good form");
        // A round polynomial of degree 0 is constant.
        let claim = first[0] + first.get(1).unwrap_or(&first[0]);
        variants.push((claimed, form.clone().claiming(claim)));
        variants.push((plain, form));
    }
    variants
}

/// Whole sumchecks: every summand, weighted or not, its claim known or not, 1 to 6 variables.
pub fn rounds<B: Sumcheck>(backend: &B) {
    let mut random = Random::new();
    for variables in [1, 2, 3, 6] {
        for (terms, count) in summands(&mut random) {
            let tables: Vec<Vec<Fr>> = (0..count).map(|_| random.mixed(1 << variables)).collect();
            let challenges: Vec<Fr> = random.mixed(variables);
            let form = Form::new(variables, terms);
            for (variant, form) in variants(&mut random, &form, &tables) {
                agree!(
                    backend,
                    transcript(&form, &tables, &challenges),
                    "{variables} variables, {variant}, {:?}",
                    form.terms()
                );
            }
        }
    }
    let zeros = vec![vec![Fr::ZERO; 16]; 2];
    let form = Form::new(4, vec![term(Fr::ONE, &[0, 1])]);
    agree!(backend, transcript(&form, &zeros, &random.values(4)), "tables of zeros");
    let extremes = vec![vec![-Fr::ONE; 64]; 3];
    let form = Form::new(6, vec![term(-Fr::ONE, &[0, 1, 2]), term(-Fr::ONE, &[0, 1])]);
    agree!(backend, transcript(&form, &extremes, &random.values(6)), "tables of -1");
}

/// More tables than the summand uses, which are folded too, and tables longer than their live part.
pub fn tables_beyond_the_form<B: Sumcheck>(backend: &B) {
    let mut random = Random::new();
    for variables in [1, 3, 5] {
        let len = 1 << variables;
        let tables: Vec<Vec<Fr>> = [len, len + 1, 2 * len, 3 * len].map(|len| random.mixed(len)).to_vec();
        let form = Form::new(variables, vec![term(random.field(), &[1, 2])]);
        for (variant, form) in variants(&mut random, &form, &tables) {
            let challenges: Vec<Fr> = random.values(variables);
            agree!(backend, transcript(&form, &tables, &challenges), "{variables} variables, {variant}");
        }
    }
}

/// The verifier's checks hold: `s_i(0) + s_i(1)` is the claim, which ends at the summand's value at the challenges.
pub fn identities<B: Sumcheck>(backend: &B) {
    let mut random = Random::new();
    let variables = 5;
    for (terms, count) in summands(&mut random) {
        let tables: Vec<Vec<Fr>> = (0..count).map(|_| random.values(1 << variables)).collect();
        let point: Vec<Fr> = random.values(variables);
        let mut form = Form::new(variables, terms.clone()).weighted(point.clone()).expect("fits");
        let mut buffers: Vec<B::Buffer<Fr>> = tables.iter().map(|table| upload(backend, table)).collect();
        let challenges: Vec<Fr> = random.values(variables);
        let mut claim = None;
        for round in 0..variables {
            let mut views: Vec<_> = buffers.iter_mut().map(|buffer| B::view_mut(buffer)).collect();
            let bind = round.checked_sub(1).map(|before| challenges[before]);
            let values = backend.sumcheck_round(&mut form, &mut views, bind).expect("a good round");
            assert_eq!(values.len(), form.degree() + 1, "evaluations at 0, 1, .., degree");
            let sum = values[0] + values[1];
            assert_eq!(*claim.get_or_insert(sum), sum, "round {round} of {terms:?}");
            claim = Some(interpolate(&values, challenges[round]));
        }
        let at: Vec<Fr> = tables
            .iter()
            .map(|table| evaluate(backend, table, &challenges).expect("a good evaluation")[0])
            .collect();
        let summand: Fr =
            terms.iter().map(|t| t.coefficient * t.factors.iter().map(|&f| at[f]).product::<Fr>()).sum();
        let eq: Fr = (0..variables)
            .map(|i| point[i] * challenges[i] + (Fr::ONE - point[i]) * (Fr::ONE - challenges[i]))
            .product();
        assert_eq!(claim, Some(eq * summand), "{terms:?}");
    }
}

/// `eq` tables from no variables to ten, at corners and at random points.
pub fn equality<B: Sumcheck>(backend: &B) {
    let mut random = Random::new();
    for variables in 0..=10usize {
        let corner = (0..variables).map(|i| Fr::from((i % 3 == 0) as u64)).collect();
        for point in [corner, random.mixed(variables), random.values(variables)] {
            for scale in [Fr::ONE, Fr::ZERO, random.field()] {
                agree!(backend, eq_table(&point, scale, 1 << variables), "{variables} variables");
            }
        }
    }
}

/// Evaluation of every scalar type, and binding.
pub fn evaluations<B: Sumcheck>(backend: &B) {
    fn of<T: Sample, B: Sumcheck>(backend: &B) {
        let mut random = Random::new();
        let values = std::any::type_name::<T>();
        for variables in 0..=9usize {
            let point: Vec<Fr> = random.mixed(variables);
            for table in [random.mixed::<T>(1 << variables), vec![T::edges()[2]; 1 << variables]] {
                agree!(backend, evaluate(&table, &point), "{variables} variables, {values}");
            }
        }
    }
    of::<i8, B>(backend);
    of::<i16, B>(backend);
    of::<i32, B>(backend);
    of::<i64, B>(backend);
    of::<u8, B>(backend);
    of::<u16, B>(backend);
    of::<u32, B>(backend);
    of::<u64, B>(backend);
    of::<BigInt<4>, B>(backend);
    of::<Fr, B>(backend);
    let mut random = Random::new();
    for variables in 1..=9 {
        for r in [Fr::ZERO, Fr::ONE, random.field()] {
            agree!(backend, bind(&random.mixed(1 << variables), r), "{variables} variables");
        }
    }
}

/// Tables too short or missing, challenges too early or missing, no variable left, lengths that are no cube.
pub fn refusals<B: Sumcheck>(backend: &B) {
    let mut random = Random::new();
    for case in 0..300 {
        let variables = random.below(4);
        let count = random.below(4);
        let tables: Vec<Vec<Fr>> = (0..count).map(|_| random.values_near(1 << variables)).collect();
        let terms: Vec<Term> = (0..random.below(3))
            .map(|_| term(random.field(), &(0..random.below(3)).map(|_| random.below(4)).collect::<Vec<_>>()))
            .collect();
        let mut form = Form::new(variables, terms);
        if random.one_in(2) {
            form = form.weighted(random.values(variables)).expect("one coordinate a variable");
        }
        if random.one_in(2) && form.degree() > 0 {
            // As after a first round.
            form.record(&random.values::<Fr>(form.degree() + 1));
        }
        let bind = random.one_in(2).then(|| random.field());
        let lengths: Vec<usize> = tables.iter().map(Vec::len).collect();
        agree!(
            backend,
            round(&form, &tables, bind),
            "case {case}: {variables} variables, tables of {lengths:?}, challenge {}, {form:?}",
            bind.is_some()
        );
        let point: Vec<Fr> = random.values(variables);
        let len = random.near(1 << variables);
        agree!(backend, eq_table(&point, Fr::ONE, len), "case {case}: {variables} variables, length {len}");
        agree!(
            backend,
            evaluate(&vec![3i8; len], &point),
            "case {case}: {variables} variables, length {len}"
        );
        agree!(backend, bind_any(&random.values::<Fr>(len)), "case {case}: length {len}");
    }
    for variables in [63, 64, 65, 1000] {
        let point = vec![Fr::ONE; variables];
        agree!(backend, eq_table(&point, Fr::ONE, 2), "{variables} variables");
        agree!(backend, evaluate(&[1u8, 2], &point), "{variables} variables");
        let form = Form::new(variables, vec![term(Fr::ONE, &[0])]);
        agree!(backend, round(&form, &[junk(2)], None), "{variables} variables");
    }
    let wrong = Form::new(3, vec![]).weighted(vec![Fr::ONE; 2]);
    assert!(matches!(wrong, Err(Error::Shape { .. })), "a point of another dimension");
}

fn bind_any<B: Sumcheck>(backend: &B, table: &[Fr]) -> Outcome<Fr> {
    bind(backend, table, Fr::from(5u64))
}

/// Tables long enough to be split over threads.
pub mod long {
    use super::*;

    /// Two rounds, an `eq` table and an evaluation over so many values that a device gives each of its threads several.
    pub fn many_values<B: Sumcheck>(backend: &B) {
        let mut random = Random::new();
        let variables = 19;
        let tables: Vec<Vec<Fr>> = (0..2).map(|_| random.mixed(1 << variables)).collect();
        let form = Form::new(variables, vec![term(random.field(), &[0, 1]), term(Fr::ONE, &[1])]);
        let form = form.weighted(random.values(variables)).expect("fits");
        agree!(backend, first_rounds(&form, &tables, random.field()), "{variables} variables");
        let point: Vec<Fr> = random.values(variables);
        agree!(backend, evaluate(&tables[0], &point), "{variables} variables");
        agree!(backend, eq_table(&point, random.field(), 1 << variables), "{variables} variables");
    }

    /// The first two rounds, and the tables after them.
    fn first_rounds<B: Sumcheck>(backend: &B, form: &Form, tables: &[Vec<Fr>], challenge: Fr) -> Outcome<Fr> {
        let mut form = form.clone();
        let mut buffers: Vec<B::Buffer<Fr>> = tables.iter().map(|table| upload(backend, table)).collect();
        let mut views: Vec<_> = buffers.iter_mut().map(|buffer| B::view_mut(buffer)).collect();
        let mut outputs = backend.sumcheck_round(&mut form, &mut views, None)?;
        outputs.extend(backend.sumcheck_round(&mut form, &mut views, Some(challenge))?);
        drop(views);
        for buffer in &buffers {
            let live = B::slice(B::view(buffer), 0..1 << form.remaining())?;
            outputs.extend(download(backend, live));
        }
        Ok(outputs)
    }

    /// Sumchecks over thirteen variables, and evaluation in sixteen by binding one after the other.
    pub fn many_variables<B: Sumcheck>(backend: &B) {
        let mut random = Random::new();
        let variables = 13;
        for (terms, count) in summands(&mut random).into_iter().skip(5).take(5) {
            let tables: Vec<Vec<Fr>> = (0..count).map(|_| random.mixed(1 << variables)).collect();
            let challenges: Vec<Fr> = random.values(variables);
            let form = Form::new(variables, terms).weighted(random.values(variables)).expect("fits");
            agree!(backend, transcript(&form, &tables, &challenges), "{variables} variables, {form:?}");
        }
        for variables in [16usize, 17] {
            let point: Vec<Fr> = random.values(variables);
            let table: Vec<i16> = random.mixed(1 << variables);
            let mut folded: Vec<Fr> = table.iter().map(|&value| value.to_field()).collect();
            let mut device = upload(backend, &folded);
            let mut live = 1 << variables;
            for &r in &point {
                let (low, high) = folded.split_at(folded.len() / 2);
                folded = low.iter().zip(high).map(|(&low, &high)| low + r * (high - low)).collect();
                let (mut part, _) = B::split_mut(B::view_mut(&mut device), live).expect("within");
                backend.bind(&mut part, r).expect("a power of two");
                live /= 2;
            }
            let got = evaluate(backend, &table, &point);
            compare("evaluate", &got, &Ok(folded.clone()), &|| format!("{variables} variables of i16"));
            assert_eq!(download(backend, B::view(&device))[0], folded[0], "binding {variables} variables");
            let eq = eq_table(backend, &point, Fr::ONE, 1 << variables).expect("fits");
            let sum: Fr = eq.iter().zip(&table).map(|(eq, &value)| *eq * Scalar::<Fr>::to_field(value)).sum();
            assert_eq!(sum, folded[0], "eq_table of {variables} variables");
        }
    }
}
