"""Weights that others published: what can be fetched, and where the rest lies.

Addresses and hash prefixes are those that OpenMMLab's and torchvision's model indices name; by
their convention the eight hex digits in a name are the beginning of the file's sha256. Nothing here
was fetched by us. Files on shares that ask for a browser are listed with words only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MMPOSE = "https://download.openmmlab.com/mmpose/"
TOP_DOWN = f"{MMPOSE}v1/body_2d_keypoint/topdown_heatmap/coco/"
DEKR = f"{MMPOSE}v1/body_2d_keypoint/dekr/coco/"
PRETRAINED = f"{MMPOSE}pretrain_models/"
TORCHVISION = "https://download.pytorch.org/models/"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file that can be fetched."""

    name: str
    """What users call it."""
    url: str
    sha256_prefix: str
    network: str
    """What to import it as."""
    licence: str

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True, slots=True)
class ElsewherePublished:
    """Files that only a person can fetch."""

    names: str
    networks: str
    where: str


def _top_down() -> Iterable[PublishedFile]:
    """MMPose 1.x on COCO: network, picture size, batch in the file's name, prefix and date."""
    rows = (
        ("pose_hrnet_w32", "hrnet-w32", "256x192", "8xb64", "81c58e40_20220909"),
        ("pose_hrnet_w32", "hrnet-w32", "384x288", "8xb64", "ca5956af_20220909"),
        ("pose_hrnet_w48", "hrnet-w48", "256x192", "8xb32", "0e67c616_20220913"),
        ("pose_hrnet_w48", "hrnet-w48", "384x288", "8xb32", "c161b7de_20220915"),
        ("pose_resnet_50", "res50", "256x192", "8xb64", "04af38ce_20220923"),
        ("pose_resnet_50", "res50", "384x288", "8xb64", "7b8db90e_20220923"),
        ("pose_resnet_101", "res101", "256x192", "8xb64", "065d3625_20220926"),
        ("pose_resnet_152", "res152", "256x192", "8xb32", "0345f330_20220928"),
        ("pose_resnet_152", "res152", "384x288", "8xb32", "7fbb906f_20220927"),
    )
    for network, trunk, size, batch, mark in rows:
        file = f"td-hm_{trunk}_{batch}-210e_coco-{size}-{mark}.pth"
        name = f"mmpose_{network.removeprefix('pose_')}_{size}"
        yield PublishedFile(name, f"{TOP_DOWN}{file}", mark[:8], network, "Apache-2.0")


PUBLISHED_FILES = (
    *_top_down(),
    PublishedFile(
        "mmpose_dekr_w32",
        f"{DEKR}dekr_hrnet-w32_8xb10-140e_coco-512x512_ac7c17bf-20221228.pth",
        "ac7c17bf",
        "dekr_w32",
        "Apache-2.0",
    ),
    PublishedFile(
        "mmpose_dekr_w48",
        f"{DEKR}dekr_hrnet-w48_8xb10-140e_coco-640x640_74796c32-20230124.pth",
        "74796c32",
        "dekr_w48",
        "Apache-2.0",
    ),
    PublishedFile(
        "mmpose_scoring_net",
        f"{PRETRAINED}kpt_rescore_coco-33d58c5c.pth",
        "33d58c5c",
        "scoring_net_mmpose",
        "Apache-2.0",
    ),
    PublishedFile(
        "imagenet_hrnet_w32",
        f"{PRETRAINED}hrnet_w32-36af842e.pth",
        "36af842e",
        "hrnet_w32_trunk",
        "MIT",
    ),
    PublishedFile(
        "imagenet_hrnet_w48",
        f"{PRETRAINED}hrnet_w48-8ef0771d.pth",
        "8ef0771d",
        "hrnet_w48_trunk",
        "MIT",
    ),
    *(
        PublishedFile(
            f"imagenet_resnet_{depth}",
            f"{TORCHVISION}resnet{depth}-{prefix}.pth",
            prefix,
            f"resnet_{depth}_trunk",
            "BSD-3-Clause",
        )
        for depth, prefix in ((50, "19c8e357"), (101, "5d3b4d8f"), (152, "b121ed2d"))
    ),
)
"""All that can be fetched."""

ELSEWHERE = (
    ElsewherePublished(
        "pose_hrnet_w{32,48}_{256x192,384x288}.pth, pose_resnet_{50,101,152}_*.pth",
        "pose_hrnet_w32, pose_hrnet_w48, pose_resnet_50, pose_resnet_101, pose_resnet_152",
        "Google Drive and OneDrive: links in the README of "
        "github.com/leoxiaobin/deep-high-resolution-net.pytorch",
    ),
    ElsewherePublished(
        "pose_resnet_*.pth.tar",
        "pose_resnet_50 and others, or pose_resnet_50_caffe and others",
        "Google Drive and OneDrive: links in the README of "
        "github.com/microsoft/human-pose-estimation.pytorch",
    ),
    ElsewherePublished(
        "pose_hrnet_w{32,48}_reg_delaysep_bg01_stn_*.pth, pose_higher_hrnet_w48_*.pth, "
        "final_rescore_coco_kpt.pth",
        "hgg_w32, hgg_w48, hgg_hr_w48, scoring_net",
        "OneDrive: link in the README of github.com/HRNet/HRNet-Bottom-Up-Pose-Estimation",
    ),
    ElsewherePublished(
        "pose_dekr_hrnetw{32,48}_coco.pth, final_rescore_coco_kpt.pth",
        "dekr_w32, dekr_w48, scoring_net",
        "OneDrive: link in the README of github.com/HRNet/DEKR",
    ),
    ElsewherePublished(
        "r50.pth",
        "smpr_r50",
        "Baidu (code aaaa): link in the README of github.com/cmdi-dlut/SMPR",
    ),
    ElsewherePublished(
        "snapshot_140.ckpt.{index,meta,data-00000-of-00001}",
        "posefix_r50, posefix_r101, posefix_r152",
        "Google Drive: link in the README of github.com/mks0601/PoseFix_RELEASE",
    ),
    ElsewherePublished(
        "none", "Graph-PCNN and KCAM", "never published: train them (posestream train)"
    ),
)
"""What a person must fetch, or nobody can."""
