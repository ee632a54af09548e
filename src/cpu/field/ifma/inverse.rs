//! Inversion of public values: one by the extended Euclidean algorithm in `divsteps`, many by products.

use super::constants::Modulus;

/// Limbs of 62 bits, the top one signed.
type Signed62 = [i64; 5];
const LOW: u64 = (1 << 62) - 1;

/// `1 / a mod p` of an integer `0 < a < p`, as integers (Montgomery factors are the caller's); 0 for 0.
///
/// Bernstein and Yang, *Fast constant-time gcd computation and modular inversion* (TCHES 2019): `divsteps` on
/// `(f, g)`, starting from `(p, a)`, shift `g` right until it is odd and then cancel its low bits with `f`; when
/// `g = 0`, `f` is the gcd. Sixty-two of them are collected into a 2 x 2 matrix on the low words alone, which is then applied
/// to the full numbers and to the cofactors `(d, e)` that keep `a d = f`, `a e = g` modulo `p`. The number of steps
/// depends on the value, so the time does too: **not for secrets**.
pub(crate) fn invert<F: Modulus>(a: [u64; 4]) -> [u64; 4] {
    let p = const { signed62(F::MODULUS.0) };
    let p_inverse = const { inverse62(F::MODULUS.0[0]) };
    let (mut f, mut g) = (p, signed62(a));
    let (mut d, mut e) = ([0; 5], [1, 0, 0, 0, 0]);
    let mut eta = -1;
    while g != [0; 5] {
        let matrix;
        (eta, matrix) = divsteps(eta, f[0] as u64, g[0] as u64);
        (d, e) = apply_modulo(&matrix, &d, &e, &p, p_inverse);
        (f, g) = apply(&matrix, &f, &g);
    }
    // f = +-gcd; d lies in -2 p..p.
    if f[4] < 0 {
        d = d.map(|limb| -limb);
    }
    d = carried(d);
    while d[4] < 0 {
        d = carried(std::array::from_fn(|i| d[i] + p[i]));
    }
    loop {
        let less = carried(std::array::from_fn(|i| d[i] - p[i]));
        if less[4] < 0 {
            break;
        }
        d = less;
    }
    let d = d.map(|limb| limb as u64);
    [d[0] | d[1] << 62, d[1] >> 2 | d[2] << 60, d[2] >> 4 | d[3] << 58, d[3] >> 6 | d[4] << 56]
}

/// `[[u, v], [q, r]]`.
type Matrix = [i64; 4];

/// Sixty-two divsteps on the low words of `f` and `g`: the matrix that takes `(f, g)` to `2^62` times what they become.
/// `eta` is the paper's `-delta`.
#[inline]
fn divsteps(mut eta: i64, f: u64, g: u64) -> (i64, Matrix) {
    let (mut f, mut g) = (f, g);
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let mut left = 62;
    loop {
        let zeros = (g | 1 << left).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            return (eta, [u as i64, v as i64, q as i64, r as i64]);
        }
        if eta < 0 {
            eta = -eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        // No swap happens for eta + 1 steps, so as many bits of g can go at once, six by -g / f mod 64: f is its
        // own inverse modulo 8, and f (2 - f^2) modulo 64.
        let bits = (eta + 1).min(i64::from(left)).min(6) as u32;
        let negative_inverse = f.wrapping_mul(f.wrapping_mul(f).wrapping_sub(2));
        let w = g.wrapping_mul(negative_inverse) & ((1 << bits) - 1);
        g = g.wrapping_add(f.wrapping_mul(w));
        q = q.wrapping_add(u.wrapping_mul(w));
        r = r.wrapping_add(v.wrapping_mul(w));
    }
}

/// The matrix times `(f, g)`, divided by `2^62`, exactly.
#[inline]
fn apply(&[u, v, q, r]: &Matrix, f: &Signed62, g: &Signed62) -> (Signed62, Signed62) {
    let (mut new_f, mut new_g) = ([0; 5], [0; 5]);
    let mut sum_f = product(u, f[0]) + product(v, g[0]) >> 62;
    let mut sum_g = product(q, f[0]) + product(r, g[0]) >> 62;
    for i in 1..5 {
        sum_f += product(u, f[i]) + product(v, g[i]);
        sum_g += product(q, f[i]) + product(r, g[i]);
        new_f[i - 1] = (sum_f as u64 & LOW) as i64;
        new_g[i - 1] = (sum_g as u64 & LOW) as i64;
        sum_f >>= 62;
        sum_g >>= 62;
    }
    new_f[4] = sum_f as i64;
    new_g[4] = sum_g as i64;
    (new_f, new_g)
}

/// The matrix times `(d, e)`, divided by `2^62` modulo `p`; both stay in `-2 p..p`: negative ones are raised by `p`
/// first, then the multiple of `p` is added that makes the division exact.
#[inline]
fn apply_modulo(
    &[u, v, q, r]: &Matrix,
    d: &Signed62,
    e: &Signed62,
    p: &Signed62,
    p_inverse: u64,
) -> (Signed62, Signed62) {
    let (sign_d, sign_e) = (d[4] >> 63, e[4] >> 63);
    let mut sum_d = product(u, d[0]) + product(v, e[0]);
    let mut sum_e = product(q, d[0]) + product(r, e[0]);
    let multiple = |raise: i64, low: i128| {
        let surplus = p_inverse.wrapping_mul(low as u64).wrapping_add(raise as u64) & LOW;
        raise - surplus as i64
    };
    let m = multiple((u & sign_d) + (v & sign_e), sum_d);
    let n = multiple((q & sign_d) + (r & sign_e), sum_e);
    sum_d = sum_d + product(m, p[0]) >> 62;
    sum_e = sum_e + product(n, p[0]) >> 62;
    let (mut new_d, mut new_e) = ([0; 5], [0; 5]);
    for i in 1..5 {
        sum_d += product(u, d[i]) + product(v, e[i]) + product(m, p[i]);
        sum_e += product(q, d[i]) + product(r, e[i]) + product(n, p[i]);
        new_d[i - 1] = (sum_d as u64 & LOW) as i64;
        new_e[i - 1] = (sum_e as u64 & LOW) as i64;
        sum_d >>= 62;
        sum_e >>= 62;
    }
    new_d[4] = sum_d as i64;
    new_e[4] = sum_e as i64;
    (new_d, new_e)
}

#[inline(always)]
fn product(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

/// Limbs of 62 bits of 256.
const fn signed62(w: [u64; 4]) -> Signed62 {
    [
        (w[0] & LOW) as i64,
        ((w[0] >> 62 | w[1] << 2) & LOW) as i64,
        ((w[1] >> 60 | w[2] << 4) & LOW) as i64,
        ((w[2] >> 58 | w[3] << 6) & LOW) as i64,
        (w[3] >> 56) as i64,
    ]
}

/// `1 / p mod 2^62` of an odd `p`, by Newton's iteration.
const fn inverse62(p: u64) -> u64 {
    let mut inverse = p;
    let mut i = 0;
    while i < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(inverse)));
        i += 1;
    }
    inverse & LOW
}

/// The same number with limbs 0 to 3 in `0..2^62`.
fn carried(mut a: Signed62) -> Signed62 {
    for i in 0..4 {
        a[i + 1] += a[i] >> 62;
        a[i] = (a[i] as u64 & LOW) as i64;
    }
    a
}
