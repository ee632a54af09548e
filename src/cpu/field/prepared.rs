//! Multiplication by a constant prepared in advance, and the lazy sums that go with it.
//!
//! For a constant `w < p` keep `q = floor(w 2^256 / p)`. Then `x w mod p` is
//!
//! ```text
//! t = floor(x q / 2^256)          only the high half of the product
//! r = x w - t p  (mod 2^256)      only the low halves of both products
//! ```
//!
//! Since `x w / p - t` lies in `[0, 1 + x / 2^256 + 2^-61)`, the result obeys `r < (1 + x / 2^256 + 2^-61) p`: below
//! `1.76 p` for `x < 4 p`, below `2 p` for `x < 5.25 p`. (V. Shoup's method as used by D. Harvey, "Faster arithmetic for
//! number-theoretic transforms", section 3; the `2^-61` pays for three dropped columns of `x q`.) That is 33 word
//! products, eight of them low halves only, against 36 full ones in a Montgomery multiplication, and no chain through
//! four quotient digits. `w` is a plain residue, so `x` may be in any representation and `r` is in the same one.
//!
//! Everything here is for moduli with `5.25 p < 2^256 < 8 p`.

use std::marker::PhantomData;

use ark_ff::{BigInt, Fp, MontBackend, MontConfig, PrimeField};

use super::portable::{Limbs, add_limbs, select, sub_limbs, wide};

/// A field of four words in Montgomery form, as arkworks lays it out.
pub type Field<C> = Fp<MontBackend<C, 4>, 4>;

/// The multiples of the modulus that lazy arithmetic needs.
pub struct Modulus<C>(PhantomData<C>);

impl<C: MontConfig<4>> Modulus<C> {
    /// The modulus `p`.
    pub const P: Limbs = {
        // The top words are enough to see it.
        assert!(C::MODULUS.0[3] < (u64::MAX / 21) * 4, "lazy sums need 5.25 p < 2^256");
        assert!(C::MODULUS.0[3] >> 61 != 0, "full reductions need 2^256 < 8 p");
        C::MODULUS.0
    };
    /// `2 p`.
    pub const P2: Limbs = accumulate([0; 4], 2, Self::P);
    const P3: Limbs = accumulate([0; 4], 3, Self::P);
    /// `-1 / p mod 2^256`, word by word: word `i` makes word `i` of `p NEG_INV + 1` zero.
    const NEG_INV: Limbs = {
        let mut inv: Limbs = [0; 4];
        let mut rest: Limbs = [1, 0, 0, 0];
        let mut i = 0;
        while i < 4 {
            inv[i] = rest[0].wrapping_mul(C::INV);
            rest = accumulate(rest, inv[i], Self::P);
            // Exactly divisible by 2^64; what the shift moves in stands for words that are not looked at.
            rest = [rest[1], rest[2], rest[3], 0];
            i += 1;
        }
        inv
    };
}

/// `x + a y mod 2^256`, for constants.
const fn accumulate(x: Limbs, a: u64, y: Limbs) -> Limbs {
    let mut sum = x;
    let mut carry = 0;
    let mut i = 0;
    while i < 4 {
        let t = x[i] as u128 + a as u128 * y[i] as u128 + carry as u128;
        sum[i] = t as u64;
        carry = (t >> 64) as u64;
        i += 1;
    }
    sum
}

/// A constant factor: the plain residue `w` and `floor(w 2^256 / p)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    w: Limbs,
    q: Limbs,
}

impl Prepared {
    /// The factor one.
    pub fn one<C: MontConfig<4>>() -> Self {
        Self::new(Field::<C>::new_unchecked(C::R))
    }

    /// Prepares `w`, for less than the cost of one multiplication: with `r = w 2^256 mod p` (the Montgomery form
    /// itself), `q = (w 2^256 - r) / p`, an exact division, hence `q = -r / p mod 2^256`.
    #[inline]
    pub fn new<C: MontConfig<4>>(w: Field<C>) -> Self {
        Self { w: w.into_bigint().0, q: mul_low(w.0.0, Modulus::<C>::NEG_INV) }
    }

