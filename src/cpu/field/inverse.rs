//! Division modulo an odd number by divsteps.
//!
//! Bernstein and Yang, "Fast constant-time gcd computation and modular inversion" (CHES 2019): starting from `f = p`,
//! `g = x` and a counter `delta`, the step
//!
//! ```text
//! delta > 0 and g odd:   (delta, f, g) <- (1 - delta, g, (g - f) / 2)
//! otherwise:             (delta, f, g) <- (1 + delta, f, (g + (g mod 2) f) / 2)
//! ```
//!
//! leads to `g = 0`, `f = +-gcd(p, x)`. Which way a step goes depends on the low bits alone, so 62 steps are done on
//! single words and gathered in a 2 x 2 matrix, which is then applied to the long numbers: `f, g`, which shrink, and
//! `d, e` with `d x = n f`, `e x = n g` modulo `p`, which end as `d = +-n / x`. Runs of zeros and up to six bits of `g`
//! are cleared at a time (so the time depends on `x`: not for secrets).

/// Bits of a limb; as many divsteps are done on words at a time.
const STEP: u32 = 62;
const MASK: u64 = (1 << STEP) - 1;

/// A signed number `sum limb_i 2^(62 i)`; all limbs but the last are in `[0, 2^62)`.
type Long = [i64; 5];

/// `numerator / x mod p` for `numerator, x < p`, and `p` odd and prime to `x`. `None` for `x = 0`.
pub(super) fn divide(numerator: [u64; 4], x: [u64; 4], p: [u64; 4]) -> Option<[u64; 4]> {
    if x == [0; 4] {
        return None;
    }
    let modulus = split(p);
    // Newton's iteration doubles the correct low bits: 3, 6, ..., 96.
    let p_inverse = (0..5).fold(p[0], |y, _| y.wrapping_mul(2u64.wrapping_sub(p[0].wrapping_mul(y))));

    let (mut f, mut g) = (modulus, split(x));
    let (mut d, mut e) = ([0; 5], split(numerator));
    let mut delta = 1;
    while g != [0; 5] {
        let matrix =
            divsteps(&mut delta, f[0] as u64 | (f[1] as u64) << STEP, g[0] as u64 | (g[1] as u64) << STEP);
        (f, g) = apply(&matrix, f, g);
        (d, e) = apply_modulo(&matrix, d, e, &modulus, p_inverse);
    }
    // f = +-1, and d lies in (-2p, p).
    let zero = [0; 5];
    if f[4] < 0 {
        d = combine(&zero, &d, -1);
    }
    while d[4] < 0 {
        d = combine(&d, &modulus, 1);
    }
    loop {
        let smaller = combine(&d, &modulus, -1);
        if smaller[4] < 0 {
            return Some(join(d));
        }
        d = smaller;
    }
}

/// The product of 62 steps' matrices, times 2^62.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// 62 divsteps on the low words of `f` and `g`.
fn divsteps(delta: &mut i32, mut f: u64, mut g: u64) -> Matrix {
    let (mut u, mut v, mut q, mut r) = (1i64, 0i64, 0i64, 1i64);
    let mut left = STEP;
    loop {
        let zeros = g.trailing_zeros().min(left);
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        *delta += zeros as i32;
        left -= zeros;
        if left == 0 {
            return Matrix { u, v, q, r };
        }
        if *delta > 0 {
            *delta = -*delta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, -u);
            (v, r) = (r, -v);
        }
        // Until delta is positive again, steps only add f to g: choose the multiple that clears all those bits.
        // f (2 - f^2) is 1/f modulo 2^6.
        let bits = (1 - *delta).min(left as i32).min(6);
        let multiple = g.wrapping_mul(f).wrapping_mul(f.wrapping_mul(f).wrapping_sub(2)) & ((1 << bits) - 1);
        g = g.wrapping_add(f.wrapping_mul(multiple));
        q += u * multiple as i64;
        r += v * multiple as i64;
    }
}

