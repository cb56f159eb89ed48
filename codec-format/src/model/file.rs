//! Model files: networks as bytes (Spec §7).

use super::graph::{Graph, Node, Operand, Plane};
use super::op::{unsupported, Budget, Op};
use super::{Arithmetic, Model, Normalisation, Parts, WeightCoding};
use crate::bytes::{put_varint, Cursor};
use crate::chunk::{
    describe, put_chunk, span_at, ANCILLARY, MEND, MHDR, MMET, MODEL_SIGNATURE, NODE,
};
use crate::error::{Error, Result};
use crate::header::Stft;
use crate::limits::{check, Limits};
use crate::metadata::{read_pairs, write_pairs};
use alloc::vec::Vec;

/// Version byte of model files: major and minor nibble (Spec §7.3).
const VERSION: u8 = 0x10;

/// The planes by their number in a NODE chunk, which counts from [`FIRST_PLANE`] (Spec §7.4).
const PLANES: [Plane; 5] = [
    Plane::Values,
    Plane::Image,
    Plane::Background,
    Plane::Mask,
    Plane::Levels,
];
const FIRST_PLANE: u8 = 0x80;

impl Model {
    /// The bytes of a model file, within the default limits so that every reader takes it.
    ///
    /// # Errors
    /// [`Error::Usage`] where a weight overflows the coding asked for or a key of the metadata is none,
    /// [`Error::LimitExceeded`] where the metadata or the file grow too long.
    pub fn write(&self, coding: WeightCoding) -> Result<Vec<u8>> {
        let limits = &Limits::default();
        let analysis: &[Node] = self.analysis.as_ref().map_or(&[], |graph| &graph.nodes);
        let mut file = MODEL_SIGNATURE.to_vec();
        let mut body = Vec::new();
        body.push(VERSION);
        put_varint(&mut body, u64::from(self.rate));
        self.stft.write(&mut body);
        let Normalisation { offset, scale } = self.normalisation;
        match (self.arithmetic, self.normalisation.whole()) {
            (Arithmetic::Whole, Some((offset, one))) => {
                body.push(1);
                body.extend_from_slice(&offset.to_le_bytes());
                body.extend_from_slice(&one.to_le_bytes());
            }
            _ => {
                body.push(0);
                body.extend_from_slice(&offset.to_le_bytes());
                body.extend_from_slice(&scale.to_le_bytes());
            }
        }
        body.push(u8::from(self.residual));
        body.extend_from_slice(&[self.completion.nodes.len() as u8, analysis.len() as u8]);
        put_chunk(&mut file, MHDR, &body);
        if !self.metadata.is_empty() {
            body.clear();
            write_pairs(&mut body, &self.metadata, limits)?;
            let most = limits.metadata_bytes as u64;
            check("metadata bytes", body.len() as u64, most)?;
            put_chunk(&mut file, MMET, &body);
        }
        for node in self.completion.nodes.iter().chain(analysis) {
            body.clear();
            write_node(node, &mut body, coding)?;
            put_chunk(&mut file, NODE, &body);
        }
        put_chunk(&mut file, MEND, &[]);
        check("model bytes", file.len() as u64, limits.model_bytes as u64)?;
        Ok(file)
    }

    /// Reads and checks a model file.
    ///
    /// # Errors
    /// Any of [`Error`]'s but [`Error::Usage`]; offsets count from the file's start.
    pub fn read(file: &[u8], limits: &Limits) -> Result<Model> {
        check("model bytes", file.len() as u64, limits.model_bytes as u64)?;
        let there = file.len().min(MODEL_SIGNATURE.len());
        if file[..there] != MODEL_SIGNATURE[..there] {
            return Err(Error::Malformed {
                what: "model signature",
                at: 0,
            });
        }
        if there < MODEL_SIGNATURE.len() {
            return Err(Error::Truncated {
                what: "model signature",
                at: there as u64,
            });
        }
        let mut at = there;
        let mut reading: Option<Reading> = None;
        let mut budget = Budget { limits, weights: 0 };
        loop {
            let rest = &file[at..];
            let chunk =
                span_at(rest, |_| limits.model_bytes).map_err(|e| e.offset_by(at as u64))?;
            let chunk = match chunk {
                Some(chunk) if chunk.size() <= rest.len() => chunk,
                _ => {
                    let what = chunk.map_or("model chunk", |chunk| describe(chunk.kind).0);
                    return Err(Error::Truncated {
                        what,
                        at: file.len() as u64,
                    });
                }
            };
            if !chunk.is_sound(rest) {
                return Err(Error::Corrupt {
                    what: describe(chunk.kind).0,
                    at: at as u64,
                });
            }
            let body_at = (at + chunk.body) as u64;
            let place = |error: Error| error.offset_by(body_at);
            let misplaced = Error::Malformed {
                what: "order of model chunks",
                at: at as u64,
            };
            let body = chunk.body_in(rest);
            at += chunk.size();
            match (chunk.kind, &mut reading) {
                (MHDR, None) => reading = Some(Reading::start(body, limits).map_err(place)?),
                (NODE, Some(reading)) if reading.nodes.len() < reading.expected() => {
                    let node = read_node(body, &mut budget).map_err(place)?;
                    reading.nodes.push(node);
                }
                (MMET, Some(reading)) => reading.metadata(body, limits).map_err(place)?,
                (MEND, Some(_)) => {
                    if at != file.len() {
                        return Err(Error::Malformed {
                            what: "bytes after the model",
                            at: at as u64,
                        });
                    }
                    let parts = reading.and_then(Reading::finish);
                    let parts = parts.ok_or(Error::Malformed {
                        what: "count of nodes",
                        at: body_at,
                    })?;
                    return Model::within(parts, limits).map_err(|error| match error {
                        Error::Usage { what } => Error::Malformed {
                            what,
                            at: there as u64,
                        },
                        other => other,
                    });
                }
                (MHDR | NODE | MMET | MEND, _) => return Err(misplaced),
                (kind, _) if kind & ANCILLARY != 0 => {}
                (kind, _) => {
                    return Err(Error::Unsupported {
                        what: "critical model chunk",
                        value: u64::from(kind),
                        at: body_at,
                    })
                }
            }
        }
    }
}

