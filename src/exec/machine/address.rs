//! Addresses of choices: a hash of the name, the enclosing calls and the loop indices; and their names in words.

use super::code::{Code, FuncCode, Instr, Slot};
use super::frame::Machine;
use std::fmt::Write as _;

/// The address of everything made by the entry function itself.
pub const ROOT: u64 = 0x9e37_79b9_7f4a_7c15;

/// Combines an address with one more step: a folded 128-bit product, as in wyhash.
#[inline]
pub fn mix(address: u64, step: u64) -> u64 {
    let product = u128::from(address ^ 0xa076_1d64_78bd_642f) * u128::from(step ^ 0xe703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64) ^ address.rotate_left(23)
}

/// Combines an address with a loop index.
#[inline]
pub fn with_index(address: u64, index: u64) -> u64 {
    mix(address, index.wrapping_add(0x5851_f42d_4c95_7f2d))
}

/// The address of a site within a frame, given the values of its loop indices.
#[inline]
pub fn of_site(frame: u64, site: u32, path: &[Slot], nums: &[u64]) -> u64 {
    let mut address = mix(frame, u64::from(site) + 1);
    for slot in path {
        if let Slot::Int(n) | Slot::Real(n) | Slot::Bool(n) = slot {
            address = with_index(address, nums[*n as usize]);
        }
    }
    address
}

/// The name of a choice as the user reads it: `x`, `x[3]`, `step[2].x`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChoiceName {
    /// The name without indices of the choice itself: `x`, `step[2].x`.
    pub base: String,
    /// The indices of the choice itself.
    pub indices: Vec<i64>,
}

impl std::fmt::Display for ChoiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)?;
        write_indices(f, &self.indices)
    }
}

fn write_indices(f: &mut impl std::fmt::Write, indices: &[i64]) -> std::fmt::Result {
    if indices.is_empty() {
        return Ok(());
    }
    f.write_char('[')?;
    for (k, index) in indices.iter().enumerate() {
        if k > 0 {
            f.write_char(',')?;
        }
        write!(f, "{index}")?;
    }
    f.write_char(']')
}

impl Machine {
    /// The name in words of the site at which the machine is paused, whose indices are the slots `path`.
    pub fn site_name(&self, code: &Code, site: u32, path: &[Slot]) -> ChoiceName {
        let mut base = String::new();
        let mut pending: Vec<i64> = Vec::new();
        for (depth, frame) in self.frames.iter().enumerate() {
            let func = &code.funcs[frame.func as usize];
            let is_top = depth + 1 == self.frames.len();
            if is_top {
                break;
            }
            let (Some(Instr::Call { call }) | Some(Instr::CallClosure { call })) =
                code.text.ran_last(frame.func, frame.pc).and_then(|at| func.code.get(at))
            else {
                continue;
            };
            let call = &func.calls[*call as usize];
            if call.site.is_none() {
                continue;
            }
            pending.extend(self.indices(func, frame.num_base, &call.path));
            // Only functions the user named show in names; the indices of the others go to the next name.
            let callee = &code.funcs[self.frames[depth + 1].func as usize];
            if callee.user && !callee.name.as_str().starts_with('<') {
                base.push_str(callee.name.as_str());
                // Two calls of one function from one place of the program are told apart by their order in the text.
                let alike =
                    func.calls.iter().filter(|c| c.site.is_some() && c.func == call.func && c.callee == call.callee);
                let sites: Vec<_> = alike.map(|c| c.site).collect();
                if sites.len() > 1
                    && let Some(k) = sites.iter().position(|site| *site == call.site)
                    && k > 0
                {
                    let _ = write!(base, "#{}", k + 1);
                }
                let _ = write_indices(&mut base, &pending);
                pending.clear();
                base.push('.');
            }
        }
        base.push_str(code.sites[site as usize].name.as_str());
        if let Some(frame) = self.frames.last() {
            let func = &code.funcs[frame.func as usize];
            pending.extend(self.indices(func, frame.num_base, path));
        }
        ChoiceName { base, indices: pending }
    }

    fn indices(&self, _func: &FuncCode, base: u32, path: &[Slot]) -> Vec<i64> {
        path.iter()
            .filter_map(|slot| match slot {
                Slot::Int(n) => Some(self.nums[base as usize + *n as usize] as i64),
                _ => None,
            })
            .collect()
    }
}
