//! AND1: several schemes that must agree on what is final; some of them in shadow (docs/protocol.md section 8).
//!
//! Every scheme of the list is asked for the same step of the source. Those that decide must all accept and say the same;
//! one in shadow is asked as well, and where it refuses or says something else, its bit is set in
//! [`Finalised::dissent`] and nothing else happens. The list, with its flags, is part of the genesis; the authority
//! commits to it and to what is believed of each scheme, so a carrier cannot leave out, swap or demote one.
//!
//! ```text
//! genesis   epoch u64 ‖ n u8 ‖ n × (scheme 4 ‖ shadow u8 ‖ length u16 ‖ genesis)
//! proof     epoch u64 ‖ n u8 ‖ n × (scheme 4 ‖ shadow u8 ‖ epoch u64 ‖ authority 32 ‖ small u8 ‖ length u16 ‖ proof)
//! authority keccak(abi.encode((bytes4 scheme, bool shadow, uint64 epoch, bytes32 authority, bool small)[]))
//! ```
//!
//! Twins: `poft/verification/schemes/and1.py`, `AgreementVerifier.sol`; encoding and order of checks are the same in the
//! three.

use crate::{
    abi::{AbiWord, WORD},
    keccak,
    packed::Packed,
    receive::ensure,
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    Code, H160, H256,
};
use alloc::vec::Vec;

/// Name of the scheme.
pub const SCHEME: [u8; 4] = *b"AND1";
/// One scheme agrees with itself.
const MIN_SCHEMES: usize = 2;
/// More opinions than any source has; keeps an update of all of them within a block.
const MAX_SCHEMES: usize = 8;

/// What a scheme of the list starts from, and whether it runs in shadow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeGenesis<'a> {
    /// Its name.
    pub scheme: [u8; 4],
    /// Whether it is only heard.
    pub shadow: bool,
    /// Its own genesis.
    pub genesis: &'a [u8],
}

/// The list, in its order; the first scheme decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementGenesis<'a> {
    /// The epoch of the list and of each scheme's own genesis.
    pub epoch: u64,
    /// The schemes.
    pub schemes: Vec<SchemeGenesis<'a>>,
}

impl<'a> AgreementGenesis<'a> {
    /// The packed bytes; `Oversize` when a list or a genesis is longer than its count can say.
    pub fn encode(&self) -> Result<Vec<u8>, Code> {
        let mut packed = head(self.epoch, self.schemes.len())?;
        for part in &self.schemes {
            packed.extend_from_slice(&part.scheme);
            packed.push(part.shadow.into());
            append(&mut packed, part.genesis)?;
        }
        Ok(packed)
    }

    /// The inverse; refuses with `Malformed`, `Oversize`.
    pub fn decode(encoded: &'a [u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let (epoch, n) = read_head(&mut rest)?;
        let schemes = (0..n)
            .map(|place| {
                let (scheme, shadow) = read_name(&mut rest, place)?;
                Ok(SchemeGenesis { scheme, shadow, genesis: read_bytes(&mut rest)? })
            })
            .collect::<Result<_, Code>>()?;
        rest.finish()?;
        Ok(Self { epoch, schemes })
    }
}

/// What a client believes of one scheme; what it believes of the source is common to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeTrust {
    /// Its name.
    pub scheme: [u8; 4],
    /// Whether it is only heard.
    pub shadow: bool,
    /// Its own epoch.
    pub epoch: u64,
    /// Its own authority.
    pub authority: H256,
    /// Its own devnet flag.
    pub small_committee: bool,
}

impl SchemeTrust {
    /// The state that this scheme is asked with.
    fn within(&self, state: &TrustState) -> TrustState {
        TrustState {
            epoch: self.epoch,
            authority: self.authority,
            small_committee: self.small_committee,
            ..state.clone()
        }
    }

