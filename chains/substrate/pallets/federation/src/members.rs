//! Who takes part (docs/federation.md, Members). Twin: `Members.sol`.

use crate::{
    pallet::*,
    types::{Member, MembershipRecord, OfMembers},
};
use alloc::vec::Vec;
use pallet_poft_bridge::ports::Bridge;
use poft_primitives::{
    receive::ensure,
    statements::{Membership, Signed, MAX_MEMBERS},
    Code, H160, H256,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn admit_all(participants: &[H160]) -> Result<(), Code> {
        let mut members = Self::current_members().into_inner();
        for participant in participants {
            ensure(!participant.is_zero(), Code::ZeroValue)?;
            if Admitted::<T>::contains_key(participant) {
                continue;
            }
            Admitted::<T>::insert(participant, ());
            Self::deposit_event(Event::ParticipantAdmitted { participant: *participant });
            // One that was expelled keeps what it had said.
            place(&mut members, *participant, &Memberships::<T>::get(participant).unwrap_or_default());
        }
        Self::store_members(members)
    }

    pub(crate) fn expel_all(participants: &[H160]) -> Result<(), Code> {
        let mut members = Self::current_members().into_inner();
        for participant in participants {
            ensure(Admitted::<T>::take(participant).is_some(), Code::NotAdmitted)?;
            members.retain(|member| member.participant != *participant);
            Self::deposit_event(Event::ParticipantExpelled { participant: *participant });
        }
        Self::store_members(members)
    }

    pub(crate) fn take_memberships(statements: &[Signed<Membership>]) -> Result<(), Code> {
        ensure(statements.len() <= MAX_MEMBERS, Code::Oversize)?;
        let (federation, domain) = (FederationId::<T>::get(), T::Bridge::domain());
        let mut members = Self::current_members().into_inner();
        for signed in statements {
            let said = Self::verify_membership(&federation, &domain, signed)?;
            let record = MembershipRecord {
                encryption_key: said.encryption_key,
                capacity: said.capacity,
                sequence: said.sequence,
            };
            place(&mut members, said.participant, &record);
            ensure(members.len() <= MAX_MEMBERS, Code::TooManyParticipants)?;
            Memberships::<T>::insert(said.participant, record);
            Self::deposit_event(Event::MembershipChanged { membership: said.clone() });
        }
        Self::store_members(members)
    }

    fn verify_membership<'a>(
        federation: &H256,
        domain: &H256,
        signed: &'a Signed<Membership>,
    ) -> Result<&'a Membership, Code> {
        let said = &signed.statement;
        ensure(Admitted::<T>::contains_key(said.participant), Code::NotAdmitted)?;
        ensure(said.federation == *federation, Code::WrongDomain)?;
        let last = Memberships::<T>::get(said.participant).map_or(0, |record| record.sequence);
        ensure(said.sequence > last, Code::StaleSequence)?;
        signed.verify(domain)?;
        Ok(said)
    }

    /// The member list of a round that started now.
    pub(crate) fn current_members() -> OfMembers<Member> {
        MemberSets::<T>::get(MemberSetCount::<T>::get())
    }

    fn store_members(members: Vec<Member>) -> Result<(), Code> {
        let members = OfMembers::try_from(members).map_err(|_| Code::TooManyParticipants)?;
        if members == Self::current_members() {
            return Ok(());
        }
        let number = MemberSetCount::<T>::get().checked_add(1).ok_or(Code::Oversize)?;
        MemberSetCount::<T>::put(number);
        MemberSets::<T>::insert(number, members);
        Self::deposit_event(Event::MemberSetStored { number });
        Ok(())
    }
}

/// Puts a participant where its address belongs, or takes it out when it has no capacity.
fn place(members: &mut Vec<Member>, participant: H160, record: &MembershipRecord) {
    let found = members.binary_search_by_key(&participant, |member| member.participant);
    let member = Member { participant, capacity: record.capacity, encryption_key: record.encryption_key };
    match (found, record.capacity) {
        (Ok(at), 0) => {
            members.remove(at);
        }
        (Err(_), 0) => {}
        (Ok(at), _) => {
            if let Some(slot) = members.get_mut(at) {
                *slot = member;
            }
        }
        (Err(at), _) => members.insert(at, member),
    }
}
