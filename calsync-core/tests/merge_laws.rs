//! Laws of diff, merge and plan, on drawn events and edits.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests may fail loudly")]

use calsync_core::{
    diff::{changed_fields, copy_field, same_field},
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2600, failure_persistence: None, ..ProptestConfig::default() })]

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