/// A model of which some chunks have been read.
struct Reading {
    /// The parts, their completion and analysis still empty.
    parts: Parts,
    /// The nodes so far, of both graphs in turn.
    nodes: Vec<Node>,
    /// How many nodes either graph has.
    completion: usize,
    analysis: usize,
}

impl Reading {
    /// Spec §7.3
    fn start(body: &[u8], limits: &Limits) -> Result<Self> {
        let mut cursor = Cursor::new(body);
        let version = cursor.byte("model version")?;
        if version >> 4 != VERSION >> 4 {
            let value = u64::from(version >> 4);
            return Err(Error::Unsupported {
                what: "major model version",
                value,
                at: 0,
            });
        }
        let rate = cursor.varint_up_to(u64::from(u32::MAX), "model sample rate")? as u32;
        let stft = Stft::read(&mut cursor)?;
        let at = cursor.at();
        let (arithmetic, normalisation) = match cursor.byte("arithmetic")? {
            0 => {
                let mut float = |what| cursor.array(what).map(f32::from_le_bytes);
                let (offset, scale) = (float("offset")?, float("scale")?);
                (Arithmetic::Real, Normalisation { offset, scale })
            }
            1 => {
                let mut whole = |what| cursor.array(what).map(i16::from_le_bytes);
                let (offset, one) = (whole("offset")?, whole("one")?);
                (Arithmetic::Whole, Normalisation::of_whole(offset, one))
            }
            kind => return Err(unsupported("arithmetic", kind, at)),
        };
        let at = cursor.at();
        let residual = match cursor.byte("residual flag")? {
            0 => false,
            1 => true,
            _ => {
                return Err(Error::Malformed {
                    what: "residual flag",
                    at,
                })
            }
        };
        let mut count = |what| {
            let count = cursor.byte(what)?;
            check(what, u64::from(count), limits.model_nodes as u64)?;
            Ok(usize::from(count))
        };
        let completion = count("nodes of the completion")?;
        let analysis = count("nodes of the analysis")?;
        if version & 15 == VERSION & 15 {
            cursor.end("end of model header")?;
        }
        Ok(Reading {
            parts: Parts {
                rate,
                stft,
                arithmetic,
                normalisation,
                residual,
                completion: Graph::default(),
                analysis: None,
                metadata: Vec::new(),
            },
            nodes: Vec::new(),
            completion,
            analysis,
        })
    }

    fn expected(&self) -> usize {
        self.completion + self.analysis
    }

    /// Spec §7.5
    fn metadata(&mut self, body: &[u8], limits: &Limits) -> Result<()> {
        let most = limits.metadata_bytes as u64;
        check("metadata bytes", body.len() as u64, most)?;
        let mut cursor = Cursor::new(body);
        let pairs = read_pairs(&mut cursor, limits)?;
        cursor.end("end of model metadata")?;
        let all = &mut self.parts.metadata;
        let count = (all.len() + pairs.len()) as u64;
        check("metadata entries", count, limits.metadata_entries as u64)?;
        all.extend(pairs);
        Ok(())
    }

    /// The parts, if all nodes have come.
    fn finish(mut self) -> Option<Parts> {
        if self.nodes.len() != self.expected() {
            return None;
        }
        let analysis = self.nodes.split_off(self.completion);
        self.parts.completion.nodes = self.nodes;
        self.parts.analysis = (!analysis.is_empty()).then_some(Graph { nodes: analysis });
        Some(self.parts)
    }
}

/// Spec §7.4
fn write_node(node: &Node, body: &mut Vec<u8>, coding: WeightCoding) -> Result<()> {
    body.extend_from_slice(&[node.op.code(), node.inputs.len() as u8]);
    for operand in &node.inputs {
        body.push(match *operand {
            Operand::Node(at) => at,
            Operand::Plane(plane) => {
                let number = PLANES.iter().take_while(|&&other| other != plane).count();
                FIRST_PLANE + number as u8
            }
        });
    }
    node.op.write(body, coding)
}

/// Spec §7.4
fn read_node(body: &[u8], budget: &mut Budget<'_>) -> Result<Node> {
    let mut cursor = Cursor::new(body);
    let code = cursor.byte("operation")?;
    let count = cursor.byte("count of inputs")?;
    let most = budget.limits.model_nodes as u64;
    check("inputs of a node", u64::from(count), most)?;
    let mut inputs = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let at = cursor.at();
        let number = cursor.byte("input of a node")?;
        inputs.push(match number.checked_sub(FIRST_PLANE) {
            None => Operand::Node(number),
            Some(plane) => match PLANES.get(usize::from(plane)) {
                Some(&plane) => Operand::Plane(plane),
                None => {
                    return Err(Error::Unsupported {
                        what: "input plane",
                        value: u64::from(number),
                        at,
                    })
                }
            },
        });
    }
    let op = Op::read(code, &mut cursor, budget)?;
    cursor.end("end of node")?;
    Ok(Node { op, inputs })
}
