//! Decimal numbers without a float in between, so that `0.1GB` is exactly 100,000,000 bytes.

/// `digits / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: u128,
    scale: u32,
}

/// Why no number could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoDecimal {
    /// The text does not start with a digit.
    Absent,
    /// More digits than a `u128` holds.
    TooLong,
}

impl Decimal {
    /// Reads the number that a text starts with; `_` may stand between digits. Returns it and what follows it.
    pub(crate) fn scan(text: &str) -> Result<(Self, &str), NoDecimal> {
        let mut digits: u128 = 0;
        let mut scale = 0;
        let mut seen_digit = false;
        let mut seen_point = false;
        let mut end = 0;
        for (at, c) in text.char_indices() {
            if let Some(digit) = c.to_digit(10) {
                digits = digits
                    .checked_mul(10)
                    .and_then(|d| d.checked_add(u128::from(digit)))
                    .ok_or(NoDecimal::TooLong)?;
                scale += u32::from(seen_point);
                seen_digit = true;
            } else if c == '.' && !seen_point {
                seen_point = true;
            } else if !(c == '_' && seen_digit) {
                break;
            }
            end = at + c.len_utf8();
        }
        if seen_digit {
            Ok((Self { digits, scale }, &text[end..]))
        } else {
            Err(NoDecimal::Absent)
        }
    }

    /// This number times `unit`, rounded half up to a whole number; `None` if it does not fit.
    pub(crate) fn times(self, unit: u128) -> Option<u128> {
        let divisor = 10_u128.checked_pow(self.scale)?;
        let product = self.digits.checked_mul(unit)?;
        Some(product.checked_add(divisor / 2)? / divisor)
    }

    /// Whether this number times `unit` is whole.
    pub(crate) fn is_whole_times(self, unit: u128) -> bool {
        10_u128
            .checked_pow(self.scale)
            .zip(self.digits.checked_mul(unit))
            .is_some_and(|(divisor, product)| product % divisor == 0)
    }

    /// The float that is nearest to a hundredth of it.
    pub(crate) fn hundredth(self) -> f64 {
        let text = format!("{}e-{}", self.digits, u64::from(self.scale) + 2);
        text.parse().unwrap_or(f64::NAN)
    }
}