    /// `x w` up to a multiple of `p`; any `x`, and see the [module](self) for the range of the result.
    #[inline(always)]
    pub fn mul<C: MontConfig<4>>(&self, x: Limbs) -> Limbs {
        let t = mul_high(x, self.q);
        sub(mul_low(x, self.w), mul_low(t, Modulus::<C>::P))
    }

    /// `x w`, canonical.
    #[inline]
    pub fn mul_canonical<C: MontConfig<4>>(&self, x: Field<C>) -> Field<C> {
        // The product is below (1 + 1 / 4) p.
        store(subtract_p_once::<C>(self.mul::<C>(x.0.0)))
    }
}

/// Words as a field element; inside a transform they need not be below `p`.
#[inline(always)]
pub fn store<C: MontConfig<4>>(x: Limbs) -> Field<C> {
    Field::new_unchecked(BigInt(x))
}

/// `a + b mod 2^256`.
#[inline(always)]
pub fn add(a: Limbs, b: Limbs) -> Limbs {
    add_limbs(a, b).0
}

/// `a - b mod 2^256`.
#[inline(always)]
fn sub(a: Limbs, b: Limbs) -> Limbs {
    sub_limbs(a, b).0
}

/// `a - b + 2 p`, for `b <= 2 p`.
#[inline(always)]
pub fn sub_plus_2p<C: MontConfig<4>>(a: Limbs, b: Limbs) -> Limbs {
    sub(add(a, Modulus::<C>::P2), b)
}

/// `a - b + 3 p`, for `b <= 3 p` and `a < 2.25 p`.
#[inline(always)]
pub fn sub_plus_3p<C: MontConfig<4>>(a: Limbs, b: Limbs) -> Limbs {
    sub(add(a, Modulus::<C>::P3), b)
}

/// Takes `2 p` away where the top word alone tells that it fits: `x < 4 p + e` becomes `< 2 p + max(e, 2^192)`.
/// Masks, not a branch: the outcome is a coin toss.
#[inline(always)]
pub fn subtract_2p_roughly<C: MontConfig<4>>(x: Limbs) -> Limbs {
    let p2 = Modulus::<C>::P2;
    let mask = ((p2[3] < x[3]) as u64).wrapping_neg();
    sub(x, p2.map(|word| word & mask))
}

#[inline(always)]
fn subtract_if_fits(x: Limbs, m: Limbs) -> Limbs {
    let (difference, borrow) = sub_limbs(x, m);
    select(borrow, x, difference)
}

/// `x - 2 p` if that is not negative, else `x`.
#[inline(always)]
pub fn subtract_2p_once<C: MontConfig<4>>(x: Limbs) -> Limbs {
    subtract_if_fits(x, Modulus::<C>::P2)
}

/// `x - p` if that is not negative, else `x`.
#[inline(always)]
pub fn subtract_p_once<C: MontConfig<4>>(x: Limbs) -> Limbs {
    subtract_if_fits(x, Modulus::<C>::P)
}

/// `x / 2^shift mod p` for `1 <= shift < 64`, canonical for `x < 3 p`: adds the multiple of `p` that clears the low
/// bits (one step of Montgomery's reduction, with four word products) and shifts.
#[inline(always)]
pub fn divide_by_power_of_two<C: MontConfig<4>>(x: Limbs, shift: u32) -> Limbs {
    let p = Modulus::<C>::P;
    let m = x[0].wrapping_mul(C::INV) & ((1 << shift) - 1);
    let (r0, c) = mul_add_carry(m, p[0], x[0], 0);
    let (r1, c) = mul_add_carry(m, p[1], x[1], c);
    let (r2, c) = mul_add_carry(m, p[2], x[2], c);
    let (r3, r4) = mul_add_carry(m, p[3], x[3], c);
    let word = |low: u64, high: u64| (low >> shift) | (high << (64 - shift));
    // (x + m p) / 2^shift <= p + (x - p) / 2^shift < 2 p.
    subtract_p_once::<C>([word(r0, r1), word(r1, r2), word(r2, r3), word(r3, r4)])
}