    /// What is believed of it after its answer; `None` when it skips epochs.
    ///
    /// One at a time, so that no scheme is ever in a later epoch than the list: then a recovery, which needs a later
    /// epoch of the list, leaves everything behind that any scheme's signers have signed.
    fn moved(&self, next: &TrustState) -> Option<Self> {
        let step = next.epoch.checked_sub(self.epoch)?;
        (step <= 1).then(|| Self { epoch: next.epoch, authority: next.authority, ..self.clone() })
    }
}

/// What is believed of a scheme, and the proof that is for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeProof<'a> {
    /// What is believed.
    pub trust: SchemeTrust,
    /// Its proof; one in shadow may have none.
    pub proof: &'a [u8],
}

/// A proof for every scheme of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementProof<'a> {
    /// The epoch of the list.
    pub epoch: u64,
    /// The schemes.
    pub schemes: Vec<SchemeProof<'a>>,
}

impl<'a> AgreementProof<'a> {
    /// The packed bytes; `Oversize` when a list or a proof is longer than its count can say.
    pub fn encode(&self) -> Result<Vec<u8>, Code> {
        let mut packed = head(self.epoch, self.schemes.len())?;
        for part in &self.schemes {
            packed.extend_from_slice(&part.trust.scheme);
            packed.push(part.trust.shadow.into());
            packed.extend_from_slice(&part.trust.epoch.to_be_bytes());
            packed.extend_from_slice(part.trust.authority.as_bytes());
            packed.push(part.trust.small_committee.into());
            append(&mut packed, part.proof)?;
        }
        Ok(packed)
    }

    /// The inverse; refuses with `Malformed`, `Oversize`.
    pub fn decode(encoded: &'a [u8]) -> Result<Self, Code> {
        let mut rest = Packed::new(encoded);
        let (epoch, n) = read_head(&mut rest)?;
        let schemes = (0..n)
            .map(|place| {
                let (scheme, shadow) = read_name(&mut rest, place)?;
                let trust = SchemeTrust {
                    scheme,
                    shadow,
                    epoch: rest.u64()?,
                    authority: rest.h256()?,
                    small_committee: read_flag(&mut rest)?,
                };
                Ok(SchemeProof { trust, proof: read_bytes(&mut rest)? })
            })
            .collect::<Result<_, Code>>()?;
        rest.finish()?;
        Ok(Self { epoch, schemes })
    }

    /// A proof whose list is the one that the state commits to.
    fn believed(state: &TrustState, encoded: &'a [u8]) -> Result<Self, Code> {
        let said = Self::decode(encoded)?;
        ensure(agreement_hash(said.trusts()) == state.authority, Code::CommitteeMismatch)?;
        ensure(said.epoch == state.epoch, Code::WrongEpoch)?;
        Ok(said)
    }

    fn trusts(&self) -> impl ExactSizeIterator<Item = &SchemeTrust> {
        self.schemes.iter().map(|part| &part.trust)
    }
}

/// `keccak(abi.encode(list))`: the authority of a client that believes this.
pub fn agreement_hash<'a>(trusts: impl ExactSizeIterator<Item = &'a SchemeTrust>) -> H256 {
    let mut data = Vec::with_capacity(WORD * (2 + 5 * trusts.len()));
    data.extend_from_slice(&(WORD as u64).to_word());
    data.extend_from_slice(&(trusts.len() as u64).to_word());
    for trust in trusts {
        // bytes4 stands at the front of its word.
        data.extend_from_slice(&trust.scheme);
        data.extend_from_slice(&[0; WORD - 4]);
        data.extend_from_slice(&u8::from(trust.shadow).to_word());
        data.extend_from_slice(&trust.epoch.to_word());
        data.extend_from_slice(&trust.authority.to_word());
        data.extend_from_slice(&u8::from(trust.small_committee).to_word());
    }
    keccak(&data)
}

/// The scheme, over those that a list may name.
#[derive(Clone, Copy)]
pub struct AgreementVerifier {
    schemes: &'static [&'static dyn FinalityVerifier],
}

