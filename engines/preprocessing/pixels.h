// One pixel of a canvas or a crop, from a decoded picture. Compiles as CUDA and as plain C++17: the
// tests run it on a processor against `stream/picture.py` and `stream/crops.py`.
//
// Pixel centres lie at integers. The arithmetic is that of OpenCV 5, to the bit where it is integer:
// `cv2.resize` (INTER_AREA when shrinking, INTER_LINEAR when enlarging), `cv2.transform` and, within
// a level, `cv2.warpAffine`. Everything is rounded where OpenCV rounds: planes first, then colours.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define POSESTREAM_BODY __host__ __device__ inline
// Called fifteen times a pixel: one copy each, or a cubin takes 400 KB.
#define POSESTREAM_SHARED_BODY __host__ __device__ __noinline__
#define POSESTREAM_PLAIN_LOOP _Pragma("unroll 1")
#else
#define POSESTREAM_BODY inline
#define POSESTREAM_SHARED_BODY inline
#define POSESTREAM_PLAIN_LOOP
#endif

namespace posestream {

constexpr int kCanvasGrey = 114;      // stream.picture.CANVAS_GREY
constexpr int kColourBits = 10;       // of the colour matrix, as in cv2.transform on uint8
constexpr int kLinearScale = 1 << 11; // of the weights, as in cv2.resize on uint8
constexpr double kLeastShare = 1e-3;  // of a pixel under a box that still counts, as in cv2.resize

// The layouts of these three are repeated in `launch_tables.py`.
struct PictureView {
  const uint8_t *y;  // luma; or red of interleaved RGB
  const uint8_t *u;  // NV12: the plane of pairs; I420: its own plane
  const uint8_t *v;  // NV12: u + 1
  int32_t width, height;
  int32_t y_pitch, chroma_pitch;  // bytes from row to row
  int32_t chroma_step;            // bytes from column to column: 2 in NV12, 1 in I420
  int32_t is_rgb;
  int32_t colour[12];  // (3, 4) from (y, u, v, 1) to RGB, times 2^kColourBits; a half added
};

struct CanvasPlace {
  int32_t picture;  // which of the pictures
  int32_t inner_width, inner_height, left, top;
};

struct CropPlace {
  double to_source[6];  // (2, 3) from crop pixels to source pixels
  int32_t picture;      // which of the pictures
  int32_t unused;
};

static_assert(sizeof(PictureView) == 96, "launch_tables.py says 96");
static_assert(sizeof(CanvasPlace) == 20, "launch_tables.py says 20");
static_assert(sizeof(CropPlace) == 56, "launch_tables.py says 56");

struct Plane {
  const uint8_t *data;
  int width, height, pitch, step;
};

struct Rgb {
  uint8_t red, green, blue;
};

POSESTREAM_BODY int clamped(int value, int low, int high) {
  return value < low ? low : (value > high ? high : value);
}

POSESTREAM_BODY int at(const Plane &plane, int x, int y) {
  return plane.data[static_cast<int64_t>(y) * plane.pitch + static_cast<int64_t>(x) * plane.step];
}

POSESTREAM_BODY uint8_t level(float value) {
  return static_cast<uint8_t>(clamped(static_cast<int>(rintf(value)), 0, 255));
}

// Source pixels per target pixel. OpenCV divides twice, and so do we.
POSESTREAM_BODY double pace(int source, int target) {
  return 1.0 / (static_cast<double>(target) / source);
}

struct Tap {
  int first;
  int weight0, weight1;  // of first and first + 1, in units of 1 / kLinearScale
};

POSESTREAM_SHARED_BODY Tap tap(int target_index, int source, int target) {
  const float place = static_cast<float>((target_index + 0.5) * pace(source, target) - 0.5);
  const int first = static_cast<int>(floorf(place));
  const float share = place - static_cast<float>(first);
  return {first, static_cast<int>(rintf((1.f - share) * kLinearScale)),
          static_cast<int>(rintf(share * kLinearScale))};
}

POSESTREAM_BODY int row_sum(const Plane &plane, const Tap &x, int row) {
  const int y = clamped(row, 0, plane.height - 1);
  if (x.first < 0) return at(plane, 0, y) * kLinearScale;
  if (x.first >= plane.width - 1) return at(plane, plane.width - 1, y) * kLinearScale;
  return at(plane, x.first, y) * x.weight0 + at(plane, x.first + 1, y) * x.weight1;
}

POSESTREAM_SHARED_BODY int linear(const Plane &plane, int x, int y, int width, int height) {
  const Tap across = tap(x, plane.width, width), down = tap(y, plane.height, height);
  const int above = row_sum(plane, across, down.first) >> 4;
  const int below = row_sum(plane, across, down.first + 1) >> 4;
  const int sum = ((down.weight0 * above) >> 16) + ((down.weight1 * below) >> 16);
  return clamped((sum + 2) >> 2, 0, 255);
}

// What of the source lies under one target pixel: `first` to `last` whole, a share at both ends.
struct Box {
  int first, last;  // whole pixels, last exclusive
  float before, whole, after;
};

POSESTREAM_SHARED_BODY Box box(int target_index, int source, int target) {
  const double size = pace(source, target);
  const double begin = target_index * size, end = begin + size;
  const double cell = fmin(size, source - begin);
  const int last = clamped(static_cast<int>(floor(end)), 0, source - 1);
  const int first = static_cast<int>(fmin(ceil(begin), static_cast<double>(last)));
  Box found{first, last, 0.f, static_cast<float>(1.0 / cell), 0.f};
  if (first - begin > kLeastShare) found.before = static_cast<float>((first - begin) / cell);
  if (end - last > kLeastShare)
    found.after = static_cast<float>(fmin(fmin(end - last, 1.0), cell) / cell);
  return found;
}

POSESTREAM_SHARED_BODY float box_row(const Plane &plane, const Box &across, int y) {
  float sum = 0.f;
  if (across.before > 0.f) sum += at(plane, across.first - 1, y) * across.before;
  POSESTREAM_PLAIN_LOOP
  for (int x = across.first; x < across.last; ++x) sum += at(plane, x, y) * across.whole;
  if (across.after > 0.f) sum += at(plane, across.last, y) * across.after;
  return sum;
}

POSESTREAM_SHARED_BODY int average(const Plane &plane, int x, int y, int width, int height) {
  const Box across = box(x, plane.width, width), down = box(y, plane.height, height);
  float sum = 0.f;
  if (down.before > 0.f) sum += down.before * box_row(plane, across, down.first - 1);
  POSESTREAM_PLAIN_LOOP
  for (int row = down.first; row < down.last; ++row)
    sum += down.whole * box_row(plane, across, row);
  if (down.after > 0.f) sum += down.after * box_row(plane, across, down.last);
  return level(sum);
}

POSESTREAM_SHARED_BODY int whole_average(const Plane &plane, int x, int y, int across, int down) {
  int sum = 0;
  POSESTREAM_PLAIN_LOOP
  for (int row = y * down; row < (y + 1) * down; ++row)
    POSESTREAM_PLAIN_LOOP
    for (int column = x * across; column < (x + 1) * across; ++column)
      sum += at(plane, column, row);
  if (across == 2 && down == 2) return (sum + 2) >> 2;
  return level(sum * (1.f / (across * down)));
}

// Pixel (x, y) of the plane at another size. A letterbox never shrinks one side and enlarges the
// other (a test holds that), so there is no third way.
POSESTREAM_BODY int resized(const Plane &plane, int x, int y, int width, int height) {
  if (width == plane.width && height == plane.height) return at(plane, x, y);
  if (width >= plane.width && height >= plane.height) return linear(plane, x, y, width, height);
  if (plane.width % width == 0 && plane.height % height == 0)
    return whole_average(plane, x, y, plane.width / width, plane.height / height);
  return average(plane, x, y, width, height);
}

POSESTREAM_BODY uint8_t colour(const int32_t *row, int y, int u, int v) {
  const int sum = y * row[0] + u * row[1] + v * row[2] + row[3];
  return static_cast<uint8_t>(clamped(sum >> kColourBits, 0, 255));
}

POSESTREAM_BODY Plane plane_of(const PictureView &view, int channel) {
  if (view.is_rgb) return {view.y + channel, view.width, view.height, view.y_pitch, 3};
  if (!channel) return {view.y, view.width, view.height, view.y_pitch, 1};
  return {channel == 1 ? view.u : view.v, (view.width + 1) / 2, (view.height + 1) / 2,
          view.chroma_pitch, view.chroma_step};
}

// Pixel (x, y) of the whole picture in RGB at another size; its own size makes it `to_rgb`.
POSESTREAM_BODY Rgb scaled_rgb(const PictureView &view, int x, int y, int width, int height) {
  const int first = resized(plane_of(view, 0), x, y, width, height);
  const int second = resized(plane_of(view, 1), x, y, width, height);
  const int third = resized(plane_of(view, 2), x, y, width, height);
  if (view.is_rgb)
    return {static_cast<uint8_t>(first), static_cast<uint8_t>(second), static_cast<uint8_t>(third)};
  return {colour(view.colour, first, second, third), colour(view.colour + 4, first, second, third),
          colour(view.colour + 8, first, second, third)};
}

POSESTREAM_BODY Rgb canvas_pixel(const PictureView &view, const CanvasPlace &place, int x, int y) {
  const int column = x - place.left, row = y - place.top;
  const bool inside = column >= 0 && row >= 0 && column < place.inner_width &&
                      row < place.inner_height;
  if (!inside) return {kCanvasGrey, kCanvasGrey, kCanvasGrey};
  return scaled_rgb(view, column, row, place.inner_width, place.inner_height);
}

// Black beyond the border, as `cv2.warpAffine` has it.
POSESTREAM_SHARED_BODY Rgb source_pixel(const PictureView &view, int x, int y) {
  if (x < 0 || y < 0 || x >= view.width || y >= view.height) return {0, 0, 0};
  return scaled_rgb(view, x, y, view.width, view.height);
}

POSESTREAM_BODY uint8_t mixed(uint8_t a, uint8_t b, uint8_t c, uint8_t d, float right, float down) {
  const float above = a + right * (b - a), below = c + right * (d - c);
  return level(above + down * (below - above));
}

POSESTREAM_BODY Rgb crop_pixel(const PictureView &view, const CropPlace &place, int x, int y) {
  const double *to = place.to_source;
  const double across = to[0] * x + to[1] * y + to[2], along = to[3] * x + to[4] * y + to[5];
  // Also where numbers are too large for an integer; such a crop shows nothing but black.
  if (!(across > -1.0 && along > -1.0 && across < view.width && along < view.height))
    return {0, 0, 0};
  const int left = static_cast<int>(floor(across)), top = static_cast<int>(floor(along));
  const float right = static_cast<float>(across - left), down = static_cast<float>(along - top);
  const Rgb a = source_pixel(view, left, top), b = source_pixel(view, left + 1, top);
  const Rgb c = source_pixel(view, left, top + 1), d = source_pixel(view, left + 1, top + 1);
  return {mixed(a.red, b.red, c.red, d.red, right, down),
          mixed(a.green, b.green, c.green, d.green, right, down),
          mixed(a.blue, b.blue, c.blue, d.blue, right, down)};
}

}  // namespace posestream
