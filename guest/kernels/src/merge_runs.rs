//! Merging sorted runs by a tree of losers (Knuth, "The Art of Computer Programming" volume 3, 5.4.1).
//!
//! Every inner node of a binary tree over the runs remembers the run that lost there, and the winner is
//! known. When the winner's next entry comes, it plays against the losers on its way up and no others, which
//! is one comparison and two conditional moves per level, without a branch to mispredict.

/// An entry that can be told from the end of its run.
pub(crate) trait Entry: Copy + Ord {
    /// Greater than every entry: what runs that are used up offer.
    const END: Self;
}

impl Entry for u64 {
    const END: u64 = u64::MAX;
}

impl Entry for u128 {
    const END: u128 = u128::MAX;
}

/// An entry and the run it comes from.
#[derive(Clone, Copy)]
struct Player<T> {
    entry: T,
    run: u32,
}

/// Calls `visit` with the least `cap` entries of ascending runs, in their order. The runs lie one behind
/// the other in `entries`; `ends` has the end of each. No entry may be [`Entry::END`]. Entries that do not
/// ascend come in some order, each at most once.
///
/// Cost: one comparison per run, and per entry visited one for each doubling of the number of runs.
pub(crate) fn merge<T: Entry>(entries: &[T], ends: &[usize], cap: usize, mut visit: impl FnMut(T)) {
    let total = ends.last().map_or(0, |end| *end);
    if let [only] = ends {
        let run = entries.get(..*only).unwrap_or_default();
        return run.iter().take(cap).for_each(|entry| visit(*entry));
    }
    let mut next: Vec<usize> = std::iter::once(0).chain(ends.iter().copied()).collect();
    next.truncate(ends.len());
    let mut take = |run: u32| {
        let (Some(at), Some(end)) = (next.get_mut(run as usize), ends.get(run as usize)) else {
            return T::END;
        };
        let entry = entries.get(..*end).and_then(|run| run.get(*at));
        *at += 1;
        entry.copied().unwrap_or(T::END)
    };
    let leaves = ends.len().next_power_of_two();
    let (mut losers, mut winner) = first_round(leaves, &mut take);
    for _ in 0..total.min(cap) {
        visit(winner.entry);
        let mut node = (leaves + winner.run as usize) / 2;
        let mut player = Player {
            entry: take(winner.run),
            run: winner.run,
        };
        while let Some(loser) = losers.get_mut(node).filter(|_| node > 0) {
            let other = *loser;
            let loses = other.entry < player.entry;
            *loser = std::hint::select_unpredictable(loses, player, other);
            player = std::hint::select_unpredictable(loses, other, player);
            node /= 2;
        }
        winner = player;
    }
}

/// Plays all first entries against each other: the losers by node, node 1 at the root, and the winner.
fn first_round<T: Entry>(
    leaves: usize,
    take: &mut impl FnMut(u32) -> T,
) -> (Vec<Player<T>>, Player<T>) {
    let mut players: Vec<Player<T>> = (0..leaves as u32)
        .map(|run| Player {
            entry: take(run),
            run,
        })
        .collect();
    let mut losers = vec![
        Player {
            entry: T::END,
            run: 0
        };
        leaves
    ];
    let mut count = leaves;
    while count > 1 {
        for pair in 0..count / 2 {
            let (Some(a), Some(b)) = (players.get(2 * pair), players.get(2 * pair + 1)) else {
                continue;
            };
            let (won, lost) = if b.entry < a.entry {
                (*b, *a)
            } else {
                (*a, *b)
            };
            if let Some(node) = losers.get_mut(count / 2 + pair) {
                *node = lost;
            }
            if let Some(slot) = players.get_mut(pair) {
                *slot = won;
            }
        }
        count /= 2;
    }
    let winner = players.first().copied();
    (
        losers,
        winner.unwrap_or(Player {
            entry: T::END,
            run: 0,
        }),
    )
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    fn check<T: Entry + std::fmt::Debug>(runs: &[Vec<T>], cap: usize) {
        let entries: Vec<T> = runs.iter().flatten().copied().collect();
        let mut ends = Vec::new();
        for run in runs {
            ends.push(ends.last().unwrap_or(&0) + run.len());
        }
        let mut naive = entries.clone();
        naive.sort_unstable();
        naive.truncate(cap);
        let mut ours = Vec::new();
        merge(&entries, &ends, cap, |entry| ours.push(entry));
        assert_eq!(ours, naive, "{} runs, cap {cap}", runs.len());
    }

    #[test]
    fn runs_merge_like_a_sort() {
        let mut random = SmallRng::seed_from_u64(11);
        for count in 0..=70 {
            for _ in 0..4 {
                let longest = [0, 1, 3, 60][random.random_range(0..4)];
                let below = [2, 1000, u64::MAX][random.random_range(0..3)];
                let runs: Vec<Vec<u64>> = (0..count)
                    .map(|_| {
                        let length = random.random_range(0..=longest);
                        let mut run: Vec<u64> =
                            (0..length).map(|_| random.random_range(0..below)).collect();
                        run.sort_unstable();
                        run
                    })
                    .collect();
                let wide: Vec<Vec<u128>> = runs
                    .iter()
                    .map(|run| run.iter().map(|entry| u128::from(*entry) << 60).collect())
                    .collect();
                for cap in [0, 1, 10, 5000] {
                    check(&runs, cap);
                    check(&wide, cap);
                }
            }
        }
    }

    #[test]
    fn runs_out_of_order_give_no_entry_twice() {
        let entries = [9u64, 1, 5, 5, 2, 8, 0];
        let mut ours = Vec::new();
        merge(&entries, &[3, 3, 7], 10, |entry| ours.push(entry));
        ours.sort_unstable();
        assert_eq!(ours, [0, 1, 2, 5, 5, 8, 9]);
    }
}
