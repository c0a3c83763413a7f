//! Merging sorted runs by a tree of losers (Knuth, "The Art of Computer Programming" volume 3, 5.4.1).
//!
//! Every inner node of a binary tree over the runs remembers the run that lost there, and the winner is
//! known. When the winner's next entry comes, it plays against the losers on its way up and no others, which
//! is one comparison and two conditional moves per level, without a branch to mispredict.

/// The next key of a run.
#[derive(Clone, Copy)]
struct Player {
    key: u64,
    run: u32,
}

impl Player {
    /// Set in the number of a run that is used up, so that it loses against all that are not.
    const ENDED: u32 = 1 << 31;

    fn new(run: u32, key: Option<u64>) -> Player {
        Player {
            key: key.unwrap_or(u64::MAX),
            run: if key.is_none() {
                run | Player::ENDED
            } else {
                run
            },
        }
    }

    /// By key, equal keys by run.
    #[inline(always)]
    fn beats(self, other: Player) -> bool {
        let rank = |player: Player| u128::from(player.key) << 64 | u128::from(player.run);
        rank(self) < rank(other)
    }
}

/// Calls `visit` with the run and key of the first `cap` keys of several ascending runs, in their order;
/// equal keys come in the order of their runs. `next` gives the next key of a run. Keys that do not ascend
/// come in some order, each once. There may be at most 2^31 runs.
///
/// Cost: one comparison per run, and per key one for each doubling of the number of runs.
pub(crate) fn merge(
    runs: usize,
    cap: usize,
    mut next: impl FnMut(usize) -> Option<u64>,
    mut visit: impl FnMut(usize, u64),
) {
    let leaves = runs.next_power_of_two();
    let mut take = |run: u32| {
        let index = run as usize;
        Player::new(run, if index < runs { next(index) } else { None })
    };
    let (mut losers, mut winner) = first_round(leaves, &mut take);
    for _ in 0..cap {
        if winner.run & Player::ENDED != 0 {
            return;
        }
        visit(winner.run as usize, winner.key);
        let mut node = (leaves + winner.run as usize) / 2;
        let mut player = take(winner.run);
        while let Some(loser) = losers.get_mut(node).filter(|_| node > 0) {
            let other = *loser;
            let loses = other.beats(player);
            *loser = std::hint::select_unpredictable(loses, player, other);
            player = std::hint::select_unpredictable(loses, other, player);
            node /= 2;
        }
        winner = player;
    }
}

/// Plays all first keys against each other: the losers by node, node 1 at the root, and the winner.
fn first_round(leaves: usize, take: &mut impl FnMut(u32) -> Player) -> (Vec<Player>, Player) {
    let mut players: Vec<Player> = (0..leaves as u32).map(take).collect();
    let mut losers = vec![Player::new(0, None); leaves];
    let mut count = leaves;
    while count > 1 {
        count /= 2;
        for pair in 0..count {
            let (Some(a), Some(b)) = (players.get(2 * pair), players.get(2 * pair + 1)) else {
                continue;
            };
            let (won, lost) = if b.beats(*a) { (*b, *a) } else { (*a, *b) };
            if let Some(node) = losers.get_mut(count + pair) {
                *node = lost;
            }
            if let Some(slot) = players.get_mut(pair) {
                *slot = won;
            }
        }
    }
    let winner = players.first().copied();
    (losers, winner.unwrap_or(Player::new(0, None)))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    fn merged(runs: &[Vec<u64>], cap: usize) -> Vec<(u64, usize)> {
        let mut taken = vec![0; runs.len()];
        let mut ours = Vec::new();
        let next = |run: usize| {
            taken[run] += 1;
            runs[run].get(taken[run] - 1).copied()
        };
        merge(runs.len(), cap, next, |run, key| ours.push((key, run)));
        ours
    }

    #[test]
    fn runs_merge_like_a_sort() {
        let mut random = SmallRng::seed_from_u64(11);
        for count in (0..=70).step_by(if cfg!(miri) { 23 } else { 1 }) {
            for _ in 0..4 {
                let longest = [0, 1, 3, 60][random.random_range(0..4)];
                let below = [2, 1000, u64::MAX][random.random_range(0..3)];
                let runs: Vec<Vec<u64>> = (0..count)
                    .map(|_| {
                        let length = random.random_range(0..=longest);
                        // The largest key there is must not be taken for the end of a run.
                        let mut run: Vec<u64> = (0..length)
                            .map(|_| u64::MAX - random.random_range(0..below))
                            .collect();
                        run.sort_unstable();
                        run
                    })
                    .collect();
                let of_run = |(at, run): (usize, &Vec<u64>)| -> Vec<(u64, usize)> {
                    run.iter().map(|key| (*key, at)).collect()
                };
                let mut naive: Vec<_> = runs.iter().enumerate().flat_map(of_run).collect();
                naive.sort_unstable();
                for cap in [0, 1, 10, 5000] {
                    let expected = &naive[..naive.len().min(cap)];
                    assert_eq!(merged(&runs, cap), expected, "{count} runs, cap {cap}");
                }
            }
        }
    }

    #[test]
    fn runs_out_of_order_give_each_key_once() {
        let mut ours = merged(&[vec![9, 1, 5], vec![], vec![5, 2, 8, 0]], 10);
        ours.sort_unstable();
        let keys: Vec<u64> = ours.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [0, 1, 2, 5, 5, 8, 9]);
    }
}
