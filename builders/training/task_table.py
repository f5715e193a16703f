"""Which networks can be trained: one line each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builders.training.bottom_up_task import BottomUpSettings, BottomUpTask
from builders.training.compact_start import CompactSettings
from builders.training.graph_pcnn_task import GraphPcnnSettings, GraphPcnnTask
from builders.training.hgg_task import HggSettings, HggTask
from builders.training.kcam_task import KcamTask, KcamTaskSettings
from builders.training.person_detector_task import DetectorSettings, PersonDetectorTask
from builders.training.posefix_task import PoseFixSettings, PoseFixTask
from builders.training.scoring_task import ScoringSettings, ScoringTask
from builders.training.settings import Folders, Frozen
from builders.training.smpr_at_joints_task import SmprAtJointsSettings, SmprAtJointsTask
from builders.training.smpr_task import CompactSmprTask, SmprSettings, SmprTask
from builders.training.task import TrainingTask
from builders.training.topdown_task import HeatmapTask, TopDownSettings


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task's settings section and what makes the task from it."""

    settings: type[Frozen]
    make: Callable[[Any, Folders], TrainingTask]


TASKS = {
    "compact_bottom_up": TaskEntry(BottomUpSettings, BottomUpTask),
    "compact_smpr": TaskEntry(CompactSettings, CompactSmprTask),
    "graph_pcnn": TaskEntry(GraphPcnnSettings, GraphPcnnTask),
    "heatmap": TaskEntry(TopDownSettings, HeatmapTask),
    "hgg": TaskEntry(HggSettings, HggTask),
    "kcam": TaskEntry(KcamTaskSettings, KcamTask),
    "person_detector": TaskEntry(DetectorSettings, PersonDetectorTask),
    "posefix": TaskEntry(PoseFixSettings, PoseFixTask),
    "scoring_net": TaskEntry(ScoringSettings, ScoringTask),
    "smpr_at_joints": TaskEntry(SmprAtJointsSettings, SmprAtJointsTask),
    "smpr": TaskEntry(SmprSettings, SmprTask),
}
"""By the recipe's `network`."""
