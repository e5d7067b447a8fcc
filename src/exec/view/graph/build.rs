//! From what was recorded to a graph: chains of scalar operations become one node each, and nodes learn who depends on them.

use super::layout::{CallTo, Draft, Graph, Node};
use super::op::{Place, Program, Programs, Step};
use super::raw::{Id, Raw, RawGraph, Shadow};
use super::record::{Met, Object, Target};
use crate::value::Value;
use std::collections::HashMap;

/// The most steps and inputs of operations made into one.
const MOST_FUSED: u32 = 48;

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
    let mut draft = Draft::default();
    let mut calls = HashMap::new();
    let mut all_calls = Vec::new();
    let mut call = |call: CallTo| {
        *calls.entry(call).or_insert_with(|| {
            all_calls.push(call);
            (all_calls.len() - 1) as u32
        })
    };
    let mut values = Vec::new();
    // From numbers as recorded to those of the graph.
    let mut new: Vec<Id> = vec![0; raw.nodes.len()];
    for (k, node) in raw.nodes.iter().enumerate() {
        if fusion.within[k] {
            continue;
        }
        new[k] = draft.nodes.len() as Id;
        let mut inputs = Vec::new();
        let mut slots = None;
        let kept = match node {
            Raw::Given => Node::Given,
            // Where the density lies is known at the end.
            Raw::Choice(place) => Node::Choice(*place, 0),
            Raw::Scalar(..) => Node::Scalar(programs.add(fusion.program(k as Id, true, &new, &mut inputs))),
            Raw::Score(id, site) => Node::Score(programs.add(fusion.program(*id, false, &new, &mut inputs)), *site),
            Raw::Guard(id) => Node::Guard(programs.add(fusion.program(*id, false, &new, &mut inputs))),
            Raw::Density { choice, func, program, args } => {
                inputs.extend(args.iter().map(|id| new[*id as usize]));
                let dist = match &met[*choice as usize].target {
                    Target::Known(dist, _) => Some(*dist),
                    Target::Node(_) => None,
                };
                Node::Density(*choice, call(CallTo { func: *func, program: *program, dist }))
            }
            Raw::Call { func, program, args } => {
                inputs.extend(args.iter().map(|id| new[*id as usize]));
                Node::Call(call(CallTo { func: Some(*func), program: *program, dist: None }))
            }
            Raw::Whole(whole, args) => {
                inputs.extend(args.iter().map(|id| new[*id as usize]));
                Node::Whole(*whole)
            }
            Raw::Pack(parts) => {
                inputs.extend(parts.iter().map(|(_, id)| new[*id as usize]));
                slots = Some(parts.iter().map(|(slot, _)| *slot).collect());
                Node::Pack
            }
        };
        draft.add(kept, &inputs, slots);
        values.push(raw.values[k].clone());
    }
    renumber(&mut result.shadow, &new);
    let renamed = |target: Target| match target {
        Target::Known(dist, args) => Target::Known(dist, args.iter().map(|id| new[*id as usize]).collect()),
        Target::Node(id) => Target::Node(new[id as usize]),
    };
    // The first node is a constant, so that 0 stays 0.
    let densities: Vec<Id> = met.iter().map(|choice| new[choice.density as usize]).collect();
    let (words, cells) = draft.lay_out(&densities);
    let graph = Graph {
        words,
        programs: programs.all,
        wholes: raw.wholes,
        calls: all_calls,
        choices: met.iter().map(|choice| cells[new[choice.node as usize] as usize]).collect(),
        targets: met.into_iter().map(|choice| (choice.site, renamed(choice.target))).collect(),
        result: Some(result),
    };
    (graph, values)
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