#[inline(always)]
fn mul_add_carry(a: u64, b: u64, x: u64, carry: u64) -> (u64, u64) {
    let t = a as u128 * b as u128 + x as u128 + carry as u128;
    (t as u64, (t >> 64) as u64)
}

#[inline(always)]
fn high(a: u64, b: u64) -> u64 {
    wide(a, b).1
}

/// `a b mod 2^256`: six full word products and four low ones.
#[inline(always)]
fn mul_low(a: Limbs, b: Limbs) -> Limbs {
    let (r0, h0) = wide(a[0], b[0]);
    let (l1, h1) = wide(a[0], b[1]);
    let (l2, h2) = wide(a[0], b[2]);
    let l3 = a[0].wrapping_mul(b[3]);
    let (r1, c) = l1.carrying_add(h0, false);
    let (r2, c) = l2.carrying_add(h1, c);
    let (r3, _) = l3.carrying_add(h2, c);

    let (l0, h0) = wide(a[1], b[0]);
    let (l1, h1) = wide(a[1], b[1]);
    let l2 = a[1].wrapping_mul(b[2]);
    let (l1, c) = l1.carrying_add(h0, false);
    let (l2, _) = l2.carrying_add(h1, c);
    let (r1, c) = r1.carrying_add(l0, false);
    let (r2, c) = r2.carrying_add(l1, c);
    let (r3, _) = r3.carrying_add(l2, c);

    let (l0, h0) = wide(a[2], b[0]);
    let l1 = a[2].wrapping_mul(b[1]).wrapping_add(h0);
    let (r2, c) = r2.carrying_add(l0, false);
    let (r3, _) = r3.carrying_add(l1, c);

    [r0, r1, r2, r3.wrapping_add(a[3].wrapping_mul(b[0]))]
}

