//! Streams that bring a network along, one for every operation of a graph (Spec §8.4 to §8.9) and every coding of weights.

use super::lawful::{ridge, seeded, Recipe};
use super::pieces::{chunks, join};
use super::scene::Noise;
use super::Vector;
use codec_format::header::{LatticeShape, ModelId, PhaseKind, WaveformShape};
use codec_format::model::graph::{Extent, Graph, Node, Operand, Plane};
use codec_format::model::op::{
    Activation, Combine, Convolution, ConvolutionKind, Numbers, Op, Pool, PoolKind, Shuffle,
    Upsample,
};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts, WeightCoding};
use codec_format::Result;

const VALUES: Operand = Operand::Plane(Plane::Values);
const IMAGE: Operand = Operand::Plane(Plane::Image);
const BACKGROUND: Operand = Operand::Plane(Plane::Background);
const MASK: Operand = Operand::Plane(Plane::Mask);

const fn pair(bins: u8, frames: u8) -> Extent {
    Extent { bins, frames }
}

/// What the numbers of a network are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// binary32.
    Real,
    /// Whole ones, weights of a byte.
    Bytes,
    /// Whole ones, weights as large as sums allow.
    Words,
}

use Kind::{Bytes, Real, Words};

/// A graph that grows node by node; its numbers are pseudo-random.
struct Builder {
    graph: Graph,
    kind: Kind,
    noise: Noise,
}

impl Builder {
    fn new(kind: Kind) -> Self {
        Builder {
            graph: Graph::default(),
            kind,
            noise: Noise(1),
        }
    }

    fn add(&mut self, op: Op, inputs: &[Operand]) -> Operand {
        self.graph.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
        });
        Operand::Node(self.graph.nodes.len() as u8 - 1)
    }

    /// Numbers of up to `size`, in steps that binary16 holds.
    fn numbers(&mut self, count: usize, size: f32) -> Vec<f32> {
        let mut number = || (self.noise.below(257) as f32 - 128.0) / 128.0 * size;
        (0..count).map(|_| number()).collect()
    }

    /// Whole numbers from `-most` to `most`.
    fn whole<T: TryFrom<i32>>(&mut self, count: usize, most: i32) -> Vec<T> {
        let mut number = || self.noise.below(2 * most as u32 + 1) as i32 - most;
        (0..count).flat_map(|_| T::try_from(number())).collect()
    }

    /// The numbers of a convolution in which every output has `each` weights.
    fn numbers_of(&mut self, outputs: usize, each: usize) -> Numbers {
        if self.kind == Real {
            return Numbers::Real {
                weights: self.numbers(outputs * each, 1.0 / each as f32),
                bias: self.numbers(outputs, 0.0625),
            };
        }
        let most = match self.kind {
            Words => (60_000 / each as i32).min(32_767),
            _ => 127,
        };
        // All weights together are about one, of every third output two: sums reach the ends of 16 bits.
        let one = (most * each as i32 / 2).max(1).ilog2() as u8;
        Numbers::Whole {
            weights: self.whole(outputs * each, most),
            shifts: (0..outputs)
                .map(|output| one - u8::from(output % 3 == 2))
                .collect(),
            bias: self.whole(outputs, 30 << one),
        }
    }

    fn convolution(
        &mut self,
        input: Operand,
        kind: ConvolutionKind,
        kernel: Extent,
        (inputs, outputs): (u16, u16),
    ) -> Operand {
        let shape = Shape {
            kind,
            kernel,
            ..Shape::POINT
        };
        self.shaped(input, shape, (inputs, outputs))
    }

    fn shaped(&mut self, input: Operand, shape: Shape, (inputs, outputs): (u16, u16)) -> Operand {
        let each = usize::from(inputs / shape.groups) * shape.kernel.area();
        let numbers = self.numbers_of(usize::from(outputs), each);
        let Shape {
            kind,
            kernel,
            stride,
            dilation,
            groups,
        } = shape;
        let op = Op::Convolution(Convolution {
            kind,
            kernel,
            stride,
            dilation,
            groups,
            inputs,
            outputs,
            numbers,
        });
        self.add(op, &[input])
    }

    fn relu(&mut self, input: Operand) -> Operand {
        self.add(Op::Activation(Activation::Relu), &[input])
    }

    fn prelu(&mut self, input: Operand, channels: usize) -> Operand {
        let op = match self.kind {
            Real => Activation::Prelu(self.numbers(channels, 0.5)),
            Bytes | Words => Activation::WholePrelu(self.whole(channels, 32_767)),
        };
        self.add(Op::Activation(op), &[input])
    }

    fn sum(&mut self, inputs: &[Operand]) -> Operand {
        self.add(Op::Combine(Combine::Add), inputs)
    }

    fn concatenation(&mut self, inputs: &[Operand]) -> Operand {
        self.add(Op::Combine(Combine::Concatenate), inputs)
    }

    fn pool(&mut self, input: Operand, kind: PoolKind, factor: Extent) -> Operand {
        self.add(Op::Pool(Pool { kind, factor }), &[input])
    }

    fn upsampling(&mut self, input: Operand, factor: Extent) -> Operand {
        self.add(Op::Upsample(Upsample { factor }), &[input])
    }

    fn shuffle(&mut self, input: Operand, factor: Extent) -> Operand {
        self.add(Op::Shuffle(Shuffle { factor }), &[input])
    }
}

