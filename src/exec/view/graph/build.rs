//! From what was recorded to a graph: chains of scalar operations become one node each, and nodes learn who depends on them.

use super::op::{Place, Program, Programs, Step};
use super::raw::{Id, Raw, RawGraph, Shadow};
use super::record::{Met, Object, Target};
use super::whole::Whole;
use crate::value::Value;

/// The most steps and inputs of operations made into one.
const MOST_FUSED: u32 = 48;

/// What a node does when an operand changed.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// A constant.
    Given,
    /// The choice at a place.
    Choice(u32),
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

/// A function, none for the log density of a distribution that is an operand; and a program that says the same on the usual path.
#[derive(Clone, Copy, Debug)]
pub struct CallTo {
    pub func: Option<u32>,
    pub program: Option<u32>,
}

/// A choice: its node and that of its log density, 0 for none.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceNode {
    pub node: Id,
    pub density: Id,
}

/// A node, and where its operands and its readers begin in the lists of all.
#[derive(Clone, Copy, Debug)]
struct Record {
    node: Node,
    inputs: u32,
    edges: u32,
}

/// What one run did on which choices have influence.
#[derive(Debug, Default)]
pub struct Graph {
    /// The nodes, and one more that says where the lists end.
    records: Vec<Record>,
    inputs: Vec<Id>,
    /// Who reads a node, and at which of its parts or operands.
    edges: Vec<(Id, u32)>,
    pub programs: Vec<Program>,
    pub wholes: Vec<Whole>,
    pub calls: Vec<CallTo>,
    pub choices: Vec<ChoiceNode>,
    /// The sites and distributions of the choices.
    pub targets: Vec<(u32, Target)>,
    pub result: Option<Object>,
}

impl Graph {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.records.len() - 1
    }

    /// What a node does.
    #[inline]
    pub fn node(&self, node: Id) -> Node {
        self.records[node as usize].node
    }

    /// The operands of a node.
    #[inline]
    pub fn inputs(&self, node: Id) -> &[Id] {
        let k = node as usize;
        &self.inputs[self.records[k].inputs as usize..self.records[k + 1].inputs as usize]
    }

    /// Who reads a node, and where.
    #[inline]
    pub fn readers(&self, node: Id) -> &[(Id, u32)] {
        let k = node as usize;
        &self.edges[self.records[k].edges as usize..self.records[k + 1].edges as usize]
    }
}

/// Scalar operations that only one other reads are done within it.
struct Fusion<'a> {
    raw: &'a RawGraph,
    /// How often each node is read.
    uses: Vec<u32>,
    /// Steps and operands of what is done within a node, itself included.
    size: Vec<u32>,
    within: Vec<bool>,
}

impl Fusion<'_> {
    fn new<'a>(raw: &'a RawGraph, met: &[Met], result: &Object) -> Fusion<'a> {
        let n = raw.nodes.len();
        let mut this = Fusion { raw, uses: vec![0; n], size: vec![0; n], within: vec![false; n] };
        for node in &raw.nodes {
            operands(node, |id| this.uses[id as usize] += 1);
        }
        for choice in met {
            match &choice.target {
                Target::Known(_, args) => args.iter().for_each(|id| this.uses[*id as usize] += 2),
                Target::Node(id) => this.uses[*id as usize] += 2,
            }
        }
        this.keep(&result.shadow);
        for (k, node) in raw.nodes.iter().enumerate() {
            let ids: &[Id] = match node {
                Raw::Scalar(op, ids) => &ids[..op.arity()],
                Raw::Score(id, _) | Raw::Guard(id) => std::slice::from_ref(id),
                _ => continue,
            };
            let mut size = 1 + ids.len() as u32;
            for id in ids {
                let inner = *id as usize;
                let scalar = matches!(raw.nodes[inner], Raw::Scalar(..));
                if scalar && this.uses[inner] == 1 && size + this.size[inner] <= MOST_FUSED {
                    size += this.size[inner];
                    this.within[inner] = true;
                }
            }
            this.size[k] = size;
        }
        this
    }

    /// What the result reads is kept.
    fn keep(&mut self, shadow: &Shadow) {
        match shadow {
            Shadow::Constant => {}
            Shadow::Node(id) => self.uses[*id as usize] += 2,
            Shadow::Parts(parts) => parts.items.iter().for_each(|item| self.keep(item)),
        }
    }

    /// The steps that compute a node, operands first; gives its place.
    fn compile(&self, id: Id, top: bool, new: &[Id], program: &mut Program, inputs: &mut Vec<Id>) -> Place {
        let inner = match &self.raw.nodes[id as usize] {
            Raw::Scalar(op, ids) if top || self.within[id as usize] => Some((*op, *ids)),
            _ => None,
        };
        let Some((op, ids)) = inner else {
            let id = new[id as usize];
            let k = inputs.iter().position(|other| *other == id).unwrap_or_else(|| {
                inputs.push(id);
                inputs.len() - 1
            });
            return Place::input(k);
        };
        let mut places = [Place::input(0); 3];
        for (place, id) in places.iter_mut().zip(&ids[..op.arity()]) {
            *place = self.compile(*id, false, new, program, inputs);
        }
        program.steps.push(Step::Compute(op, places));
        Place::local(program.steps.len() - 1)
    }

    fn program(&self, id: Id, top: bool, new: &[Id], inputs: &mut Vec<Id>) -> Program {
        let mut program = Program::default();
        let place = self.compile(id, top, new, &mut program, inputs);
        program.result = Some(place);
        program
    }
}

