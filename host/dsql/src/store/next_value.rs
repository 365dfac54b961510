use crate::sql_error::SqlError;
use crate::store::sequence::{Held, Position, Sequence};
use crate::store::state::State;

impl State {
    /// The next number for this session, which takes as many at once as the sequence says.
    pub(crate) fn next_value(&mut self, session: u64, sequence: &Sequence) -> Result<i64, SqlError> {
        if let Some(held) = self.held.get_mut(&(session, sequence.id))
            && held.left > 0
        {
            held.left -= 1;
            held.current += sequence.increment;
            return Ok(held.current);
        }
        let position = self.positions.entry(sequence.id).or_default();
        let first = match position.last {
            None => position.first.unwrap_or(sequence.start),
            Some(last) => match last.checked_add(sequence.increment).filter(|next| sequence.holds(*next)) {
                Some(next) => next,
                None if sequence.cycle && sequence.increment > 0 => sequence.min,
                None if sequence.cycle => sequence.max,
                None => return Err(sequence.is_at_its_end()),
            },
        };
        let end = if sequence.increment > 0 { sequence.max } else { sequence.min };
        let room = (i128::from(end) - i128::from(first)) / i128::from(sequence.increment);
        let left = i64::try_from(room).unwrap_or(i64::MAX).min(sequence.cache - 1);
        position.last = Some(first + left * sequence.increment);
        self.held.insert((session, sequence.id), Held { current: first, left });
        Ok(first)
    }

    /// Sets the last number, or the next one where it is not `is_given` yet. What the session holds is dropped, and not
    /// what others hold, as PostgreSQL does it.
    pub(crate) fn set_value(
        &mut self,
        session: u64,
        sequence: &Sequence,
        number: i64,
        is_given: bool,
    ) -> Result<(), SqlError> {
        if !sequence.holds(number) {
            let Sequence { name, min, max, .. } = sequence;
            let text = format!("setval: value {number} is out of bounds for sequence \"{name}\" ({min}..{max})");
            return Err(SqlError::new("22003", text));
        }
        let position = if is_given {
            Position { last: Some(number), first: None }
        } else {
            Position { last: None, first: Some(number) }
        };
        self.positions.insert(sequence.id, position);
        self.held.remove(&(session, sequence.id));
        Ok(())
    }
}

impl Sequence {
    fn holds(&self, number: i64) -> bool {
        (self.min..=self.max).contains(&number)
    }

    fn is_at_its_end(&self) -> SqlError {
        let Self { name, min, max, increment, .. } = self;
        let text = if *increment > 0 {
            format!("nextval: reached maximum value of sequence \"{name}\" ({max})")
        } else {
            format!("nextval: reached minimum value of sequence \"{name}\" ({min})")
        };
        SqlError::new("2200H", text)
    }
}
