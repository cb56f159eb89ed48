//! A graph made ready to run coded frame by coded frame: what is computed when, and where it is kept.

use super::tensors::{Slot, View};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::graph::{Graph, Grid, Operand, Plane, Shape};
use codec_format::model::op::{Combine, Numbers, Op};

/// What a graph says of its run. *Sources* are what steps read: first the planes, then the steps.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub planes: Vec<Plane>,
    pub steps: Vec<Step>,
    /// What keeps numbers.
    pub slots: Vec<Slot>,
    /// How many places in memory slots share.
    pub homes: usize,
    /// Which slot each source writes to.
    slot_of: Vec<usize>,
    /// What the graph gives out.
    pub output: View,
    pub shape: Shape,
    /// Coded frames from the one whose output is taken next to the latest, both included, at most.
    pub waiting: usize,
}

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Without the numbers of a convolution.
    pub op: Op,
    pub grid: Grid,
    /// What is read; of a sum in place all but what is replaced.
    pub inputs: Vec<View>,
    /// The source that the output takes the place of, in the same slot.
    replaced: Option<usize>,
    pub slot: usize,
}

impl Step {
    /// Everything the step reads.
    fn sources(&self) -> impl Iterator<Item = usize> + '_ {
        let inputs = self.inputs.iter().flat_map(|view| &view.sources);
        inputs.copied().chain(self.replaced)
    }

    /// Whether the output takes the place of an input.
    pub fn in_place(&self) -> bool {
        self.replaced.is_some()
    }

    /// Frames that can be computed when the first ones of all that is read are known, each as many as `ends` says.
    pub fn frames(&self, ends: impl Fn(usize) -> u64, from: u64) -> u64 {
        let known = self.sources().map(ends).min().unwrap_or(0);
        let last = |frame: u64| *self.op.window(frame as i64).end();
        let mut end = from;
        while last(end) < known as i64 {
            end += 1;
        }
        end
    }

    /// The first frame of the inputs that frame `frame` of the output depends on.
    fn first_read(&self, frame: u64) -> u64 {
        (*self.op.window(frame as i64).start()).max(0) as u64
    }
}

impl Plan {
    /// Plans a graph of a checked model whose nodes have these shapes. The output of a coded frame is taken when `after`
    /// more have come, or more if the graph looks further ahead.
    pub fn new(graph: &Graph, shapes: &[Shape], after: u64) -> Self {
        let mut plan = Plan::laid_out(graph, shapes);
        plan.share();
        let reach = graph.reach(shapes);
        plan.measure((reach.ahead + reach.behind) as u64, after);
        plan
    }

    fn laid_out(graph: &Graph, shapes: &[Shape]) -> Self {
        let read = |operand| {
            let mut nodes = graph.nodes.iter();
            nodes.any(|node| node.inputs.contains(&operand))
        };
        let planes: Vec<Plane> = Plane::ALL
            .into_iter()
            .filter(|&plane| read(Operand::Plane(plane)))
            .collect();
        let slots = planes.iter().map(|plane| Slot::of(plane.shape()));
        let mut plan = Plan {
            slots: slots.collect(),
            homes: 0,
            slot_of: (0..planes.len()).collect(),
            planes,
            steps: Vec::new(),
            output: View::default(),
            shape: shapes.last().copied().unwrap_or(Plane::Values.shape()),
            waiting: 0,
        };
        // What each node is made of: its own step or, where it concatenates, those of its inputs.
        let mut views: Vec<View> = Vec::new();
        for (node, shape) in graph.nodes.iter().zip(shapes) {
            let view = |operand: &Operand| match *operand {
                Operand::Node(at) => views[usize::from(at)].clone(),
                Operand::Plane(plane) => {
                    let at = plan.planes.iter().take_while(|&&p| p != plane).count();
                    View::of(at, at, plane.shape())
                }
            };
            let inputs: Vec<View> = node.inputs.iter().map(view).collect();
            if node.op == Op::Combine(Combine::Concatenate) {
                views.push(View::concat(inputs));
                continue;
            }
            let mut op = node.op.clone();
            if let Op::Convolution(op) = &mut op {
                op.numbers = Numbers::Real {
                    weights: Vec::new(),
                    bias: Vec::new(),
                };
            }
            let slot = plan.slots.len();
            views.push(View::of(plan.slot_of.len(), slot, *shape));
            plan.slots.push(Slot::of(*shape));
            plan.slot_of.push(slot);
            plan.steps.push(Step {
                op,
                grid: shape.grid,
                inputs,
                replaced: None,
                slot,
            });
        }
        plan.output = views.pop().unwrap_or_default();
        plan
    }

    /// Lets outputs take the place of inputs that nothing else reads.
    fn share(&mut self) {
        let planes = self.planes.len();
        let mut readers = vec![0; self.slot_of.len()];
        let steps = self.steps.iter().flat_map(Step::sources);
        for source in steps.chain(self.output.sources.iter().copied()) {
            readers[source] += 1;
        }
        for at in 0..self.steps.len() {
            let step = &mut self.steps[at];
            let terms = match step.op {
                Op::Activation(_) => 1,
                // The first two terms of a sum may change places.
                Op::Combine(Combine::Add) => 2,
                _ => 0,
            };
            let replaceable = |&input: &usize| match step.inputs.get(input) {
                Some(View { sources, .. }) => match sources[..] {
                    [source] => source >= planes && readers[source] == 1,
                    _ => false,
                },
                None => false,
            };
            let Some(input) = (0..terms).find(replaceable) else {
                continue;
            };
            let source = step.inputs.remove(input).sources[0];
            step.replaced = Some(source);
            let (from, to) = (planes + at, self.slot_of[source]);
            let left = self.slot_of[from];
            // The slot that is left stays empty: it has no rows.
            self.slots[left].channels = 0;
            self.slot_of[from] = to;
            self.steps[at].slot = to;
            let views = self.steps.iter_mut().flat_map(|step| &mut step.inputs);
            for view in views.chain([&mut self.output]) {
                view.rename(left, to);
            }
        }
    }

