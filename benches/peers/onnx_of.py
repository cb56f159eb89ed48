#!/usr/bin/env python3
"""A network of a `.sparcmodel` file as ONNX, for other people's engines.

    onnx_of.py MODEL.sparcmodel OUT.onnx FRAMES BINS

Four inputs `values`, `image`, `background`, `mask`, each 1 x 1 x frames x bins in the network's units (what is read of
them; the values zero where nothing is kept); one output `levels`, 1 x 1 x fine frames x bins, in the network's units.

A sparse convolution becomes two convolutions and a division: of what is observed with the weights, of what is
observed as ones with a kernel of ones, which counts; the first times the kernel's area over the second. ONNX has no
operation for it.
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "spec"))
import decoder  # noqa: E402

PLANES = ("values", "image", "background", "mask")


class Writer:
    """Nodes and weights of an ONNX graph as they come."""

    def __init__(self):
        self.nodes, self.weights, self.names = [], [], 0

    def name(self):
        self.names += 1
        return f"x{self.names}"

    def constant(self, array):
        name = self.name()
        self.weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind, inputs, **attributes):
        out = self.name()
        self.nodes.append(helper.make_node(kind, inputs, [out], **attributes))
        return out


def convolution(w, op, x, seen, sides):
    """Output, and where it is observed (None: everywhere)."""
    (g, f), (dg, df), (sg, sf) = op.kernel, op.dilation, op.stride

    def ends(size, kernel, dilation, stride):
        out = -(-size // stride)
        before = kernel // 2 * dilation
        return before, max((out - 1) * stride + (kernel - 1) * dilation + 1 - size - before, 0)

    (top, bottom), (left, right) = ends(sides[0], f, df, sf), ends(sides[1], g, dg, sg)
    how = dict(strides=[sf, sg], dilations=[df, dg], pads=[top, left, bottom, right], kernel_shape=[f, g])
    weights = w.constant(op.weights.transpose(0, 1, 3, 2).astype(np.float32))
    bias = op.bias.astype(np.float32)
    if not op.sparse:
        return w.add("Conv", [x, weights, w.constant(bias)], group=op.groups, **how), None
    if seen is None:
        raise ValueError("a sparse convolution of what is observed everywhere")
    total = w.add("Conv", [w.add("Mul", [x, seen]), weights], group=op.groups, **how)
    count = w.add("Conv", [seen, w.constant(np.ones((1, 1, f, g), np.float32))], **how)
    one = w.constant(np.float32(1))
    factor = w.add("Div", [w.constant(np.float32(f * g)), w.add("Max", [count, one])])
    y = w.add("Add", [w.add("Mul", [total, factor]), w.constant(bias.reshape(1, -1, 1, 1))])
    return y, w.add("Min", [count, one])


def pool(w, op, x, seen, sides):
    (pg, pf) = op.factor
    if seen is not None:
        raise ValueError("a pool of what is observed here and there")
    if sides[0] % pf or sides[1] % pg:
        raise ValueError("a pool that does not divide the image")
    kind = "MaxPool" if op.maximum else "AveragePool"
    return w.add(kind, [x], kernel_shape=[pf, pg], strides=[pf, pg]), None


def upsampling(w, op, x, seen, sides):
    (pg, pf) = op.factor
    scales = w.constant(np.array([1, 1, pf, pg], np.float32))
    grow = lambda x: w.add("Resize", [x, "", scales], mode="nearest", nearest_mode="floor",
                           coordinate_transformation_mode="asymmetric")
    return grow(x), seen and grow(seen)


def shuffle(w, op, x, seen, sides, channels):
    (pg, pf), (frames, bins) = op.factor, sides
    groups = channels // (pg * pf)
    split = w.constant(np.array([1, groups, pg, pf, frames, bins], np.int64))
    y = w.add("Transpose", [w.add("Reshape", [x, split])], perm=[0, 1, 4, 3, 5, 2])
    y = w.add("Reshape", [y, w.constant(np.array([1, groups, frames * pf, bins * pg], np.int64))])
    return y, seen and upsampling(w, op, seen, None, sides)[0]


def export(model, frames, bins):
    """The ONNX model for images of a size, and the multiply-adds of each coded frame of it."""
    w, macs = Writer(), 0
    shape = (frames, bins)
    planes = {128 + i: (name, "mask" if i == 0 else None, (0, 0), 1) for i, name in enumerate(PLANES)}
    given, read = dict(planes), set()
    for n, (op, inputs) in enumerate(model.nodes):
        read.update(i for i in inputs if i >= 128)
        if 128 in inputs:
            read.add(131)
        xs = [given[i] for i in inputs]
        x, seen, (bin_step, step), channels = xs[0]
        sides = decoder.sides(shape, (bin_step, step))
        kind = type(op).__name__
        if kind == "Convolution":
            y, seen = convolution(w, op, x, seen, sides)
            bin_step, step = bin_step + decoder.log2(op.stride[0]), step + decoder.log2(op.stride[1])
            channels = op.outputs
            size = decoder.sides(shape, (bin_step, step))
            macs += op.weights.size * size[0] * size[1]
        elif kind == "Activation":
            y = w.add("Relu", [x]) if op.slopes is None else w.add(
                "PRelu", [x, w.constant(op.slopes.astype(np.float32).reshape(-1, 1, 1))])
        elif kind == "Combination":
            observed = [s for _, s, _, _ in xs]
            if None in observed:
                seen = None
            else:
                seen = w.add("Max", observed)
            if op.concatenate:
                y, channels = w.add("Concat", [x for x, _, _, _ in xs], axis=1), sum(c for _, _, _, c in xs)
            else:
                y = xs[0][0]
                for other in xs[1:]:
                    y = w.add("Add", [y, other[0]])
        elif kind == "Pool":
            y, seen = pool(w, op, x, seen, sides)
            bin_step, step = bin_step + decoder.log2(op.factor[0]), step + decoder.log2(op.factor[1])
        else:
            if kind == "Shuffle":
                y, seen = shuffle(w, op, x, seen, sides, channels)
                channels //= op.factor[0] * op.factor[1]
            else:
                y, seen = upsampling(w, op, x, seen, sides)
            bin_step, step = bin_step - decoder.log2(op.factor[0]), step - decoder.log2(op.factor[1])
        given[n] = y, seen, (bin_step, step), channels
    w.nodes.append(helper.make_node("Identity", [given[len(model.nodes) - 1][0]], ["levels"]))
    image = lambda name, frames: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, frames, bins])
    inputs = [image(name, frames) for i, name in enumerate(PLANES) if 128 + i in read]
    graph = helper.make_graph(w.nodes, "completion", inputs, [image("levels", frames * model.up)], w.weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made, macs / frames


def quantise(path, out, feeds):
    """The same by onnxruntime's own quantisation: bytes for weights, each output's, and for activations, whose ranges are
    those of these inputs."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Once(CalibrationDataReader):
        def __init__(self):
            self.rest = [feeds]

        def get_next(self):
            return self.rest.pop() if self.rest else None

    quantize_static(path, out, Once(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def given(model, planes):
    """From planes in 1/16 dB (frames x bins), the inputs of the ONNX model and the dense image that its output is added
    to, in dB."""
    level = {name: plane.astype(np.float32) / np.float32(16) for name, plane in planes.items()}
    norm = lambda x: (x - model.offset) / model.scale
    kept = planes["mask"] == 1
    feeds = {"values": np.where(kept, norm(level["values"]), np.float32(0)), "image": norm(level["image"]),
             "background": norm(level["background"]), "mask": planes["mask"].astype(np.float32)}
    image = level["image"]
    after = np.concatenate([image[1:], image[-1:]])
    base = np.empty((len(image), model.up, image.shape[1]), np.float32)
    for j in range(model.up):
        base[:, j] = image + (after - image) * np.float32(j / model.up) if model.residual else model.offset
    return feeds, base.reshape(-1, image.shape[1])


def dense(model, levels, base):
    """The dense image in dB from what the ONNX model gives."""
    return base + levels.reshape(base.shape) * model.scale


def main(arguments):
    path, out, frames, bins = arguments
    with open(path, "rb") as file:
        model = decoder.Model(file.read())
    made, macs = export(model, int(frames), int(bins))
    onnx.save(made, out)
    print(f"{out}: {macs / int(bins):.0f} multiply-adds a pixel")


if __name__ == "__main__":
    main(sys.argv[1:])
