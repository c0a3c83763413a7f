//! Which instructions a kernel is carried out with, chosen at run time.

/// A set of vector instructions that this processor has, or none. Values for sets that are missing can't
/// be made, so that whoever holds one may call the kernels written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implementation(Instructions);

/// The sets that kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instructions {
    Portable,
    /// 128-bit vectors of WebAssembly, which are chosen when the module is compiled.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX2, and AVX-512 with the byte permutations (VBMI) and bit counts (VPOPCNTDQ) of Ice Lake, Zen 4 and
    /// later.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Implementation {
    /// Plain Rust.
    pub const PORTABLE: Implementation = Implementation(Instructions::Portable);

    /// The fastest set there is. Cost: a few loads and tests, as the standard library remembers what the
    /// processor can do; too much for an inner loop, nothing for a page.
    #[must_use]
    #[inline]
    pub fn best() -> Implementation {
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return Implementation(Instructions::Simd128);
        #[cfg(target_arch = "x86_64")]
        {
            if has_avx512() {
                return Implementation(Instructions::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
                return Implementation(Instructions::Avx2);
            }
        }
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        Implementation::PORTABLE
    }

    /// Every set there is, the slowest first.
    #[must_use]
    pub fn available() -> Vec<Implementation> {
        let mut sets = vec![Implementation::PORTABLE];
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        sets.push(Implementation(Instructions::Simd128));
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                sets.push(Implementation(Instructions::Avx2));
            }
            if has_avx512() {
                sets.push(Implementation(Instructions::Avx512));
            }
        }
        sets
    }

    /// What it is called in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Instructions::Portable => "portable",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Instructions::Simd128 => "simd128",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => "avx512",
        }
    }

    #[inline]
    pub(crate) fn instructions(self) -> Instructions {
        self.0
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx512() -> bool {
    // Whatever has the last two has the others; all are asked for because kernels rely on all.
    is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_last_of_those_there_are() {
        let available = Implementation::available();
        assert_eq!(available.last(), Some(&Implementation::best()));
        assert_eq!(available.first(), Some(&Implementation::PORTABLE));
        let names: Vec<_> = available.iter().map(|one| one.name()).collect();
        assert!(names.is_sorted_by(|a, b| a != b), "{names:?}");
    }
}