/// Goes through the operands of a node.
fn operands(node: &Raw, mut go: impl FnMut(Id)) {
    match node {
        Raw::Given | Raw::Choice(_) => {}
        Raw::Scalar(op, ids) => ids[..op.arity()].iter().for_each(|id| go(*id)),
        Raw::Density { args, .. } | Raw::Call { args, .. } | Raw::Whole(_, args) => args.iter().for_each(|id| go(*id)),
        Raw::Pack(parts) => parts.iter().for_each(|(_, id)| go(*id)),
        Raw::Guard(id) | Raw::Score(id, _) => go(*id),
    }
}

/// The graph, and the present values of its nodes.
pub fn build(raw: RawGraph, met: Vec<Met>, mut programs: Programs, mut result: Object) -> (Graph, Vec<Value>) {
    let fusion = Fusion::new(&raw, &met, &result);
    let mut graph = Graph::default();
    let mut values = Vec::new();
    // From numbers as recorded to those of the graph.
    let mut new: Vec<Id> = vec![0; raw.nodes.len()];
    let mut slots: Vec<u32> = Vec::new();
    for (k, node) in raw.nodes.iter().enumerate() {
        if fusion.within[k] {
            continue;
        }
        new[k] = graph.records.len() as Id;
        let start = graph.inputs.len() as u32;
        let mut inputs = Vec::new();
        let kept = match node {
            Raw::Given => Node::Given,
            Raw::Choice(place) => Node::Choice(*place),
            Raw::Scalar(..) => Node::Scalar(programs.add(fusion.program(k as Id, true, &new, &mut inputs))),
            Raw::Score(id, site) => Node::Score(programs.add(fusion.program(*id, false, &new, &mut inputs)), *site),
            Raw::Guard(id) => Node::Guard(programs.add(fusion.program(*id, false, &new, &mut inputs))),
            Raw::Density { choice, func, program, args } => {
                inputs.extend(args.iter().map(|id| new[*id as usize]));
                graph.calls.push(CallTo { func: *func, program: *program });
                Node::Density(*choice, (graph.calls.len() - 1) as u32)
            }
            Raw::Call { func, program, args } => {
                inputs.extend(args.iter().map(|id| new[*id as usize]));
                graph.calls.push(CallTo { func: Some(*func), program: *program });
                Node::Call((graph.calls.len() - 1) as u32)
            }
            Raw::Whole(whole, args) => {
                inputs.extend(args.iter().map(|id| new[*id as usize]));
                Node::Whole(*whole)
            }
            Raw::Pack(parts) => {
                inputs.extend(parts.iter().map(|(_, id)| new[*id as usize]));
                slots.extend(parts.iter().map(|(slot, _)| *slot));
                Node::Pack
            }
        };
        graph.records.push(Record { node: kept, inputs: start, edges: 0 });
        graph.inputs.extend(&inputs);
        if !matches!(kept, Node::Pack) {
            slots.extend(0..inputs.len() as u32);
        }
        values.push(raw.values[k].clone());
    }
    graph.records.push(Record { node: Node::Given, inputs: graph.inputs.len() as u32, edges: 0 });
    edges(&mut graph, &slots);
    renumber(&mut result.shadow, &new);
    let renamed = |target: Target| match target {
        Target::Known(dist, args) => Target::Known(dist, args.iter().map(|id| new[*id as usize]).collect()),
        Target::Node(id) => Target::Node(new[id as usize]),
    };
    for choice in met {
        // The first node is a constant, so that 0 stays 0.
        let (node, density) = (new[choice.node as usize], new[choice.density as usize]);
        graph.choices.push(ChoiceNode { node, density });
        graph.targets.push((choice.site, renamed(choice.target)));
    }
    graph.programs = programs.all;
    graph.wholes = raw.wholes;
    graph.result = Some(result);
    (graph, values)
}

/// Turns operands round: who reads each node.
fn edges(graph: &mut Graph, slots: &[u32]) {
    let n = graph.len();
    let mut starts = vec![0u32; n + 1];
    let fixed: Vec<bool> = graph.records.iter().map(|record| matches!(record.node, Node::Given)).collect();
    // Constants never change: nobody need be told.
    for id in &graph.inputs {
        starts[*id as usize + 1] += u32::from(!fixed[*id as usize]);
    }
    for k in 0..n {
        starts[k + 1] += starts[k];
    }
    let mut next = starts.clone();
    let mut all = vec![(0, 0); starts[n] as usize];
    for reader in 0..n {
        for k in graph.records[reader].inputs..graph.records[reader + 1].inputs {
            let id = graph.inputs[k as usize] as usize;
            if !fixed[id] {
                all[next[id] as usize] = (reader as Id, slots[k as usize]);
                next[id] += 1;
            }
        }
    }
    for (record, start) in graph.records.iter_mut().zip(starts) {
        record.edges = start;
    }
    graph.edges = all;
}

fn renumber(shadow: &mut Shadow, new: &[Id]) {
    match shadow {
        Shadow::Constant => {}
        Shadow::Node(id) => *id = new[*id as usize],
        Shadow::Parts(parts) => {
            let mut items = parts.items.clone();
            items.iter_mut().for_each(|item| renumber(item, new));
            if let Some(shared) = Shadow::parts(items) {
                *shadow = shared;
            }
        }
    }
}
