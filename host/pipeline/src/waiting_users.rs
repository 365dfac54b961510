use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tenet_core::CallerId;

use crate::user::User;

/// The users that wait for a place, by operation and caller.
///
/// A choice looks at each operation, and at each waiting party only until one is found that holds no place. So it does
/// not take longer the more users wait.
pub(crate) struct WaitingUsers<T> {
    /// `None` is the host itself.
    operations: HashMap<Option<Arc<str>>, Parties<T>>,
    length: usize,
}

/// The parties that wait for one operation.
struct Parties<T> {
    /// Each by its first user, in order of arrival.
    order: BTreeMap<u64, CallerId>,
    /// The users of each, in order of arrival.
    users: HashMap<CallerId, BTreeMap<u64, T>>,
}

impl<T> WaitingUsers<T> {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds a user whose `id` is above all before it.
    pub(crate) fn push(&mut self, id: u64, user: &User, value: T) {
        let parties = self.operations.entry(user.operation().cloned()).or_default();
        let users = parties.users.entry(user.caller()).or_default();
        if users.is_empty() {
            parties.order.insert(id, user.caller());
        }
        users.insert(id, value);
        self.length += 1;
    }

    /// Removes a user that waits.
    pub(crate) fn remove(&mut self, id: u64, user: &User) -> Option<T> {
        let operation = user.operation().cloned();
        let parties = self.operations.get_mut(&operation)?;
        let users = parties.users.get_mut(&user.caller())?;
        let value = users.remove(&id)?;
        self.length -= 1;
        if parties.order.remove(&id).is_some()
            && let Some((next, _)) = users.first_key_value()
        {
            parties.order.insert(*next, user.caller());
        }
        if users.is_empty() {
            parties.users.remove(&user.caller());
        }
        if parties.users.is_empty() {
            self.operations.remove(&operation);
        }
        Some(value)
    }

    /// Of the parties that may have a place, the one that holds the fewest, and among equals the one that came first:
    /// its first user.
    ///
    /// `is_open` says whether any party of an operation may have a place, and `held` how many a party holds, if it may
    /// have another one.
    pub(crate) fn next(
        &self,
        mut is_open: impl FnMut(Option<&Arc<str>>) -> bool,
        mut held: impl FnMut(Option<&Arc<str>>, CallerId) -> Option<usize>,
    ) -> Option<(u64, User)> {
        let (mut least, mut next) = (None, None);
        for (operation, parties) in &self.operations {
            let operation = operation.as_ref();
            if !is_open(operation) {
                continue;
            }
            for (id, caller) in &parties.order {
                let Some(held) = held(operation, *caller) else { continue };
                if least.is_none_or(|least| (held, *id) < least) {
                    (least, next) = (Some((held, *id)), Some((*id, operation, *caller)));
                }
                if held == 0 {
                    break;
                }
            }
        }
        let (id, operation, caller) = next?;
        Some((id, operation.map_or(User::Host, |operation| User::Party(Arc::clone(operation), caller))))
    }
}

impl<T> Default for WaitingUsers<T> {
    fn default() -> Self {
        Self { operations: HashMap::new(), length: 0 }
    }
}

impl<T> Default for Parties<T> {
    fn default() -> Self {
        Self { order: BTreeMap::new(), users: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(operation: &str, caller: usize) -> User {
        User::Party(operation.into(), CallerId::of(Some(&caller.to_string())))
    }

    /// The users in the order in which they are chosen, while no user holds a place.
    fn drained(waiting: &mut WaitingUsers<u64>) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some((id, user)) = waiting.next(|_| true, |_, _| Some(0)) {
            order.push(waiting.remove(id, &user).unwrap());
        }
        order
    }

    #[test]
    fn equals_are_chosen_in_the_order_of_arrival() {
        let mut waiting = WaitingUsers::default();
        let users = [party("a", 1), User::Host, party("b", 1), party("a", 2), party("a", 1), party("b", 1)];
        (0..).zip(&users).for_each(|(id, user)| waiting.push(id, user, id));
        assert_eq!(waiting.len(), 6);
        // The first of its party leaves, and then one behind it.
        assert_eq!(waiting.remove(0, &users[0]), Some(0));
        assert_eq!((waiting.remove(0, &users[0]), waiting.remove(5, &users[5])), (None, Some(5)));
        assert_eq!(drained(&mut waiting), [1, 2, 3, 4]);
        assert!(waiting.len() == 0 && waiting.operations.is_empty());
    }

    #[test]
    fn the_party_that_holds_the_fewest_is_chosen_among_those_that_may_have_one() {
        let mut waiting = WaitingUsers::default();
        let users = [party("a", 2), party("a", 1), party("b", 0), party("c", 3)];
        (0..).zip(&users).for_each(|(id, user)| waiting.push(id, user, id));
        let held =
            |_: Option<&Arc<str>>, caller| (0..4).find(|number| CallerId::of(Some(&number.to_string())) == caller);
        let is = |operation: Option<&Arc<str>>, name: &str| operation.is_some_and(|operation| **operation == *name);
        let chosen = waiting.next(|_| true, held);
        assert_eq!(chosen, Some((2, users[2].clone())));
        let chosen = waiting.next(|operation| !is(operation, "b"), held);
        assert_eq!(chosen, Some((1, users[1].clone())));
        let chosen =
            waiting.next(|operation| is(operation, "a"), |of, caller| held(of, caller).filter(|held| *held > 1));
        assert_eq!(chosen, Some((0, users[0].clone())));
        assert_eq!(waiting.next(|_| false, held), None);
    }

    #[test]
    fn a_choice_does_not_look_at_more_parties_the_more_wait() {
        for parties in [10, 1000] {
            let mut waiting = WaitingUsers::default();
            for (id, number) in (0..).zip(0..parties) {
                waiting.push(id, &party(["a", "b", "c"][number % 3], number), ());
            }
            let (mut operations, mut looked_at) = (0, 0);
            let next = waiting.next(
                |operation| {
                    operations += 1;
                    operation.is_some_and(|name| **name != *"c")
                },
                |_, _| {
                    looked_at += 1;
                    Some(0)
                },
            );
            assert_eq!((next.map(|(id, _)| id), operations, looked_at), (Some(0), 3, 2));
        }
    }
}
