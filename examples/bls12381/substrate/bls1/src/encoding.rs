//! BLS1's committees and encodings: what a genesis, a proof and a committee's hash are made of. The table of bytes stands
//! in `poft_bls12381/committee.py`; twins: that, and `evm/contracts/BlsProof.sol`.

use crate::curve::{aggregate, possesses, read_g2, G1_BYTES, G2_BYTES};
use alloc::vec::Vec;
use poft_primitives::{
    finality::{Finality, MAX_COMMITTEE, MIN_COMMITTEE},
    keccak,
    log::{log_root, MAX_PROOF},
    packed::Packed,
    receive::ensure,
    Code, H256,
};

/// Nodes of a consistency proof.
const MAX_NODES: usize = 2 * MAX_PROOF;
/// Nodes of an inclusion proof in a log of at most 64 keys.
const MAX_PATH: u8 = 6;
/// Bytes of a proof before its counts: the statement.
pub(crate) const STATEMENT: usize = 160;

/// A key as it travels.
pub type Key = [u8; G2_BYTES];
/// A signature as it travels.
pub type Signature = [u8; G1_BYTES];

/// What a proof says about a committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Its size.
    pub count: u8,
    /// The sum of its keys.
    pub aggregate: Key,
    /// The root of the log of its keys.
    pub root: H256,
}

impl Roll {
    /// What a client stores: `keccak(TAG ‖ epoch 8 ‖ n 1 ‖ aggregate ‖ root)`.
    pub fn authority(&self, epoch: u64) -> H256 {
        let mut data = Vec::with_capacity(73 + G2_BYTES);
        data.extend_from_slice(keccak(b"poft/bls1/committee/v1").as_bytes());
        data.extend_from_slice(&epoch.to_be_bytes());
        data.push(self.count);
        data.extend_from_slice(&self.aggregate);
        data.extend_from_slice(self.root.as_bytes());
        keccak(&data)
    }
}

/// A client's first committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Its epoch; epochs count from 1.
    pub epoch: u64,
    /// Each member's key and proof of possession.
    pub members: Vec<(Key, Signature)>,
    /// The devnet flag: fewer than four members are taken.
    pub small_committee: bool,
}

impl Genesis {
    /// Strict: every genesis has one encoding. Refuses with `Malformed`, `Oversize`.
    pub fn decode(encoded: &[u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let (epoch, flag, n) = (rest.u64()?, rest.u8()?, rest.u8()?);
        ensure(usize::from(n) <= MAX_COMMITTEE, Code::Oversize)?;
        ensure(flag <= 1 && rest.left() == usize::from(n) * (G2_BYTES + G1_BYTES), Code::Malformed)?;
        let members = (0..n).map(|_| Ok((take(&mut rest)?, take(&mut rest)?))).collect::<Result<_, Code>>()?;
        Ok(Self { epoch, members, small_committee: flag == 1 })
    }
}

/// A member who did not sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Its place.
    pub index: u8,
    /// Its key.
    pub key: Key,
    /// The proof that the key stands there.
    pub path: Vec<H256>,
}

/// A statement, one signature of everybody who is present, and who is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What is claimed.
    pub statement: Finality,
    /// Whose committee says so.
    pub roll: Roll,
    /// The sum of the signatures.
    pub signature: Signature,
    /// Who did not sign.
    pub absent: Vec<Absent>,
    /// The next epoch's committee, only when the statement hands over.
    pub following: Option<Roll>,
    /// Consistency proof from the size that was accepted last.
    pub consistency: Vec<H256>,
}

impl Proof {
    /// Strict, and bounded before anything is copied. Refuses with `Malformed` (a short head), `Oversize` (a count),
    /// `Malformed` (another length than the counts say), in this order.
    pub fn decode(encoded: &[u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let statement = Finality {
            epoch: rest.u64()?,
            height: rest.u64()?,
            block_hash: rest.h256()?,
            state_root: rest.h256()?,
            outbox_size: rest.u64()?,
            outbox_root: rest.h256()?,
            timestamp: rest.u64()?,
            next_committee: rest.h256()?,
        };
        let (n, a, m, c) = (rest.u8()?, rest.u8()?, rest.u8()?, rest.u8()?);
        let roll = Roll { count: n, aggregate: take(&mut rest)?, root: rest.h256()? };
        let signature = take(&mut rest)?;
        ensure(usize::from(n.max(a).max(m)) <= MAX_COMMITTEE && usize::from(c) <= MAX_NODES, Code::Oversize)?;
        let following = match m {
            0 => None,
            _ => Some(Roll { count: m, aggregate: take(&mut rest)?, root: rest.h256()? }),
        };
        let consistency = rest.hashes(c.into())?;
        let absent = (0..a).map(|_| read_absent(&mut rest)).collect::<Result<_, _>>()?;
        rest.finish()?;
        Ok(Self { statement, roll, signature, absent, following, consistency })
    }
}

/// The roll of these members if they may form a committee, else `CommitteeInvalid`.
///
/// Keys sorted ascending and unique, each a point of G2 but infinity with its proof of possession, at most 64 and at least
/// 4 unless `small`. Without the proofs a member could choose its key as a point minus the others' keys, and sign for all.
pub fn check_members(members: &[(Key, Signature)], small: bool) -> Result<Roll, Code> {
    let count = u8::try_from(members.len()).map_err(|_| Code::CommitteeInvalid)?;
    check_count(count, small)?;
    let sorted = members.iter().zip(members.iter().skip(1)).all(|((first, _), (second, _))| first < second);
    ensure(sorted, Code::CommitteeInvalid)?;
    let mut points = Vec::with_capacity(members.len());
    for (key, possession) in members {
        let point = read_g2(key).ok_or(Code::CommitteeInvalid)?;
        ensure(possesses(&point, possession), Code::CommitteeInvalid)?;
        points.push(point);
    }
    let leaves: Vec<H256> = members.iter().map(|(key, _)| keccak(key)).collect();
    let root = log_root(leaves.iter().map(|leaf| &leaf[..]))?;
    let roll = Roll { count, aggregate: aggregate(&points), root };
    check_aggregate(&roll)?;
    Ok(roll)
}

/// Returns when a committee may have so many members, else `CommitteeInvalid`.
pub fn check_count(count: u8, small: bool) -> Result<(), Code> {
    let least = if small { 1 } else { MIN_COMMITTEE };
    ensure((least..=MAX_COMMITTEE).contains(&count.into()), Code::CommitteeInvalid)
}

/// Returns when the sum of a committee's keys is a key, else `CommitteeInvalid`.
pub fn check_aggregate(roll: &Roll) -> Result<(), Code> {
    ensure(read_g2(&roll.aggregate).is_some(), Code::CommitteeInvalid)
}

fn read_absent(rest: &mut Packed) -> Result<Absent, Code> {
    let (index, nodes, key) = (rest.u8()?, rest.u8()?, take(rest)?);
    ensure(nodes <= MAX_PATH, Code::Oversize)?;
    Ok(Absent { index, key, path: rest.hashes(nodes.into())? })
}

fn take<const N: usize>(rest: &mut Packed) -> Result<[u8; N], Code> {
    rest.bytes(N)?.try_into().map_err(|_| Code::Malformed)
}
