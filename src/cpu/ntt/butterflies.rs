//! The levels of a transform on contiguous rows.
//!
//! # The network
//!
//! A vector of length `n` is a polynomial modulo `X^n - 1`. Level 0 splits it by `X^n - 1 = (X^h - 1)(X^h + 1)` with
//! `h = n/2`, and each level splits every block again:
//!
//! ```text
//! X^2h - z^2 = (X^h - z)(X^h + z):      (a, b) -> (a + z b, a - z b)
//! ```
//!
//! After `log n` levels block `k` holds the value at one root of unity: bit-reversed order comes out by itself. The `z`
//! of block `k` is the same on every level and for every `n`: `T[0] = 1`, `T[2k] = sqrt(T[k])`, `T[2k + 1] = i T[2k]`,
//! that is `T[sum_j b_j 2^j] = prod_j w(2^(j + 2))^b_j` for `w(m)` the root of order `m`. So one table in order of `k`
//! serves all, is read in sequence, and inside a block the twiddle does not change. Block 0 never needs a
//! multiplication but for `T[1] = i`. The inverse runs the levels backwards,
//!
//! ```text
//! (u, v) -> (u + v, (v - u) (-1 / z))   that is 2 (a, b).
//! ```
//!
//! Two levels at a time (radix 4) halve the trips through memory: `n/2 log n - n` multiplications in all.
//!
//! # Ranges
//!
//! Elements are kept as representatives (D. Harvey, "Faster arithmetic for number-theoretic transforms"). Forward
//! levels take and give values below `4 p`, a product being below `1.76 p`. Inverse levels take and give values below
//! `2 p + e`, where `e` starts at zero and at most doubles from `2^192` with every level, so stays below `2^224`.

use ark_ff::MontConfig;

use crate::cpu::field::prepared::{
    Field, Prepared, add, divide_by_power_of_two, store, sub_plus_2p, sub_plus_3p, subtract_2p_once,
    subtract_2p_roughly, subtract_p_once,
};

/// The twiddles of the levels that a call runs: by level, counted from the call's first, and block in that level.
pub trait Twiddles {
    /// Whether block 0 of every level has twiddle 1.
    const UNIT: bool;
    /// `T` of a block; for the inverse `-1 / T`, except that with [`Twiddles::UNIT`] block 0 is never asked for.
    fn get(&self, level: u32, block: usize) -> &Prepared;
}

/// Runs the first `levels` levels on a block of data. Values below `4 p` in and out.
#[inline(always)]
pub fn forward<C: MontConfig<4>, T: Twiddles>(data: &mut [Field<C>], levels: u32, twiddles: &T) {
    let mut level = levels % 2;
    let mut len = data.len();
    if level == 1 {
        let (a, b) = data.split_at_mut(len / 2);
        if T::UNIT {
            a.iter_mut().zip(b).for_each(|(a, b)| forward_2_unit(a, b));
        } else {
            let w = twiddles.get(0, 0);
            a.iter_mut().zip(b).for_each(|(a, b)| forward_2(a, b, w));
        }
        len /= 2;
    }
    while level < levels {
        for (block, data) in data.chunks_exact_mut(len).enumerate() {
            let w3 = twiddles.get(level + 1, 2 * block + 1);
            if T::UNIT && block == 0 {
                quarters(data, |a, b, c, d| forward_4_unit(a, b, c, d, w3));
            } else {
                let (w1, w2) = (twiddles.get(level, block), twiddles.get(level + 1, 2 * block));
                quarters(data, |a, b, c, d| forward_4(a, b, c, d, w1, w2, w3));
            }
        }
        level += 2;
        len /= 4;
    }
}

/// Runs the first `levels` levels backwards on a block of data, without the factor `2^-levels`. Values below
/// `2 p + e` in and out.
#[inline(always)]
pub fn inverse<C: MontConfig<4>, T: Twiddles>(data: &mut [Field<C>], levels: u32, twiddles: &T) {
    let mut level = levels;
    let mut len = data.len() >> levels;
    while level >= 2 {
        level -= 2;
        len *= 4;
        for (block, data) in data.chunks_exact_mut(len).enumerate() {
            let w3 = twiddles.get(level + 1, 2 * block + 1);
            if T::UNIT && block == 0 {
                quarters(data, |a, b, c, d| inverse_4_unit(a, b, c, d, w3));
            } else {
                let (w1, w2) = (twiddles.get(level, block), twiddles.get(level + 1, 2 * block));
                quarters(data, |a, b, c, d| inverse_4(a, b, c, d, w1, w2, w3));
            }
        }
    }
    if level == 1 {
        let (a, b) = data.split_at_mut(len);
        if T::UNIT {
            a.iter_mut().zip(b).for_each(|(a, b)| inverse_2_unit(a, b));
        } else {
            let w = twiddles.get(0, 0);
            a.iter_mut().zip(b).for_each(|(a, b)| inverse_2(a, b, w));
        }
    }
}

