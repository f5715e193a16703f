"""The shared videos as their README describes them."""

SHARED_CLIPS = {
    "corridor_two_walking_480x270_h264": ("h264", 480, 270, 12.5, 41),
    "lab_one_person_cam02_vp9": ("vp9", 1080, 1920, 60.0, 100),
    "lab_two_persons_cam01_h264": ("h264", 1088, 1920, 60.0, 100),
    "lab_two_persons_cam02_h264": ("h264", 1088, 1920, 60.0, 100),
    "lab_two_persons_cam03_h264": ("h264", 1088, 1920, 60.0, 100),
    "lab_two_persons_cam04_h264": ("h264", 1088, 1920, 60.0, 100),
    "one_by_one_persons_h264": ("h264", 768, 432, 10.0, 1394),
    "park_walk_sidecam_vp9": ("vp9", 1768, 994, 30.0, 230),
    "store_aisle_480x270_h264": ("h264", 480, 270, 16.7, 67),
    "street_static_vtest_h264": ("h264", 768, 576, 10.0, 795),
    "street_static_vtest_h265_200f": ("hevc", 768, 576, 10.0, 200),
    "studio_squats_5fps_h264": ("h264", 720, 1280, 5.0, 65),
    "worker_zone_480x270_h264": ("h264", 480, 270, 16.7, 71),
}
"""Name -> codec, width, height, frames a second, frames."""
