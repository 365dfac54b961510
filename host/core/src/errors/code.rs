use std::fmt;

/// A stable error code for authors of rules. `tenet explain` describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// No bundle was found.
    NoBundle,
    /// A manifest cannot be read.
    Manifest,
    /// A file has a version that this release does not read.
    ManifestVersion,
    /// An operation is invalid.
    Operation,
    /// A rule's folder is invalid.
    RuleFolder,
    /// A limit is invalid or above its ceiling.
    Ceiling,
    /// A rule requests something that it is not granted.
    NotGranted,
    /// An event pattern is not supported.
    EventPattern,
    /// A name that is not a member of the payload.
    Member,
    /// cargo could not build the rules.
    Cargo,
    /// The result is not a rule.
    NotARule,
    /// A script cannot be built.
    Script,
    /// A program that the build needs is missing.
    Tool,
    /// A rule does not declare its input and output.
    Undescribed,
    /// A schema declared by a rule is not supported.
    Schema,
    /// A schema step is not valid for Aurora DSQL.
    SchemaStep,
    /// The database lacks the bundle's tables.
    SchemaState,
    /// A rule is granted something that no schema step creates.
    NotInSchema,
    /// A statement uses something that is not granted.
    StatementNotGranted,
    /// A statement is not supported.
    StatementNotUnderstood,
    /// An event is not granted.
    EventNotGranted,
    /// The vault refused a value.
    VaultRefused,
    /// A rule trapped.
    Trapped,
    /// A rule reported a bug.
    Broken,
    /// A rule exceeded a limit.
    Limit,
    /// A rule accepted after a statement had failed.
    SpentTransaction,
    /// A rule's output does not match its declared schema.
    Output,
    /// The request could not be decided.
    HostFailed,
    /// The payload of an operation that follows does not fit its schema.
    FollowUpPayload,
    /// A test cannot be read.
    TestFile,
    /// The verdict differs from the expected one.
    Verdict,
    /// The rows differ from the expected ones.
    Rows,
    /// The events differ from the expected ones.
    Events,
    /// A request exceeds its expected costs.
    Costs,
    /// The result of concurrent requests matches no serial order.
    Orders,
    /// There are no tests.
    NoTests,
    /// A capsule cannot be used.
    Capsule,
    /// A replay gave a different result.
    Replay,
    /// The database is unavailable.
    Database,
    /// The payload is not JSON.
    Payload,
    /// The database rejects the role's login.
    DatabaseRole,
    /// The database role lacks a grant.
    DatabaseGrant,
    /// The database lacks the host's tables.
    DatabaseSchema,
    /// A table of the database differs from the one that the bundle was built for.
    SchemaDiffers,
}

impl Code {
    /// All of them, in order.
    pub const ALL: [Self; 44] = [
        Self::NoBundle,
        Self::Manifest,
        Self::ManifestVersion,
        Self::Operation,
        Self::RuleFolder,
        Self::Ceiling,
        Self::NotGranted,
        Self::EventPattern,
        Self::Member,
        Self::Cargo,
        Self::NotARule,
        Self::Script,
        Self::Tool,
        Self::Undescribed,
        Self::Schema,
        Self::SchemaStep,
        Self::SchemaState,
        Self::NotInSchema,
        Self::StatementNotGranted,
        Self::StatementNotUnderstood,
        Self::EventNotGranted,
        Self::VaultRefused,
        Self::Trapped,
        Self::Broken,
        Self::Limit,
        Self::SpentTransaction,
        Self::HostFailed,
        Self::Output,
        Self::FollowUpPayload,
        Self::TestFile,
        Self::Verdict,
        Self::Rows,
        Self::Events,
        Self::Costs,
        Self::Orders,
        Self::NoTests,
        Self::Capsule,
        Self::Replay,
        Self::Database,
        Self::Payload,
        Self::DatabaseRole,
        Self::DatabaseGrant,
        Self::DatabaseSchema,
        Self::SchemaDiffers,
    ];

    /// The code itself: `T0101`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoBundle => "T0101",
            Self::Manifest => "T0102",
            Self::ManifestVersion => "T0103",
            Self::Operation => "T0104",
            Self::RuleFolder => "T0105",
            Self::Ceiling => "T0106",
            Self::NotGranted => "T0107",
            Self::EventPattern => "T0108",
            Self::Member => "T0109",
            Self::Cargo => "T0201",
            Self::NotARule => "T0202",
            Self::Script => "T0203",
            Self::Tool => "T0204",
            Self::Undescribed => "T0205",
            Self::Schema => "T0206",
            Self::SchemaStep => "T0301",
            Self::SchemaState => "T0302",
            Self::NotInSchema => "T0303",
            Self::StatementNotGranted => "T0401",
            Self::StatementNotUnderstood => "T0402",
            Self::EventNotGranted => "T0403",
            Self::VaultRefused => "T0404",
            Self::Trapped => "T0501",
            Self::Broken => "T0502",
            Self::Limit => "T0503",
            Self::SpentTransaction => "T0504",
            Self::HostFailed => "T0505",
            Self::Output => "T0506",
            Self::FollowUpPayload => "T0507",
            Self::TestFile => "T0601",
            Self::Verdict => "T0602",
            Self::Rows => "T0603",
            Self::Events => "T0604",
            Self::Costs => "T0605",
            Self::Orders => "T0606",
            Self::NoTests => "T0607",
            Self::Capsule => "T0701",
            Self::Replay => "T0702",
            Self::Database => "T0801",
            Self::Payload => "T0802",
            Self::DatabaseRole => "T0803",
            Self::DatabaseGrant => "T0804",
            Self::DatabaseSchema => "T0805",
            Self::SchemaDiffers => "T0806",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
