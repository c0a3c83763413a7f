//! Making a shared dictionary of the values of many pages, and the codes of those values.

use std::collections::BTreeMap;

use sidx_columns::{ByteStrings, ColumnType, ValueType};

use crate::error::PageError;
use crate::hash;
use crate::integer::Integers;
use crate::page::{Page, Stored};
use crate::string::Strings;
use crate::string::shared::{MAX_BYTES, MAX_ENTRIES, SharedDictionary};

/// Codes of values that are kept from the first look until they are written, at most; those of further pages
/// are looked up again.
const KEPT_CODES: usize = 16 << 20;

/// Collects the distinct values of pages of one type.
#[derive(Debug)]
pub struct SharedBuilder {
    kind: ColumnType,
    distinct: Distinct,
    /// Values seen, those that come again included.
    values: u64,
    /// For each shared dictionary met: the number here of each of its entries.
    known: BTreeMap<u64, Vec<u32>>,
    /// For pages of plain values: the number of each.
    plain: BTreeMap<u32, Vec<u32>>,
    kept: usize,
}

impl SharedBuilder {
    /// For pages of a type; none for types whose values have no dictionary.
    #[must_use]
    pub fn new(kind: ColumnType) -> Option<SharedBuilder> {
        matches!(kind.value, ValueType::String | ValueType::Bytes).then(|| SharedBuilder {
            kind,
            distinct: Distinct::default(),
            values: 0,
            known: BTreeMap::new(),
            plain: BTreeMap::new(),
            kept: 0,
        })
    }

    /// Adds the values of a page, which the caller calls `name`; `false` when there are more distinct values
    /// than a dictionary may have. Cost: a hash and a look-up per value of a plain page, else per entry of a
    /// dictionary that was not met before.
    ///
    /// # Errors
    /// When the page is of another type.
    pub fn add(&mut self, name: u32, page: &Page) -> Result<bool, PageError> {
        let strings = strings_of(self.kind, page)?;
        match strings {
            Strings::Dictionary(dictionary) => {
                self.values += dictionary.count() as u64;
                let entries = dictionary.entries();
                match dictionary.shared() {
                    Some(shared) if self.known.contains_key(&shared.id()) => {}
                    Some(shared) => {
                        let numbers = self.distinct.add(entries.iter());
                        self.known.insert(shared.id(), numbers);
                    }
                    None => {
                        self.distinct.add(entries.iter());
                    }
                }
            }
            Strings::Plain(plain) => {
                self.values += plain.len() as u64;
                let numbers = self.distinct.add(plain.iter());
                if self.kept + numbers.len() <= KEPT_CODES {
                    self.kept += numbers.len();
                    self.plain.insert(name, numbers);
                }
            }
        }
        Ok(!self.distinct.full)
    }

    /// The dictionary of all values that were added, when one pays: each entry must serve two values on
    /// average, and more values must be there than one page holds.
    #[must_use]
    pub fn finish(self, page_rows: usize) -> Option<SharedColumn> {
        let entries = self.distinct.values.len();
        let pays = self.values > page_rows as u64 && entries as u64 * 2 <= self.values;
        if self.distinct.full || entries == 0 || !pays {
            return None;
        }
        let (dictionary, ranks) = self.distinct.sorted(self.kind.value);
        let rank = |numbers: &mut Vec<u32>| {
            for number in numbers {
                *number = ranks.get(*number as usize).copied().unwrap_or(0);
            }
        };
        let (mut known, mut plain) = (self.known, self.plain);
        known.values_mut().for_each(rank);
        plain.values_mut().for_each(rank);
        Some(SharedColumn {
            kind: self.kind,
            dictionary,
            distinct: self.distinct,
            ranks,
            known,
            plain,
        })
    }
}

/// A shared dictionary, and the codes of the values that it was made of.
#[derive(Debug)]
pub struct SharedColumn {
    kind: ColumnType,
    dictionary: SharedDictionary,
    distinct: Distinct,
    /// The code of each distinct value by its number of arrival.
    ranks: Vec<u32>,
    known: BTreeMap<u64, Vec<u32>>,
    plain: BTreeMap<u32, Vec<u32>>,
}

impl SharedColumn {
    /// The dictionary.
    #[must_use]
    pub fn dictionary(&self) -> &SharedDictionary {
        &self.dictionary
    }

