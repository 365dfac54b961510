use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::condition::Leaf;

/// The deepest nesting of lists and objects along a pattern's paths. Anything deeper is ignored; no
/// payload may nest that deep.
const MAX_DEPTH: usize = 128;

/// The paths of a pattern, numbered, as a tree.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    root: Place,
    count: usize,
}

#[derive(Debug, Default)]
struct Place {
    below: Vec<(String, Place)>,
    /// The number of the path that ends here.
    number: Option<usize>,
}

/// A leaf of an event and the list elements that contain it, outermost first.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) elements: Vec<Element>,
    pub(crate) leaf: Leaf,
}

/// An element of a list that is an object or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    /// The number of the list, in the order in which the event's lists begin.
    list: usize,
    place: usize,
    /// The length of the path to the list.
    pub(crate) depth: usize,
}

impl Paths {
    /// The number of a path.
    pub(crate) fn number(&mut self, path: &[String]) -> usize {
        let mut place = &mut self.root;
        for name in path {
            let known = place.below.iter().position(|(below, _)| below == name);
            let at = known.unwrap_or_else(|| {
                place.below.push((name.clone(), Place::default()));
                place.below.len() - 1
            });
            match place.below.get_mut(at) {
                Some((_, below)) => place = below,
                None => break,
            }
        }
        *place.number.get_or_insert_with(|| {
            self.count += 1;
            self.count - 1
        })
    }

    /// The leaves of an event, JSON text, at each of the paths, ordered by path number and within a
    /// path by position in the event. None if the event is not an object.
    ///
    /// Only the values on these paths are parsed, so that a number beyond the range of floats or a
    /// deep nesting elsewhere does no harm.
    pub(crate) fn fields(&self, event: &str) -> Option<Vec<Vec<Field>>> {
        let event: &RawValue = serde_json::from_str(event).ok()?;
        if !event.get().starts_with('{') {
            return None;
        }
        let mut reading = Reading { fields: Vec::new(), within: Vec::new(), lists: 0 };
        reading.fields.resize_with(self.count, Vec::new);
        reading.value(&self.root, event, 0, 0);
        Some(reading.fields)
    }
}

struct Reading {
    fields: Vec<Vec<Field>>,
    within: Vec<Element>,
    lists: usize,
}

impl Reading {
    /// Reads a value below a path of `depth` names, nested in `nesting` lists and objects.
    fn value(&mut self, place: &Place, value: &RawValue, depth: usize, nesting: usize) {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'{' | b'[') if nesting >= MAX_DEPTH => {}
            Some(b'{') => {
                if place.below.is_empty() {
                    return;
                }
                let members: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
                for (name, below) in &place.below {
                    if let Some(member) = members.get(name) {
                        self.value(below, member, depth + 1, nesting + 1);
                    }
                }
            }
            Some(b'[') => {
                let list = self.lists;
                self.lists += 1;
                let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
                for (at, item) in items.into_iter().enumerate() {
                    let is_element = item.get().starts_with(['{', '[']);
                    if is_element {
                        self.within.push(Element { list, place: at, depth });
                    }
                    self.value(place, item, depth, nesting + 1);
                    if is_element {
                        self.within.pop();
                    }
                }
            }
            _ => {
                let fields = place.number.and_then(|number| self.fields.get_mut(number));
                if let (Some(fields), Some(leaf)) = (fields, Leaf::read(text)) {
                    fields.push(Field { elements: self.within.clone(), leaf });
                }
            }
        }
    }
}

/// Those of a path's fields that lie within these elements. They are contiguous in the event's
/// order.
pub(crate) fn within<'f>(fields: &'f [Field], elements: &[Element]) -> &'f [Field] {
    let outer = |field: &Field| field.elements.get(..elements.len()).unwrap_or(&field.elements).cmp(elements);
    let from = fields.partition_point(|field| outer(field).is_lt());
    let to = fields.partition_point(|field| outer(field).is_le());
    fields.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(event: &str) -> Option<Vec<Leaf>> {
        let mut paths = Paths::default();
        assert_eq!(paths.number(&["a".to_owned()]), 0);
        assert_eq!(paths.number(&["b".to_owned(), "c".to_owned()]), 1);
        assert_eq!(paths.number(&["a".to_owned()]), 0);
        Some(paths.fields(event)?.remove(0).into_iter().map(|field| field.leaf).collect())
    }

    #[test]
    fn leaves_are_what_stands_in_a_member_at_any_depth_of_lists() {
        let text = |text: &str| Leaf::Text(text.to_owned());
        assert_eq!(leaves(r#"{"a":["x",[null,{"a":1}]]}"#).unwrap(), [text("x"), Leaf::Null]);
        assert_eq!(leaves("{\"a\":\"\\u0061\"}").unwrap(), [text("a")]);
        assert_eq!(leaves(r#"{"a":100.50}"#).unwrap(), [Leaf::read("100.5").unwrap()]);
        for event in [r#"{"a":{}}"#, r#"{"a":[]}"#, "{}", r#"{"a":[[],[{}]]}"#] {
            assert_eq!(leaves(event).unwrap(), [], "{event}");
        }
        assert!(leaves("[]").is_none() && leaves("").is_none());
    }
}
