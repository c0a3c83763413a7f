//! Numbers that look random and are the same on every run (Marsaglia, "Xorshift RNGs", 2003).

pub(crate) struct Numbers(u64);

impl Numbers {
    /// The numbers of a case.
    pub(crate) fn new(case: u64) -> Self {
        Self(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`; 0 when there is none.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11).checked_rem(limit as u64).unwrap_or(0) as usize
    }

    /// Bounds of keys, of which some let everything pass.
    pub(crate) fn bounds(&mut self) -> (i64, i64) {
        if self.below(3) == 0 {
            return (i64::MIN, i64::MAX);
        }
        let (a, b) = (self.below(3_000) as i64, self.below(3_000) as i64);
        (a.min(b), a.max(b))
    }
}
