use std::cell::RefCell;
use std::time::Instant;

use tracing::Metadata;
use tracing::span::Id;

use crate::Format;
use crate::members::Members;

thread_local! {
    /// The spans that this thread has entered, innermost last.
    static ENTERED: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// The open spans. Their memory is reused: a request's few spans need no allocation.
#[derive(Debug)]
pub(crate) struct Spans {
    format: Format,
    places: Vec<Span>,
    free: Vec<usize>,
}

/// The state of an open span.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) metadata: &'static Metadata<'static>,
    /// Its parent.
    pub(crate) around: Option<Id>,
    /// The number of references that keep it open: its handles and its open children.
    handles: usize,
    pub(crate) since: Instant,
    pub(crate) members: Members,
    /// The same members as JSON, for lines of metrics when all others are text.
    pub(crate) json: Members,
    /// Its closed children, with separators.
    pub(crate) inside: Vec<u8>,
}

impl Spans {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, places: Vec::new(), free: Vec::new() }
    }

    /// Opens a span, which keeps its parent open.
    pub(crate) fn open(&mut self, metadata: &'static Metadata<'static>, around: Option<Id>) -> (Id, Option<&mut Span>) {
        if let Some(around) = &around {
            self.hold(around);
        }
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(span) => {
                span.metadata = metadata;
                span.around = around;
                span.handles = 1;
                span.since = Instant::now();
                span.members.clear();
                span.json.clear();
                span.inside.clear();
            }
            None => self.places.push(Span {
                metadata,
                around,
                handles: 1,
                since: Instant::now(),
                members: Members::new(self.format),
                json: Members::new(Format::Json),
                inside: Vec::new(),
            }),
        }
        (Id::from_u64(place as u64 + 1), self.places.get_mut(place))
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&Span> {
        self.places.get(place(id))
    }

    pub(crate) fn get_mut(&mut self, id: &Id) -> Option<&mut Span> {
        self.places.get_mut(place(id))
    }

    /// A span and its parent.
    pub(crate) fn with_around(&mut self, id: &Id) -> Option<(&mut Span, Option<&mut Span>)> {
        let around = self.get(id)?.around.as_ref().map(place);
        match around {
            Some(around) => {
                let [span, around] = self.places.get_disjoint_mut([place(id), around]).ok()?;
                Some((span, Some(around)))
            }
            None => Some((self.get_mut(id)?, None)),
        }
    }

    /// A span and its ancestors, innermost first.
    pub(crate) fn outwards(&self, innermost: &Id) -> impl Iterator<Item = &Span> {
        std::iter::successors(self.get(innermost), |span| span.around.as_ref().and_then(|id| self.get(id)))
    }

    pub(crate) fn hold(&mut self, id: &Id) {
        if let Some(span) = self.get_mut(id) {
            span.handles += 1;
        }
    }

    /// Drops one reference. Returns whether it was the last.
    pub(crate) fn let_go(&mut self, id: &Id) -> bool {
        let Some(span) = self.get_mut(id) else { return false };
        span.handles = span.handles.saturating_sub(1);
        span.handles == 0
    }

    /// Removes a closed span. Returns its parent.
    pub(crate) fn forget(&mut self, id: &Id) -> Option<Id> {
        self.free.push(place(id));
        self.get_mut(id)?.around.take()
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap_or(usize::MAX)
}

/// Records that this thread enters a span. A thread that is ending cannot record it.
pub(crate) fn enter(id: &Id) {
    let _is_noted = ENTERED.try_with(|entered| entered.borrow_mut().push(id.clone()));
}

pub(crate) fn exit(id: &Id) {
    let _is_noted = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        if let Some(place) = entered.iter().rposition(|known| known == id) {
            entered.remove(place);
        }
    });
}

/// The innermost span that this thread has entered.
pub(crate) fn current() -> Option<Id> {
    ENTERED.try_with(|entered| entered.borrow().last().cloned()).ok().flatten()
}