/// `floor(a b / 2^256)`, or one less with a chance of about `2^-61`: the word products of columns 0 and 1 and the low
/// words of column 2, together below `6 * 2^192`, are left out.
#[inline(always)]
fn mul_high(a: Limbs, b: Limbs) -> Limbs {
    let z = high(a[0], b[2]);
    let (l3, h3) = wide(a[0], b[3]);
    let (r3, c) = l3.carrying_add(z, false);
    let r4 = h3 + c as u64;

    let z = high(a[1], b[1]);
    let (l2, h2) = wide(a[1], b[2]);
    let (l3, h3) = wide(a[1], b[3]);
    let (l3, c) = l3.carrying_add(h2, false);
    let h3 = h3 + c as u64;
    let (l2, c) = l2.carrying_add(z, false);
    let (l3, c) = l3.carrying_add(0, c);
    let h3 = h3 + c as u64;
    let (r3, c) = r3.carrying_add(l2, false);
    let (r4, c) = r4.carrying_add(l3, c);
    let r5 = h3 + c as u64;

    let z = high(a[2], b[0]);
    let (l1, h1) = wide(a[2], b[1]);
    let (l2, h2) = wide(a[2], b[2]);
    let (l3, h3) = wide(a[2], b[3]);
    let (l1, c) = l1.carrying_add(z, false);
    let (l2, c) = l2.carrying_add(h1, c);
    let (l3, c) = l3.carrying_add(h2, c);
    let h3 = h3 + c as u64;
    let (r3, c) = r3.carrying_add(l1, false);
    let (r4, c) = r4.carrying_add(l2, c);
    let (r5, c) = r5.carrying_add(l3, c);
    let r6 = h3 + c as u64;

    let (l0, h0) = wide(a[3], b[0]);
    let (l1, h1) = wide(a[3], b[1]);
    let (l2, h2) = wide(a[3], b[2]);
    let (l3, h3) = wide(a[3], b[3]);
    let (l1, c) = l1.carrying_add(h0, false);
    let (l2, c) = l2.carrying_add(h1, c);
    let (l3, c) = l3.carrying_add(h2, c);
    let h3 = h3 + c as u64;
    let (_, c) = r3.carrying_add(l0, false);
    let (r4, c) = r4.carrying_add(l1, c);
    let (r5, c) = r5.carrying_add(l2, c);
    let (r6, c) = r6.carrying_add(l3, c);
    [r4, r5, r6, h3 + c as u64]
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Fr, FrConfig};
    use ark_ff::{AdditiveGroup, BigInteger, Field as _, UniformRand};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    type M = Modulus<FrConfig>;

    /// Reduces by repeated subtraction; also says how many `p` were taken away.
    fn canonical(mut x: Limbs) -> (Fr, usize) {
        let mut times = 0;
        while BigInt(x) >= BigInt(M::P) {
            x = sub(x, M::P);
            times += 1;
        }
        (Fr::new_unchecked(BigInt(x)), times)
    }

    /// The residue of any 256-bit word string read as a Montgomery form.
    fn residue(x: Limbs) -> Fr {
        canonical(x).0
    }

    fn edges() -> Vec<Limbs> {
        let p4 = add(M::P2, M::P2);
        let p5 = add(p4, M::P);
        let one = [1, 0, 0, 0];
        let mut all =
            vec![[0; 4], one, [u64::MAX; 4], [0, 0, 0, u64::MAX], [u64::MAX, u64::MAX, u64::MAX, 0]];
        for m in [M::P, M::P2, M::P3, p4, p5] {
            all.extend([sub(m, one), m, add(m, one)]);
        }
        all
    }

    #[test]
    fn neg_inv_is_an_inverse() {
        assert_eq!(mul_low(M::NEG_INV, M::P), [u64::MAX; 4]);
    }

    #[test]
    fn prepared_products_are_right_and_small() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut xs = edges();
        xs.extend((0..200).map(|_| {
            let (low, high) = (Fr::rand(&mut rng).0.0, Fr::rand(&mut rng).0.0);
            [low[0], low[1], high[0], high[1]]
        }));
        let mut ws = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, store(sub(M::P, [1, 0, 0, 0])), store([1, 0, 0, 0])];
        ws.extend((0..50).map(|_| Fr::rand(&mut rng)));
        let p4 = add(M::P2, M::P2);
        for w in ws {
            let prepared = Prepared::new(w);
            for &x in &xs {
                let r = prepared.mul::<FrConfig>(x);
                let (value, times) = canonical(r);
                assert_eq!(value, residue(x) * w, "x = {x:x?}, w = {w}");
                assert!(times <= 2);
                if BigInt(x) < BigInt(p4) {
                    assert!(times <= 1, "x = {x:x?}, w = {w}");
                }
                if BigInt(x) < BigInt(M::P) {
                    assert_eq!(prepared.mul_canonical(residue(x)), residue(x) * w);
                }
            }
        }
        assert_eq!(Prepared::one::<FrConfig>(), Prepared::new(Fr::ONE));
    }

    #[test]
    fn lazy_sums_keep_their_residues() {
        for x in edges() {
            let rough = subtract_2p_roughly::<FrConfig>(x);
            assert_eq!(residue(rough), residue(x));
            let p4 = add(M::P2, M::P2);
            if BigInt(x) <= BigInt(p4) {
                assert!(BigInt(rough) <= BigInt(add(M::P2, [0, 0, 0, 1])), "{x:x?}");
                assert!(BigInt(subtract_2p_once::<FrConfig>(x)) <= BigInt(M::P2));
            }
            for y in edges() {
                if BigInt(y) <= BigInt(M::P2) && BigInt(x) <= BigInt(M::P2) {
                    let expected = residue(x) - residue(y);
                    assert_eq!(residue(sub_plus_2p::<FrConfig>(x, y)), expected);
                    assert_eq!(residue(sub_plus_3p::<FrConfig>(x, y)), expected);
                }
            }
        }
    }

    #[test]
    fn division_by_powers_of_two_is_exact() {
        for x in edges().into_iter().filter(|x| BigInt(*x) < BigInt(M::P3)) {
            for shift in 1..64 {
                let mut power = BigInt::<4>::one();
                power <<= shift;
                let expected = residue(x) / Fr::from(power);
                assert_eq!(store::<FrConfig>(divide_by_power_of_two::<FrConfig>(x, shift)), expected);
            }
        }
        assert!(BigInt::<4>(M::P).is_odd());
    }
}
