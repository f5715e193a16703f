// The kernels' loops on a processor, over the very body that the GPU runs.
#include "pixels.h"

using namespace posestream;

static void put(uint8_t *&out, Rgb value) {
  *out++ = value.red;
  *out++ = value.green;
  *out++ = value.blue;
}

extern "C" void render_canvases(const PictureView *pictures, const CanvasPlace *places,
                                uint8_t *out, int width, int height, int count) {
  for (int n = 0; n < count; ++n)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        put(out, canvas_pixel(pictures[places[n].picture], places[n], x, y));
}

extern "C" void cut_crops(const PictureView *pictures, const CropPlace *places, uint8_t *out,
                          int width, int height, int count) {
  for (int n = 0; n < count; ++n)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        put(out, crop_pixel(pictures[places[n].picture], places[n], x, y));
}
