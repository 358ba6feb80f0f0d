//! The Merkle log in an exhaustive small world.
//!
//! 1. Completeness: the proof of RFC 9162's recursive definition verifies for every (index, size) and (from, to).
//! 2. Position binding: it verifies for no other index of the same size.
//! 3. Mutation: no node may be changed, dropped or added.

use poft_primitives::{
    log::{log_root, verify_consistency, verify_inclusion},
    testing::{consistency, inclusion, root},
    Code, H256,
};

fn leaves(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|i| vec![i; 32]).collect()
}

#[test]
fn inclusion_holds_for_every_position_and_for_no_other() {
    for size in 1..=20u8 {
        let leaves = leaves(size);
        let root = root(&leaves);
        assert_eq!(log_root(leaves.iter().map(Vec::as_slice)), Ok(root));
        for index in 0..size {
            let proof = inclusion(&leaves, index.into());
            for at in 0..=size {
                let found = verify_inclusion(&leaves[usize::from(index)], at.into(), size.into(), &proof, &root);
                assert_eq!(found.is_ok(), at == index, "{index} as {at} of {size}");
            }
        }
    }
}

#[test]
fn inclusion_refuses_every_mutation_of_a_proof() {
    let leaves = leaves(13);
    let root = root(&leaves);
    for (index, leaf) in leaves.iter().enumerate() {
        let honest = inclusion(&leaves, index);
        for level in 0..honest.len() {
            let mut proof = honest.clone();
            proof[level].0[31] ^= 1;
            assert_eq!(verify_inclusion(leaf, index as u64, 13, &proof, &root), Err(Code::RootMismatch));
            proof.remove(level);
            assert_eq!(verify_inclusion(leaf, index as u64, 13, &proof, &root), Err(Code::ProofLength));
        }
        let longer = [honest, vec![H256::zero()]].concat();
        assert_eq!(verify_inclusion(leaf, index as u64, 13, &longer, &root), Err(Code::ProofLength));
    }
}

#[test]
fn consistency_holds_for_every_pair_of_sizes() {
    for to in 0..=20u8 {
        let leaves = leaves(to);
        for from in 0..=to {
            let (old, new) = (root(&leaves[..from.into()]), root(&leaves));
            let proof = consistency(&leaves, from.into());
            assert_eq!(verify_consistency(from.into(), &old, to.into(), &new, &proof), Ok(()), "{from} to {to}");
            let longer = [proof.clone(), vec![H256::zero()]].concat();
            let refused = verify_consistency(from.into(), &old, to.into(), &new, &longer);
            assert_eq!(refused, Err(Code::ProofLength));
            for level in 0..proof.len() {
                let mut other = proof.clone();
                other[level].0[0] ^= 1;
                let refused = verify_consistency(from.into(), &old, to.into(), &new, &other);
                assert_eq!(refused, Err(Code::InconsistentLog), "{from} to {to}, node {level}");
            }
        }
    }
}

#[test]
fn verification_ends_at_the_largest_sizes() {
    let (root, leaf) = (H256::repeat_byte(7), [0; 32]);
    let path = [root; 64];
    assert_eq!(verify_inclusion(&leaf, u64::MAX - 1, u64::MAX, &path, &root), Err(Code::ProofLength));
    assert_eq!(verify_inclusion(&leaf, 0, u64::MAX, &path, &root), Err(Code::RootMismatch));
    assert_eq!(verify_inclusion(&leaf, u64::MAX, u64::MAX, &path, &root), Err(Code::IndexOutOfRange));
    assert_eq!(verify_consistency(1, &root, u64::MAX, &root, &path), Err(Code::InconsistentLog));
    assert_eq!(verify_consistency(u64::MAX, &root, u64::MAX, &root, &[]), Ok(()));
}
