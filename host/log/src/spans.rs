use std::cell::RefCell;
use std::time::Instant;

use tracing::Metadata;
use tracing::span::Id;

use crate::Format;
use crate::members::Members;

thread_local! {
    /// The spans that this thread is in, the innermost last.
    static ENTERED: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// The spans that are open. Their memory is used again and again: a request's few spans cost
/// no allocation.
#[derive(Debug)]
pub(crate) struct Spans {
    format: Format,
    places: Vec<Span>,
    free: Vec<usize>,
}

/// What a span has until it is closed.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) metadata: &'static Metadata<'static>,
    /// The span around it.
    pub(crate) around: Option<Id>,
    /// How many hold it open: whoever can enter it, and the spans in it.
    handles: usize,
    pub(crate) since: Instant,
    pub(crate) members: Members,
    /// The same members as JSON, for lines of metrics where all others are for people.
    pub(crate) json: Members,
    /// The spans in it that are closed, with separators behind them.
    pub(crate) inside: Vec<u8>,
}

impl Spans {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, places: Vec::new(), free: Vec::new() }
    }

    /// Opens a span, which holds the one around it open.
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

    /// A span and the one around it.
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

    /// A span and those around it, the innermost first.
    pub(crate) fn outwards(&self, innermost: &Id) -> impl Iterator<Item = &Span> {
        std::iter::successors(self.get(innermost), |span| span.around.as_ref().and_then(|id| self.get(id)))
    }

    pub(crate) fn hold(&mut self, id: &Id) {
        if let Some(span) = self.get_mut(id) {
            span.handles += 1;
        }
    }

    /// Lets go of a span; tells whether nobody holds it any more.
    pub(crate) fn let_go(&mut self, id: &Id) -> bool {
        let Some(span) = self.get_mut(id) else { return false };
        span.handles = span.handles.saturating_sub(1);
        span.handles == 0
    }

    /// Takes a closed span's place back; gives the span around it.
    pub(crate) fn forget(&mut self, id: &Id) -> Option<Id> {
        self.free.push(place(id));
        self.get_mut(id)?.around.take()
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap_or(usize::MAX)
}

/// Notes that this thread enters a span. A thread that ends has no place for that any more.
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

/// The innermost span that this thread is in.
pub(crate) fn current() -> Option<Id> {
    ENTERED.try_with(|entered| entered.borrow().last().cloned()).ok().flatten()
}
