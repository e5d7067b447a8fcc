//! How a graph lies in memory: what a change reads of a node is in one place, and next to that of the nodes recorded with it.
//!
//! A step at a choice of a long chain finds nothing of it in the caches, so what it costs is how many lines it touches.

use super::op::Program;
use super::raw::Id;
use super::record::{Object, Target};
use super::whole::Whole;
use std::hint::black_box;

/// What a node does when an operand changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// A constant.
    Given,
    /// The choice at a place, and the cell of its log density, 0 for none.
    Choice(u32, Cell),
    /// A program of scalar operations.
    Scalar(u32),
    /// A program whose result is added to the log weight; a site.
    Score(u32, u32),
    /// A program whose result must not change.
    Guard(u32),
    /// The log density of the choice at a place, by [`Graph::calls`].
    Density(u32, u32),
    /// A function, by [`Graph::calls`].
    Call(u32),
    Whole(u32),
    Pack,
}

impl Node {
    /// As three words: the kind and two numbers.
    fn encode(self) -> [u32; 3] {
        match self {
            Node::Given => [0, 0, 0],
            Node::Choice(a, b) => [1, a, b],
            Node::Scalar(a) => [2, a, 0],
            Node::Score(a, b) => [3, a, b],
            Node::Guard(a) => [4, a, 0],
            Node::Density(a, b) => [5, a, b],
            Node::Call(a) => [6, a, 0],
            Node::Whole(a) => [7, a, 0],
            Node::Pack => [8, 0, 0],
        }
    }

    #[inline]
    fn decode(kind: u32, a: u32, b: u32) -> Node {
        match kind {
            1 => Node::Choice(a, b),
            2 => Node::Scalar(a),
            3 => Node::Score(a, b),
            4 => Node::Guard(a),
            5 => Node::Density(a, b),
            6 => Node::Call(a),
            7 => Node::Whole(a),
            8 => Node::Pack,
            _ => Node::Given,
        }
    }
}

/// A function, none for the log density of a distribution that is an operand; a program that says the same on the usual path; and, for
/// the density of a choice whose distribution is known, which that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallTo {
    pub func: Option<u32>,
    pub program: Option<u32>,
    pub dist: Option<u32>,
}

/// Where a node lies, in units of [`CELL`] words. Nodes lie in the order of their numbers.
pub type Cell = u32;

const CELL: usize = 4;
/// Words before the operands: the kind and the number of operands, the number of the node, what it does, the words of its readers.
const HEAD: usize = 5;
const KIND_BITS: u32 = 4;
/// Marks a reader that is told which part of it changed, in the word after.
const PART: u32 = 1 << 31;
/// Words that a step at a choice is likely to read from there on.
const AHEAD: usize = 80;

/// What one run did on which choices have influence.
#[derive(Debug, Default)]
pub struct Graph {
    /// The nodes one after the other, each with its operands and its readers.
    pub(super) words: Vec<u32>,
    pub programs: Vec<Program>,
    pub wholes: Vec<Whole>,
    /// Each function once.
    pub calls: Vec<CallTo>,
    /// The cells of the choices.
    pub choices: Vec<Cell>,
    /// The sites and distributions of the choices.
    pub targets: Vec<(u32, Target)>,
    pub result: Option<Object>,
}

impl Graph {
    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.words.len() / CELL
    }

    #[inline]
    fn head(&self, cell: Cell) -> &[u32] {
        &self.words[cell as usize * CELL..][..HEAD]
    }

    /// What a node does.
    #[inline]
    pub fn node(&self, cell: Cell) -> Node {
        let head = self.head(cell);
        Node::decode(head[0] & ((1 << KIND_BITS) - 1), head[2], head[3])
    }

    /// The number of a node, under which its value is kept.
    #[inline]
    pub fn id(&self, cell: Cell) -> Id {
        self.words[cell as usize * CELL + 1]
    }

    /// The numbers of the operands of a node.
    #[inline]
    pub fn inputs(&self, cell: Cell) -> &[Id] {
        let count = (self.head(cell)[0] >> KIND_BITS) as usize;
        &self.words[cell as usize * CELL + HEAD..][..count]
    }

    /// Who reads a node, and at which of its parts, where it is to be told.
    #[inline]
    pub fn readers(&self, cell: Cell) -> impl Iterator<Item = (Cell, Option<u32>)> + '_ {
        let head = self.head(cell);
        let (inputs, count) = ((head[0] >> KIND_BITS) as usize, head[4] as usize);
        let mut words = self.words[cell as usize * CELL + HEAD + inputs..][..count].iter();
        std::iter::from_fn(move || {
            let word = *words.next()?;
            let part = if word & PART == 0 { None } else { words.next().copied() };
            Some((word & !PART, part))
        })
    }

    /// Reads a word of each line of the cache that a step at a choice is likely to need; gives the number of its node.
    #[inline]
    pub fn attend(&self, place: usize) -> Option<Id> {
        let cell = *self.choices.get(place)? as usize;
        for word in self.words.iter().skip(cell * CELL).take(AHEAD).step_by(16) {
            black_box(*word);
        }
        self.words.get(cell * CELL + 1).copied()
    }
}

