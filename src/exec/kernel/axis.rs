//! Axes: the names of loop indices and of array dimensions in array code.

/// An index that runs over `0 .. extent`. Axes of one extent are told apart by their level, the number of loops around them.
///
/// The order of axes, by extent and then by level, is the order in which every array is laid out: the longest axis is
/// contiguous, so that inner loops are long.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Axis {
    pub extent: u32,
    pub level: u32,
}

/// A set of axes in their order.
pub type Axes = Vec<Axis>;

/// The axes of either.
pub fn union(a: &[Axis], b: &[Axis]) -> Axes {
    let mut out = a.to_vec();
    for axis in b {
        if let Err(place) = out.binary_search(axis) {
            out.insert(place, *axis);
        }
    }
    out
}

/// The axes of `a` that are not in `b`.
pub fn minus(a: &[Axis], b: &[Axis]) -> Axes {
    a.iter().copied().filter(|axis| !b.contains(axis)).collect()
}

/// The axes of `a` without one, and with another.
pub fn replace(a: &[Axis], from: Axis, to: &[Axis]) -> Axes {
    union(&minus(a, &[from]), to)
}

/// The number of elements of an array over these axes.
pub fn size(axes: &[Axis]) -> usize {
    axes.iter().map(|axis| axis.extent as usize).product()
}

/// The distance between neighbours along each of `over` in an array laid out over `axes`; zero along those that it lacks.
pub fn strides(axes: &[Axis], over: &[Axis]) -> Vec<usize> {
    over.iter()
        .map(|axis| match axes.iter().position(|a| a == axis) {
            Some(place) => axes[place + 1..].iter().map(|a| a.extent as usize).product(),
            None => 0,
        })
        .collect()
}

/// Calls `f` with the offsets of each position over `over`, in order, in arrays with these strides along it.
pub fn walk<const N: usize>(over: &[Axis], strides: [&[usize]; N], mut f: impl FnMut([usize; N])) {
    let Some((inner, outer)) = over.split_last() else { return f([0; N]) };
    let steps = strides.map(|strides| strides[outer.len()]);
    let mut at = vec![0u32; outer.len()];
    let mut offsets = [0usize; N];
    for _ in 0..size(outer) {
        let mut here = offsets;
        for _ in 0..inner.extent {
            f(here);
            for (offset, step) in here.iter_mut().zip(&steps) {
                *offset += step;
            }
        }
        for k in (0..outer.len()).rev() {
            at[k] += 1;
            for (offset, strides) in offsets.iter_mut().zip(strides) {
                *offset += strides[k];
            }
            if at[k] < outer[k].extent {
                break;
            }
            for (offset, strides) in offsets.iter_mut().zip(strides) {
                *offset -= strides[k] * at[k] as usize;
            }
            at[k] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_laid_out_with_the_longest_axis_last() {
        let (rows, cols) = (Axis { extent: 3, level: 0 }, Axis { extent: 2, level: 1 });
        let axes = union(&[rows], &[cols]);
        assert_eq!(axes, [cols, rows]);
        assert_eq!(size(&axes), 6);
        assert_eq!(strides(&axes, &[rows, cols]), [1, 3]);
        assert_eq!(strides(&[rows], &axes), [0, 1]);
        let mut seen = Vec::new();
        walk(&axes, [&strides(&axes, &axes), &strides(&[cols], &axes)], |at| seen.push(at));
        assert_eq!(seen, [[0, 0], [1, 0], [2, 0], [3, 1], [4, 1], [5, 1]]);
        assert_eq!(replace(&axes, cols, &[rows]), [rows]);
        let mut seen = Vec::new();
        walk(&[], [&[]], |at| seen.push(at));
        walk(&[Axis { extent: 0, level: 0 }, rows], [&[3, 1]], |_| panic!("nothing is there"));
        assert_eq!(seen, [[0]]);
    }
}