    /// Finds out how many rows each slot needs, by walking through the arrival of as many coded frames as it takes until
    /// everything repeats, and lets slots that are empty between arrivals share their places. Begins behind `reach`, where
    /// nothing looks beyond the image's first frame.
    fn measure(&mut self, reach: u64, after: u64) {
        let coarsest = self.slots.iter().map(|slot| slot.grid.frames.max(0));
        let period = 1u64 << coarsest.max().unwrap_or(0);
        let first = (reach + after).next_multiple_of(period) + 2 * period;
        let mut rows = vec![1; self.slots.len()];
        let mut brief = vec![true; self.slots.len()];
        let mut before = self.ends(first, true);
        for arrived in first + 1..=first + period {
            // At the end of an image more can be computed at once than in its midst, but not more than it has.
            let most = self.ends(arrived, false);
            let least = self.ends(arrived, true);
            let mut longest = |slot: usize, end: u64, from: u64| {
                rows[slot] = end.saturating_sub(from).max(rows[slot]);
            };
            let end = |source: usize| {
                let grid = self.slots[self.slot_of[source]].grid;
                most[source].min(points(grid, arrived))
            };
            for (at, step) in self.steps.iter().enumerate() {
                let reader = self.planes.len() + at;
                longest(step.slot, end(reader), before[reader]);
                for source in step.sources() {
                    let slot = self.slot_of[source];
                    let ends = self.first_end(slot, &end);
                    longest(slot, ends, step.first_read(before[reader]));
                    brief[slot] &= step.first_read(least[reader]) >= ends;
                }
            }
            let taken = self.taken(&before, arrived - 1, after);
            for &source in &self.output.sources {
                let slot = self.slot_of[source];
                longest(slot, self.first_end(slot, &end), taken);
                brief[slot] = false;
            }
            let coded = match self.shape.grid.frames {
                finer @ ..=-1 => taken >> -finer,
                coarser => taken << coarser,
            };
            self.waiting = self.waiting.max((arrived - coded.min(arrived)) as usize);
            before = least;
        }
        for (slot, rows) in self.slots.iter_mut().zip(rows) {
            slot.rows = rows as usize;
        }
        self.settle(&brief);
    }

    /// The most frames that any source of a slot has.
    fn first_end(&self, slot: usize, end: &impl Fn(usize) -> u64) -> u64 {
        let sources = (0..self.slot_of.len()).filter(|&source| self.slot_of[source] == slot);
        sources.map(end).max().unwrap_or(0)
    }

    /// Gives every slot a place; those that are empty between arrivals share theirs where they are never filled at once.
    fn settle(&mut self, brief: &[bool]) {
        let planes = self.planes.len();
        // The last step that uses each place, if it can be used again.
        let mut free: Vec<Option<usize>> = Vec::new();
        for slot in 0..self.slots.len() {
            let uses = |(_, step): &(usize, &Step)| {
                step.slot == slot || step.sources().any(|source| self.slot_of[source] == slot)
            };
            let steps = self.steps.iter().enumerate();
            let mut used = steps.filter(uses).map(|(at, _)| at);
            let first = used.next();
            let last = used.next_back().or(first);
            let shared = first.filter(|_| brief[slot] && slot >= planes);
            let again = shared.and_then(|first| {
                let mut places = free.iter();
                places.position(|last| last.is_some_and(|last| last < first))
            });
            let home = again.unwrap_or(free.len());
            if home == free.len() {
                free.push(None);
            }
            free[home] = last.filter(|_| shared.is_some());
            self.slots[slot].home = home;
        }
        self.homes = free.len();
    }

    /// How many frames of each source are there when `arrived` coded frames have come and, if `limited`, more may come.
    fn ends(&self, arrived: u64, limited: bool) -> Vec<u64> {
        let mut ends = vec![arrived; self.planes.len()];
        for step in &self.steps {
            let known = step.sources().map(|source| ends[source]).min();
            let known = known.unwrap_or(0) as i64;
            // Windows grow with the frame, and no grid is more than eight times finer than another.
            let (mut low, mut high) = (0, 1 + 8 * known as u64);
            while low < high {
                let middle = (low + high) / 2;
                match *step.op.window(middle as i64).end() < known {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            let most = if limited {
                points(step.grid, arrived)
            } else {
                u64::MAX
            };
            ends.push(low.min(most));
        }
        ends
    }

    /// Frames of the output that can be taken when each source has as many as `ends` says, of an image that goes on.
    fn taken(&self, ends: &[u64], arrived: u64, after: u64) -> u64 {
        let ends = self.output.sources.iter().map(|&source| ends[source]);
        let waiting = points(self.shape.grid, arrived.saturating_sub(after));
        ends.fold(waiting, u64::min)
    }
}

/// Frames of an image of `coded` coded ones on this grid.
pub(super) fn points(grid: Grid, coded: u64) -> u64 {
    match grid.frames {
        finer @ ..=-1 => coded << -finer,
        coarser => coded.div_ceil(1 << coarser),
    }
}
