//! How a round's steps are shared out (docs/federation.md, A round).

use alloc::vec::Vec;
use core::cmp::Reverse;
use poft_primitives::Code;

/// Every member gets one step, so that nobody's claimed capacity shuts others out; the rest is split by capacity.
///
/// Refuses with `TooManyParticipants` when there are more members than steps.
pub fn assign(total: u32, capacities: &[u32]) -> Result<Vec<u32>, Code> {
    let members = u32::try_from(capacities.len()).map_err(|_| Code::TooManyParticipants)?;
    let rest = total.checked_sub(members).ok_or(Code::TooManyParticipants)?;
    Ok(split(rest, capacities).into_iter().map(|share| share.saturating_add(1)).collect())
}

/// `total` split by capacity with largest remainder: share = ⌊S·c/C⌋, the leftover steps go one each to the largest
/// remainders, ties to the lower position (members are sorted by address). All zero when there is no capacity.
fn split(total: u32, capacities: &[u32]) -> Vec<u32> {
    let all: u64 = capacities.iter().map(|capacity| u64::from(*capacity)).sum();
    // u32 · u32 fits u64, and a share is at most `total`.
    let products = capacities.iter().map(|capacity| u64::from(total) * u64::from(*capacity));
    let mut shares = Vec::with_capacity(capacities.len());
    let mut remainders = Vec::with_capacity(capacities.len());
    for (position, product) in products.enumerate() {
        shares.push(product.checked_div(all).unwrap_or(0) as u32);
        remainders.push((Reverse(product.checked_rem(all).unwrap_or(0)), position));
    }
    if all == 0 {
        return shares;
    }
    let leftover = total.saturating_sub(shares.iter().sum()) as usize;
    remainders.sort_unstable();
    for (_, position) in remainders.into_iter().take(leftover) {
        if let Some(share) = shares.get_mut(position) {
            *share = share.saturating_add(1);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::{assign, split};
    use poft_primitives::Code;

    #[test]
    fn every_member_gets_a_step_before_capacity_counts() {
        assert_eq!(assign(10, &[1, 1, 1]), Ok(vec![4, 3, 3]));
        assert_eq!(assign(5, &[u32::MAX, 1, 1]), Ok(vec![3, 1, 1]));
        assert_eq!(assign(3, &[7, 8, 9]), Ok(vec![1, 1, 1]));
        assert_eq!(assign(2, &[7, 8, 9]), Err(Code::TooManyParticipants));
    }

    #[test]
    fn steps_are_shared_by_capacity_and_none_is_lost() {
        assert_eq!(split(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(split(100, &[50, 30, 20]), [50, 30, 20]);
        assert_eq!(split(7, &[2, 2, 3]), [2, 2, 3]);
        assert_eq!(split(1, &[1, 5, 5]), [0, 1, 0]);
        assert_eq!(split(u32::MAX, &[u32::MAX; 64]).iter().map(|s| u64::from(*s)).sum::<u64>(), u64::from(u32::MAX));
    }
}