impl AgreementVerifier {
    /// Over the chain's other schemes: given as a list of their own, so that the list of all, which has this one in it,
    /// does not refer to itself.
    pub const fn over(schemes: &'static [&'static dyn FinalityVerifier]) -> Self {
        Self { schemes }
    }

    fn known(&self, scheme: [u8; 4]) -> Result<&'static dyn FinalityVerifier, Code> {
        // No list within a list.
        ensure(scheme != SCHEME, Code::UnknownScheme)?;
        self.schemes.iter().find(|verifier| verifier.scheme() == scheme).copied().ok_or(Code::UnknownScheme)
    }

    /// What is believed of a scheme in shadow afterwards; `None` when it dissents.
    fn hear(
        &self,
        source_domain: &H256,
        state: &TrustState,
        part: &SchemeProof,
        limits: &Limits,
        agreed: &(TrustState, Finalised),
    ) -> Option<SchemeTrust> {
        if part.proof.is_empty() {
            return None;
        }
        let verifier = self.known(part.trust.scheme).ok()?;
        let answer = verifier.verify(source_domain, &part.trust.within(state), part.proof, limits).ok()?;
        let moved = part.trust.moved(&answer.0).filter(|_| agree(&answer, agreed))?;
        // What refuses nothing cannot ask for an epoch that does not exist either.
        (moved == part.trust || state.epoch < u64::MAX).then_some(moved)
    }
}

impl FinalityVerifier for AgreementVerifier {
    fn scheme(&self) -> [u8; 4] {
        SCHEME
    }

    fn work(&self, proof: &[u8]) -> Work {
        let Ok(said) = AgreementProof::decode(proof) else { return Work::default() };
        // The list is hashed before and after, five words a scheme.
        let own = Work { hashes: 10 * said.schemes.len() as u64, ..Work::default() };
        said.schemes.iter().fold(own, |sum, part| match self.known(part.trust.scheme) {
            Ok(verifier) => sum.plus(verifier.work(part.proof)),
            Err(_) => sum,
        })
    }

    fn genesis_work(&self, genesis: &[u8]) -> Work {
        let Ok(given) = AgreementGenesis::decode(genesis) else { return Work::default() };
        given.schemes.iter().fold(Work::default(), |sum, part| match self.known(part.scheme) {
            Ok(verifier) => sum.plus(verifier.genesis_work(part.genesis)),
            Err(_) => sum,
        })
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        let given = AgreementGenesis::decode(genesis)?;
        ensure(given.epoch != 0, Code::ZeroValue)?;
        for (place, part) in given.schemes.iter().enumerate() {
            let twice = given.schemes.iter().take(place).any(|earlier| earlier.scheme == part.scheme);
            ensure(!twice, Code::CommitteeInvalid)?;
        }
        let mut first: Option<TrustState> = None;
        let mut trusts = Vec::with_capacity(given.schemes.len());
        let mut small = false;
        for part in &given.schemes {
            let state = self.known(part.scheme)?.initialise(part.genesis)?;
            // An epoch that was never used before: after a recovery no scheme counts a signature of the past.
            ensure(state.epoch == given.epoch, Code::WrongEpoch)?;
            trusts.push(SchemeTrust {
                scheme: part.scheme,
                shadow: part.shadow,
                epoch: state.epoch,
                authority: state.authority,
                small_committee: state.small_committee,
            });
            small |= state.small_committee;
            let first = first.get_or_insert_with(|| state.clone());
            ensure(source(&state) == source(first), Code::SchemesDisagree)?;
        }
        let first = first.ok_or(Code::Malformed)?;
        Ok(TrustState { authority: agreement_hash(trusts.iter()), small_committee: small, ..first })
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let said = AgreementProof::believed(state, proof)?;
        let mut trusts: Vec<SchemeTrust> = said.trusts().cloned().collect();
        // Those that decide agree.
        let mut agreed: Option<(TrustState, Finalised)> = None;
        for (part, trust) in said.schemes.iter().zip(&mut trusts) {
            if part.trust.shadow {
                continue;
            }
            let verifier = self.known(part.trust.scheme)?;
            let answer = verifier.verify(source_domain, &part.trust.within(state), part.proof, limits)?;
            ensure(agree(&answer, agreed.get_or_insert_with(|| answer.clone())), Code::SchemesDisagree)?;
            *trust = part.trust.moved(&answer.0).ok_or(Code::BadHandover)?;
        }
        let agreed = agreed.ok_or(Code::Malformed)?;
        let (next, finalised) = &agreed;
        if next.height == state.height {
            return Ok((state.clone(), finalised.clone()));
        }
        // Those in shadow are heard.
        let mut dissent = 0;
        for (place, (part, trust)) in said.schemes.iter().zip(&mut trusts).enumerate() {
            if part.trust.shadow {
                match self.hear(source_domain, state, part, limits, &agreed) {
                    Some(moved) => *trust = moved,
                    None => dissent |= 1 << place,
                }
            }
        }
        // A list that changed is another epoch's.
        let authority = agreement_hash(trusts.iter());
        let epoch = if authority == state.authority {
            state.epoch
        } else {
            state.epoch.checked_add(1).ok_or(Code::BadHandover)?
        };
        let next = TrustState { epoch, authority, small_committee: state.small_committee, ..next.clone() };
        Ok((next, Finalised { dissent, ..finalised.clone() }))
    }

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        Ok(AgreementProof::decode(proof)?.epoch)
    }

    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code> {
        let (first, second) = (AgreementProof::believed(state, first)?, AgreementProof::believed(state, second)?);
        let pair = first
            .schemes
            .iter()
            .zip(&second.schemes)
            .find(|(a, b)| !a.trust.shadow && !a.proof.is_empty() && !b.proof.is_empty());
        let (a, b) = pair.ok_or(Code::NotMisbehaviour)?;
        let verifier = self.known(a.trust.scheme)?;
        verifier.check_misbehaviour(source_domain, &a.trust.within(state), a.proof, b.proof)
    }
}

