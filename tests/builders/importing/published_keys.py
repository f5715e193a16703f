"""Names and shapes of published checkpoints, written from the papers' code and not from ours."""

from collections.abc import Callable, Iterator
from functools import partial

Shapes = dict[str, tuple[int, ...]]


def batch_norm(name: str, channels: int) -> Shapes:
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in vectors} | {f"{name}.num_batches_tracked": ()}


def conv(name: str, inputs: int, outputs: int, kernel: int, *, bias: bool = False) -> Shapes:
    shapes: Shapes = {f"{name}.weight": (outputs, inputs, kernel, kernel)}
    return shapes | ({f"{name}.bias": (outputs,)} if bias else {})


def conv_norm(conv_name: str, norm: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    return conv(conv_name, inputs, outputs, kernel) | batch_norm(norm, outputs)


def basic(name: str, channels: int) -> Shapes:
    return conv_norm(f"{name}.conv1", f"{name}.bn1", channels, channels, 3) | conv_norm(
        f"{name}.conv2", f"{name}.bn2", channels, channels, 3
    )


def bottleneck(name: str, inputs: int, planes: int, *, downsample: bool) -> Shapes:
    shapes = conv_norm(f"{name}.conv1", f"{name}.bn1", inputs, planes, 1)
    shapes |= conv_norm(f"{name}.conv2", f"{name}.bn2", planes, planes, 3)
    shapes |= conv_norm(f"{name}.conv3", f"{name}.bn3", planes, 4 * planes, 1)
    if downsample:
        shapes |= conv_norm(f"{name}.downsample.0", f"{name}.downsample.1", inputs, 4 * planes, 1)
    return shapes


def merged(parts: Iterator[Shapes]) -> Shapes:
    shapes: Shapes = {}
    for part in parts:
        assert not shapes.keys() & part.keys()
        shapes |= part
    return shapes


def resnet(depth: int) -> Shapes:
    counts = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    shapes = conv_norm("conv1", "bn1", 3, 64, 7)
    inputs = 64
    for layer, count in enumerate(counts, start=1):
        planes = 64 * 2 ** (layer - 1)
        for block in range(count):
            shapes |= bottleneck(f"layer{layer}.{block}", inputs, planes, downsample=block == 0)
            inputs = 4 * planes
    return shapes


def pose_resnet(depth: int) -> Shapes:
    shapes = resnet(depth)
    for index, inputs in enumerate((2048, 256, 256)):
        shapes[f"deconv_layers.{3 * index}.weight"] = (inputs, 256, 4, 4)
        shapes |= batch_norm(f"deconv_layers.{3 * index + 1}", 256)
    return shapes | conv("final_layer", 256, 17, 1, bias=True)


def hrnet(width: int, *, last_outputs: int) -> Shapes:
    widths = [width * 2**branch for branch in range(4)]
    shapes = conv_norm("conv1", "bn1", 3, 64, 3) | conv_norm("conv2", "bn2", 64, 64, 3)
    for block in range(4):
        inputs = 64 if block == 0 else 256
        shapes |= bottleneck(f"layer1.{block}", inputs, 64, downsample=block == 0)
    shapes |= conv_norm("transition1.0.0", "transition1.0.1", 256, width, 3)
    shapes |= conv_norm("transition1.1.0.0", "transition1.1.0.1", 256, 2 * width, 3)
    for stage in (2, 3):
        name = f"transition{stage}.{stage}.0"
        shapes |= conv_norm(f"{name}.0", f"{name}.1", widths[stage - 1], widths[stage], 3)
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        for module in range(modules):
            last = stage == 4 and module == modules - 1
            outputs = last_outputs if last else stage
            shapes |= _module(f"stage{stage}.{module}", widths[:stage], outputs)
    return shapes


def _module(name: str, widths: list[int], outputs: int) -> Shapes:
    shapes: Shapes = {}
    for branch, channels in enumerate(widths):
        for block in range(4):
            shapes |= basic(f"{name}.branches.{branch}.{block}", channels)
    for i in range(outputs):
        for j in range(len(widths)):
            fuse = f"{name}.fuse_layers.{i}.{j}"
            if j > i:
                shapes |= conv_norm(f"{fuse}.0", f"{fuse}.1", widths[j], widths[i], 1)
            for step in range(i - j):
                to = widths[i] if step == i - j - 1 else widths[j]
                shapes |= conv_norm(f"{fuse}.{step}.0", f"{fuse}.{step}.1", widths[j], to, 3)
    return shapes


def pose_hrnet(width: int) -> Shapes:
    return hrnet(width, last_outputs=1) | conv("final_layer", width, 17, 1, bias=True)


def imagenet_hrnet(width: int) -> Shapes:
    """The classifier: four branches, then layers that no pose network has."""
    shapes = hrnet(width, last_outputs=4)
    for branch, planes in enumerate((32, 64, 128, 256)):
        inputs = width * 2**branch
        shapes |= bottleneck(f"incre_modules.{branch}.0", inputs, planes, downsample=True)
    for step, inputs in enumerate((128, 256, 512)):
        name = f"downsamp_modules.{step}"
        shapes |= conv(f"{name}.0", inputs, 2 * inputs, 3, bias=True)
        shapes |= batch_norm(f"{name}.1", 2 * inputs)
    shapes |= conv("final_layer.0", 1024, 2048, 1, bias=True) | batch_norm("final_layer.1", 2048)
    return shapes | {"classifier.weight": (1000, 2048), "classifier.bias": (1000,)}


def stn_block(name: str, channels: int) -> Shapes:
    shapes: Shapes = {f"{name}.regular_matrix": (2, 9)}
    for which in (1, 2):
        shapes |= conv(f"{name}.transform_matrix_conv{which}", channels, 4, 3, bias=True)
        shapes |= conv_norm(f"{name}.stn_conv{which}", f"{name}.bn{which}", channels, channels, 3)
    return shapes


def hgg(width: int, *, higher: bool = False) -> Shapes:
    features = 15 * width
    shapes = hrnet(width, last_outputs=4)
    shapes |= conv_norm("transition_cls.0", "transition_cls.1", features, width, 1)
    shapes |= conv_norm("transition_reg.0", "transition_reg.1", features + 17, 256, 1)
    for branch in range(3):
        shapes |= stn_block(f"multi_level_layers_4x_heatmap.{branch}.0", width)
    shapes |= stn_block("multi_level_layers_4x_regression.0.0", 256)
    shapes |= conv("final_layers.0", width, 17, 1, bias=True)
    shapes |= conv("final_layers.1", 256, 35, 1, bias=True)
    if higher:
        shapes["deconv_layers.0.0.0.weight"] = (width + 17, width, 4, 4)
        shapes |= batch_norm("deconv_layers.0.0.1", width) | basic("deconv_layers.0.1.0", width)
        shapes |= conv("final_layers.2", width, 17, 1, bias=True)
    return shapes


def dekr(width: int) -> Shapes:
    features = 15 * width
    shapes = hrnet(width, last_outputs=4)
    shapes |= conv_norm("transition_heatmap.0", "transition_heatmap.1", features, width, 1)
    shapes |= conv_norm("transition_offset.0", "transition_offset.1", features, 255, 1)
    shapes |= basic("head_heatmap.0.0", width) | conv("head_heatmap.1", width, 18, 1, bias=True)
    for joint in range(17):
        for unit in range(2):
            name = f"offset_feature_layers.{joint}.{unit}"
            shapes[f"{name}.regular_matrix"] = (2, 9)
            shapes |= conv(f"{name}.transform_matrix_conv", 15, 4, 3, bias=True)
            shapes |= conv(f"{name}.translation_conv", 15, 2, 3, bias=True)
            shapes |= conv_norm(f"{name}.adapt_conv", f"{name}.bn", 15, 15, 3)
        shapes |= conv(f"offset_final_layer.{joint}", 15, 2, 1, bias=True)
    return shapes


def mmpose_dekr(width: int) -> Shapes:
    features = 15 * width
    shapes = prefixed("backbone.", hrnet(width, last_outputs=4))
    heat, move = "head.heatmap_conv_layers", "head.displacement_conv_layers"
    shapes |= conv_norm(f"{heat}.0.conv", f"{heat}.0.bn", features, width, 1)
    shapes |= basic(f"{heat}.1", width) | conv(f"{heat}.2", width, 18, 1, bias=True)
    shapes |= conv_norm(f"{move}.0.conv", f"{move}.0.bn", features, 255, 1)
    for unit in (1, 2):
        shapes[f"{move}.{unit}.regular_matrix"] = (3, 9)
        shapes |= conv(f"{move}.{unit}.transform_matrix_conv", 15, 6 * 17, 3, bias=True)
        shapes |= conv_norm(f"{move}.{unit}.adapt_conv", f"{move}.{unit}.norm", 15, 255, 3)
    shapes |= conv(f"{move}.3", 15, 34, 1, bias=True)
    return shapes | prefixed("head.rescore_net.", scoring_net())


def scoring_net() -> Shapes:
    sizes = ((74, 256), (256, 256), (256, 1))
    shapes: Shapes = {}
    for layer, (inputs, outputs) in enumerate(sizes, start=1):
        shapes |= {f"l{layer}.weight": (outputs, inputs), f"l{layer}.bias": (outputs,)}
    return shapes


def smpr_r50() -> Shapes:
    shapes = prefixed("backbone.", resnet(50))
    for level, inputs in enumerate((512, 1024, 2048)):
        shapes |= conv(f"neck.lateral_convs.{level}.conv", inputs, 256, 1, bias=True)
    counts = (("fpn_convs", 5), ("downsample_convs", 2), ("pafpn_convs", 2))
    for kind, count in counts:
        for level in range(count):
            shapes |= conv(f"neck.{kind}.{level}.conv", 256, 256, 3, bias=True)
    return shapes | smpr_head()


def smpr_hrnet() -> Shapes:
    shapes = prefixed("backbone.", hrnet(32, last_outputs=4))
    shapes |= conv("neck.reduction_conv.conv", 480, 256, 1, bias=True)
    for level in range(5):
        shapes |= conv(f"neck.fpn_convs.{level}.conv", 256, 256, 3, bias=True)
    return shapes | smpr_head()


def smpr_head() -> Shapes:
    shapes: Shapes = {}
    stacks = [(f"{kind}_convs.{i}", 256, 256) for kind in ("cls", "reg") for i in range(4)]
    stacks += [("hm_convs.0", 256, 128), ("hm_convs.1", 128, 128)]
    for name, inputs, outputs in stacks:
        shapes |= conv(f"{name}.conv", inputs, outputs, 3)
        shapes |= {f"{name}.gn.weight": (outputs,), f"{name}.gn.bias": (outputs,)}
    outs = (("fcos_cls", 1), ("fcos_reg", 34), ("fcos_rescore", 1), ("fcos_refine_out", 34))
    for name, outputs in outs:
        shapes |= conv(name, 256, outputs, 3, bias=True)
    shapes |= conv("hm_out", 128, 17, 3, bias=True)
    shapes |= {f"scales_{which}.{level}.scale": () for which in (1, 2) for level in range(5)}
    shapes["feature_adaption.conv_offset.weight"] = (72, 34, 1, 1)
    for branch in ("reg", "cls"):
        shapes[f"feature_adaption.conv_adaption_{branch}.weight"] = (256, 256, 3, 3)
    return prefixed("bbox_head.", shapes)


def posefix(depth: int) -> Shapes:
    """TensorFlow's names and layouts, weights only."""
    counts = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    root = f"resnet_v1_{depth}"
    shapes = _tf(f"{root}/conv1", (7, 7, 20, 64), 64)
    inputs = 64
    for block, count in enumerate(counts, start=1):
        planes = 64 * 2 ** (block - 1)
        for unit in range(1, count + 1):
            name = f"{root}/block{block}/unit_{unit}/bottleneck_v1"
            if unit == 1:
                shapes |= _tf(f"{name}/shortcut", (1, 1, inputs, 4 * planes), 4 * planes)
            shapes |= _tf(f"{name}/conv1", (1, 1, inputs, planes), planes)
            shapes |= _tf(f"{name}/conv2", (3, 3, planes, planes), planes)
            shapes |= _tf(f"{name}/conv3", (1, 1, planes, 4 * planes), 4 * planes)
            inputs = 4 * planes
    for step, channels in enumerate((2048, 256, 256), start=1):
        shapes |= _tf(f"up{step}", (4, 4, 256, channels), 256)
    return shapes | {"out/weights": (1, 1, 256, 17), "out/biases": (17,)}


def _tf(name: str, weights: tuple[int, ...], channels: int) -> Shapes:
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    norm = {f"{name}/BatchNorm/{part}": (channels,) for part in parts}
    return {f"{name}/weights": weights} | norm


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


def mmpose_top_down(shapes: Shapes, head: str) -> Shapes:
    """MMPose's names: the trunk under `backbone.`, deconvolutions and last layer under the head."""
    heads = ("deconv_layers.", "final_layer.")
    return {
        f"{head}.{name}" if name.startswith(heads) else f"backbone.{name}": shape
        for name, shape in shapes.items()
    }


def imagenet_resnet(depth: int) -> Shapes:
    return resnet(depth) | {"fc.weight": (1000, 2048), "fc.bias": (1000,)}


def _mmpose(shapes: Callable[[], Shapes], head: str = "head") -> Callable[[], Shapes]:
    return lambda: mmpose_top_down(shapes(), head)


def _every() -> Iterator[tuple[str, str, Callable[[], Shapes]]]:
    """Target, form, shapes."""
    for depth in (50, 101, 152):
        plain = partial(pose_resnet, depth)
        for name in (f"pose_resnet_{depth}", f"pose_resnet_{depth}_caffe"):
            yield name, "as released", plain
        yield f"pose_resnet_{depth}", "mmpose", _mmpose(plain)
        yield f"resnet_{depth}_trunk", "ImageNet", partial(imagenet_resnet, depth)
        yield f"posefix_r{depth}", "TensorFlow", partial(posefix, depth)
        yield f"graph_pcnn_resnet_{depth}", "start", plain
        yield f"kcam_resnet_{depth}", "start", _mmpose(plain)
    for width in (32, 48):
        plain = partial(pose_hrnet, width)
        yield f"pose_hrnet_w{width}", "as released", plain
        yield f"pose_hrnet_w{width}", "mmpose", _mmpose(plain)
        yield f"pose_hrnet_w{width}", "mmpose 0.x", _mmpose(plain, "keypoint_head")
        yield f"graph_pcnn_hrnet_w{width}", "start", _mmpose(plain)
        yield f"kcam_hrnet_w{width}", "start", plain
        yield f"hrnet_w{width}_trunk", "ImageNet", partial(imagenet_hrnet, width)
        yield f"hgg_w{width}", "as released", partial(hgg, width)
        yield f"dekr_w{width}", "as released", partial(dekr, width)
        yield f"dekr_w{width}", "mmpose", partial(mmpose_dekr, width)
    yield "hgg_hr_w48", "as released", partial(hgg, 48, higher=True)
    yield "smpr_r50", "as released", smpr_r50
    yield "smpr_hr_w32", "as released", smpr_hrnet
    yield "scoring_net", "as released", scoring_net
    yield "scoring_net_mmpose", "mmpose", scoring_net
    yield "scoring_net_mmpose", "inside DEKR", partial(mmpose_dekr, 32)


PUBLISHED = {f"{target}, {form}": (target, shapes) for target, form, shapes in _every()}