/// What a convolution has beside its numbers.
#[derive(Clone, Copy)]
struct Shape {
    kind: ConvolutionKind,
    kernel: Extent,
    stride: Extent,
    dilation: Extent,
    groups: u16,
}

impl Shape {
    /// One pixel to one.
    const POINT: Shape = Shape {
        kind: Plain,
        kernel: Extent::ONE,
        stride: Extent::ONE,
        dilation: Extent::ONE,
        groups: 1,
    };
}

use ConvolutionKind::{Plain, Sparse};

/// A plain network of two convolutions and a shuffle.
fn plain(b: &mut Builder) {
    let all = b.concatenation(&[IMAGE, BACKGROUND, MASK]);
    let wide = b.convolution(all, Plain, pair(3, 5), (3, 5));
    let wide = b.relu(wide);
    let last = b.convolution(wide, Plain, pair(3, 1), (5, 4));
    b.shuffle(last, pair(1, 4));
}

/// Sparse convolutions, whose unobserved outputs a plain one reads after them.
fn sparse(b: &mut Builder) {
    let one = b.convolution(VALUES, Sparse, pair(3, 3), (1, 4));
    let one = b.prelu(one, 4);
    let two = b.convolution(one, Sparse, pair(1, 3), (4, 4));
    let both = b.sum(&[one, two]);
    let all = b.concatenation(&[both, VALUES]);
    let last = b.convolution(all, Plain, pair(3, 3), (5, 2));
    b.shuffle(last, pair(1, 2));
}

fn depthwise(b: &mut Builder) {
    let all = b.concatenation(&[IMAGE, MASK]);
    let wide = b.convolution(all, Plain, Extent::ONE, (2, 6));
    let each = Shape {
        kernel: pair(3, 3),
        dilation: pair(2, 3),
        groups: 6,
        ..Shape::POINT
    };
    let wide = b.shaped(wide, each, (6, 6));
    let wide = b.relu(wide);
    let two = Shape { groups: 2, ..each };
    let wide = b.shaped(wide, two, (6, 4));
    b.convolution(wide, Plain, Extent::ONE, (4, 1));
}

fn sparse_groups(b: &mut Builder) {
    let wide = b.convolution(VALUES, Sparse, pair(3, 1), (1, 4));
    let strided = Shape {
        kind: Sparse,
        kernel: pair(3, 3),
        stride: pair(2, 1),
        dilation: pair(1, 2),
        groups: 2,
    };
    let coarse = b.shaped(wide, strided, (4, 2));
    let fine = b.upsampling(coarse, pair(2, 1));
    b.convolution(fine, Plain, pair(3, 1), (2, 1));
}

