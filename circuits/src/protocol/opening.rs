//! One opened row for all claims on committed vectors.
//!
//! Claim `i` says `f_i(z_i) = v_i`. With `z_i = (z_i', z_i'')`, the last `b` coordinates in `z_i''`, the vector's rows folded by
//! `eq(z_i', .)` are one row `w_i`, and `v_i = ~w_i(z_i'')`. A sumcheck of `b` rounds over
//! `sum_y sum_i rho^i eq(z_i'', y) w_i(y)` brings all claims to one point `y`, where the prover sends `u_i = w_i(y)`; then the
//! row `v = sum_i mu^i w_i` is opened. It must evaluate to `sum_i mu^i u_i` at `y`, and commit to
//! `sum_i mu^i sum_j eq(z_i', j) C_ij`: the verifier's only group operation. A vector shorter than a row is one row, its point
//! extended by leading zeros.

use ark_bn254::{Fr, G1Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field};
use zkmill::sumcheck::{Form, Term};
use zkmill::{Backend, Element, G1, Msm};

use crate::bases::CommitmentKey;
use crate::channel::{Channel, Lin, Opening, ProverChannel};
use crate::circuit::Claim;
use crate::column::{Column, sums};
use crate::commitment::Blinds;
use crate::error::{Rejection, VerifyError};
use crate::protocol::{eq, eq_table, powers, sumcheck};

/// A claim's point, split.
struct Split {
    /// Coordinates of the row number.
    rows: Vec<Fr>,
    /// Coordinates within the row, `b` of them.
    entries: Vec<Fr>,
}

impl Split {
    fn new(point: &[Fr], log_row: u32) -> Self {
        let b = log_row as usize;
        let (rows, entries) = point.split_at(point.len().saturating_sub(b));
        let missing = b - entries.len();
        Self { rows: rows.to_vec(), entries: [&vec![Fr::ZERO; missing], entries].concat() }
    }
}

/// A committed vector, to be opened.
pub(crate) struct Committed<'a, B: Backend> {
    pub column: &'a Column<B>,
    pub blinds: &'a Blinds,
}

/// Opens all claims; `committed` gives a claim's vector.
pub(crate) fn prove<'a, B: Backend + 'a>(
    backend: &B,
    channel: &mut impl ProverChannel,
    log_row: u32,
    claims: &[Claim<Fr>],
    committed: impl Fn(&Claim<Fr>) -> Committed<'a, B>,
) -> zkmill::Result<()> {
    let rho = channel.challenge();
    let rhos = powers(rho, claims.len());
    let row_len = 1 << log_row;
    let splits: Vec<Split> = claims.iter().map(|claim| Split::new(&claim.point, log_row)).collect();

    // The folded rows w_i.
    let mut folded = Vec::with_capacity(claims.len());
    for (claim, split) in claims.iter().zip(&splits) {
        let Committed { column, .. } = committed(claim);
        let mut row = backend.alloc("folded row", row_len)?;
        let live = row_len.min(column.len());
        let (mut head, _) = B::split_mut(B::view_mut(&mut row), live)?;
        column.bind_rows(backend, &eq_table(&split.rows), &mut head)?;
        drop(head);
        folded.push(row);
    }

    // Claims with the same z'' share one table of eq and one combination of rows.
    let mut groups: Vec<(&[Fr], Vec<usize>)> = Vec::new();
    for (i, split) in splits.iter().enumerate() {
        match groups.iter_mut().find(|(entries, _)| *entries == split.entries) {
            Some((_, members)) => members.push(i),
            None => groups.push((&split.entries, vec![i])),
        }
    }
    let mut tables = Vec::with_capacity(2 * groups.len());
    for (entries, members) in &groups {
        let mut weight = backend.alloc("opening weights", row_len)?;
        backend.eq_table(entries, Fr::ONE, &mut B::view_mut(&mut weight))?;
        let mut combined = backend.alloc("combined rows", row_len)?;
        let terms: Vec<_> = members.iter().map(|&i| (rhos[i], B::view(&folded[i]))).collect();
        backend.linear_combination(&terms, &mut B::view_mut(&mut combined))?;
        tables.extend([weight, combined]);
    }
    let term = |g| Term { coefficient: Fr::ONE, factors: vec![2 * g, 2 * g + 1] };
    let claim = claims.iter().zip(&rhos).map(|(claim, power)| claim.value * power).sum();
    let form = Form::new(log_row as usize, (0..groups.len()).map(term).collect()).claiming(claim);
    let views = tables.iter_mut().map(B::view_mut).collect();
    let y = sumcheck::prove(backend, channel, form, views)?.point;

    let values: zkmill::Result<Vec<Fr>> =
        folded.iter().map(|row| backend.evaluate(B::view(row), &y)).collect();
    channel.send(&values?);
    let mus = powers(channel.challenge(), claims.len());
    let mut opened = backend.alloc("opened row", row_len)?;
    let terms: Vec<_> = mus.iter().zip(&folded).map(|(mu, row)| (*mu, B::view(row))).collect();
    backend.linear_combination(&terms, &mut B::view_mut(&mut opened))?;
    let mut blind = Fr::ZERO;
    for ((claim, split), mu) in claims.iter().zip(&splits).zip(&mus) {
        let Committed { blinds, .. } = committed(claim);
        let combined: Fr = eq_table(&split.rows).iter().zip(blinds.as_slice()).map(|(e, o)| *e * o).sum();
        blind += *mu * combined;
    }
    channel.send_row(&backend.to_vec(B::view(&opened))?, blind);
    Ok(())
}

