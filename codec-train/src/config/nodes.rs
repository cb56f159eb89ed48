//! A network in TOML: operations by name, and a convolution with all that usually goes with it as one entry.

use crate::error::{Error, Result};
use codec_format::model::graph::{Extent, Graph, Node, Operand, Plane, Shape};
use codec_format::model::op::{
    Activation, Combine, Convolution, ConvolutionKind, Op, Pool, PoolKind, Shuffle, Upsample,
};
use serde::{Deserialize, Serialize};

/// One entry of a network: an operation, or a convolution with the concatenation before it and the sum and the activation
/// behind it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// What later entries read it by; they may use its number, from 0, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is computed.
    pub op: OpName,
    /// Planes by name (`values`, `image`, `background`, `mask`) and earlier entries by name or number; the entry before if
    /// left out. Several are concatenated, but for a sum.
    #[serde(alias = "sources")]
    pub inputs: Vec<Reference>,
    /// Of a convolution: `plain` or `sparse`. A sparse one normalises what differs in its mask apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convolution: Option<Kind>,
    /// Of a convolution: its kernel in bins and frames, odd; one number for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Sides>,
    /// Of a convolution: output channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
    /// Of a convolution: input pixels from one output to the next, 1, 2, 4 or 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<Sides>,
    /// Of a convolution: pixels from one tap to the next, 1 to 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dilation: Option<Sides>,
    /// Of a convolution: groups of channels, a number or `"depthwise"` for one input each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
    /// Of a pool, an upsampling or a shuffle: pixels of the rectangle, 1, 2, 4 or 8 each way; one number for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<Sides>,
    /// Of a pool: `mean` or `max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolName>,
    /// An earlier entry or plane that is added before the activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<Reference>,
    /// `prelu`, `relu` or `linear`: what follows. PReLU if left out behind a convolution and in an activation, else nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<ActivationKind>,
}

/// Operations by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum OpName {
    #[default]
    Convolution,
    Activation,
    Add,
    Concatenate,
    Pool,
    Upsample,
    Shuffle,
}

/// Convolution kinds by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Zero-padded.
    #[default]
    Plain,
    /// Sparsity-invariant.
    Sparse,
}

/// Activations by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivationKind {
    /// A slope for negative values, learnt per channel.
    Prelu,
    /// Negative values become zero.
    Relu,
    /// Nothing.
    Linear,
}

/// Kinds of pools by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolName {
    /// The mean of a rectangle.
    Mean,
    /// Its maximum.
    Max,
}

/// A number for bins and one for frames, or one for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sides {
    /// The same both ways.
    Both(u8),
    /// Bins, frames.
    Each([u8; 2]),
}

impl From<Sides> for Extent {
    fn from(sides: Sides) -> Extent {
        let [bins, frames] = match sides {
            Sides::Both(side) => [side; 2],
            Sides::Each(sides) => sides,
        };
        Extent { bins, frames }
    }
}

impl From<Extent> for Sides {
    fn from(extent: Extent) -> Sides {
        match extent.bins == extent.frames {
            true => Sides::Both(extent.bins),
            false => Sides::Each([extent.bins, extent.frames]),
        }
    }
}

/// Groups of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Groups {
    /// So many.
    Count(u16),
    /// One for each input.
    Word(Depthwise),
}

/// The word `depthwise`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depthwise {
    /// The word.
    Depthwise,
}

/// What an entry reads: an entry's number, its name, or a plane's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reference {
    /// An entry.
    Number(usize),
    /// An entry or a plane.
    Name(String),
}

const PLANES: [(&str, Plane); 4] = [
    ("values", Plane::Values),
    ("image", Plane::Image),
    ("background", Plane::Background),
    ("mask", Plane::Mask),
];

/// A graph under construction.
struct Builder<'a> {
    entries: &'a [NodeConfig],
    /// What entries give out, as far as they are built.
    outputs: Vec<Operand>,
    graph: Graph,
    shapes: Vec<Shape>,
}

/// The graph of a network, its weights zero.
///
/// # Errors
/// [`Error::Config`] naming the first entry that does not fit.
pub(super) fn graph(entries: &[NodeConfig]) -> Result<Graph> {
    let mut builder = Builder {
        entries,
        outputs: Vec::new(),
        graph: Graph::default(),
        shapes: Vec::new(),
    };
    for (at, entry) in entries.iter().enumerate() {
        let named = |what: String| Error::Config(format!("{}: {what}", title(at, entry)));
        let output = builder.entry(at, entry).map_err(named)?;
        builder.outputs.push(output);
    }
    Ok(builder.graph)
}