fn u_net(b: &mut Builder) {
    let down = |stride| Shape {
        kernel: pair(3, 3),
        stride,
        ..Shape::POINT
    };
    let one = b.shaped(IMAGE, down(pair(2, 2)), (1, 4));
    let one = b.relu(one);
    let two = b.shaped(one, down(pair(4, 4)), (4, 6));
    let two = b.prelu(two, 6);
    let up = b.upsampling(two, pair(4, 4));
    let joined = b.concatenation(&[up, one]);
    let joined = b.convolution(joined, Plain, pair(3, 3), (10, 4));
    let up = b.upsampling(joined, pair(2, 2));
    let joined = b.concatenation(&[up, IMAGE, BACKGROUND]);
    let last = b.convolution(joined, Plain, pair(1, 3), (6, 4));
    b.shuffle(last, pair(1, 4));
}

fn pools(b: &mut Builder) {
    let mean = b.pool(VALUES, PoolKind::Mean, pair(4, 2));
    let largest = b.pool(VALUES, PoolKind::Max, pair(4, 2));
    let both = b.sum(&[mean, largest, mean]);
    let fine = b.upsampling(both, pair(4, 2));
    let ground = b.pool(IMAGE, PoolKind::Mean, pair(1, 8));
    let ground = b.upsampling(ground, pair(1, 8));
    let all = b.concatenation(&[fine, ground]);
    b.convolution(all, Plain, Extent::ONE, (2, 1));
}

fn shuffles(b: &mut Builder) {
    let coarse = Shape {
        kernel: pair(3, 1),
        stride: pair(2, 1),
        ..Shape::POINT
    };
    let coarse = b.shaped(IMAGE, coarse, (1, 16));
    b.shuffle(coarse, pair(2, 8));
}

fn fine_grid(b: &mut Builder) {
    let fine = b.upsampling(IMAGE, pair(1, 4));
    let fine = b.convolution(fine, Plain, pair(1, 5), (1, 2));
    b.convolution(fine, Plain, pair(3, 3), (2, 1));
}

/// All operations that keep an image on its grid, on numbers that reach the ends of their range.
fn saturated(b: &mut Builder) {
    let wide = b.convolution(IMAGE, Plain, pair(1, 1), (1, 3));
    let sum = b.sum(&[wide, wide, wide, wide]);
    let sum = b.sum(&[sum, sum]);
    let bent = b.prelu(sum, 3);
    let mean = b.pool(bent, PoolKind::Mean, pair(2, 2));
    let fine = b.upsampling(mean, pair(2, 2));
    let all = b.concatenation(&[bent, fine]);
    b.convolution(all, Plain, pair(1, 3), (6, 1));
}

/// The parts of a network for the plain stream's grid.
fn parts(build: fn(&mut Builder)) -> Parts {
    parts_of(Real, build)
}

fn parts_of(kind: Kind, build: fn(&mut Builder)) -> Parts {
    let header = ridge().header;
    let mut builder = Builder::new(kind);
    build(&mut builder);
    Parts {
        rate: header.coded.rate,
        stft: header.stft,
        arithmetic: match kind {
            Real => Arithmetic::Real,
            Bytes | Words => Arithmetic::Whole,
        },
        normalisation: Normalisation {
            offset: 25.0,
            scale: 30.0,
        },
        residual: true,
        completion: builder.graph,
        analysis: None,
        metadata: Vec::new(),
    }
}

/// The stream with this network.
fn bring(mut recipe: Recipe, file: Vec<u8>) -> Result<Vec<u8>> {
    recipe.header.model = Some(ModelId::of(&file));
    recipe.model = Some(file);
    recipe.bytes()
}

/// A stream with a network of whole numbers: name, section, all but the network, its numbers, itself.
type Whole = (&'static str, &'static str, Recipe, Kind, fn(&mut Builder));

