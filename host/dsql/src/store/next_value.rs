use crate::sql_error::SqlError;
use crate::store::sequence::{Held, Sequence};
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
            None => sequence.start,
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