fn title(at: usize, entry: &NodeConfig) -> String {
    match &entry.name {
        Some(name) => format!("node {at} ({name})"),
        None => format!("node {at}"),
    }
}

type Built = std::result::Result<Operand, String>;

impl Builder<'_> {
    fn entry(&mut self, at: usize, entry: &NodeConfig) -> Built {
        entry.check()?;
        if let Some(name) = &entry.name {
            let taken = self.entries[..at]
                .iter()
                .any(|e| e.name.as_ref() == Some(name));
            if taken || PLANES.iter().any(|(plane, _)| plane == name) {
                return Err("its name is another's".into());
            }
        }
        let inputs: Vec<Operand> = match (&entry.inputs[..], self.outputs.last()) {
            ([], None) => return Err("it needs inputs".into()),
            ([], Some(before)) => vec![*before],
            (inputs, _) => inputs
                .iter()
                .map(|input| self.resolve(input))
                .collect::<std::result::Result<_, _>>()?,
        };
        let factor = entry.factor.map_or(Extent::ONE, Extent::from);
        let mut output = match entry.op {
            OpName::Convolution => self.convolutions(entry, &inputs)?,
            OpName::Add => self.push(Combine::Add, &inputs)?,
            OpName::Concatenate => self.push(Combine::Concatenate, &inputs)?,
            OpName::Activation => self.one(&inputs)?,
            OpName::Upsample => {
                let input = self.one(&inputs)?;
                self.push(Upsample { factor }, &[input])?
            }
            OpName::Shuffle => {
                let input = self.one(&inputs)?;
                self.push(Shuffle { factor }, &[input])?
            }
            OpName::Pool => {
                let input = self.one(&inputs)?;
                let kind = match entry.pool {
                    Some(PoolName::Max) => PoolKind::Max,
                    _ => PoolKind::Mean,
                };
                self.push(Pool { kind, factor }, &[input])?
            }
        };
        if let Some(skip) = &entry.skip {
            let skip = self.resolve(skip)?;
            output = self.push(Combine::Add, &[output, skip])?;
        }
        let usual = match entry.op {
            OpName::Convolution | OpName::Activation => ActivationKind::Prelu,
            _ => ActivationKind::Linear,
        };
        match entry.activation.unwrap_or(usual) {
            ActivationKind::Linear => Ok(output),
            ActivationKind::Relu => self.push(Activation::Relu, &[output]),
            ActivationKind::Prelu => {
                let slopes = vec![0.0; usize::from(self.shape(output).channels)];
                self.push(Activation::Prelu(slopes), &[output])
            }
        }
    }

    fn resolve(&self, reference: &Reference) -> Built {
        let entry = match reference {
            Reference::Number(at) => *at,
            Reference::Name(name) => {
                if let Some((_, plane)) = PLANES.iter().find(|(plane, _)| plane == name) {
                    return Ok(Operand::Plane(*plane));
                }
                let found = self
                    .entries
                    .iter()
                    .position(|e| e.name.as_ref() == Some(name));
                found.ok_or_else(|| {
                    format!("it reads {name}, which is neither a plane nor a node")
                })?
            }
        };
        self.outputs
            .get(entry)
            .copied()
            .ok_or_else(|| format!("it reads node {entry}, which does not come before it"))
    }

    fn shape(&self, operand: Operand) -> Shape {
        match operand {
            Operand::Plane(plane) => plane.shape(),
            Operand::Node(at) => self.shapes[usize::from(at)],
        }
    }

    fn push(&mut self, op: impl Into<Op>, inputs: &[Operand]) -> Built {
        let op = op.into();
        let shapes: Vec<Shape> = inputs.iter().map(|input| self.shape(*input)).collect();
        let shape = op.shape(&shapes).map_err(|error| match error {
            codec_format::Error::Usage { what } => what.to_owned(),
            other => other.to_string(),
        })?;
        if self.graph.nodes.len() > usize::from(u8::MAX) {
            return Err("the network has too many nodes".into());
        }
        self.shapes.push(shape);
        Ok(self.graph.push(op, inputs))
    }

    /// Several inputs made one.
    fn one(&mut self, inputs: &[Operand]) -> Built {
        match inputs {
            [only] => Ok(*only),
            several => self.push(Combine::Concatenate, several),
        }
    }

    /// One convolution; of several inputs to a sparse one, a convolution for each that may have unobserved pixels, and
    /// their sum.
    fn convolutions(&mut self, entry: &NodeConfig, inputs: &[Operand]) -> Built {
        if entry.convolution != Some(Kind::Sparse) {
            let input = self.one(inputs)?;
            return self.convolution(entry, ConvolutionKind::Plain, input);
        }
        let (apart, dense): (Vec<Operand>, Vec<Operand>) =
            inputs.iter().partition(|input| self.shape(**input).sparse);
        let mut terms = Vec::new();
        for input in apart {
            terms.push(self.convolution(entry, ConvolutionKind::Sparse, input)?);
        }
        if !dense.is_empty() {
            let input = self.one(&dense)?;
            terms.push(self.convolution(entry, ConvolutionKind::Sparse, input)?);
        }
        match terms[..] {
            [only] => Ok(only),
            _ => self.push(Combine::Add, &terms),
        }
    }

    fn convolution(&mut self, entry: &NodeConfig, kind: ConvolutionKind, input: Operand) -> Built {
        let (Some(kernel), Some(outputs)) = (entry.kernel, entry.channels) else {
            return Err("a convolution needs a kernel and channels".into());
        };
        let inputs = self.shape(input).channels;
        let mut op = Convolution::zeros(kind, inputs, outputs, kernel.into());
        op.stride = entry.stride.map_or(Extent::ONE, Extent::from);
        op.dilation = entry.dilation.map_or(Extent::ONE, Extent::from);
        op.groups = match entry.groups {
            None => 1,
            Some(Groups::Count(count)) => count,
            Some(Groups::Word(Depthwise::Depthwise)) => inputs,
        };
        op.fill(|| 0.0);
        self.push(op, &[input])
    }
}