fn whole() -> Vec<Whole> {
    let mut all = ridge();
    let header = &mut all.header;
    header.segment_frames = 3;
    header.phase = PhaseKind::Thresholded {
        bits: 5,
        threshold: -80,
    };
    header.waveform = Some(WaveformShape {
        coefficients: 8,
        step: -40,
    });
    let mut single = ridge();
    single.header.segment_frames = 1;
    let stereo = |mut recipe: Recipe| {
        let header = &mut recipe.header;
        (header.source.channels, header.coded.channels) = (2, 2);
        recipe
    };
    vec![
        ("baseline/whole-plain-network", "8.4", ridge(), Bytes, plain),
        (
            "baseline/whole-sparse-network",
            "8.4",
            seeded(),
            Bytes,
            sparse,
        ),
        (
            "baseline/whole-sparse-network-of-ridges",
            "8.4",
            stereo(ridge()),
            Bytes,
            sparse,
        ),
        (
            "uncommon/whole-network-of-words",
            "7.4",
            ridge(),
            Words,
            plain,
        ),
        (
            "uncommon/whole-sparse-network-of-words",
            "8.4",
            seeded(),
            Words,
            sparse,
        ),
        (
            "uncommon/whole-depthwise-and-dilated",
            "8.4",
            ridge(),
            Bytes,
            depthwise,
        ),
        (
            "uncommon/whole-sparse-groups-with-stride",
            "8.4",
            seeded(),
            Bytes,
            sparse_groups,
        ),
        ("uncommon/whole-u-net", "8.4", ridge(), Bytes, u_net),
        ("uncommon/whole-pools", "8.7", seeded(), Bytes, pools),
        (
            "uncommon/whole-shuffle-of-both-axes",
            "8.9",
            ridge(),
            Bytes,
            shuffles,
        ),
        ("uncommon/whole-fine-grid", "8.8", ridge(), Bytes, fine_grid),
        ("uncommon/whole-saturated", "8.3", ridge(), Words, saturated),
        (
            "uncommon/whole-network-beside-everything",
            "8.1",
            all,
            Bytes,
            plain,
        ),
        (
            "uncommon/whole-u-net-of-single-frames",
            "8.3",
            single,
            Bytes,
            u_net,
        ),
    ]
}

pub(super) fn lawful() -> Result<Vec<Vector>> {
    let mut out = Vec::new();
    let mut add = |name: &str, section, recipe: Recipe, parts: Parts, coding| -> Result<()> {
        let file = Model::new(parts)?.write(coding)?;
        out.push(Vector {
            file: format!("{name}.sparc"),
            section,
            bytes: bring(recipe, file)?,
        });
        Ok(())
    };
    let f32 = WeightCoding::F32;
    add("baseline/plain-network", "8.4", ridge(), parts(plain), f32)?;
    add(
        "baseline/sparse-network",
        "8.4",
        seeded(),
        parts(sparse),
        f32,
    )?;
    add(
        "baseline/sparse-network-of-ridges",
        "8.4",
        ridge(),
        parts(sparse),
        f32,
    )?;
    add(
        "uncommon/network-of-halves",
        "7.7",
        ridge(),
        parts(plain),
        WeightCoding::F16,
    )?;
    add(
        "uncommon/network-of-bytes",
        "7.4",
        ridge(),
        parts(plain),
        WeightCoding::I8,
    )?;
    add(
        "uncommon/depthwise-and-dilated",
        "8.4",
        ridge(),
        parts(depthwise),
        f32,
    )?;
    add(
        "uncommon/sparse-groups-with-stride",
        "8.4",
        seeded(),
        parts(sparse_groups),
        f32,
    )?;
    add("uncommon/u-net", "8.4", ridge(), parts(u_net), f32)?;
    add("uncommon/pools", "8.7", seeded(), parts(pools), f32)?;
    add(
        "uncommon/shuffle-of-both-axes",
        "8.9",
        ridge(),
        parts(shuffles),
        f32,
    )?;
    add("uncommon/fine-grid", "8.8", ridge(), parts(fine_grid), f32)?;
    let alone = |kind| Parts {
        residual: false,
        ..parts_of(kind, plain)
    };
    for (name, kind) in [
        ("uncommon/network-that-is-the-image", Real),
        ("uncommon/whole-network-that-is-the-image", Bytes),
    ] {
        add(name, "8.10", ridge(), alone(kind), f32)?;
    }
    for (name, section, recipe, kind, build) in whole() {
        add(name, section, recipe, parts_of(kind, build), f32)?;
    }
    let mut both = parts(plain);
    let mut analysis = Builder::new(Real);
    analysis.convolution(Operand::Plane(Plane::Levels), Plain, pair(3, 3), (1, 1));
    both.analysis = Some(analysis.graph);
    both.metadata = vec![("DATA".into(), "none".into())];
    add(
        "uncommon/network-with-an-analysis",
        "8.11",
        ridge(),
        both,
        f32,
    )?;
    let mut with_waveform = ridge();
    with_waveform.header.waveform = Some(WaveformShape {
        coefficients: 8,
        step: -40,
    });
    with_waveform.header.lattice = None;
    add(
        "uncommon/network-beside-a-waveform",
        "8.1",
        with_waveform,
        parts(plain),
        f32,
    )?;
    for (name, file) in [
        ("speech", "baseline/built-in-network.sparc"),
        ("speech-lite", "baseline/built-in-lite-network.sparc"),
    ] {
        let Some(network) = sparc::models::by_name(name) else {
            continue;
        };
        let mut speech = ridge();
        let header = &mut speech.header;
        header.stft = network.model.stft;
        header.lattice = Some(LatticeShape {
            bands: 14,
            every: 2,
            step: 32,
        });
        header.waveform = Some(WaveformShape {
            coefficients: 16,
            step: -40,
        });
        header.model = Some(network.id);
        speech.total = 256 * 13;
        out.push(Vector {
            file: file.into(),
            section: "8.4",
            bytes: speech.bytes()?,
        });
    }
    let mut damaged = ridge();
    damaged.total = 64 * 36;
    let file = Model::new(parts_of(Bytes, u_net))?.write(f32)?;
    let mut bytes = bring(damaged, file)?;
    // Header, model, a sound segment; some bytes into the next.
    let at = join(&chunks(&bytes)[..3]).len() + 12;
    bytes[at] ^= 0x10;
    out.push(Vector {
        file: "uncommon/segment-lost-with-a-network.sparc".into(),
        section: "3.8",
        bytes,
    });
    Ok(out)
}

