//! AND1 over schemes that are somewhere else than the others. What the shared vectors hold is in `vectors.rs`.

use poft_primitives::{
    and1::{AgreementGenesis, AgreementProof, AgreementVerifier, SchemeGenesis, SchemeProof, SchemeTrust},
    code::Code,
    committee::CommitteeVerifier,
    finality::committee_hash,
    testing::{addresses, Source},
    verifier::{Finalised, FinalityVerifier, Limits, TrustState, Work},
    H160, H256,
};

/// CMT1, further on than it may be: later at its start, or by so many epochs after a proof.
struct Elsewhere {
    name: [u8; 4],
    height: u64,
    epochs: u64,
}

impl FinalityVerifier for Elsewhere {
    fn scheme(&self) -> [u8; 4] {
        self.name
    }

    fn work(&self, proof: &[u8]) -> Work {
        CommitteeVerifier.work(proof)
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        Ok(TrustState { height: self.height, ..CommitteeVerifier.initialise(genesis)? })
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let (next, finalised) = CommitteeVerifier.verify(source_domain, state, proof, limits)?;
        Ok((TrustState { epoch: next.epoch.wrapping_add(self.epochs), ..next }, finalised))
    }

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        CommitteeVerifier.epoch_of(proof)
    }

    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code> {
        CommitteeVerifier.check_misbehaviour(source_domain, state, first, second)
    }
}

const KNOWN: &[&dyn FinalityVerifier] = &[
    &CommitteeVerifier,
    &Elsewhere { name: *b"LATE", height: 1, epochs: 0 },
    &Elsewhere { name: *b"MOVE", height: 0, epochs: 1 },
    &Elsewhere { name: *b"SKIP", height: 0, epochs: 2 },
    &Elsewhere { name: *b"BACK", height: 0, epochs: u64::MAX },
];
const AGREEMENT: AgreementVerifier = AgreementVerifier::over(KNOWN);
const LIMITS: Limits = Limits { now: 2000, max_drift: 30 };

fn initialise(other: [u8; 4]) -> Result<TrustState, Code> {
    let committee = Source::new("source", 4, 1990).genesis().encode()?;
    let schemes = [*b"CMT1", other].map(|scheme| SchemeGenesis { scheme, shadow: false, genesis: &committee });
    AGREEMENT.initialise(&AgreementGenesis { epoch: 1, schemes: schemes.to_vec() }.encode()?)
}

fn verify(other: [u8; 4], shadow: bool) -> Result<(TrustState, Finalised), Code> {
    let mut source = Source::new("source", 4, 1990);
    let proof = source.finality(0).encode()?;
    let part = |scheme, shadow| SchemeProof {
        trust: SchemeTrust {
            scheme,
            shadow,
            epoch: 1,
            authority: committee_hash(1, &addresses(&source.committee)),
            small_committee: false,
        },
        proof: &proof,
    };
    let said = AgreementProof { epoch: 1, schemes: vec![part(*b"CMT1", false), part(other, shadow)] };
    let authority = poft_primitives::and1::agreement_hash(said.schemes.iter().map(|part| &part.trust));
    let state = TrustState { authority, ..CommitteeVerifier.initialise(&source.genesis().encode()?)? };
    AGREEMENT.verify(&source.domain, &state, &said.encode()?, &LIMITS)
}

#[test]
fn schemes_that_start_from_different_blocks_are_no_list() {
    assert!(initialise(*b"MOVE").is_ok());
    assert_eq!(initialise(*b"LATE"), Err(Code::SchemesDisagree));
}

#[test]
fn a_scheme_moves_by_one_epoch_at_most() {
    for (name, moved) in [(*b"MOVE", true), (*b"SKIP", false), (*b"BACK", false)] {
        let decides = verify(name, false).map(|(next, finalised)| (next.epoch, finalised.dissent));
        assert_eq!(decides, if moved { Ok((2, 0)) } else { Err(Code::BadHandover) });
        let heard = verify(name, true).map(|(next, finalised)| (next.epoch, finalised.dissent));
        assert_eq!(heard, Ok(if moved { (2, 0) } else { (1, 0b10) }));
    }
}

#[test]
fn work_is_bounded_whatever_the_bytes_are() {
    let proof = Source::new("source", 4, 1990).finality(0).encode().expect("short");
    let trust =
        SchemeTrust { scheme: *b"CMT1", shadow: false, epoch: 1, authority: H256::zero(), small_committee: false };
    let eight = AgreementProof { epoch: 1, schemes: vec![SchemeProof { trust, proof: &proof }; 8] };
    let encoded = eight.encode().expect("short");
    assert_eq!(AGREEMENT.work(&encoded).signatures, 8 * CommitteeVerifier.work(&proof).signatures);
    // Cut anywhere, it is refused before any scheme is asked.
    for end in (0..encoded.len()).step_by(97) {
        assert_eq!(AGREEMENT.work(&encoded[..end]), Work::default());
    }
}