/// Nodes that are not laid out yet.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub nodes: Vec<Node>,
    /// Where the operands of each node end.
    ends: Vec<usize>,
    inputs: Vec<Id>,
    /// For each operand the part of its reader that it is, where the reader is told.
    slots: Vec<u32>,
}

impl Draft {
    /// Adds a node with its operands, and the parts that they are of it.
    pub fn add(&mut self, node: Node, inputs: &[Id], slots: Option<Vec<u32>>) {
        self.nodes.push(node);
        self.inputs.extend(inputs);
        self.slots.extend(slots.unwrap_or_else(|| vec![0; inputs.len()]));
        self.ends.push(self.inputs.len());
    }

    fn range(&self, node: usize) -> std::ops::Range<usize> {
        node.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[node]
    }

    /// The words of the graph and the cell of each node. `densities` are the nodes of the log densities of the choices, 0 for none.
    pub fn lay_out(&self, densities: &[Id]) -> (Vec<u32>, Vec<Cell>) {
        let count = self.nodes.len();
        let told = |node: usize| matches!(self.nodes[node], Node::Pack);
        // Constants never change: nobody need be told.
        let fixed = |id: Id| matches!(self.nodes[id as usize], Node::Given);
        let mut readers = vec![0u32; count];
        for node in 0..count {
            for id in self.inputs[self.range(node)].iter().filter(|id| !fixed(**id)) {
                readers[*id as usize] += 1 + u32::from(told(node));
            }
        }
        let mut cells = Vec::with_capacity(count);
        let mut next = Vec::with_capacity(count);
        let mut words = 0;
        for (node, readers) in readers.iter().enumerate() {
            cells.push((words / CELL) as Cell);
            let inputs = self.range(node).len();
            next.push(words + HEAD + inputs);
            words = (words + HEAD + inputs + *readers as usize).next_multiple_of(CELL);
        }
        let mut out = vec![0; words];
        for node in 0..count {
            let what = match self.nodes[node] {
                Node::Choice(place, _) => match densities[place as usize] {
                    0 => Node::Choice(place, 0),
                    density => Node::Choice(place, cells[density as usize]),
                },
                other => other,
            };
            let [kind, a, b] = what.encode();
            let range = self.range(node);
            let at = cells[node] as usize * CELL;
            out[at..at + HEAD].copy_from_slice(&[
                kind | (range.len() as u32) << KIND_BITS,
                node as u32,
                a,
                b,
                readers[node],
            ]);
            out[at + HEAD..at + HEAD + range.len()].copy_from_slice(&self.inputs[range.clone()]);
            for k in range.filter(|k| !fixed(self.inputs[*k])) {
                let place = &mut next[self.inputs[k] as usize];
                out[*place] = cells[node];
                *place += 1;
                if told(node) {
                    out[*place - 1] |= PART;
                    out[*place] = self.slots[k];
                    *place += 1;
                }
            }
        }
        (out, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_keep_what_they_do_their_operands_and_their_readers() {
        let mut draft = Draft::default();
        draft.add(Node::Given, &[], None);
        draft.add(Node::Choice(0, 0), &[], None);
        draft.add(Node::Choice(1, 0), &[], None);
        draft.add(Node::Density(1, 7), &[0, 1, 2], None);
        draft.add(Node::Pack, &[2, 1], Some(vec![5, 9]));
        draft.add(Node::Score(3, 4), &[1, 4], None);
        let (words, cells) = draft.lay_out(&[0, 3]);
        let graph = Graph { words, choices: vec![cells[1], cells[2]], ..Graph::default() };
        assert!(cells.windows(2).all(|pair| pair[0] < pair[1]) && (*cells.last().unwrap() as usize) < graph.len());
        let nodes: Vec<Node> = cells.iter().map(|cell| graph.node(*cell)).collect();
        assert_eq!(nodes[1..3], [Node::Choice(0, 0), Node::Choice(1, cells[3])]);
        assert_eq!(nodes[3..], draft.nodes[3..]);
        let ids: Vec<Id> = cells.iter().map(|cell| graph.id(*cell)).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
        assert_eq!((graph.inputs(cells[3]), graph.inputs(cells[5])), ([0, 1, 2].as_slice(), [1, 4].as_slice()));
        let readers = |node: usize| graph.readers(cells[node]).collect::<Vec<_>>();
        assert_eq!(readers(0), []);
        assert_eq!(readers(1), [(cells[3], None), (cells[4], Some(9)), (cells[5], None)]);
        assert_eq!(readers(2), [(cells[3], None), (cells[4], Some(5))]);
        assert_eq!(readers(4), [(cells[5], None)]);
        assert_eq!((graph.attend(0), graph.attend(1), graph.attend(2)), (Some(1), Some(2), None));
    }
}