/// The end of a forward transform: values below `4 p` become canonical.
#[inline(always)]
pub fn canonicalise<C: MontConfig<4>>(data: &mut [Field<C>]) {
    for x in data {
        *x = store(subtract_p_once::<C>(subtract_2p_once::<C>(x.0.0)));
    }
}

/// The end of an inverse transform: values below `2 p + e` are divided by `2^log_n` and become canonical.
#[inline(always)]
pub fn divide<C: MontConfig<4>>(data: &mut [Field<C>], log_n: u32) {
    for x in data {
        *x = store(divide_by_power_of_two::<C>(x.0.0, log_n));
    }
}

/// Applies a butterfly to the four quarters of a block, element by element.
#[inline(always)]
fn quarters<F>(block: &mut [F], mut butterfly: impl FnMut(&mut F, &mut F, &mut F, &mut F)) {
    let (low, high) = block.split_at_mut(block.len() / 2);
    let (a, b) = low.split_at_mut(low.len() / 2);
    let (c, d) = high.split_at_mut(high.len() / 2);
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        butterfly(a, b, c, d);
    }
}

#[inline(always)]
fn forward_2<C: MontConfig<4>>(a: &mut Field<C>, b: &mut Field<C>, w: &Prepared) {
    let t = w.mul::<C>(b.0.0);
    let x = subtract_2p_roughly::<C>(a.0.0);
    *a = store(add(x, t));
    *b = store(sub_plus_2p::<C>(x, t));
}

#[inline(always)]
fn forward_2_unit<C: MontConfig<4>>(a: &mut Field<C>, b: &mut Field<C>) {
    let (x, t) = (subtract_2p_once::<C>(a.0.0), subtract_2p_once::<C>(b.0.0));
    *a = store(add(x, t));
    *b = store(sub_plus_2p::<C>(x, t));
}

#[inline(always)]
fn forward_4<C: MontConfig<4>>(
    a: &mut Field<C>,
    b: &mut Field<C>,
    c: &mut Field<C>,
    d: &mut Field<C>,
    w1: &Prepared,
    w2: &Prepared,
    w3: &Prepared,
) {
    forward_2(a, c, w1);
    forward_2(b, d, w1);
    forward_2(a, b, w2);
    forward_2(c, d, w3);
}

#[inline(always)]
fn forward_4_unit<C: MontConfig<4>>(
    a: &mut Field<C>,
    b: &mut Field<C>,
    c: &mut Field<C>,
    d: &mut Field<C>,
    i: &Prepared,
) {
    forward_2_unit(a, c);
    forward_2_unit(b, d);
    forward_2_unit(a, b);
    forward_2(c, d, i);
}

/// `w` is `-1 / z`.
#[inline(always)]
fn inverse_2<C: MontConfig<4>>(u: &mut Field<C>, v: &mut Field<C>, w: &Prepared) {
    let difference = sub_plus_3p::<C>(v.0.0, u.0.0);
    *u = store(subtract_2p_roughly::<C>(add(u.0.0, v.0.0)));
    *v = store(w.mul::<C>(difference));
}

#[inline(always)]
fn inverse_2_unit<C: MontConfig<4>>(u: &mut Field<C>, v: &mut Field<C>) {
    let difference = sub_plus_3p::<C>(u.0.0, v.0.0);
    *u = store(subtract_2p_roughly::<C>(add(u.0.0, v.0.0)));
    *v = store(subtract_2p_roughly::<C>(subtract_2p_roughly::<C>(difference)));
}

#[inline(always)]
fn inverse_4<C: MontConfig<4>>(
    a: &mut Field<C>,
    b: &mut Field<C>,
    c: &mut Field<C>,
    d: &mut Field<C>,
    w1: &Prepared,
    w2: &Prepared,
    w3: &Prepared,
) {
    inverse_2(a, b, w2);
    inverse_2(c, d, w3);
    inverse_2(a, c, w1);
    inverse_2(b, d, w1);
}

/// `w` is `-1 / i`.
#[inline(always)]
fn inverse_4_unit<C: MontConfig<4>>(
    a: &mut Field<C>,
    b: &mut Field<C>,
    c: &mut Field<C>,
    d: &mut Field<C>,
    w: &Prepared,
) {
    inverse_2_unit(a, b);
    inverse_2(c, d, w);
    inverse_2_unit(a, c);
    inverse_2_unit(b, d);
}
