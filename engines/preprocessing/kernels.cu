// A batch of canvases or crops in one launch: grid (columns, rows, which of the batch). All pointers
// are of the device; `out` is uint8 (batch, height, width, 3), what the graphs take.
#include "pixels.h"

using posestream::CanvasPlace;
using posestream::CropPlace;
using posestream::PictureView;
using posestream::Rgb;

__device__ inline void put(uint8_t *out, int x, int y, int width, int height, Rgb value) {
  uint8_t *pixel = out + ((static_cast<int64_t>(blockIdx.z) * height + y) * width + x) * 3;
  pixel[0] = value.red;
  pixel[1] = value.green;
  pixel[2] = value.blue;
}

extern "C" __global__ void render_canvases(const PictureView *pictures, const CanvasPlace *places,
                                           uint8_t *out, int width, int height) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  const CanvasPlace &place = places[blockIdx.z];
  put(out, x, y, width, height, posestream::canvas_pixel(pictures[place.picture], place, x, y));
}

extern "C" __global__ void cut_crops(const PictureView *pictures, const CropPlace *places,
                                     uint8_t *out, int width, int height) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  const CropPlace &place = places[blockIdx.z];
  put(out, x, y, width, height, posestream::crop_pixel(pictures[place.picture], place, x, y));
}