/// `(u f + v g, q f + r g) / 2^62`, exact.
fn apply(t: &Matrix, f: Long, g: Long) -> (Long, Long) {
    let (mut next_f, mut next_g) = ([0; 5], [0; 5]);
    let (mut carry_f, mut carry_g) = (0i128, 0i128);
    for i in 0..5 {
        let (fi, gi) = (f[i] as i128, g[i] as i128);
        carry_f += t.u as i128 * fi + t.v as i128 * gi;
        carry_g += t.q as i128 * fi + t.r as i128 * gi;
        if i > 0 {
            next_f[i - 1] = (carry_f as u64 & MASK) as i64;
            next_g[i - 1] = (carry_g as u64 & MASK) as i64;
        }
        carry_f >>= STEP;
        carry_g >>= STEP;
    }
    next_f[4] = carry_f as i64;
    next_g[4] = carry_g as i64;
    (next_f, next_g)
}

/// `(u d + v e, q d + r e) / 2^62 mod p`, in `(-2p, p)` for arguments in `(-2p, p)`.
fn apply_modulo(t: &Matrix, d: Long, e: Long, p: &Long, p_inverse: u64) -> (Long, Long) {
    // Where d or e is negative, p is added to it: so the row sums stay within 2^62 p on either side. Then a multiple
    // of p in (-2^62 p, 0] makes them divisible.
    let row = |a: i64, b: i64| {
        let lift = (if d[4] < 0 { a } else { 0 }) + (if e[4] < 0 { b } else { 0 });
        let low = (a as u64).wrapping_mul(d[0] as u64).wrapping_add((b as u64).wrapping_mul(e[0] as u64));
        let k = lift - (low.wrapping_mul(p_inverse).wrapping_add(lift as u64) & MASK) as i64;
        let mut next = [0; 5];
        let mut carry = 0i128;
        for i in 0..5 {
            carry += a as i128 * d[i] as i128 + b as i128 * e[i] as i128 + k as i128 * p[i] as i128;
            if i > 0 {
                next[i - 1] = (carry as u64 & MASK) as i64;
            }
            carry >>= STEP;
        }
        next[4] = carry as i64;
        next
    };
    (row(t.u, t.v), row(t.q, t.r))
}

/// `a + sign b`
fn combine(a: &Long, b: &Long, sign: i64) -> Long {
    let mut carry = 0;
    std::array::from_fn(|i| {
        carry += a[i] + sign * b[i];
        let limb = if i < 4 { carry & MASK as i64 } else { carry };
        carry >>= STEP;
        limb
    })
}

fn split(a: [u64; 4]) -> Long {
    [
        a[0] & MASK,
        (a[0] >> 62 | a[1] << 2) & MASK,
        (a[1] >> 60 | a[2] << 4) & MASK,
        (a[2] >> 58 | a[3] << 6) & MASK,
        a[3] >> 56,
    ]
    .map(|limb| limb as i64)
}

fn join(a: Long) -> [u64; 4] {
    let a = a.map(|limb| limb as u64);
    [a[0] | a[1] << 62, a[1] >> 2 | a[2] << 60, a[2] >> 4 | a[3] << 58, a[3] >> 6 | a[4] << 56]
}

#[cfg(test)]
mod tests {
    use super::divide;

    fn power(mut base: u128, mut exponent: u128, p: u128) -> u128 {
        let mut result = 1;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result * base % p;
            }
            base = base * base % p;
            exponent >>= 1;
        }
        result
    }

    #[test]
    fn small_primes() {
        for p in [3u128, 5, 257, 65537, (1 << 31) - 1, (1 << 61) - 1] {
            for x in (1..p.min(300)).chain([p - 1, p / 2]) {
                let y = power(x, p - 2, p) * 2 % p;
                let got = divide([2 % p as u64, 0, 0, 0], [x as u64, 0, 0, 0], [p as u64, 0, 0, 0]);
                assert_eq!(got, Some([y as u64, 0, 0, 0]), "2 / {x} mod {p}");
            }
        }
        assert_eq!(divide([1, 0, 0, 0], [0; 4], [7, 0, 0, 0]), None);
    }
}
