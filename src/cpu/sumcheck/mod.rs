//! Sumcheck on the host.
//!
//! Tables are indexed with the first variable as the most significant bit, so binding it combines the two halves.

mod eq;
mod evaluate;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod round;

use rayon::prelude::*;

use super::Cpu;
use super::field::has_mulx;
use super::field::prepared::Prepared;
use super::field::wide::Montgomery;
use crate::element::{Fr, Scalar};
use crate::error::Result;
use crate::sumcheck::{Form, Sumcheck, check_cube, check_halving};

/// Elements below which splitting work over threads costs more than it gains.
const SERIAL: usize = 1 << 10;

impl Sumcheck for Cpu {
    fn sumcheck_round(&self, form: &mut Form, tables: &mut [&mut [Fr]], bind: Option<Fr>) -> Result<Vec<Fr>> {
        form.check(tables.iter().map(|table| table.len()), bind.is_some())?;
        let live = 1 << form.remaining();
        if let Some(r) = bind {
            form.bind(r);
        }
        let tables: Vec<&mut [Fr]> = tables.iter_mut().map(|table| &mut table[..live]).collect();
        let work = live * tables.len();
        #[cfg(target_arch = "x86_64")]
        let evaluations = match self.ifma() {
            Some(token) => self.install_unless_short(work, || ifma::round(token, form, tables, bind)),
            None => self.install_unless_short(work, || round::round(form, tables, bind)),
        };
        #[cfg(not(target_arch = "x86_64"))]
        let evaluations = self.install_unless_short(work, || round::round(form, tables, bind));
        form.record(&evaluations);
        Ok(evaluations)
    }

    fn eq_table(&self, point: &[Fr], scale: Fr, out: &mut &mut [Fr]) -> Result<()> {
        check_cube("eq_table", point.len(), out.len())?;
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(out.len(), || ifma::eq_table(token, point, scale, out));
            return Ok(());
        }
        self.install_unless_short(out.len(), || eq::eq_table(point, scale, out));
        Ok(())
    }

    fn bind(&self, table: &mut &mut [Fr], r: Fr) -> Result<()> {
        check_halving("bind", table.len())?;
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(table.len(), || ifma::bind(token, table, r));
            return Ok(());
        }
        self.install_unless_short(table.len(), || bind(table, r));
        Ok(())
    }

    fn evaluate<T: Scalar>(&self, table: &[T], point: &[Fr]) -> Result<Fr> {
        check_cube("evaluate", point.len(), table.len())?;
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma()
            && let Some(value) =
                self.install_unless_short(table.len(), || ifma::evaluate(token, table, point))
        {
            return Ok(value);
        }
        Ok(self.install_unless_short(table.len(), || evaluate::evaluate(table, point)))
    }
}

/// `t[i] += r (t[i + half] - t[i])` for the first half of the table.
fn bind<F: Montgomery>(table: &mut [F], r: F) {
    let r = r.prepare();
    let (low, high) = table.split_at_mut(table.len() / 2);
    low.par_chunks_mut(SERIAL).zip(high.par_chunks(SERIAL)).for_each(|(low, high)| fold(low, high, &r));
}

/// `low[i] += r (high[i] - low[i])`
fn fold<F: Montgomery>(low: &mut [F], high: &[F], r: &Prepared) {
    #[cfg(target_arch = "x86_64")]
    if has_mulx() {
        // SAFETY: the processor has the instructions.
        return unsafe { fold_mulx(low, high, r) };
    }
    fold_anywhere(low, high, r);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi2,adx")]
fn fold_mulx<F: Montgomery>(low: &mut [F], high: &[F], r: &Prepared) {
    fold_anywhere(low, high, r);
}

#[inline(always)]
fn fold_anywhere<F: Montgomery>(low: &mut [F], high: &[F], r: &Prepared) {
    for (low, high) in low.iter_mut().zip(high) {
        *low = F::fold(*low, *high, r);
    }
}
