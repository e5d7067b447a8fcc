//! The last rewriting before code is made: functions that share their costly part are written by it.

use super::derive::complete_order;
use super::graph::{F, Graph, Id, Op};

/// Rewrites what roots need, and gives the roots' new nodes. Promises are replaced by what they stand for.
pub fn lower(graph: &mut Graph, roots: &[Id]) -> Vec<Id> {
    let order = complete_order(graph, roots);
    let mut new: Vec<Option<Id>> = vec![None; graph.nodes.len()];
    let of = |new: &[Option<Id>], id: Id| new.get(id.0 as usize).copied().flatten().unwrap_or(id);
    for id in order {
        let node = graph.node(id).clone();
        let result = match node.op {
            Op::Later(k) => graph.later[k as usize].map_or(id, |x| of(&new, x)),
            Op::State(..) | Op::Last(..) => id,
            _ => {
                let args: Vec<Id> = node.args.iter().map(|a| of(&new, *a)).collect();
                if let Op::Ode(number, false) = node.op
                    && graph.differentiated.contains(&number)
                {
                    // The solution is the first part of what is computed with its derivatives.
                    let parts = graph.odes[number as usize].parts;
                    let axes = super::axis::union(&node.axes, &[parts]);
                    let all = graph.insert(Op::Ode(number, true), args, axes);
                    let zero = graph.scalar(0.0);
                    new[id.0 as usize] = Some(graph.take(all, parts, zero));
                    continue;
                }
                match expand(graph, &node.op, &args) {
                    Some(id) => id,
                    None if args == node.args => id,
                    None => graph.make(node.op, args, node.axes),
                }
            }
        };
        new[id.0 as usize] = Some(result);
    }
    for scan in &mut graph.scans {
        for id in scan.first.iter_mut().chain(&mut scan.next) {
            *id = of(&new, *id);
        }
    }
    roots.iter().map(|id| of(&new, *id)).collect()
}

/// The logistic family by `exp(-|x|)`.
fn expand(graph: &mut Graph, op: &Op, args: &[Id]) -> Option<Id> {
    let Op::Map(F::Prim(row)) = op else { return None };
    let name = crate::prim::row(*row as usize)?.name();
    if !matches!(name, "log1p_exp" | "inv_logit" | "log_inv_logit" | "log1m_inv_logit") {
        return None;
    }
    let x = args[0];
    let (zero, one) = (graph.scalar(0.0), graph.scalar(1.0));
    let size = graph.prim("abs", &[x]);
    let minus = graph.neg(size);
    let t = graph.prim("exp", &[minus]);
    Some(match name {
        "inv_logit" => {
            let sign = graph.map(F::Le, &[zero, x]);
            let top = graph.select(sign, one, t);
            let bottom = graph.add(one, t);
            graph.div(top, bottom)
        }
        _ => {
            let log = graph.prim("log1p", &[t]);
            match name {
                "log_inv_logit" => {
                    let least = graph.prim("min", &[x, zero]);
                    graph.sub(least, log)
                }
                _ => {
                    let most = graph.prim("max", &[x, zero]);
                    let sum = graph.add(most, log);
                    if name == "log1p_exp" { sum } else { graph.neg(sum) }
                }
            }
        }
    })
}
