//! Field elements as signed integers, eight at a time.

use std::arch::x86_64::*;

use crate::cpu::field::ifma::*;

/// Writes the integers of smallest magnitude that the scalars stand for, in two's complement, limb by limb.
///
/// # Panics
/// If a limb's slice is shorter than the scalars.
pub fn to_signed<F: Modulus>(_: Ifma, scalars: &[F], limbs: &mut [&mut [u64]; 4]) {
    // SAFETY: an `Ifma` proves the features.
    unsafe { convert(scalars, limbs) }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn convert<F: Modulus>(scalars: &[F], limbs: &mut [&mut [u64]; 4]) {
    let one = Factor::<F, 1>::from_limbs(broadcast(&[1, 0, 0, 0, 0]));
    let order = LANE_ORDER.map(|lane| lane as u64);
    // SAFETY: eight words.
    let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
    let half = broadcast(const { &relimb(F::MODULUS_MINUS_ONE_DIV_TWO.0) });
    let modulus = broadcast(const { &Constants::<F>::P });
    for from in (0..scalars.len()).step_by(8) {
        // `x 2^260`, times `2^-260`.
        let elements = Factor::from_elements(&load_at(scalars, from, F::zero()));
        let value: Columns = elements.mul::<_, 2>(&one).canonical().into_limbs();
        let negative = _mm512_cmplt_epi64_mask(carry(&sub(&half, &value))[4], _mm512_setzero_si512());
        let mut signed = carry(&sub(&value, &modulus));
        for (signed, value) in signed.iter_mut().zip(value) {
            *signed = _mm512_mask_mov_epi64(value, negative, *signed);
        }
        let count = (scalars.len() - from).min(8);
        for (limb, word) in limbs.iter_mut().zip(words_of_limbs(&signed)) {
            let mut eight = [0; 8];
            // SAFETY: eight words.
            unsafe { _mm512_storeu_si512(eight.as_mut_ptr().cast(), _mm512_permutexvar_epi64(order, word)) };
            match limb[from..].first_chunk_mut() {
                Some(limb) => *limb = eight,
                None => limb[from..from + count].copy_from_slice(&eight[..count]),
            }
        }
    }
}
