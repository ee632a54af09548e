//! Field elements as signed integers, eight at a time.

use std::arch::x86_64::*;

use crate::cpu::field::ifma::*;

/// Writes the integers of smallest magnitude that the scalars stand for, in two's complement, 32 bits of each by 32 bits.
///
/// # Panics
/// If a slice is shorter than the scalars.
pub fn to_signed<F: Modulus>(_: Ifma, scalars: &[F], words: &mut [&mut [u32]; 8]) {
    // SAFETY: an `Ifma` proves the features.
    unsafe { convert(scalars, words) }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn convert<F: Modulus>(scalars: &[F], words: &mut [&mut [u32]; 8]) {
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
        for (words, limb) in words.as_chunks_mut::<2>().0.iter_mut().zip(words_of_limbs(&signed)) {
            let limb = _mm512_permutexvar_epi64(order, limb);
            let halves = [_mm512_cvtepi64_epi32(limb), _mm512_cvtepi64_epi32(_mm512_srli_epi64::<32>(limb))];
            for (word, half) in words.iter_mut().zip(halves) {
                let mut eight = [0; 8];
                // SAFETY: eight words.
                unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast(), half) };
                match word[from..].first_chunk_mut() {
                    Some(word) => *word = eight,
                    None => word[from..from + count].copy_from_slice(&eight[..count]),
                }
            }
        }
    }
}