pub(super) fn faulty() -> Result<Vec<Vector>> {
    let f32 = WeightCoding::F32;
    let other_rate = Parts {
        rate: 8000,
        ..parts(plain)
    };
    let mut other_hop = parts(plain);
    other_hop.stft.hop = 32;
    let mut cut = Model::new(parts(plain))?.write(f32)?;
    cut.truncate(cut.len() - 20);
    let mut damaged = Model::new(parts(plain))?.write(f32)?;
    damaged[60] ^= 1;
    let streams = [
        ("model-whose-sums-overflow", "7.8", overflowing()?),
        (
            "model-of-another-rate",
            "3.9",
            Model::new(other_rate)?.write(f32)?,
        ),
        (
            "model-of-another-transform",
            "3.9",
            Model::new(other_hop)?.write(f32)?,
        ),
        ("model-cut", "7.2", cut),
        ("model-damaged", "7.2", damaged),
    ];
    let vector = |(name, section, file)| -> Result<Vector> {
        Ok(Vector {
            file: format!("faulty/{name}.sparc"),
            section,
            bytes: bring(ridge(), file)?,
        })
    };
    streams.into_iter().map(vector).collect()
}

/// A network of whole numbers whose last bias is as large as can be.
fn overflowing() -> Result<Vec<u8>> {
    let mut file = Model::new(parts_of(Bytes, fine_grid))?.write(WeightCoding::F32)?;
    // Behind it are the checksum and the last chunk, which is empty.
    let end = file.len() - 6 - 4;
    file[end - 4..end].copy_from_slice(&i32::MAX.to_le_bytes());
    // Operation and input; kind, three pairs, groups, channels and coding; 18 weights, a shift and the bias.
    let body = 3 + 11 + 18 + 1 + 4;
    let sum = crc32fast::hash(&file[end - body - 2..end]);
    file[end..end + 4].copy_from_slice(&sum.to_le_bytes());
    Ok(file)
}
