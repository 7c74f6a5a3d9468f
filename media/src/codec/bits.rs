//! Reading what is not aligned to bytes.

/// Reads bits, the most significant first. Every reading is `None` beyond the end.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Of the next bit, counted from the beginning.
    position: usize,
    /// Whether 3 behind two zero bytes is no content (emulation prevention).
    is_escaped: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, is_escaped: false }
    }

    /// Of a NAL unit, whose emulation prevention bytes are passed over (H.264 section 7.3.1, H.265 section 7.3.1.1).
    pub(super) fn of_unit(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, is_escaped: true }
    }

    /// The next `count` bits as a number, 32 at most.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32);
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.next()?;
        }
        Some(value)
    }

    /// The next bit, as a flag.
    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.next()? == 1)
    }

    /// Passes over `count` bits.
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        if self.is_escaped {
            for _ in 0..count {
                self.next()?;
            }
        } else {
            self.position = self.position.checked_add(count).filter(|end| *end <= self.bytes.len() * 8)?;
        }
        Some(())
    }

    /// An unsigned Exp-Golomb number: ue(v) of H.264 section 9.1. `None` also for one that does not fit 32 bits.
    pub(super) fn take_exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.next()? == 0 {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// A signed one: se(v).
    pub(super) fn take_signed_exp_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.take_exp_golomb()?);
        Some(if code % 2 == 1 { code / 2 + 1 } else { -code / 2 })
    }

    /// Passes over an Exp-Golomb number, which AV1 calls uvlc(): of any size, and signed or not.
    pub(super) fn skip_exp_golomb(&mut self) -> Option<()> {
        let mut zeros = 0;
        while self.next()? == 0 {
            zeros += 1;
        }
        // AV1 section 4.10.3: from 32 zeros on no bits follow.
        if zeros < 32 { self.skip(zeros) } else { Some(()) }
    }

    /// A number below `count`, which is not 0, in as few bits as that takes: ns(n) of AV1 section 4.10.7.
    pub(super) fn take_below(&mut self, count: u32) -> Option<u32> {
        let width = u32::BITS - count.leading_zeros();
        let short = (1u64 << width) - u64::from(count);
        let value = self.take(width.checked_sub(1)?)?;
        if u64::from(value) < short {
            return Some(value);
        }
        Some((u64::from(value << 1 | self.next()?) - short) as u32)
    }

    fn next(&mut self) -> Option<u32> {
        let mut at = self.position / 8;
        if self.is_escaped && self.position.is_multiple_of(8) && self.bytes.get(at) == Some(&3) {
            // Of the two before it none is itself a 3, so that they are content.
            if at >= 2 && self.bytes.get(at - 2..at) == Some(&[0, 0]) {
                at += 1;
                self.position += 8;
            }
        }
        let byte = *self.bytes.get(at)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(u32::from(bit))
    }
}

/// Packs (value, width) pairs.
#[cfg(test)]
pub(crate) fn pack(fields: &[(u32, usize)]) -> Vec<u8> {
    let bits: Vec<bool> =
        fields.iter().flat_map(|&(value, width)| (0..width).rev().map(move |i| value >> i & 1 == 1)).collect();
    bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (i, b)| sum | u8::from(*b) << (7 - i))).collect()
}

/// An Exp-Golomb number for [`pack`].
#[cfg(test)]
pub(super) fn exp_golomb(value: u32) -> (u32, usize) {
    let width = (value + 1).ilog2() as usize;
    (value + 1, 2 * width + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_come_from_the_top() {
        let mut bits = Bits::new(&[0b1010_0110, 0xff]);
        assert_eq!((bits.take(3), bits.flag(), bits.take(0)), (Some(5), Some(false), Some(0)));
        assert_eq!((bits.skip(4), bits.take(8), bits.take(1)), (Some(()), Some(0xff), None));
        assert_eq!(bits.skip(usize::MAX), None);
    }

    #[test]
    fn emulation_prevention_is_no_content() {
        let take = |bytes: &[u8]| {
            (0..)
                .map_while({
                    let mut bits = Bits::of_unit(bytes);
                    move |_| bits.take(8)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(take(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(take(&[3, 0, 3, 0, 0]), [3, 0, 3, 0, 0]);
    }

    #[test]
    fn numbers_of_variable_width() {
        let bytes = pack(&[exp_golomb(0), exp_golomb(1), exp_golomb(79), exp_golomb(3), exp_golomb(4)]);
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 3].map(|()| bits.take_exp_golomb()), [Some(0), Some(1), Some(79)]);
        assert_eq!([(); 2].map(|()| bits.take_signed_exp_golomb()), [Some(2), Some(-2)]);
        assert_eq!(Bits::new(&[0; 9]).take_exp_golomb(), None);
        // AV1's example for a number below 5: 00, 01, 10, 110, 111.
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000]);
        assert_eq!([(); 5].map(|()| bits.take_below(5)), [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(Bits::new(&[]).take_below(1), Some(0));
    }

    proptest! {
        #[test]
        fn is_total(bytes in prop::collection::vec(any::<u8>(), 0..24), ops in prop::collection::vec((0..6u8, 0..33u32), 0..24)) {
            for mut bits in [Bits::new(&bytes), Bits::of_unit(&bytes)] {
                for (op, count) in &ops {
                    match op {
                        0 => drop(bits.take(*count)),
                        1 => drop(bits.skip(*count as usize)),
                        2 => drop(bits.take_exp_golomb()),
                        3 => drop(bits.take_signed_exp_golomb()),
                        4 => drop(bits.skip_exp_golomb()),
                        _ => drop(bits.take_below(count + 1)),
                    }
                }
            }
        }
    }
}