impl NodeConfig {
    /// Refuses keys that say nothing about the operation.
    fn check(&self) -> std::result::Result<(), String> {
        let convolution = self.op == OpName::Convolution;
        let factor = matches!(self.op, OpName::Pool | OpName::Upsample | OpName::Shuffle);
        for (key, given, allowed) in [
            ("convolution", self.convolution.is_some(), convolution),
            ("kernel", self.kernel.is_some(), convolution),
            ("channels", self.channels.is_some(), convolution),
            ("stride", self.stride.is_some(), convolution),
            ("dilation", self.dilation.is_some(), convolution),
            ("groups", self.groups.is_some(), convolution),
            ("factor", self.factor.is_some(), factor),
            ("pool", self.pool.is_some(), self.op == OpName::Pool),
        ] {
            if given && !allowed {
                return Err(format!("{key} does not belong to this operation"));
            }
        }
        if factor && self.factor.is_none() {
            return Err("it needs a factor".into());
        }
        Ok(())
    }
}

/// A graph as entries, one for each node.
#[must_use]
pub fn describe(graph: &Graph) -> Vec<NodeConfig> {
    graph.nodes.iter().map(entry_of).collect()
}

fn entry_of(node: &Node) -> NodeConfig {
    let name = |plane: Plane| {
        PLANES
            .iter()
            .find(|(_, p)| *p == plane)
            .map(|(name, _)| *name)
    };
    let inputs = node
        .inputs
        .iter()
        .map(|input| match *input {
            Operand::Node(at) => Reference::Number(usize::from(at)),
            Operand::Plane(plane) => Reference::Name(name(plane).unwrap_or("levels").into()),
        })
        .collect();
    let entry = NodeConfig {
        inputs,
        ..NodeConfig::default()
    };
    let beyond_one = |extent: Extent| (extent != Extent::ONE).then(|| extent.into());
    match &node.op {
        Op::Convolution(op) => NodeConfig {
            convolution: Some(match op.kind {
                ConvolutionKind::Plain => Kind::Plain,
                ConvolutionKind::Sparse => Kind::Sparse,
            }),
            kernel: Some(op.kernel.into()),
            channels: Some(op.outputs),
            stride: beyond_one(op.stride),
            dilation: beyond_one(op.dilation),
            groups: (op.groups != 1).then_some(Groups::Count(op.groups)),
            activation: Some(ActivationKind::Linear),
            ..entry
        },
        Op::Activation(op) => NodeConfig {
            op: OpName::Activation,
            activation: Some(match op {
                Activation::Relu => ActivationKind::Relu,
                Activation::Prelu(_) | Activation::WholePrelu(_) => ActivationKind::Prelu,
            }),
            ..entry
        },
        Op::Combine(op) => NodeConfig {
            op: match op {
                Combine::Add => OpName::Add,
                Combine::Concatenate => OpName::Concatenate,
            },
            ..entry
        },
        Op::Pool(op) => NodeConfig {
            op: OpName::Pool,
            pool: Some(match op.kind {
                PoolKind::Mean => PoolName::Mean,
                PoolKind::Max => PoolName::Max,
            }),
            factor: Some(op.factor.into()),
            ..entry
        },
        Op::Upsample(op) => NodeConfig {
            op: OpName::Upsample,
            factor: Some(op.factor.into()),
            ..entry
        },
        Op::Shuffle(op) => NodeConfig {
            op: OpName::Shuffle,
            factor: Some(op.factor.into()),
            ..entry
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Network {
        node: Vec<NodeConfig>,
    }

    fn parsed(text: &str) -> Result<Graph> {
        let network: Network = toml::from_str(text).map_err(|e| Error::Config(e.to_string()))?;
        graph(&network.node)
    }

    const MIXED: &str = r#"
[[node]]
name = "top"
inputs = ["image", "mask"]
kernel = [5, 3]
channels = 6
[[node]]
name = "down"
kernel = 3
channels = 12
stride = [2, 1]
dilation = [1, 2]
groups = "depthwise"
activation = "relu"
[[node]]
op = "pool"
pool = "max"
factor = [1, 2]
[[node]]
op = "upsample"
factor = 2
[[node]]
op = "shuffle"
inputs = ["down"]
factor = [2, 2]
[[node]]
kernel = 1
channels = 4
inputs = ["top"]
[[node]]
op = "concatenate"
inputs = [3, 5]
activation = "prelu"
"#;

    #[test]
    fn entries_become_nodes_and_nodes_entries() {
        // The fourth entry's grid is that of the first, so that they can be concatenated.
        let graph = parsed(MIXED).expect("a graph");
        let ops: Vec<_> = graph.nodes.iter().map(|n| n.inputs.len()).collect();
        assert_eq!(ops.len(), 12, "{graph:?}");
        assert_eq!(graph.nodes[3].inputs, [Operand::Node(2)]);
        let Op::Convolution(down) = &graph.nodes[3].op else {
            panic!("{:?}", graph.nodes[3].op);
        };
        assert_eq!(
            (down.groups, down.inputs, down.weights().len()),
            (6, 6, 108)
        );
        let again = self::graph(&describe(&graph)).expect("a graph");
        assert_eq!(again, graph);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            (
                "inputs = [3, 5]",
                "inputs = [3, 6]",
                "node 6: it reads node 6",
            ),
            (
                "inputs = [3, 5]",
                "inputs = [\"tip\"]",
                "reads tip, which is neither",
            ),
            ("factor = 2\n", "", "node 3: it needs a factor"),
            (
                "factor = 2\n",
                "factor = 2\nkernel = 3\n",
                "node 3: kernel does not belong",
            ),
            ("factor = 2\n", "factor = 3\n", "node 3: "),
            (
                "name = \"down\"",
                "name = \"top\"",
                "node 1 (top): its name",
            ),
            (
                "name = \"down\"",
                "name = \"mask\"",
                "its name is another's",
            ),
            ("channels = 6\n", "", "node 0 (top): a convolution needs"),
            (
                "inputs = [\"image\", \"mask\"]\n",
                "",
                "node 0 (top): it needs inputs",
            ),
            ("inputs = [3, 5]", "inputs = [1, 5]", "grids"),
            (
                "stride = [2, 1]",
                "stride = [3, 1]",
                "node 1 (down): stride",
            ),
            ("groups = \"depthwise\"", "groups = \"deep\"", "groups"),
        ] {
            let text = MIXED.replacen(from, to, 1);
            assert_ne!(text, MIXED, "{from}");
            let error = parsed(&text).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error} for {expected}");
        }
    }

    #[test]
    fn a_sparse_convolution_normalises_inputs_of_different_masks_apart() {
        let entry = |inputs: &str| {
            format!("[[node]]\ninputs = {inputs}\nconvolution = \"sparse\"\nkernel = 3\nchannels = 2\nactivation = \"linear\"")
        };
        let convolutions = |inputs: &str| {
            let graph = parsed(&entry(inputs)).expect("a graph");
            let is = |n: &&Node| matches!(n.op, Op::Convolution(_));
            graph.nodes.iter().filter(is).count()
        };
        assert_eq!(convolutions("[\"values\"]"), 1);
        assert_eq!(convolutions("[\"image\", \"background\"]"), 1);
        assert_eq!(convolutions("[\"image\", \"values\", \"mask\"]"), 2);
    }
}
