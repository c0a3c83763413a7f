//! Ascending and descending, and one comparison for both.

use std::ops::Not;

/// Order of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first; equal keys by row.
    Ascending,
    /// The exact reverse of ascending.
    Descending,
}

impl Order {
    /// A key, a series or a row as a number that ascends where they come in this order: descending is the
    /// inversion of every bit, which turns around the order of integers and loses none of them. Applied
    /// twice it is the value itself.
    #[must_use]
    #[inline]
    pub fn directed<T: Not<Output = T>>(self, value: T) -> T {
        match self {
            Order::Ascending => value,
            Order::Descending => !value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directed_values_ascend_in_the_order() {
        let keys = [i64::MIN, -7, -1, 0, 1, 9, i64::MAX];
        for pair in keys.windows(2) {
            let [low, high] = [pair[0], pair[1]];
            assert!(Order::Ascending.directed(low) < Order::Ascending.directed(high));
            assert!(Order::Descending.directed(high) < Order::Descending.directed(low));
            assert_eq!(
                Order::Descending.directed(Order::Descending.directed(low)),
                low
            );
        }
        assert!(Order::Descending.directed(u64::MAX) < Order::Descending.directed(0));
    }
}
