//! [`Adder`] on eight lanes.
//!
//! The formulas and the sharing of the inversion are those of [`super::add`]; here a step takes eight pairs, a lane
//! each, and there are four chains of vectors, so 32 products that are inverted together. Products divide by `2^260` where the
//! points have a factor `2^256`. Nothing is converted for that; the factor is followed instead: a
//! denominator `d` is stored as `d 2^256`, so it is `d / 16` to this tier, the inverses are made to come out as
//! `2^262 / d`, slopes are then `l 2^258`, their squares `l^2 2^256`, and `4 l 2^258` times a difference of `x` has the
//! points' factor again.
//!
//! Cost of eight additions: five products and a square of 586 multiply-adds together, and about as many loads, shuffles, sums and carries.

use ark_bn254::{Fq, FqConfig};

use super::add::{Adder, Entry, Operands, PortableAdder, Special, classify};
use super::point::Point;
use crate::cpu::field::ifma::*;
use crate::cpu::field::portable::Fe;
use crate::cpu::field::{LazyField, prefetch};

type Field = Fe<FqConfig>;

/// Pairs that share an inversion. Their points and scratch stay in a second-level cache of one MiB.
const BATCH: usize = 2048;
/// Pairs a step: four vectors, one a chain.
const STEP: usize = 8 * CHAINS;
/// How many pairs ahead points are asked for.
const AHEAD: usize = 64;

const _: () = assert!(size_of::<Point<Field>>() == 64, "eight words: x, then y");

/// The adder of the first group's points with AVX-512 IFMA; portable where the processor lacks it.
pub struct IfmaAdder {
    ifma: Option<Ifma>,
    portable: PortableAdder<Field>,
    steps: Vec<[Forward; CHAINS]>,
    special: Vec<(usize, Special)>,
}

/// What the forward pass leaves to the backward pass.
#[derive(Clone, Copy)]
struct Forward {
    denominator: Lazy<Fq, 4>,
    /// The product of the chain's denominators before this one.
    prefix: Lazy<Fq, 4>,
}

impl Default for IfmaAdder {
    fn default() -> Self {
        Self { ifma: Ifma::new(), portable: PortableAdder::default(), steps: Vec::new(), special: Vec::new() }
    }
}

impl Adder for IfmaAdder {
    type Field = Field;

    fn add(&mut self, operands: Operands<'_, Field>, pairs: &[[Entry; 2]], out: &mut [Point<Field>]) {
        let out = &mut out[..pairs.len()];
        // Few pairs leave lanes idle while the inversion costs the same.
        if self.ifma.is_none() || pairs.len() < STEP {
            return self.portable.add(operands, pairs, out);
        }
        for (pairs, out) in pairs.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            // SAFETY: `self.ifma` proves the features.
            unsafe { self.add_batch(operands, pairs, out) };
        }
    }
}

impl IfmaAdder {
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn add_batch(&mut self, operands: Operands<'_, Field>, pairs: &[[Entry; 2]], out: &mut [Point<Field>]) {
        let mut products = [one(); CHAINS];
        self.steps.clear();
        self.special.clear();
        for first in (0..pairs.len()).step_by(STEP) {
            self.forward(operands, pairs, first, &mut products);
        }
        // With the stored denominators a sixteenth, 2^258 here is 2^262.
        let mut inverses = invert_chains::<Fq, 258>(&products);
        for first in (0..pairs.len()).step_by(STEP).rev() {
            self.backward(operands, pairs, out, first, &mut inverses);
        }
    }