/// What is believed of the source.
fn source(state: &TrustState) -> (u64, u64, u64, &H256) {
    (state.height, state.timestamp, state.outbox_size, &state.outbox_root)
}

fn agree(one: &(TrustState, Finalised), other: &(TrustState, Finalised)) -> bool {
    source(&one.0) == source(&other.0)
        && one.1.block_hash == other.1.block_hash
        && one.1.state_root == other.1.state_root
}

fn head(epoch: u64, n: usize) -> Result<Vec<u8>, Code> {
    let mut packed = epoch.to_be_bytes().to_vec();
    packed.push(u8::try_from(n).map_err(|_| Code::Oversize)?);
    Ok(packed)
}

fn append(packed: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Code> {
    packed.extend_from_slice(&u16::try_from(bytes.len()).map_err(|_| Code::Oversize)?.to_be_bytes());
    packed.extend_from_slice(bytes);
    Ok(())
}

/// (epoch, number of schemes).
fn read_head(rest: &mut Packed) -> Result<(u64, usize), Code> {
    let (epoch, n) = (rest.u64()?, usize::from(rest.u8()?));
    ensure(n <= MAX_SCHEMES, Code::Oversize)?;
    ensure(n >= MIN_SCHEMES, Code::Malformed)?;
    Ok((epoch, n))
}

/// (name, whether it is in shadow); the first is not.
fn read_name(rest: &mut Packed, place: usize) -> Result<([u8; 4], bool), Code> {
    let scheme = rest.u32()?.to_be_bytes();
    let shadow = read_flag(rest)?;
    ensure(!(shadow && place == 0), Code::Malformed)?;
    Ok((scheme, shadow))
}

/// A byte that is 0 or 1.
fn read_flag(rest: &mut Packed) -> Result<bool, Code> {
    match rest.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Code::Malformed),
    }
}

fn read_bytes<'a>(rest: &mut Packed<'a>) -> Result<&'a [u8], Code> {
    let length = rest.u16()?;
    rest.bytes(length.into())
}