/// Reads the opening of all claims; `commitments` gives a vector's rows by its number.
pub(crate) fn verify<B: Backend, C: Channel>(
    backend: &B,
    channel: &mut C,
    key: &CommitmentKey,
    claims: Vec<Claim<Lin<C::Var>>>,
    commitments: &[Vec<G1Affine>],
) -> Result<(), VerifyError> {
    let log_row = key.log_row();
    let rhos = powers(channel.challenge(), claims.len());
    let splits: Vec<Split> = claims.iter().map(|claim| Split::new(&claim.point, log_row)).collect();
    let polys: Vec<usize> = claims.iter().map(|claim| claim.poly.index()).collect();
    let sum = claims.into_iter().zip(&rhos).map(|(claim, power)| claim.value * *power).sum();
    let (y, sum) = sumcheck::verify(channel, log_row as usize, 2, sum)?;
    let values = channel.receive(splits.len())?;
    let weights = splits.iter().zip(&rhos).map(|(split, rho)| *rho * eq(&split.entries, &y));
    let at_y: Lin<C::Var> = weights.zip(&values).map(|(weight, value)| (weight, *value)).collect();
    channel.zero("batched claims on committed vectors", sum - at_y)?;

    let mus = powers(channel.challenge(), splits.len());
    let Opening::Clear { row, blind } = channel.row(key.row().len())?;
    let evaluated: Fr = row.iter().zip(eq_table(&y)).map(|(v, e)| *v * e).sum();
    let expected: Lin<C::Var> = mus.iter().zip(&values).map(|(mu, value)| (*mu, *value)).collect();
    channel.zero("value of the opened row", expected - Lin::constant(evaluated))?;

    // sum_i mu^i sum_j eq(z_i', j) C_ij - Com(row; blind) = 0, claims on one vector sharing its commitments' scalars.
    let mut scalars: Vec<Vec<Fr>> = commitments.iter().map(|rows| vec![Fr::ZERO; rows.len()]).collect();
    for ((split, poly), mu) in splits.iter().zip(polys).zip(&mus) {
        for (scalar, weight) in scalars[poly].iter_mut().zip(eq_table(&split.rows)) {
            *scalar += *mu * weight;
        }
    }
    let mut points = key.row().to_vec();
    points.push(key.blinding());
    points.extend(commitments.iter().flatten());
    let mut all: Vec<Fr> = row.iter().map(|v| -*v).collect();
    all.push(-blind);
    all.extend(scalars.iter().flatten());
    let bases = Msm::<G1>::bases(backend, &points, 0)?;
    let scalars = backend.upload("opening scalars", &all)?;
    let total = sums(backend, &bases, &[B::view(&scalars)])?;
    if total != [G1Affine::ZEROED] || !total[0].is_zero() {
        return Err(Rejection::Commitment.into());
    }
    Ok(())
}
