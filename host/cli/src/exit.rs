use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked for, and all is well.
    Success,
    /// A rule rejected the request.
    Rejected,
    /// A test failed, or too little is covered.
    TestFailed,
    /// A replay is not as it was recorded.
    Differs,
    /// A bundle has errors.
    HasErrors,
    /// Something is missing on this machine.
    Missing,
    /// A deployment is not well.
    NotWell,
    /// There is something to do.
    ToDo,
    /// The request cannot be served as it is.
    Unusable,
    /// The command failed.
    Broken,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Rejected | Self::TestFailed | Self::Differs | Self::HasErrors | Self::Missing | Self::NotWell => 1,
            // As clap's for arguments that it does not understand.
            Self::ToDo | Self::Unusable => 2,
            Self::Broken => 3,
        }
    }

    /// Success, or how it ended otherwise.
    pub(crate) fn success_or(is_success: bool, otherwise: Self) -> Self {
        if is_success { Self::Success } else { otherwise }
    }
}

impl From<()> for Exit {
    fn from((): ()) -> Self {
        Self::Success
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
