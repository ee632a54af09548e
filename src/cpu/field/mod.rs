//! The field arithmetic of the CPU tiers.
//!
//! [`portable`] is 64-bit integer arithmetic and runs everywhere. It works on ark's own representation, so slices of
//! ark's field elements are its input and output without a conversion.

#[cfg(target_arch = "x86_64")]
pub mod ifma;
mod inverse;
pub mod portable;
pub mod prepared;
pub mod quadratic;
pub(crate) mod wide;

use std::ops::{Add, Mul, Neg, Sub};

/// A field whose elements are kept as *representatives*, each element having more than one of them; results are
/// made canonical only when they leave a kernel. Sums, products and negatives of representatives are
/// representatives: no operation needs a reduction by its caller.
pub trait LazyField:
    Copy
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
{
    /// The representative of 0 whose bytes are all zero.
    const ZERO: Self;
    /// A representative of 1.
    const ONE: Self;

    /// `2a`
    fn double(self) -> Self;
    /// `a^2`
    fn square(self) -> Self;
    /// `1/a`, and `None` for 0. Variable time.
    fn inverse(self) -> Option<Self>;

    /// Whether this is the element 0.
    fn is_zero(self) -> bool;
    /// Whether this is [`Self::ZERO`] itself, bit for bit.
    fn is_zero_bits(self) -> bool;
    /// False only if the element is not 0: a test of one word, to keep [`Self::is_zero`] off the main path.
    fn may_be_zero(self) -> bool;
    /// False only if the bits are not all zero: a test of one word.
    fn may_be_zero_bits(self) -> bool;

    /// `-a` if `negate`, without a branch.
    fn negate_if(self, negate: bool) -> Self;
}

/// Whether this processor has the instructions (BMI2 `mulx`, ADX) for which the portable kernels have a second
/// compilation, and the build does not assume them anyway. The standard library caches the answer.
#[inline]
pub fn has_mulx() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("bmi2") && std::arch::is_x86_feature_detected!("adx");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Defines a function twice, for processors with `mulx` and for all, and calls the right one.
macro_rules! compiled_for_mulx {
    ($(#[$attribute:meta])* $vis:vis fn $name:ident<C: MontConfig<4>>($($arg:ident: $type:ty),*) $body:block) => {
        $(#[$attribute])*
        $vis fn $name<C: MontConfig<4>>($($arg: $type),*) {
            #[inline(always)]
            fn anywhere<C: MontConfig<4>>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "bmi2,adx")]
                fn mulx<C: MontConfig<4>>($($arg: $type),*) {
                    anywhere::<C>($($arg),*)
                }
                if $crate::cpu::field::has_mulx() {
                    // SAFETY: the processor has the instructions.
                    return unsafe { mulx::<C>($($arg),*) };
                }
            }
            anywhere::<C>($($arg),*)
        }
    };
}
pub(crate) use compiled_for_mulx;

/// Asks for `value`'s cache lines ahead of their use. No effect but on time.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..size_of::<T>().div_ceil(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = std::ptr::from_ref(value).cast::<i8>().wrapping_add(64 * line);
        // SAFETY: a prefetch is a hint; it reads nothing and cannot fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
