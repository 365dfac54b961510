/// What a stack needs before CloudFormation takes an update of it. The statuses are those of
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing.
    None,
    /// It can only be deleted: its creation or its deletion has failed, or a change set announced it
    /// and it was never created.
    Delete,
    /// The rollback of its last update has failed, and has to be completed
    /// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html>).
    ContinueRollback,
    /// Its last update has failed without a rollback, and has to be rolled back
    /// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html>).
    RollBack,
    /// Unknown here.
    ByHand,
}

impl Recovery {
    /// What a stack with this status needs, once no operation is in progress.
    pub(crate) fn of(status: &str) -> Self {
        match status {
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE" => Self::None,
            "REVIEW_IN_PROGRESS" | "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED" => {
                Self::Delete
            }
            "UPDATE_ROLLBACK_FAILED" => Self::ContinueRollback,
            "UPDATE_FAILED" => Self::RollBack,
            _ => Self::ByHand,
        }
    }
}

/// Whether a resource failed for a reason that ends without a change: a queue of the same name was
/// deleted in the last 60 seconds
/// (<https://github.com/pulumi/pulumi-aws-native/issues/1983>), or a new role is not known
/// everywhere yet
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>).
pub(crate) fn passes(reason: &str) -> bool {
    [
        "wait 60 seconds after deleting a queue",
        "QueueDeletedRecently",
        "cannot be assumed by Lambda",
        "must allow AWS EventBridge Scheduler to assume the role",
        "authorized to assume the provided role",
    ]
    .iter()
    .any(|text| reason.contains(text))
}
