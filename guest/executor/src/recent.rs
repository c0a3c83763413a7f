//! Pages that a call used shortly before.

use crate::ABSENT;

/// Most pages that are remembered; a power of two.
const PLACES_MAX: usize = 1024;

/// Finds pages that the same call used shortly before: rows in key order jump back and forth between a
/// few pages of many blocks, and asking for a page costs more than a look into this table. What is
/// forgotten is asked for again.
pub(crate) struct Recent {
    /// As many as a power of two; each a page and its position.
    places: Vec<(u32, u32)>,
}

impl Recent {
    /// Nothing yet, for a call of so many rows.
    #[inline]
    pub(crate) fn new(rows: usize) -> Self {
        let places = rows.next_power_of_two().clamp(1, PLACES_MAX);
        Self {
            places: vec![(ABSENT, 0); places],
        }
    }

    /// The position of a page, if it is remembered.
    #[inline]
    pub(crate) fn find(&self, page: u32) -> Option<usize> {
        let (known, at) = *self.places.get(self.place(page))?;
        (known == page).then_some(at as usize)
    }

    /// Remembers the position of a page in place of another's, and returns it.
    #[inline]
    pub(crate) fn note(&mut self, page: u32, at: usize) -> usize {
        let place = self.place(page);
        if let Some(place) = self.places.get_mut(place) {
            *place = (page, at as u32);
        }
        at
    }

    #[inline]
    fn place(&self, page: u32) -> usize {
        page as usize & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_until_another_takes_its_place() {
        let mut recent = Recent::new(100);
        assert_eq!(recent.find(3), None);
        assert_eq!(recent.note(3, 7), 7);
        assert_eq!(recent.find(3), Some(7));
        recent.note(3 + 128, 8);
        assert_eq!((recent.find(3), recent.find(131)), (None, Some(8)));
    }
}
