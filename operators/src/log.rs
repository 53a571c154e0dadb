//! Logarithms of whole slices, in a form that compilers vectorise. Positive finite numbers only.

/// log10(2), cut after 12 bits so that its product with an exponent is exact, and what was cut off.
const LOG10_2_HIGH: f32 = 0.301_025_4;
const LOG10_2_LOW: f32 = 4.605_039e-6;

/// Replaces each positive, normal value by its decimal logarithm. Error below 1.5 units in the last place.
pub(crate) fn log10(values: &mut [f32]) {
    for value in values {
        let (exponent, mantissa) = split(*value);
        let tail = exponent * LOG10_2_LOW + ln(mantissa) * std::f32::consts::LOG10_E;
        *value = exponent * LOG10_2_HIGH + tail;
    }
}

/// Mean binary logarithm of positive, normal values, to about 1e-6; 0 for none.
pub(crate) fn mean_log2(values: &[f32]) -> f32 {
    let (mut exponents, mut logs) = (0.0, 0.0);
    for value in values {
        let (exponent, mantissa) = split(*value);
        exponents += exponent;
        logs += ln(mantissa);
    }
    (exponents + logs * std::f32::consts::LOG2_E) / values.len().max(1) as f32
}

/// `value` = 2^exponent * mantissa, with the mantissa in sqrt(1/2)..sqrt(2).
#[inline]
fn split(value: f32) -> (f32, f32) {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let bits = value.to_bits();
    let exponent = (bits.wrapping_sub(SQRT_HALF) as i32) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent as u32) << 23));
    (exponent as f32, mantissa)
}

/// ln(m) = 2 atanh((m - 1) / (m + 1)); the first term left out of the series is below 4e-10.
#[inline]
fn ln(mantissa: f32) -> f32 {
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series = q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    2.0 * (s + s * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_nearly_exact() {
        let mut value = 1e-30_f32;
        while value < 1e30 {
            let mut log = [value];
            log10(&mut log);
            let expected = f64::from(value).log10();
            let ulp = f64::from(f32::EPSILON) * expected.abs().max(0.25);
            assert!((f64::from(log[0]) - expected).abs() < 1.5 * ulp, "{value}: {}, {expected}", log[0]);
            assert!((f64::from(mean_log2(&[value])) - f64::from(value).log2()).abs() < 1e-5, "{value}");
            value *= 1.003;
        }
    }
}