    /// Type of the column.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        self.kind
    }

    /// The page `name` with codes in place of its values: ints, or arrays of ints. Cost: a look-up per value.
    ///
    /// # Errors
    /// When the page is of another type, or holds a value that was not added.
    pub fn coded(&self, name: u32, page: &Page) -> Result<Page, PageError> {
        let codes = match strings_of(self.kind, page)? {
            Strings::Dictionary(dictionary) => {
                let own: Vec<u32>;
                let known = dictionary
                    .shared()
                    .and_then(|shared| self.known.get(&shared.id()));
                let map = match known {
                    Some(map) => map,
                    None => {
                        own = self.codes_of(dictionary.entries().iter())?;
                        &own
                    }
                };
                let mut codes = Vec::with_capacity(dictionary.count());
                if let Some(packed) = dictionary.codes() {
                    packed.for_each(0, dictionary.count(), |code| {
                        codes.push(map.get(code as usize).copied().unwrap_or(0));
                    });
                }
                codes
            }
            Strings::Plain(plain) => match self.plain.get(&name) {
                Some(codes) if codes.len() == plain.len() => codes.clone(),
                _ => self.codes_of(plain.iter())?,
            },
        };
        let kind = ColumnType {
            value: ValueType::Int,
            array: self.kind.array,
        };
        Ok(page.with_stored(kind, Stored::Int(Integers::of_codes(&codes))))
    }

    fn codes_of<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u32>, PageError> {
        values
            .enumerate()
            .map(|(at, value)| {
                let number = self.distinct.find(value);
                number
                    .and_then(|number| self.ranks.get(number as usize).copied())
                    .ok_or(PageError::Rule {
                        what: "value that the dictionary was not made of",
                        position: at as u64,
                    })
            })
            .collect()
    }
}

fn strings_of(kind: ColumnType, page: &Page) -> Result<&Strings, PageError> {
    match page.stored() {
        Stored::Bytes(strings) if page.kind() == kind => Ok(strings),
        _ => Err(PageError::Type {
            expected: kind,
            found: page.kind(),
        }),
    }
}

/// Distinct values by number of arrival, found by hash.
#[derive(Debug, Default)]
struct Distinct {
    values: ByteStrings,
    hashes: Vec<u64>,
    /// Open addressing; number plus one, 0 where free. At most half of the slots are taken.
    table: Vec<u32>,
    full: bool,
}

impl Distinct {
    /// The number of each value; empty when there are too many.
    fn add<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(values.size_hint().0);
        for value in values {
            if self.full {
                return Vec::new();
            }
            numbers.push(self.number_of(value));
        }
        numbers
    }

    fn number_of(&mut self, value: &[u8]) -> u32 {
        if self.table.len() < (self.values.len() + 1) * 2 {
            self.grow();
        }
        let hash = hash::of_bytes(value);
        let at = match self.probe(hash, value) {
            Ok(number) => return number,
            Err(at) => at,
        };
        let bytes = self.values.total_bytes() + value.len();
        if self.values.len() >= MAX_ENTRIES || bytes > MAX_BYTES || self.values.push(value).is_err()
        {
            self.full = true;
            return 0;
        }
        self.hashes.push(hash);
        let number = self.hashes.len() as u32;
        if let Some(slot) = self.table.get_mut(at) {
            *slot = number;
        }
        number - 1
    }

    fn find(&self, value: &[u8]) -> Option<u32> {
        self.probe(hash::of_bytes(value), value).ok()
    }

    /// The number of a value, or the slot where it belongs.
    fn probe(&self, hash: u64, value: &[u8]) -> Result<u32, usize> {
        let mask = self.table.len().saturating_sub(1);
        let mut at = hash as usize & mask;
        // One slot in two is free, so that this ends.
        while let Some(slot) = self.table.get(at)
            && *slot != 0
        {
            let number = *slot as usize - 1;
            if self.hashes.get(number) == Some(&hash) && self.values.get(number) == Some(value) {
                return Ok(number as u32);
            }
            at = (at + 1) & mask;
        }
        Err(at)
    }

    fn grow(&mut self) {
        let slots = (self.table.len() * 2).max(1 << 10);
        let mut table = vec![0u32; slots];
        for (number, hash) in (1u32..).zip(&self.hashes) {
            let mut at = *hash as usize & (slots - 1);
            while table.get(at).is_some_and(|slot| *slot != 0) {
                at = (at + 1) & (slots - 1);
            }
            if let Some(slot) = table.get_mut(at) {
                *slot = number;
            }
        }
        self.table = table;
    }

    /// The values in order as a dictionary, and the code of each by its number.
    fn sorted(&self, value: ValueType) -> (SharedDictionary, Vec<u32>) {
        // The first sixteen bytes decide most comparisons, and lie beside the number.
        let mut order: Vec<(u128, u32)> = (0u32..)
            .zip(self.values.iter())
            .map(|(number, value)| (head(value), number))
            .collect();
        let text = |number: u32| self.values.get(number as usize).unwrap_or_default();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| text(a.1).cmp(text(b.1))));
        let mut ranks = vec![0; order.len()];
        let mut ends = Vec::with_capacity(order.len());
        let mut bytes = Vec::with_capacity(self.values.total_bytes());
        for (rank, (_, number)) in (0u32..).zip(&order) {
            if let Some(slot) = ranks.get_mut(*number as usize) {
                *slot = rank;
            }
            bytes.extend_from_slice(text(*number));
            ends.push(bytes.len() as u32);
        }
        (SharedDictionary::of_sorted(value, ends, bytes), ranks)
    }
}

/// The first sixteen bytes, so that their order as numbers is that of the bytes.
fn head(value: &[u8]) -> u128 {
    let mut head = [0u8; 16];
    for (to, from) in head.iter_mut().zip(value) {
        *to = *from;
    }
    u128::from_be_bytes(head)
}