    /// The denominators of a step, appended to the chains.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn forward(
        &mut self,
        operands: Operands<'_, Field>,
        pairs: &[[Entry; 2]],
        first: usize,
        products: &mut [Lazy<Fq, 2>; CHAINS],
    ) {
        for pair in pairs.iter().skip(first + AHEAD).take(STEP) {
            prefetch(operands.raw(pair[0]));
            prefetch(operands.raw(pair[1]));
        }
        let mut denominators = [one().widen::<4>(); CHAINS];
        for (chain, denominator) in denominators.iter_mut().enumerate() {
            let first = first + 8 * chain;
            let Some(count) = pairs.len().checked_sub(first).filter(|&count| count > 0) else { break };
            let [p, q] = addresses(operands, &pairs[first..], count);
            // SAFETY: the addresses are of points, or of `IDLE`; both outlive this call.
            let (p, q) = unsafe { (gather(&p), gather(&q)) };
            let (xp, xq) = (Lazy::<Fq, 2>::from_lazy_words(&p), Lazy::<Fq, 2>::from_lazy_words(&q));
            *denominator = xq.sub(xp).carry();
            // Lanes that may not be of two finite points with different x. The last of a batch may be idle.
            let used = if count < 8 { (1u8 << count) - 1 } else { 0xff };
            let suspects = denominator.maybe_zero_lanes() | zero_word_lanes(&p) | zero_word_lanes(&q) | !used;
            if suspects != 0 {
                self.patch(operands, pairs, first, suspects, denominator);
            }
        }
        let mut step = [Forward { denominator: denominators[0], prefix: one().widen() }; CHAINS];
        for chain in 0..CHAINS {
            step[chain] = Forward { denominator: denominators[chain], prefix: products[chain].widen() };
        }
        for chain in (0..CHAINS).step_by(2) {
            let (a, b) = mul_pair::<Fq, _, _, 2>(
                &products[chain],
                &denominators[chain],
                &products[chain + 1],
                &denominators[chain + 1],
            );
            products[chain] = a.carry();
            products[chain + 1] = b.carry();
        }
        self.steps.push(step);
    }

    /// Puts the right denominators into lanes of the pairs from `first` on that the formula may not apply to.
    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn patch(
        &mut self,
        operands: Operands<'_, Field>,
        pairs: &[[Entry; 2]],
        first: usize,
        lanes: u8,
        denominator: &mut Lazy<Fq, 4>,
    ) {
        for lane in (0..8).filter(|lane| lanes >> lane & 1 == 1) {
            let value = match pairs.get(first + lane) {
                Some(&pair) => {
                    let difference = operands.raw(pair[1]).x - operands.raw(pair[0]).x;
                    classify(&mut self.special, operands, first + lane, pair, difference)
                }
                None => Field::ONE,
            };
            *denominator = denominator.with_lane(lane, &words(&value));
        }
    }

    /// The sums of a step. `inverses` are those of the chains' products up to the step's end, then those before it.
    ///
    /// In short loops over the four vectors: one addition is a long chain of dependent instructions, and four of one kind
    /// fit into the processor's window.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn backward(
        &mut self,
        operands: Operands<'_, Field>,
        pairs: &[[Entry; 2]],
        out: &mut [Point<Field>],
        first: usize,
        inverses: &mut [Lazy<Fq, 2>; CHAINS],
    ) {
        let step = &self.steps[first / STEP];
        let count = (pairs.len() - first).min(STEP);
        let vectors = count.div_ceil(8);
        let mut inverse = [one(); CHAINS];
        for chain in 0..CHAINS {
            let before = inverses[chain];
            let Forward { denominator, prefix } = &step[chain];
            let (a, b) = mul_pair::<Fq, _, _, 2>(&before, prefix, &before, denominator);
            inverse[chain] = a.carry();
            inverses[chain] = b.carry();
        }

        let mut special = self.special.len();
        while special > 0 && self.special[special - 1].0 >= first {
            special -= 1;
        }
        let zero = Lazy::<Fq, 2>::splat(&[0; 5]);
        let (mut xp, mut xq, mut yp) = ([zero; CHAINS], [zero; CHAINS], [zero.negate_lanes(0); CHAINS]);
        let mut rise = [zero.widen::<6>(); CHAINS];
        for v in 0..vectors {
            let pairs = &pairs[first + 8 * v..];
            let [p, q] = addresses(operands, pairs, count - 8 * v);
            let [flip_p, flip_q] = signs(pairs);
            // SAFETY: the addresses are of points, or of `IDLE`: eight words.
            unsafe {
                xp[v] = Lazy::from_lazy_words(&gather(&p));
                xq[v] = Lazy::from_lazy_words(&gather(&q));
                yp[v] = Lazy::<Fq, 2>::from_lazy_words(&gather(&second_halves(&p))).negate_lanes(flip_p);
                let yq = Lazy::<Fq, 2>::from_lazy_words(&gather(&second_halves(&q))).negate_lanes(flip_q);
                rise[v] = yq.sub::<1, 2, 3, 3>(yp[v]).carry();
            }
        }
        for &(i, kind) in &self.special[special..] {
            if kind == Special::Double {
                // 3 x^2, the tangent's.
                let square = operands.raw(pairs[i][0]).x.square();
                let (v, lane) = ((i - first) / 8, (i - first) % 8);
                rise[v] = rise[v].with_lane(lane, &words(&(square.double() + square)));
            }
        }
        let mut slope = [zero; CHAINS];
        for v in (0..CHAINS).step_by(2) {
            let (a, b) = mul_pair::<Fq, _, _, 2>(&rise[v], &inverse[v], &rise[v + 1], &inverse[v + 1]);
            slope[v] = a.carry();
            slope[v + 1] = b.carry();
        }
        let mut x = [zero; CHAINS];
        for v in 0..vectors {
            let square: Wide<Fq, 0, 2> = square(&slope[v]);
            let both: Wide<Fq, 0, 4> = xp[v].add(xq[v]);
            let difference: Wide<Fq, 4, 2> = square.sub(both);
            x[v] = difference.reduce();
        }
        let mut run = [zero.widen::<4>().wide().factor::<4>(); CHAINS];
        let mut steep = [zero.wide().quadruple::<8>().factor::<8>(); CHAINS];
        for v in 0..vectors {
            run[v] = xp[v].sub(x[v]).factor();
            steep[v] = slope[v].wide().quadruple::<8>().factor();
        }
        for v in (0..vectors).step_by(2) {
            let (a, b) = mul_pair::<Fq, _, _, 2>(&steep[v], &run[v], &steep[v + 1], &run[v + 1]);
            for (v, product) in [(v, a), (v + 1, b)] {
                if 8 * v >= count {
                    break;
                }
                let y: Wide<Fq, 2, 3> = product.sub(yp[v]);
                let y = y.reduce().into_words();
                let x = x[v].into_words();
                let mut idle = IDLE;
                let idle = (&raw mut idle).cast::<u64>();
                let mut to = [idle; 8];
                for (to, out) in to.iter_mut().zip(&mut out[first + 8 * v..]) {
                    *to = (&raw mut *out).cast();
                }
                // SAFETY: the addresses are of `out`'s points and of `idle`, eight words each; words below 2 p are
                // valid `Field`s.
                unsafe {
                    scatter(&x, &to);
                    scatter(&y, &second_halves(&to));
                }
            }
        }
        for (i, kind) in self.special.drain(special..) {
            let [p, q] = pairs[i];
            match kind {
                Special::Double => {}
                Special::Cancel => out[i] = Point::IDENTITY,
                Special::First => out[i] = operands.get(p),
                Special::Second => out[i] = operands.get(q),
            }
        }
    }
}

