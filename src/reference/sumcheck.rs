//! Sums over the whole cube, the weight materialised.

use ark_ff::PrimeField;

use crate::element::{Element, Scalar};
use crate::error::Result;
use crate::reference::Reference;
use crate::sumcheck::{Form, Sumcheck, check_cube, check_halving};

impl<F: PrimeField + Element + Scalar<F>> Sumcheck<F> for Reference {
    fn sumcheck_round(&self, form: &mut Form<F>, tables: &mut [&mut [F]], bind: Option<F>) -> Result<Vec<F>> {
        form.check(tables.iter().map(|table| table.len()), bind.is_some())?;
        if let Some(r) = bind {
            let live = 1 << form.remaining();
            tables.iter_mut().for_each(|table| fold(&mut table[..live], r));
            form.bind(r);
        }
        let half = 1 << (form.remaining() - 1);
        let weight = form.open_point().map(|point| eq(point, form.scale()));
        let evaluations: Vec<F> = (0..=form.degree() as u64)
            .map(|x| {
                let at = |table: &[F], i: usize| table[i] + F::from(x) * (table[i + half] - table[i]);
                (0..half)
                    .map(|i| {
                        let product =
                            |factors: &[usize]| -> F { factors.iter().map(|&f| at(tables[f], i)).product() };
                        let sum: F =
                            form.terms().iter().map(|term| term.coefficient * product(&term.factors)).sum();
                        sum * weight.as_ref().map_or(F::ONE, |weight| at(weight, i))
                    })
                    .sum()
            })
            .collect();
        form.record(&evaluations);
        Ok(evaluations)
    }

    fn eq_table(&self, point: &[F], scale: F, out: &mut &mut [F]) -> Result<()> {
        check_cube("eq_table", point.len(), out.len())?;
        out.copy_from_slice(&eq(point, scale));
        Ok(())
    }

    fn bind(&self, table: &mut &mut [F], r: F) -> Result<()> {
        check_halving("bind", table.len())?;
        fold(table, r);
        Ok(())
    }

    fn evaluate<T: Scalar<F>>(&self, table: &[T], point: &[F]) -> Result<F> {
        check_cube("evaluate", point.len(), table.len())?;
        let weight = eq(point, F::ONE);
        Ok(table.iter().zip(weight).map(|(value, weight)| value.to_field() * weight).sum())
    }
}

/// `scale * eq(point, x)` at every `x`, each a product of its own.
fn eq<F: PrimeField>(point: &[F], scale: F) -> Vec<F> {
    let n = point.len();
    let bit = |x: usize, i: usize| x >> (n - 1 - i) & 1 == 1;
    let factor = |x: usize, i: usize| if bit(x, i) { point[i] } else { F::ONE - point[i] };
    (0..1usize << n).map(|x| scale * (0..n).map(|i| factor(x, i)).product::<F>()).collect()
}

fn fold<F: PrimeField>(table: &mut [F], r: F) {
    let half = table.len() / 2;
    for i in 0..half {
        table[i] = table[i] + r * (table[i + half] - table[i]);
    }
}
