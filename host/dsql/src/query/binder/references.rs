//! The foreign keys that a change of tables leads to.

use std::sync::Arc;

use crate::SqlError;
use crate::query::binder::Binder;
use crate::query::binder::changes::Constraints;
use crate::query::references::{References, Referential, Trigger};
use crate::store::foreign_key::Reaction;
use crate::store::link::Link;
use crate::store::table::Table;

impl Binder<'_> {
    /// Notes that the statement changes a table.
    pub(crate) fn note_changed(&self, table: &Arc<Table>) {
        self.changed.borrow_mut().push(Arc::clone(table));
    }

    /// What foreign keys ask of the tables that the statement changes.
    pub(crate) fn references(&self) -> Result<References, SqlError> {
        let mut references = References::new();
        let mut left = self.changed.take();
        while let Some(table) = left.pop() {
            if references.contains_key(&table.id) {
                continue;
            }
            let triggers = self.triggers(&table);
            for trigger in &triggers {
                if let Trigger::Referenced(link) = trigger
                    && [link.on_delete, link.on_update].iter().any(|action| changes_rows(*action))
                {
                    left.push(Arc::clone(&link.child));
                }
            }
            if !triggers.is_empty() {
                let Constraints { defaults, checks } = self.constraints(&table)?;
                references.insert(table.id, Referential { table, triggers, defaults, checks });
            }
        }
        Ok(references)
    }

    /// PostgreSQL orders triggers by their names, which have the kind and then the OID.
    fn triggers(&self, table: &Arc<Table>) -> Vec<Trigger> {
        let objects = &self.catalog.objects;
        let mut links = Vec::new();
        for child in objects.tables.values() {
            for key in child.foreign_keys.iter().filter(|key| key.table == table.id) {
                links.extend(Link::new(objects, child, key));
            }
        }
        let own = table.foreign_keys.iter().filter_map(|key| Link::new(objects, table, key));
        let mut own: Vec<_> = own.collect();
        links.sort_by_key(|link| link.id);
        own.sort_by_key(|link| link.id);
        let referenced = links.into_iter().map(|link| Trigger::Referenced(Arc::new(link)));
        referenced.chain(own.into_iter().map(|link| Trigger::Referencing(Arc::new(link)))).collect()
    }
}

fn changes_rows(action: Reaction) -> bool {
    !matches!(action, Reaction::NoAction | Reaction::Restrict)
}
