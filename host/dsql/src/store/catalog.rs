use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sql_error::SqlError;
use crate::store::sequence::Sequence;
use crate::store::table::Table;

/// The catalogue as one session sees it: all objects, and where it looks for names.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) objects: Arc<Objects>,
    /// The schemas in which a name without a schema is looked for, in order. `pg_catalog` is before
    /// them all.
    pub(crate) search_path: Arc<[String]>,
    /// The role of the session.
    pub(crate) user: Arc<str>,
}

/// The objects of the database. It is shared, and copied on change.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    /// Grows with every change.
    pub(crate) version: u64,
    pub(crate) next_oid: u32,
    pub(crate) schemas: BTreeMap<String, Schema>,
    /// By schema and name.
    pub(crate) tables: BTreeMap<(String, String), Arc<Table>>,
    /// By schema and name.
    pub(crate) sequences: BTreeMap<(String, String), Arc<Sequence>>,
    pub(crate) roles: BTreeMap<String, Role>,
    /// Which IAM principals may sign in as which role, with the OID of the grant.
    pub(crate) iam_mappings: BTreeMap<(String, String), u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) id: u32,
    pub(crate) owner: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) id: u32,
    pub(crate) can_login: bool,
}

impl Catalog {
    /// The table with this name. It is looked for on the search path where no schema is given.
    pub(crate) fn table(&self, schema: Option<&str>, name: &str) -> Option<&Arc<Table>> {
        self.find(&self.objects.tables, schema, name)
    }

    /// The sequence with this name.
    pub(crate) fn sequence(&self, schema: Option<&str>, name: &str) -> Option<&Arc<Sequence>> {
        self.find(&self.objects.sequences, schema, name)
    }

    /// The sequence with this OID.
    pub(crate) fn sequence_by_id(&self, id: u32) -> Option<&Arc<Sequence>> {
        self.objects.sequences.values().find(|sequence| sequence.id == id)
    }

    /// The table with this OID.
    pub(crate) fn table_by_id(&self, id: u32) -> Option<&Arc<Table>> {
        self.objects.tables.values().find(|table| table.id == id)
    }

    fn find<'c, T>(
        &self,
        all: &'c BTreeMap<(String, String), Arc<T>>,
        schema: Option<&str>,
        name: &str,
    ) -> Option<&'c Arc<T>> {
        let in_schema = |schema: &str| all.get(&(schema.to_owned(), name.to_owned()));
        match schema {
            Some(schema) => in_schema(schema),
            None => self.search_path.iter().find_map(|schema| in_schema(schema)),
        }
    }

    /// The schema in which an object without one is created.
    pub(crate) fn current_schema(&self) -> Result<&str, SqlError> {
        let existing = self.search_path.iter().find(|schema| self.objects.schemas.contains_key(*schema));
        existing.map(String::as_str).ok_or_else(|| SqlError::new("3F000", "no schema has been selected to create in"))
    }
}

/// The first OID of an object that a user created (`FirstNormalObjectId`).
const FIRST_OID: u32 = 16384;

impl Default for Objects {
    fn default() -> Self {
        let schema = |id, owner: &str| Schema { id, owner: owner.to_owned() };
        let schemas = [
            ("information_schema", schema(13_000, "postgres")),
            ("pg_catalog", schema(11, "postgres")),
            ("public", schema(2_200, "pg_database_owner")),
            ("sys", schema(13_001, "postgres")),
        ];
        let role = |id| Role { id, can_login: true };
        Self {
            version: 0,
            next_oid: FIRST_OID,
            schemas: schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect(),
            tables: BTreeMap::new(),
            sequences: BTreeMap::new(),
            roles: [("postgres".to_owned(), role(10)), ("admin".to_owned(), role(16_000))].into(),
            iam_mappings: BTreeMap::new(),
        }
    }
}

impl Objects {
    pub(crate) fn new_oid(&mut self) -> u32 {
        let oid = self.next_oid;
        self.next_oid += 1;
        oid
    }
}
