//! Laws of diff, merge and plan, on drawn events and edits.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests may fail loudly")]

use calsync_core::{
    diff::{Field, changed_fields, copy_field, same_field},
    merge::{Bases, Choice, Merge, Sides, merge},
    model::{Event, EventId, RemoteId, Version},
    plan::{Action, Operation, Plan},
};
use calsync_testkit::events::{canonical, edited, edits, event};
use proptest::prelude::*;

fn merged(base: &Event, local: &Event, remote: &Event, choice: Choice) -> Merge {
    let bases = Some(Bases { local: base, remote: base });
    merge(Sides { bases, local, remote }, |_| choice)
}

fn json(event: &Event) -> String {
    serde_json::to_string(&canonical(event)).expect("events are serialisable")
}

fn same(a: &Event, b: &Event) -> Result<(), TestCaseError> {
    prop_assert!(canonical(a) == canonical(b), "{}\n{}", json(a), json(b));
    Ok(())
}

fn after(merge: &Merge, local: &Event, remote: &Event) -> (Event, Event) {
    (merge.apply_to_local(local, remote), merge.apply_to_remote(local, remote))
}

/// How many cases each law is tried on: `CALSYNC_CASES`, as `cargo xtask laws` sets it.
fn cases() -> u32 {
    std::env::var("CALSYNC_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1200)
}

/// Choices for contested fields that depend on nothing but the field.
fn by_field(field: &Field, salt: u8) -> Choice {
    let sum = field.to_string().bytes().fold(salt, u8::wrapping_add);
    [Choice::Local, Choice::Remote, Choice::Both, Choice::Open][usize::from(sum % 4)]
}

fn mirrored(choice: Choice) -> Choice {
    match choice {
        Choice::Local => Choice::Remote,
        Choice::Remote => Choice::Local,
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// I19: symmetric where the policy is. Who is called local changes nothing but the names of the choices.
    #[test]
    fn the_sides_are_mirror_images(base in event(), a in edits(), b in edits(), salt in any::<u8>()) {
        let (a, b) = (edited(&base, &a), edited(&base, &b));
        let choose = |field: &Field| match by_field(field, salt) {
            // The copy is of the local version: that one choice has no mirror image.
            Choice::Both => Choice::Open,
            other => other,
        };
        let bases = Some(Bases { local: &base, remote: &base });
        let here = merge(Sides { bases, local: &a, remote: &b }, choose);
        let there = merge(Sides { bases, local: &b, remote: &a }, |field| mirrored(choose(field)));
        prop_assert_eq!(&here.to_local, &there.to_remote);
        prop_assert_eq!(&here.to_remote, &there.to_local);
        let (x, y) = (after(&here, &a, &b), after(&there, &b, &a));
        same(&x.0, &y.1)?;
        same(&x.1, &y.0)?;
    }

    /// I02: what a merge leaves is at rest: merged again on the bases it leaves, nothing moves, and what is open is
    /// open as before, field for field.
    #[test]
    fn merging_again_moves_nothing(base in event(), a in edits(), b in edits(), salt in any::<u8>()) {
        let (local, remote) = (edited(&base, &a), edited(&base, &b));
        let bases = Some(Bases { local: &base, remote: &base });
        let first = merge(Sides { bases, local: &local, remote: &remote }, |field| by_field(field, salt));
        let (local, remote) = after(&first, &local, &remote);
        let open: Vec<&Field> =
            first.contested.iter().filter(|c| c.choice == Choice::Open).map(|c| &c.field).collect();
        let (mut base_local, mut base_remote) = (local.clone(), remote.clone());
        for field in &open {
            copy_field(field, &base, &mut base_local);
            copy_field(field, &base, &mut base_remote);
        }
        same(&base_remote, &first.remote_base(&base, &remote))?;
        let bases = Some(Bases { local: &base_local, remote: &base_remote });
        let again = merge(Sides { bases, local: &local, remote: &remote }, |_| Choice::Open);
        if open.is_empty() {
            prop_assert!(again.is_empty(), "{:?}", again);
        }
        let differs = !changed_fields(&base, &edited(&base, &a)).is_empty();
        let alone = merged(&base, &edited(&base, &a), &base, Choice::Open);
        prop_assert_eq!(alone.is_empty(), !differs);
        for field in &open {
            prop_assert!(!again.to_local.contains(field), "{field} was open and came in");
            prop_assert!(!again.to_remote.contains(field), "{field} was open and went out");
        }
        let (x, y) = after(&again, &local, &remote);
        let third = merge(Sides { bases, local: &x, remote: &y }, |_| Choice::Open);
        prop_assert!(third.to_local.is_empty() && third.to_remote.is_empty(), "it settles");
    }

    /// I05: with both versions kept, everything either side changed is on the event or on the copy.
    #[test]
    fn keeping_both_loses_nothing(base in event(), a in edits(), b in edits()) {
        let (local, remote) = (edited(&base, &a), edited(&base, &b));
        let both = merged(&base, &local, &remote, Choice::Both);
        prop_assert_eq!(both.keep_local_copy, !both.contested.is_empty());
        let result = after(&both, &local, &remote).0;
        for field in changed_fields(&base, &remote) {
            prop_assert!(same_field(&result, &remote, &field), "{field} of the remote side is lost");
        }
        if !both.keep_local_copy {
            for field in changed_fields(&base, &local) {
                prop_assert!(same_field(&result, &local, &field), "{field} of the local side is lost");
            }
        }
    }

    /// Nothing comes from nowhere: each field of the result has the value of one of the sides, an instance maybe under the
    /// name it has from the start that was chosen.
    #[test]
    fn every_value_is_somebodys(base in event(), a in edits(), b in edits(), salt in any::<u8>()) {
        let (local, remote) = (edited(&base, &a), edited(&base, &b));
        let bases = Some(Bases { local: &base, remote: &base });
        let merge = merge(Sides { bases, local: &local, remote: &remote }, |field| by_field(field, salt));
        let (here, there) = after(&merge, &local, &remote);
        for result in [&here, &there] {
            for field in changed_fields(&local, result) {
                let named = field.instance.filter(|id| merge.instances.contains_key(id));
                let value = named.and_then(|id| result.overrides.get(&id));
                let renamed = named.is_some()
                    && value.is_none_or(|value| {
                        local.overrides.values().chain(remote.overrides.values()).any(|other| other == value)
                    });
                prop_assert!(renamed || same_field(result, &remote, &field), "{field} is nobody's");
            }
            prop_assert_eq!(&result.uid, &base.uid);
        }
    }

    /// I01: also where one side's start is taken, and the other's instances.
    #[test]
    fn a_merge_decided_field_by_field_makes_the_sides_equal(
        base in event(), a in edits(), b in edits(), salt in any::<u8>(),
    ) {
        let (local, remote) = (edited(&base, &a), edited(&base, &b));
        let bases = Some(Bases { local: &base, remote: &base });
        let merge = merge(Sides { bases, local: &local, remote: &remote }, |field| {
            match by_field(field, salt) {
                Choice::Local | Choice::Both => Choice::Local,
                Choice::Remote | Choice::Open => Choice::Remote,
            }
        });
        prop_assert!(merge.contested.iter().all(|contested| contested.choice != Choice::Open));
        let (local, remote) = after(&merge, &local, &remote);
        same(&local, &remote)?;
    }

    /// I19: an edit on one side only is all the other side gets, and no conflict.
    #[test]
    fn one_sided_edits_go_across_whole(base in event(), edits in edits()) {
        let side = edited(&base, &edits);
        let merge = merged(&base, &side, &base, Choice::Open);
        prop_assert!(merge.contested.is_empty() && merge.to_local.is_empty());
        same(&merge.apply_to_remote(&side, &base), &side)?;
        let merge = merged(&base, &base, &side, Choice::Open);
        prop_assert!(merge.contested.is_empty() && merge.to_remote.is_empty());
        same(&merge.apply_to_local(&base, &side), &side)?;
    }

    /// I19: both sides made the same edit.
    #[test]
    fn equal_edits_are_agreed(base in event(), edits in edits()) {
        let side = edited(&base, &edits);
        prop_assert!(merged(&base, &side, &side, Choice::Open).is_empty());
    }

    /// I01: whoever wins, both sides hold the same afterwards.
    #[test]
    fn a_decided_merge_makes_the_sides_equal(base in event(), a in edits(), b in edits()) {
        let (local, remote) = (edited(&base, &a), edited(&base, &b));
        for choice in [Choice::Local, Choice::Remote, Choice::Both] {
            let (local, remote) = after(&merged(&base, &local, &remote, choice), &local, &remote);
            same(&local, &remote)?;
        }
    }

    /// Without a base as well.
    #[test]
    fn a_first_meeting_makes_the_sides_equal(local in event(), edits in edits()) {
        let remote = edited(&local, &edits);
        for choice in [Choice::Local, Choice::Remote, Choice::Both] {
            let merge = merge(Sides { bases: None, local: &local, remote: &remote }, |_| choice);
            let (local, remote) = after(&merge, &local, &remote);
            same(&local, &remote)?;
        }
    }

    /// Edits that contest nothing give the same event whichever side made which.
    #[test]
    fn disjoint_edits_commute(base in event(), a in edits(), b in edits()) {
        let (a, b) = (edited(&base, &a), edited(&base, &b));
        let (ab, ba) = (merged(&base, &a, &b, Choice::Open), merged(&base, &b, &a, Choice::Open));
        let fields = |merge: &Merge| {
            merge.contested.iter().map(|contested| contested.field.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        prop_assert_eq!(fields(&ab), fields(&ba), "who is local does not matter");
        if ab.contested.is_empty() {
            same(&after(&ab, &a, &b).0, &after(&ba, &b, &a).0)?;
        }
    }

    /// I05: the side that wins a conflict loses nothing it changed, and nothing changes that nobody touched.
    #[test]
    fn the_winner_keeps_all_its_fields(base in event(), a in edits(), b in edits()) {
        let (local, remote) = (edited(&base, &a), edited(&base, &b));
        for (choice, winner) in [(Choice::Local, &local), (Choice::Remote, &remote)] {
            let result = after(&merged(&base, &local, &remote, choice), &local, &remote).0;
            for field in changed_fields(&base, winner) {
                prop_assert!(same_field(&result, winner, &field), "{field} of the winner is lost");
            }
        }
    }

    /// The names agree with the values.
    #[test]
    fn fields_name_exactly_what_differs(a in event(), edits in edits()) {
        let b = edited(&a, &edits);
        let fields = changed_fields(&a, &b);
        prop_assert_eq!(fields.is_empty(), canonical(&a) == canonical(&b));
        prop_assert_eq!(&fields, &changed_fields(&b, &a));
        let mut copy = a.clone();
        for field in &fields {
            prop_assert!(!same_field(&a, &b, field), "{field} is named and does not differ");
            copy_field(field, &b, &mut copy);
            prop_assert!(same_field(&copy, &b, field), "{field} is copied");
        }
        prop_assert!(changed_fields(&copy, &b).is_empty());
    }

    /// I07: what a person approves does not depend on the order of a listing.
    #[test]
    fn plan_ids_do_not_depend_on_order(
        operations in proptest::collection::vec((0_u8..4, 0_u8..4, 0_u8..3), 0..6)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let plan = |list: &[(u8, u8, u8)]| Plan {
            link: "home".into(),
            operations: list.iter().map(|(action, id, version)| operation(*action, *id, *version)).collect(),
            held: false,
        };
        let (a, b) = (plan(&operations.0), plan(&operations.1));
        prop_assert_eq!(a.id(), b.id());
        prop_assert_eq!(a.deletions_id(), b.deletions_id());
        let mut other = a.clone();
        other.operations.push(operation(0, 9, 9));
        prop_assert_ne!(other.id(), a.id());
    }
}

fn operation(action: u8, id: u8, version: u8) -> Operation {
    let actions = [Action::DeleteLocal, Action::DeleteRemote, Action::Merge, Action::CreateLocal];
    Operation {
        action: actions[usize::from(action) % actions.len()],
        event_id: Some(EventId::from(format!("e{id}"))),
        remote_id: Some(RemoteId::from(format!("r{id}"))),
        version: Some(Version::from(format!("v{version}"))),
        revision: None,
        to_local: Vec::new(),
        to_remote: Vec::new(),
        contested: Vec::new(),
        losses: Vec::new(),
        reason: String::new(),
        evidence: None,
    }
}