/// What idle lanes read and write.
const IDLE: Point<Field> = Point { x: Field::ONE, y: Field::ONE };
static IDLE_POINT: Point<Field> = IDLE;

/// Where the points of the first eight pairs are, of which `count` exist.
#[inline(always)]
fn addresses(operands: Operands<'_, Field>, pairs: &[[Entry; 2]], count: usize) -> [[*mut u64; 8]; 2] {
    let idle = (&raw const IDLE_POINT).cast_mut().cast();
    let mut addresses = [[idle; 8]; 2];
    for (lane, pair) in pairs.iter().take(count.min(8)).enumerate() {
        addresses[0][lane] = (operands.raw(pair[0]) as *const Point<Field>).cast_mut().cast();
        addresses[1][lane] = (operands.raw(pair[1]) as *const Point<Field>).cast_mut().cast();
    }
    addresses
}

/// The `y` of points whose `x` are given.
#[inline(always)]
fn second_halves(points: &[*mut u64; 8]) -> [*mut u64; 8] {
    let mut halves = *points;
    for half in &mut halves {
        *half = half.wrapping_add(4);
    }
    halves
}

/// Which of the first eight pairs' points are negated, as bit masks.
#[inline(always)]
fn signs(pairs: &[[Entry; 2]]) -> [u8; 2] {
    let mut signs = [0, 0];
    for (lane, pair) in pairs.iter().take(8).enumerate() {
        signs[0] |= u8::from(pair[0].negated()) << lane;
        signs[1] |= u8::from(pair[1].negated()) << lane;
    }
    signs
}

/// 1 in this tier's form.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn one() -> Lazy<Fq, 2> {
    Lazy::splat(const { &relimb(power_of_two::<Fq>(260)) })
}

/// The words of an element, below `2 p`.
fn words(value: &Field) -> [u64; 4] {
    // SAFETY: `Fe` is ark's element (`repr(transparent)`), which is four words (`Modulus`).
    unsafe { *(&raw const *value).cast::<[u64; 4]>() }
}
