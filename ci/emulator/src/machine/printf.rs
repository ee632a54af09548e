//! `printf` and `assert` of device code.

use super::access::lanes;
use super::fault::{Fault, FaultKind};
use super::step::{Result, Step};
use crate::isa::Call;

/// Longest string that is followed.
const LONGEST: u64 = 1 << 16;

impl Step<'_, '_> {
    /// Argument `i` of a call, of a lane.
    fn argument(&self, call: &Call, i: usize, lane: usize) -> u64 {
        let frame = self.group.frame.local;
        let slot = call.args.get(i);
        slot.map_or(0, |slot| self.warp.local.load(lane, frame + slot.offset, slot.bytes.min(8)).0)
    }

    fn string(&mut self, lane: usize, address: u64) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        for at in 0..LONGEST {
            match self.peek(lane, address + at, 1)? as u8 {
                0 => break,
                byte => text.push(byte),
            }
        }
        Ok(text)
    }

    pub(super) fn printf(&mut self, call: &Call) -> Result<()> {
        for lane in lanes(self.group.mask) {
            let format = self.string(lane, self.argument(call, 0, lane))?;
            let arguments = self.argument(call, 1, lane);
            let (text, count) = self.format(lane, &format, arguments)?;
            self.launch.options.printf.write(&String::from_utf8_lossy(&text));
            if let Some(result) = call.results.first() {
                let offset = self.group.frame.local + result.offset;
                self.warp.local.store(lane, offset, 4, count);
            }
        }
        Ok(())
    }

    /// The text, and the number of arguments.
    fn format(&mut self, lane: usize, format: &[u8], arguments: u64) -> Result<(Vec<u8>, u64)> {
        let mut text = Vec::new();
        let (mut at, mut offset, mut count) = (0, 0, 0);
        while at < format.len() {
            if format[at] != b'%' {
                text.push(format[at]);
                at += 1;
                continue;
            }
            let start = at + 1;
            let flags = format[start..].iter().take_while(|b| b"-+ #0123456789.*".contains(b)).count();
            let lengths = format[start + flags..].iter().take_while(|b| b"hlLqjzt".contains(b)).count();
            let Some(&kind) = format.get(start + flags + lengths) else {
                text.push(b'%');
                at += 1;
                continue;
            };
            at = start + flags + lengths + 1;
            if kind == b'%' {
                text.push(b'%');
                continue;
            }
            let long = format[start + flags..][..lengths].iter().any(|b| b"lqjzt".contains(b));
            let wide = long || b"psfFeEgGaA".contains(&kind);
            let bytes: u64 = if wide { 8 } else { 4 };
            offset = u64::next_multiple_of(offset, bytes);
            let value = self.peek(lane, arguments + offset, bytes as u32)?;
            offset += bytes;
            count += 1;
            let spec = Spec::parse(&format[start..start + flags]);
            let signed = if wide { value as i64 } else { i64::from(value as u32 as i32) };
            let body = match kind {
                b'd' | b'i' => spec.sign(signed < 0, signed.unsigned_abs().to_string()),
                b'u' => spec.digits(value.to_string()),
                b'x' => format!(
                    "{}{}",
                    if spec.alternate && value != 0 { "0x" } else { "" },
                    spec.digits(format!("{value:x}"))
                ),
                b'X' => format!(
                    "{}{}",
                    if spec.alternate && value != 0 { "0X" } else { "" },
                    spec.digits(format!("{value:X}"))
                ),
                b'o' => spec.digits(format!("{value:o}")),
                b'p' => format!("{value:#x}"),
                b'c' => char::from(value as u8).to_string(),
                b's' => {
                    let mut string = self.string(lane, value)?;
                    string.truncate(spec.precision.unwrap_or(usize::MAX));
                    String::from_utf8_lossy(&string).into_owned()
                }
                _ => spec.float(kind, f64::from_bits(value)),
            };
            text.extend_from_slice(spec.pad(body, b"sc".contains(&kind)).as_bytes());
        }
        Ok((text, count))
    }

    /// A failed `assert`, as a fault.
    pub(super) fn assertion(&mut self, call: &Call) -> Result<Box<Fault>> {
        let lane = self.group.mask.trailing_zeros() as usize;
        let mut text = |i| -> Result<String> {
            let address = self.argument(call, i, lane);
            Ok(String::from_utf8_lossy(&self.string(lane, address)?).into_owned())
        };
        let (message, file, function) = (text(0)?, text(1)?, text(3)?);
        let line = self.argument(call, 2, lane);
        let text = format!("assertion `{message}` failed in {function}, {file}:{line}");
        Ok(self.fault(lane, FaultKind::Trap(text)))
    }
}

/// Flags, width and precision of a conversion.
#[derive(Debug, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn parse(text: &[u8]) -> Self {
        let mut spec = Self::default();
        let flags = text.iter().take_while(|b| b"-+ #0".contains(b)).count();
        for flag in &text[..flags] {
            match flag {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alternate = true,
                _ => spec.zero = true,
            }
        }
        let number = |text: &[u8]| {
            text.iter()
                .take_while(|b| b.is_ascii_digit())
                .fold(0usize, |n, b| (n * 10 + usize::from(b - b'0')).min(4096))
        };
        let rest = &text[flags..];
        spec.width = number(rest);
        if let Some(dot) = rest.iter().position(|&b| b == b'.') {
            spec.precision = Some(number(&rest[dot + 1..]));
        }
        spec
    }

    fn digits(&self, digits: String) -> String {
        match self.precision {
            Some(least) if digits.len() < least => "0".repeat(least - digits.len()) + &digits,
            _ => digits,
        }
    }

    fn sign(&self, negative: bool, digits: String) -> String {
        let sign = if negative {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        sign.to_string() + &self.digits(digits)
    }

    fn float(&self, kind: u8, value: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        let magnitude = value.abs();
        let body = match kind {
            b'e' | b'E' => {
                let text = format!("{magnitude:.precision$e}");
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let exponent: i32 = exponent.parse().unwrap_or(0);
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{mantissa}e{sign}{:02}", exponent.abs())
            }
            b'g' | b'G' => format!("{magnitude}"),
            _ => format!("{magnitude:.precision$}"),
        };
        let body = if kind.is_ascii_uppercase() { body.to_uppercase() } else { body };
        let plain = Self { precision: None, plus: self.plus, space: self.space, ..Self::default() };
        plain.sign(value.is_sign_negative(), body)
    }

    fn pad(&self, body: String, text: bool) -> String {
        let missing = self.width.saturating_sub(body.chars().count());
        if self.left {
            body + &" ".repeat(missing)
        } else if self.zero && !text && self.precision.is_none() {
            let signs = body.len() - body.trim_start_matches(['-', '+', ' ']).len();
            let (sign, digits) = body.split_at(signs);
            format!("{sign}{}{digits}", "0".repeat(missing))
        } else {
            " ".repeat(missing) + &body
        }
    }
}
